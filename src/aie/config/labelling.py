"""Labels that people gave to the cases of a dataset, in a file beside it: the dataset's own file is never changed.

A line is `{"id", "expected": {NAME: VALUE}, "by", "at"}`; a later line about a case takes the place of an earlier one.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aie.core import JSON, read_file, read_json
from aie.errors import InputError

__all__ = ["GivenLabel", "append_labels", "read_labels"]

_LARGEST: Final = 256_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenLabel:
    """What a person said a case should give."""

    id: str
    expected: Mapping[str, JSON]
    by: str
    """Who said so."""
    at: str
    """When, `2026-11-22T10:00:00Z`."""

    def to_json(self) -> dict[str, JSON]:
        """Return a line of the file."""
        return {"id": self.id, "expected": dict(self.expected), "by": self.by, "at": self.at}


def read_labels(path: Path) -> dict[str, GivenLabel]:
    """Return the latest label of each case; of a file that is not there yet, none.

    Raises:
        InputError: with `file:line`, at the first line that is no label.
    """
    if not path.exists():
        return {}
    found: dict[str, GivenLabel] = {}
    try:
        lines = read_file(path, at_most=_LARGEST).decode().split("\n")  # not splitlines: a text may hold U+2028
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path.name} cannot be read: {type(error).__name__}") from error
    for number, line in enumerate(lines, 1):
        if line.strip():
            label = _label(line, f"{path.name}:{number}")
            found[label.id] = label
    return found


def append_labels(path: Path, labels: list[GivenLabel]) -> None:
    """Add labels to the file, each as a line, all of them or none as far as a file system can promise.

    Raises:
        InputError: the file cannot be written.
    """
    text = "".join(json.dumps(each.to_json(), ensure_ascii=False, sort_keys=True) + "\n" for each in labels)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {(error.strerror or 'error').lower()}") from error


def _label(line: str, place: str) -> GivenLabel:
    try:
        data = read_json(line)
    except InputError as error:
        raise InputError(f"{place}: not JSON") from error
    match data:
        case {"id": str(id_), "expected": dict(expected), **rest}:
            return GivenLabel(id=id_, expected=expected, by=str(rest.get("by", "")), at=str(rest.get("at", "")))
        case _:
            raise InputError(f"{place}: no label", hints=('a line is {"id": …, "expected": {…}}',))
