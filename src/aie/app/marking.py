"""Marks over a text, as HTML: overlapping places become one run of characters each."""

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape as escape_markup
from itertools import pairwise
from typing import Literal

from aie.core import visible

__all__ = ["Mark", "escape", "marked"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A place in a text."""

    start: int
    """First character, 0-based."""
    end: int
    """One past the last."""
    kind: Literal["mark", "left-out"]
    """What the place is shown as; where both claim a character, `mark` wins."""
    title: str
    """Why it is marked."""


def escape(text: str) -> str:
    """Return text as HTML that shows exactly this: no markup, and nothing that hides or turns what stands beside it."""
    return escape_markup(visible(text, keep="\n\t"), quote=True)


def marked(text: str, marks: Iterable[Mark]) -> str:
    """Return the text, escaped, with its places marked."""
    placed = sorted((mark for mark in marks if 0 <= mark.start < mark.end <= len(text)), key=lambda each: each.start)
    edges = sorted({0, len(text), *(mark.start for mark in placed), *(mark.end for mark in placed)})
    parts = []
    for start, end in pairwise(edges):
        here = [mark for mark in placed if mark.start <= start and end <= mark.end]
        parts.append(_span(text[start:end], here))
    return "".join(parts)


def _span(text: str, here: list[Mark]) -> str:
    words = escape(text)
    if not here:
        return words
    best = next((mark for mark in here if mark.kind == "mark"), here[0])
    title = escape(best.title)
    if best.kind == "mark":
        return f'<mark title="{title}">{words}</mark>'
    return f'<span class=left-out title="{title}">{words}</span>'
