"""A source prepared for rules: folded, with its lines and its cells."""

import re
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Final, TypeVar, cast

from aie.fields.contract import Source
from aie.fields.normalise.folding import fold

__all__ = ["Cell", "Prepared", "Stretch", "phrases"]

T = TypeVar("T")

_GAP: Final = re.compile(r"\t+|[ \u00a0]{2,}| ?\| ?")
_WIDE: Final = 1_000
"""Width of a cell that is told by its number in the line: tabs and bars have no columns of characters."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Characters of the text from `start` to before `end`."""

    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A piece of text with its place on the page; in a text without boxes, lines and columns of characters."""

    start: int
    end: int
    page: int
    left: int
    top: int
    right: int
    bottom: int

    def beside(self, other: "Cell") -> bool:
        """Whether most of the lower of both stands at the height of the other."""
        shared = min(self.bottom, other.bottom) - max(self.top, other.top)
        return self.page == other.page and 2 * shared > min(self.bottom - self.top, other.bottom - other.top)

    def above(self, other: "Cell") -> bool:
        """Whether it stands above the other, sharing some of its width."""
        shares = min(self.right, other.right) > max(self.left, other.left)
        return self.page == other.page and shares and self.top + self.bottom < other.top + other.bottom


class Prepared:
    """A source with what rules ask of it, each made when first asked for."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.text = source.text
        self._kept: dict[object, Any] = {}

    def kept(self, find: Callable[["Prepared"], T]) -> T:
        """Return what a function makes of this page, made once however many rules ask for it."""
        if find not in self._kept:
            self._kept[find] = find(self)
        found: T = self._kept[find]
        return found

    @cached_property
    def folded(self) -> str:
        """The text folded, character for character."""
        return fold(self.text)

    @cached_property
    def line_starts(self) -> Sequence[int]:
        """Where each line begins."""
        return [0, *(match.end() for match in re.finditer("\n", self.text))]

    def line_of(self, at: int) -> int:
        """Return the 0-based number of the line on which a character stands."""
        return bisect_right(self.line_starts, at) - 1

    def line(self, number: int) -> Stretch:
        """Return a line without its end; the nearest one where there is no such line."""
        number = max(0, min(number, len(self.line_starts) - 1))
        after = number + 1
        end = self.line_starts[after] - 1 if after < len(self.line_starts) else len(self.text)
        return Stretch(self.line_starts[number], end)

    @cached_property
    def cells(self) -> Sequence[Cell]:
        """The pieces of the page: its boxes, else what gaps, tabs and bars divide the lines into."""
        boxed = [_boxed(cast("Any", line)) for line in self.source.lines if line.get("box")]
        return boxed or [cell for number in range(len(self.line_starts)) for cell in self._divided(number)]

    def _divided(self, number: int) -> Sequence[Cell]:
        line = self.line(number)
        found: list[Cell] = []
        begin = line.start
        gaps = [match.span() for match in _GAP.finditer(self.text, line.start, line.end)]
        counted = any("\t" in self.text[start:end] or "|" in self.text[start:end] for start, end in gaps)
        for start, end in (*gaps, (line.end, line.end)):
            if start > begin:
                left = _WIDE * len(found) if counted else begin - line.start
                right = left + _WIDE - 1 if counted else start - line.start
                found.append(
                    Cell(start=begin, end=start, page=0, left=left, right=right, top=2 * number, bottom=2 * number + 2)
                )
            begin = end
        return found


def _boxed(line: dict[str, Any]) -> Cell:
    left, top, right, bottom = line["box"]
    return Cell(
        start=line["start"],
        end=line["end"],
        page=line.get("page") or 0,
        left=left,
        top=min(top, bottom),
        right=right,
        bottom=max(top, bottom),
    )


@lru_cache(maxsize=1_024)
def phrases(texts: tuple[str, ...]) -> re.Pattern[str]:
    """Return the pattern that finds any of the phrases in a folded text: fixed words, so linear in its length."""
    written = sorted({" ".join(fold(text).split()) for text in texts}, key=lambda each: (-len(each), each))
    return re.compile("|".join(_phrase(each) for each in written))


def _phrase(text: str) -> str:
    # A word border only where the phrase itself begins or ends with a letter or digit: `(the "` borders on anything.
    body = r"\s+".join(map(re.escape, text.split(" ")))
    before, after = r"(?<!\w)" if text[0].isalnum() else "", r"(?!\w)" if text[-1].isalnum() else ""
    return f"{before}{body}{after}"
