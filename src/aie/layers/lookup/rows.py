"""Rows, whatever they came from: read by their schema, found by their key."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, cast

from aie.config import mismatches, read_schema
from aie.core import JSON, canonical, read_json
from aie.errors import Failure, InputError, StepFailure

__all__ = ["Answer", "BadTable", "Loader", "Rows", "exact", "key_of", "shaped"]

_TOLD_AT_MOST: Final = 5
_TRUTH: Final = {"true": True, "false": False}


class BadTable(ValueError):
    """A file of rows that cannot be used; the message names lines and columns, never a value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a system of record said."""

    row: dict[str, JSON] | None
    """None: it has no such row."""
    read_at: int | None = None
    """Microseconds since the epoch at which this was so; None: of no moment, as a release or a fixture has it."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows by their key."""

    by_key: Mapping[bytes, dict[str, JSON]]

    def find(self, by: Mapping[str, JSON]) -> dict[str, JSON] | None:
        """Return the row of a key, None when there is none."""
        return self.by_key.get(key_of(by))


def key_of(by: Mapping[str, JSON]) -> bytes:
    """Return one form of a key: a table's columns are text, so numbers are compared as they are written."""
    return canonical(
        {name: str(value) if not isinstance(value, bool) else str(value).lower() for name, value in by.items()}
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Loader:
    """Reads a file of rows; equal loaders of equal files read the same, so that a process reads each file once."""

    form: str
    """`csv`, `jsonl` or `fixtures`."""
    by: tuple[str, ...]
    schema: bytes
    """JSON Schema of one row."""

    def __call__(self, content: bytes) -> Rows:
        """Read the rows.

        Raises:
            BadTable: the file cannot be used.
        """
        schema = read_schema(self.schema)
        if self.form == "fixtures":
            return _fixtures(content, self.by, schema)
        return _table(content, self.form, self.by, schema)


def _table(content: bytes, form: str, by: Sequence[str], schema: JSON) -> Rows:
    """Read a table, `csv` or `jsonl`.

    Raises:
        BadTable: a row is not as the schema says, or two have one key.
    """
    found: dict[bytes, dict[str, JSON]] = {}
    for line, given in _csv(content, schema) if form == "csv" else _lines(content):
        row = _checked(given, schema, line)
        if any(name not in given for name in by):
            raise BadTable(f"line {line}: no {', '.join(name for name in by if name not in given)}")
        key = key_of({name: given[name] for name in by})
        if key in found:
            raise BadTable(f"line {line}: its {', '.join(by)} stands twice")
        found[key] = row
    return Rows(found)


def _fixtures(content: bytes, by: Sequence[str], schema: JSON) -> Rows:
    """Read fixtures: lines of `{"by": {…}, "row": {…}}`; a row of null is one that is not there.

    Raises:
        BadTable: a line has another form, or two have one key.
    """
    found: dict[bytes, dict[str, JSON]] = {}
    known: set[bytes] = set()
    for line, given in _lines(content):
        asked = given.get("by")
        if not isinstance(asked, dict) or asked.keys() != set(by) or "row" not in given:
            raise BadTable(f'line {line}: {{"by": {{{", ".join(by)}}}, "row": …}} expected')
        key = key_of(asked)
        if key in known:
            raise BadTable(f"line {line}: its `by` stands twice")
        known.add(key)
        if given["row"] is not None:
            if not isinstance(given["row"], dict):
                raise BadTable(f"line {line}: `row` is no object")
            found[key] = _checked(given["row"], schema, line)
    return Rows(found)


def shaped(row: Mapping[str, JSON], schema: JSON) -> dict[str, JSON]:
    """Return the fields of a row that the schema names.

    Raises:
        StepFailure: INVALID_OUTPUT; the row is not as the schema says.
    """
    taken = _taken(row, schema)
    wrong = [str(each) for _, each in zip(range(_TOLD_AT_MOST), mismatches(schema, taken), strict=False)]
    if wrong:
        raise StepFailure(Failure.INVALID_OUTPUT, f"the row is not as described: {'; '.join(wrong)}")
    return taken


def _checked(given: Mapping[str, JSON], schema: JSON, line: int) -> dict[str, JSON]:
    try:
        return shaped(given, schema)
    except StepFailure as error:
        raise BadTable(f"line {line}: {error.message}") from error


def _properties(schema: JSON) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", schema.get("properties") or {}) if isinstance(schema, dict) else {}


def _taken(row: Mapping[str, JSON], schema: JSON) -> dict[str, JSON]:
    names = _properties(schema)
    return {name: row[name] for name in names if name in row}


def _lines(content: bytes) -> Iterator[tuple[int, dict[str, JSON]]]:
    for number, text in enumerate(_text(content).split("\n"), 1):
        if not text.strip():
            continue
        try:
            value = read_json(text)
        except InputError as error:
            raise BadTable(f"line {number}: {error.message}") from error
        if not isinstance(value, dict):
            raise BadTable(f"line {number}: an object expected")
        yield number, value


def _csv(content: bytes, schema: JSON) -> Iterator[tuple[int, dict[str, JSON]]]:
    reader = csv.DictReader(io.StringIO(_text(content), newline=""), strict=True)
    names = _properties(schema)
    try:
        for row in reader:
            if None in row or None in row.values():
                raise BadTable(f"line {reader.line_num}: not as many columns as the heading has")
            yield reader.line_num, {name: _cell(text, names.get(name)) for name, text in row.items()}
    except csv.Error as error:
        raise BadTable(f"line {reader.line_num}: not CSV") from error


def _cell(text: str, schema: Any) -> JSON:
    """Return what a cell says, as its column's type reads it; what it cannot read stays text, and is refused."""
    kinds = schema.get("type", "string") if isinstance(schema, dict) else "string"
    allowed = kinds if isinstance(kinds, list) else [kinds]
    if text == "" and "null" in allowed:
        return None
    if "integer" in allowed and text.removeprefix("-").isdecimal() and text.isascii():
        return int(text)
    if "boolean" in allowed:
        return _TRUTH.get(text.strip().lower(), text)
    return text


def _text(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadTable("it is not UTF-8") from error


def exact(value: object) -> JSON:
    """Return a database's value as JSON without floats.

    Raises:
        StepFailure: INVALID_OUTPUT; it has no such form.
    """
    match value:
        case None | bool() | int() | str():
            return value
        case Decimal():
            return f"{value:f}"
        case float():
            return f"{Decimal(repr(value)):f}"
        case _ if hasattr(value, "isoformat"):
            return str(value.isoformat())
        case _:
            raise StepFailure(Failure.INVALID_OUTPUT, f"a column holds {type(value).__name__}, which no row can")
