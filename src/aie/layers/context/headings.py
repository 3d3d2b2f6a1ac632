"""Where the sections of a text begin: headings by their form alone, in running text as on lines of their own."""

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

__all__ = ["Heading", "find_headings", "heading_at"]

_LONGEST: Final = 120
"""Characters of a heading at most; more is a sentence."""

_NUMBER: Final = (
    r"(?:(?:ARTICLE|Article|SECTION|Section|PART|Part|CLAUSE|Clause|§)\s+)?"
    r"(?:\d{1,2}(?:\.\d{1,3}){0,4}|\d{3}(?=[.):])|[IVXLC]{1,6}|[A-Z])"
)
_LINE: Final = re.compile(
    rf"""^[^\S\n]*(?:
        \#{{1,6}}[^\S\n]+(?P<marked>\S[^\n]*)                                           # as in Markdown
      | (?P<numbered>(?:{_NUMBER}[.):]?[^\S\n]+)[A-Z][^\n]{{1,{_LONGEST}}}?)(?:[.:][^\S\n]*)?$  # 4.2 Term.
      | (?P<capitals>[A-Z][A-Z0-9 ,;:&/()'’-]{{3,{_LONGEST}}})[.:]?[^\S\n]*$               # LIMITATION OF LIABILITY
    )""",
    re.MULTILINE | re.VERBOSE,
)
_INLINE: Final = re.compile(
    rf"""(?:(?<=^)|(?<=[.;:!?)"”][\s])|(?<=\n)|(?<=\s{{2}}))
        (?P<inline>{_NUMBER}[.):]?[^\S\n]{{1,8}}
        (?:[A-Z][\w’'/&()-]*(?:[^\S\n,;]*[,;]?[^\S\n]+(?:and|or|of|the|to|for|in|on|by|with|a|an|[A-Z][\w’'/&()-]*)){{0,11}}))[.:]\s""",
    re.VERBOSE,
)
_LETTER: Final = re.compile(r"[A-Za-z]{3}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """The words that stand over a section, verbatim."""

    start: int
    """First character in the text, 0-based."""
    end: int
    """One past the last."""
    text: str


def find_headings(text: str) -> list[Heading]:
    """Return the headings of a text in its order, none within another.

    A line counts that is marked, numbered and short, or in capitals; so does a number with a few capitalised words and
    a full stop within running text, as contracts have them (`7.2 Governing Law. This Agreement …`).
    """
    found: dict[int, Heading] = {}
    for pattern in (_LINE, _INLINE):
        for match in pattern.finditer(text):
            name = next(each for each in match.groupdict() if match[each] is not None)
            start, end = match.span(name)
            if end - start <= _LONGEST and _LETTER.search(match[name]):
                heading = Heading(start=start, end=end, text=match[name])
                # A line that goes on after its heading's full stop: what stands before it is the heading.
                found[start] = min(found.get(start, heading), heading, key=lambda each: each.end)
    headings: list[Heading] = []
    for start in sorted(found):
        if not headings or start >= headings[-1].end:
            headings.append(found[start])
    return headings


def heading_at(headings: Sequence[Heading], at: int) -> Heading | None:
    """Return the heading under which a character stands: the last one that begins at or before it."""
    position = bisect_right(headings, at, key=lambda heading: heading.start)
    return headings[position - 1] if position else None
