"""Read a table in text, its cells between commas, semicolons, tabs or bars; the engine has decoded it to UTF-8."""

import collections
import csv
import io

from .refusing import MOST_CHARACTERS, Refused, answered
from .rows import line

_SEPARATORS = ",;\t|"
_LOOKED_AT = 1 << 16
"""Characters from which the separator is told."""

csv.field_size_limit(MOST_CHARACTERS)


@answered
def read(content: bytes) -> dict[str, object]:
    """Return the rows as lines. Rows of another length than most are kept, and counted in the notes."""
    text = content.decode()
    separator = _separator(text)
    rows = [row for row in _rows(text, separator) if row]
    lengths = collections.Counter(map(len, rows))
    usual = lengths.most_common(1)[0][1] if lengths else 0
    return {
        "kind": "csv",
        "text": "\n".join(map(line, rows)),
        "notes": {"separator": separator, "rows": len(rows), "odd_rows": len(rows) - usual},
    }


def _rows(text: str, separator: str) -> list[list[str]]:
    try:
        return list(csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True))
    except csv.Error as error:
        if "unexpected end" in str(error):
            raise Refused("truncated", "the table ends inside quotes") from error
    try:  # quotes inside of cells that nobody doubled: wrong, common, and readable
        return list(csv.reader(io.StringIO(text, newline=""), delimiter=separator))
    except csv.Error as error:
        raise Refused("invalid_input", "the table's quotes do not match") from error


def _separator(text: str) -> str:
    """Return what separates cells: what parts most lines of the head into equally many, the more the better."""
    head = text[:_LOOKED_AT].splitlines()

    def agreement(separator: str) -> tuple[int, int]:
        counts = collections.Counter(each.count(separator) for each in head)
        counts.pop(0, None)
        most = counts.most_common(1)
        return (most[0][1], most[0][0]) if most else (0, 0)

    return max(_SEPARATORS, key=agreement)


SAMPLE = b"a,b\n1,2\n"
"""Read once at the start: it loads what the library loads late."""
