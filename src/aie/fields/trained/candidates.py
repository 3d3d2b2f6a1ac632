"""Where a field's value may stand: stretches of a document that a trained extractor then ranks.

What is proposed depends on the field's type alone, never on the words of a data set: patterns for dates, amounts,
numbers and durations, the ways to write a choice, and for words either whole lines (`lines`) or runs of words that look
like a name (`spans`).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final, Literal

from aie.config import FieldSpec
from aie.core import JSON
from aie.fields.normalise import normalise
from aie.fields.trained.layout import Layout, Word

__all__ = ["Proposal", "SpanKind", "propose"]

SpanKind = Literal["lines", "spans"]

_MONTH: Final = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}\.?"
_DATES: Final = re.compile(
    rf"(?<![\w/.-])(?:"
    rf"\d{{1,4}}[ ]?[/.-][ ]?\d{{1,2}}[ ]?[/.-][ ]?\d{{1,4}}"
    rf"|\d{{1,2}}(?:st|nd|rd|th)?(?:[ \n]{{1,3}}day)?(?:[ \n]{{1,3}}of)?[\s/.,-]{{0,4}}{_MONTH}"
    rf"[\s/.,'-]{{0,4}}\d{{2,4}}"
    rf"|{_MONTH}[\s/-]{{0,4}}\d{{1,2}}(?:st|nd|rd|th)?[\s,/-]{{1,4}}\d{{2,4}}"
    rf"|\d{{8}}"
    rf")(?!\d)",
    re.IGNORECASE,
)
_NUMBER: Final = r"[-+]?\d[\d,]{0,20}(?:[.,][ ]?\d{1,6})?"
_NUMBERS: Final = re.compile(rf"(?<![\d.,]){_NUMBER}(?![\d%])")
_MONEY: Final = re.compile(
    rf"(?:(?<![A-Za-z])[A-Za-z]{{1,3}}\$?[ ]?|[$€£¥₹][ ]?)?(?<![\d.,]){_NUMBER}(?:[ ]?(?:[A-Z]{{3}}\b|[€£¥]))?(?![\d%])"
)
_DURATIONS: Final = re.compile(
    r"(?:\b\w{1,20}(?:-\w{1,20})?[ \n]{0,3}\(\s?\d{1,4}\s?\)|\b\d{1,4}"
    r"|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|fifteen|eighteen|twenty(?:-four)?"
    r"|thirty(?:-six)?|ninety)\b)[\s-]{0,3}(?:(?:calendar|business)[\s-]{1,3})?(?:day|week|month|year)s?\b",
    re.IGNORECASE,
)
_CUTS: Final = re.compile(r":|\([^()]*\)|\S*\d{3}\S*")
_MOST_CUTS: Final = 8
_LONGEST_LINE: Final = 300
"""Characters of a line that parts are taken of: patterns may take quadratic time within it, not within a document."""
_MOST_PLACES: Final = 20_000
"""Places of one field that are looked at: what stands behind them in a very long document is not found."""
_LONGEST_NAME: Final = 12
"""Words and marks of a name."""
_LINKS: Final = frozenset({"of", "and", "the", "for", "de", "van", "von", "&", ",", ".", "-", "'", "’", "/", "(", ")"})
"""Words and marks that may stand inside a name between its capitalised words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A stretch of a document that has a value of the field's type."""

    start: int
    end: int
    first: int
    """Position of its first word."""
    last: int
    """One past its last word."""
    quote: str
    """The characters themselves."""
    value: JSON
    """What the quote normalises to."""


def propose(layout: Layout, spec: FieldSpec, kind: SpanKind, longest: int) -> list[Proposal]:
    """Return the places where a value may stand, in the order of the text.

    Args:
        layout: The document.
        spec: The field.
        kind: What is proposed for fields of words.
        longest: Lines that a value of words may take.
    """
    made = []
    for start, end in islice(sorted(set(_stretches(layout, spec, kind, longest))), _MOST_PLACES):
        quote = layout.text[start:end]
        value = normalise(spec, quote)
        if value is not None:
            first, last = layout.span(start, end)
            made.append(Proposal(start=start, end=end, first=first, last=last, quote=quote, value=value))
    return made


def _stretches(layout: Layout, spec: FieldSpec, kind: SpanKind, longest: int) -> Iterator[tuple[int, int]]:
    match spec.type:
        case "date":
            return _matches(_DATES, layout)
        case "money":
            return _matches(_MONEY, layout)
        case "decimal" | "integer":
            return _matches(_NUMBERS, layout)
        case "duration":
            return _matches(_DURATIONS, layout)
        case "choice":
            return _choices(spec, layout)
        case _:
            return _lines(layout, longest) if kind == "lines" else _names(layout)


def _matches(pattern: re.Pattern[str], layout: Layout) -> Iterator[tuple[int, int]]:
    return (found.span() for found in pattern.finditer(layout.text))


def _choices(spec: FieldSpec, layout: Layout) -> Iterator[tuple[int, int]]:
    written = sorted({each for name, others in spec.choices.items() for each in (name, *others)}, key=len, reverse=True)
    anywhere = "|".join(r"\s+".join(re.escape(word) for word in each.split()) for each in written)
    return _matches(re.compile(rf"(?<!\w)(?:{anywhere})(?!\w)", re.IGNORECASE), layout) if anywhere else iter(())


def _lines(layout: Layout, longest: int) -> Iterator[tuple[int, int]]:
    """Yield runs of whole lines, and the parts of single ones."""
    for number, line in enumerate(layout.lines):
        for last in layout.lines[number : number + longest]:
            yield line.start, last.end
        yield from _parts(layout, line.start, line.end)


def _parts(layout: Layout, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield what is left of a line between a bracket, a colon or a code and another."""
    if end - start > _LONGEST_LINE:
        return
    text = layout.text[start:end]
    bounds = sorted({0, len(text), *(each for found in _CUTS.finditer(text) for each in found.span())})[:_MOST_CUTS]
    for place, left in enumerate(bounds):
        for right in bounds[place + 1 :]:
            part = text[left:right]
            if any(map(str.isalnum, part)):
                yield start + left + len(part) - len(part.lstrip()), start + left + len(part.rstrip())


def _names(layout: Layout) -> Iterator[tuple[int, int]]:
    """Yield runs of words that begin and end like a name, at the bounds of a run or of its parts."""
    words = layout.words
    for first, word in enumerate(words):
        if not _capital(word.text) or (first and _inner(words[first - 1]) and not _apart(layout, first)):
            continue
        for last in range(first, min(first + _LONGEST_NAME, len(words))):
            other = words[last]
            ends = last + 1 == len(words) or _apart(layout, last + 1)
            if not (_capital(other.text) or other.form in _LINKS or other.text.isdigit()):
                break
            goes_on = _inner(other) and not ends and _inner(words[last + 1])
            if not goes_on and (_capital(other.text) or other.text in ".)"):
                yield word.start, other.end
            if ends:
                break


def _apart(layout: Layout, position: int) -> bool:
    """Whether a paragraph begins with a word: no name goes on over an empty line."""
    return layout.text.count("\n", layout.words[position - 1].end, layout.words[position].start) > 1


def _inner(word: Word) -> bool:
    """Whether a word may be part of a name and bounds none."""
    return _capital(word.text) and word.form not in _LINKS


def _capital(text: str) -> bool:
    return text[0].isupper()
