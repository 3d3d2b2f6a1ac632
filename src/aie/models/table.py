"""Features of a case to yes-or-no marks: the one encoding that training and inference of tabular classifiers share.

A category has a mark for each of its known values, a number one for each place where it may be cut, and every feature
one for being missing. Values are compared as texts and decimals, never as floats, so that the same case gives the same
marks on every machine.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Final, Literal

from aie.core import JSON
from aie.errors import InputError

__all__ = ["Column", "Table", "category", "number"]

_LONGEST: Final = 200
"""Characters of a category or of a number that is written as a text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One feature."""

    name: str
    kind: Literal["category", "number"]
    values: tuple[str, ...]
    """Known categories, or the rising decimals that a number may be cut at."""

    def to_json(self) -> dict[str, JSON]:
        """Return the form that stands in an artefact."""
        return {"name": self.name, "kind": self.kind, "values": list(self.values)}


class Table:
    """The marks of a case; immutable, safe to share between threads."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self.columns = tuple(columns)
        self.size = sum(1 + len(column.values) for column in self.columns)
        """Number of marks."""
        self.owners = tuple(column.name for column in self.columns for _ in range(1 + len(column.values)))
        """The feature that each mark belongs to."""
        self._known = [{value: at for at, value in enumerate(column.values, 1)} for column in self.columns]
        self._edges = [
            [Decimal(value) for value in column.values] if column.kind == "number" else [] for column in self.columns
        ]
        if any(edges != sorted(set(edges)) for edges in self._edges):
            raise ValueError("the cuts of a number do not rise")

    def marks(self, row: Mapping[str, JSON]) -> bytearray:
        """Return the marks of a case, 1 where one is set; a category that training did not see sets none.

        Raises:
            InputError: a value that is no category or no number; it is not named, its feature is.
        """
        made = bytearray(self.size)
        for at in self._set(row):
            made[at] = 1
        return made

    def _set(self, row: Mapping[str, JSON]) -> Iterator[int]:
        start = 0
        for column, known, edges in zip(self.columns, self._known, self._edges, strict=True):
            given = row[column.name]
            if column.kind == "category":
                text = category(column.name, given)
                place = 0 if text is None else known.get(text)
                if place is not None:
                    yield start + place
            else:
                value = number(column.name, given)
                if value is None:
                    yield start
                else:
                    yield from (start + at for at, edge in enumerate(edges, 1) if value > edge)
            start += 1 + len(column.values)


def category(feature: str, given: JSON) -> str | None:
    """Return the text of a category; None when it is missing.

    Raises:
        InputError: a list, an object or a very long text.
    """
    if given is None or given == "":
        return None
    if isinstance(given, str | int) and len(str(given)) <= _LONGEST:  # a truth value is an int, too
        return str(given).lower() if isinstance(given, bool) else str(given)
    raise InputError(
        f"the feature `{feature}` is no category", hints=(f"give a text of at most {_LONGEST} characters",)
    )


def number(feature: str, given: JSON) -> Decimal | None:
    """Return a number; None when it is missing.

    Raises:
        InputError: no number.
    """
    if given is None or given == "":
        return None
    if isinstance(given, str | int) and not isinstance(given, bool) and len(str(given)) <= _LONGEST:
        try:
            value = Decimal(given)
        except InvalidOperation:
            value = Decimal("NaN")
        if value.is_finite():
            return value
    raise InputError(f"the feature `{feature}` is no number", hints=("give a number, or nothing where it is missing",))
