"""Files that were read, and the one text they make together."""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from aie.core import JSON

__all__ = ["Part", "PlacedLine", "joined", "shows"]

BETWEEN: Final = "\n\n"
"""What stands between pages and between parts in the joined text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedLine:
    """A line that was recognised, and where it stands."""

    page: int
    """Position of its page in the part, from 0."""
    start: int
    """First character, in the page's text."""
    end: int
    box: tuple[int, int, int, int]
    """Left, top, right, bottom: pixels of a picture, points of a PDF's page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One file that was read."""

    name: str
    kind: str
    """Its format: `pdf`, `docx`, `eml` …"""
    pages: tuple[str, ...]
    """Text of each page; one for a file without pages."""
    paged: bool = False
    """True when its format has pages, sheets or slides."""
    lines: tuple[PlacedLine, ...] = ()
    """Lines of pages that were recognised from pictures."""
    missing: frozenset[int] = frozenset()
    """Positions of pages that could not be read, from 0; their text is empty."""
    notes: Mapping[str, JSON] = field(default_factory=dict)
    """What the record shall say of how it was read."""


def joined(parts: Sequence[Part]) -> dict[str, JSON]:
    """Return `{text, pages, parts}` of files read together, and their `lines` where pictures were recognised.

    One file without pages has none here either. Of several files each has at least one page, and pages are counted
    through, so that every character of the text stands on one.
    """
    texts: list[str] = []
    pages: list[JSON] = []
    spans: list[JSON] = []
    lines: list[JSON] = []
    at = 0
    paged = len(parts) > 1 or any(part.paged for part in parts)
    for part in parts:
        begin, before = at, len(texts)
        for page in part.pages:
            texts.append(page)
            if paged:
                pages.append({"number": len(texts), "start": at, "end": at + len(page)})
            lines.extend(
                {"start": at + line.start, "end": at + line.end, "page": len(texts), "box": list(line.box)}
                for line in part.lines
                if line.page == len(texts) - before - 1
            )
            at += len(page) + len(BETWEEN)
        spans.append({"name": part.name, "kind": part.kind, "start": begin, "end": max(begin, at - len(BETWEEN))})
    data: dict[str, JSON] = {"text": BETWEEN.join(texts), "pages": pages, "parts": spans}
    return {**data, "lines": lines} if lines else data


def shows(text: str) -> bool:
    """Whether any character leaves a mark on paper: neither space nor control nor invisible."""
    return any(not character.isspace() and unicodedata.category(character) not in ("Cc", "Cf") for character in text)
