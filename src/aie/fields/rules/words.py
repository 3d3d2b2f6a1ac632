"""The words of a text with the marks around them, as names are made of them."""

import re
from dataclasses import dataclass, replace
from typing import Final

from aie.fields.normalise.folding import fold
from aie.fields.rules.page import Prepared

__all__ = ["Word", "words"]

_WORD: Final = re.compile(r"\S+")
_OPENS: Final = "(\"“‘'«[*_"
_CLOSES: Final = ".,;:)\"”’'»]*_"
_WRAPPED: Final = 50
"""A line this long ends because the paper does: a name may go on after it."""
_SHORT: Final = 3
"""A dot after a word this short is that of an abbreviation."""
_LONGER: Final = frozenset({"corp", "bros", "intl", "assn"})
"""Abbreviations that are longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """A word without the marks around it."""

    start: int
    end: int
    text: str
    key: str
    """Folded, without dots."""
    opens: bool
    """A bracket or quote stands before it."""
    closed: str
    """Marks after it."""
    breaks: bool
    """A line ends after it that need not go on."""

    @property
    def is_capital(self) -> bool:
        """Whether it looks like a part of a proper name: a capital anywhere in it, or a figure first."""
        return self.text[0].isdigit() or any(each.isupper() for each in self.text)

    @property
    def goes_on(self) -> bool:
        """Whether a name may go on after it: no mark but the dot of an abbreviation, no end of a line."""
        return not self.breaks and (self.closed == "" or (self.closed == "." and self.is_short))

    @property
    def is_short(self) -> bool:
        """Whether a dot after it is that of an abbreviation or initial."""
        return len(self.text) <= _SHORT or "." in self.text or self.key in _LONGER


def words(page: Prepared) -> list[Word]:
    """Return the words of the text; a mark that stands alone belongs to the word before it."""
    found: list[Word] = []
    for match in _WORD.finditer(page.text):
        raw = match[0]
        if raw == "&":
            core = inner = raw
        else:
            inner = raw.lstrip(_OPENS)
            core = inner.rstrip(_CLOSES)
        if inner[len(core) :][:1] in ("’", "'") and core.endswith("s") and len(inner) == len(raw):
            core = inner[: len(core) + 1]
        if not core:
            if found:
                found[-1] = replace(found[-1], closed=found[-1].closed + raw)
            continue
        start = match.start() + len(raw) - len(inner)
        found.append(
            Word(
                start=start,
                end=start + len(core),
                text=core,
                key=fold(core).replace(".", ""),
                opens=len(inner) < len(raw),
                closed=inner[len(core) :],
                breaks=_breaks(page, match.end(), dotted="." in inner[len(core) :] and len(core) > 1),
            )
        )
    return found


def _breaks(page: Prepared, at: int, *, dotted: bool) -> bool:
    if page.text[at : at + 1] != "\n":
        return False
    if dotted:
        return True
    line = page.line(page.line_of(at))
    return line.end - line.start < _WRAPPED or page.text[at : at + 2] == "\n\n"
