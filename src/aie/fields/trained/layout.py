"""A source as lines and words with their places: the one view of a document that candidates and features share.

Where the document came with boxes, rows and columns are read from them. A text without boxes is its own geometry: a
line is a row, a column is an indent.
"""

import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, TypeAlias, cast

from aie.fields.contract import Source

__all__ = ["EXTENT", "Layout", "Line", "Word"]

_Place: TypeAlias = tuple[int, int, int, int, int]
"""Page, left, top, right, bottom."""

EXTENT: Final = 1000
"""Width and height of the part of a page that holds any words, in the units of `Layout.place`."""
_WORD: Final = re.compile(r"\w+|[^\w\s]")
_DIGITS: Final = re.compile(r"\d")
_LONGEST: Final = 6
"""Figures beyond which a number's length says nothing more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """A run of letters and figures, or one mark."""

    start: int
    end: int
    line: int
    """Position among the lines."""
    form: str
    """Case and figures folded: the same for `Total`, `TOTAL`; `12.50` and `99.10` differ only in length."""
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the source, in the order of its text."""

    start: int
    end: int
    page: int
    left: int
    top: int
    right: int
    bottom: int
    first: int
    """Position of its first word among the words."""
    last: int
    """One past its last word."""


class Layout:
    """The lines and words of one source."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.text = source.text
        self.words: list[Word] = []
        self.lines: list[Line] = []
        for start, end, place in _boxed(source) if source.lines else _written(source):
            self._add(start, end, place)
        self.starts = [word.start for word in self.words]
        """Offsets of the words, rising."""

    def _add(self, start: int, end: int, place: _Place) -> None:
        first = len(self.words)
        for found in _WORD.finditer(self.text, start, end):
            text = found.group()
            self.words.append(
                Word(start=found.start(), end=found.end(), line=len(self.lines), form=_form(text), text=text)
            )
        if len(self.words) == first:
            return
        page, left, top, right, bottom = place
        self.lines.append(
            Line(
                start=self.words[first].start,
                end=self.words[-1].end,
                page=page,
                left=left,
                top=top,
                right=right,
                bottom=bottom,
                first=first,
                last=len(self.words),
            )
        )

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Return the words that a stretch of the text touches, as a half-open range."""
        first = max(0, bisect_right(self.starts, start) - 1)
        if first < len(self.words) and self.words[first].end <= start:
            first += 1
        return first, max(first, bisect_right(self.starts, end - 1))

    def forms(self, first: int, last: int) -> list[str]:
        """Return the forms of a range of words; what lies outside the text is left out."""
        return [word.form for word in self.words[max(0, first) : max(0, last)]]

    @cached_property
    def rows(self) -> list[list[int]]:
        """Lines that stand beside each other, left to right; rows from top to bottom of each page."""
        order = sorted(range(len(self.lines)), key=lambda each: (self.lines[each].page, self._middle(each)))
        rows: list[list[int]] = []
        for each in order:
            line = self.lines[each]
            before = self.lines[rows[-1][0]] if rows else None
            if (
                before is not None
                and before.page == line.page
                and before.top <= self._middle(each) // 2 < before.bottom
            ):
                rows[-1].append(each)
            else:
                rows.append([each])
        for row in rows:
            row.sort(key=lambda each: (self.lines[each].left, each))
        return rows

    @cached_property
    def row_of(self) -> dict[int, tuple[int, int]]:
        """Row of each line and its place in the row."""
        return {each: (number, place) for number, row in enumerate(self.rows) for place, each in enumerate(row)}

    @cached_property
    def extents(self) -> dict[int, tuple[int, int, int, int]]:
        """The part of each page that holds any words: left, top, width and height."""
        pages: dict[int, tuple[int, int, int, int]] = {}
        for line in self.lines:
            left, top, right, bottom = pages.get(line.page, (line.left, line.top, line.right, line.bottom))
            pages[line.page] = (
                min(left, line.left),
                min(top, line.top),
                max(right, line.right),
                max(bottom, line.bottom),
            )
        return {
            page: (left, top, max(1, right - left), max(1, bottom - top))
            for page, (left, top, right, bottom) in pages.items()
        }

    def place(self, line: Line) -> tuple[int, int, int, int]:
        """Return left, top, right and bottom of a line in `EXTENT`ths of its page."""
        left, top, width, height = self.extents[line.page]
        return (
            EXTENT * (line.left - left) // width,
            EXTENT * (line.top - top) // height,
            EXTENT * (line.right - left) // width,
            EXTENT * (line.bottom - top) // height,
        )

    @cached_property
    def height(self) -> int:
        """The usual height of a line; at least 1."""
        heights = sorted(line.bottom - line.top for line in self.lines)
        return max(1, heights[len(heights) // 2]) if heights else 1

    def _middle(self, each: int) -> int:
        return self.lines[each].top + self.lines[each].bottom


def _form(text: str) -> str:
    folded = text.casefold()
    if folded.isdigit():
        return "0" * min(len(folded), _LONGEST)
    return _DIGITS.sub("0", folded)


def _written(source: Source) -> list[tuple[int, int, _Place]]:
    """Return the lines of a text that has no boxes."""
    found, start = [], 0
    for line in source.text.split("\n"):
        if line.strip():
            found.append((start, start + len(line), len(line) - len(line.lstrip()), len(line.rstrip())))
        start += len(line) + 1
    return [
        (start, end, (source.page(start) or 0, left, number, right, number + 1))
        for number, (start, end, left, right) in enumerate(found)
    ]


def _boxed(source: Source) -> list[tuple[int, int, _Place]]:
    """Return the lines that came with boxes."""
    made = []
    for line in cast("Sequence[Mapping[str, Any]]", source.lines):
        left, top, right, bottom = (int(each) for each in line["box"])
        made.append((int(line["start"]), int(line["end"]), (int(line.get("page") or 0), left, top, right, bottom)))
    return sorted(made)
