"""Names of companies and persons by their form: capitalised words, legal forms, initials.

One pass over the words of a stretch: each word is looked at a bounded number of times, so any text takes time in
proportion to its length. What a form cannot tell (whether `Grand Hotel` is a person) the place of a rule has to.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from aie.fields.normalise.folding import fold
from aie.fields.rules.page import Prepared, Stretch
from aie.fields.rules.vocabulary import AFTER_AND, GENERATIONS, JOINING, LEGAL, NEVER, NO_PERSON

__all__ = ["companies", "parties", "persons"]

_WORD: Final = re.compile(r"[^\s]+")
_OPENS: Final = "(\"“‘'«[*_"
_CLOSES: Final = ".,;:)\"”’'»]*_"
_WRAPPED: Final = 50
"""A line this long ends because the paper does: a name may go on after it."""
_LONGEST: Final = 9
"""Words of a company's name."""

_INITIAL: Final = re.compile(r"(?:[A-Z]\.?){1,3}")


@dataclass(frozen=True, slots=True)
class _Word:
    start: int
    end: int
    """Without the marks around it."""
    text: str
    key: str
    """Folded, without dots at its end."""
    opens: bool
    """A bracket or quote stands before it."""
    closed: str
    """Marks after it."""
    breaks: bool
    """A line ends after it that need not go on."""


def companies(page: Prepared, within: Stretch) -> Iterator[Stretch]:
    """Yield runs of capitalised words that end in a legal form."""
    words = _words(page, within)
    for at, word in enumerate(words):
        if not _is_legal(word) or (at + 1 < len(words) and _is_legal(words[at + 1]) and _goes_on(word)):
            continue
        first = _first_of(words, at)
        if first is not None:
            yield Stretch(words[first].start, _end(page, word))


def persons(page: Prepared, within: Stretch) -> Iterator[Stretch]:
    """Yield runs of two to five capitalised words or initials."""
    run: list[_Word] = []
    for word in _words(page, within):
        if run and (word.opens or not (_goes_on(run[-1]) or word.key.replace(".", "") in GENERATIONS)):
            yield from _person(page, run)
            run = []
        if _is_given(word):
            run.append(word)
        else:
            yield from _person(page, run)
            run = []
    yield from _person(page, run)


def parties(page: Prepared, within: Stretch) -> Iterator[Stretch]:
    """Yield companies and, apart from them, persons."""
    firms = list(companies(page, within))
    people = [
        each
        for each in persons(page, within)
        if not any(firm.start < each.end and each.start < firm.end for firm in firms)
    ]
    yield from sorted((*firms, *people), key=lambda each: each.start)


def _words(page: Prepared, within: Stretch) -> Sequence[_Word]:
    found: list[_Word] = []
    for match in _WORD.finditer(page.text, within.start, within.end):
        raw = match[0]
        inner = raw.lstrip(_OPENS)
        core = inner.rstrip(_CLOSES)
        if not core:
            if raw == "&":
                core = inner = raw
            else:
                if found:
                    found[-1] = _closed(found[-1], raw)
                continue
        start = match.start() + len(raw) - len(inner)
        closed = inner[len(core) :]
        found.append(
            _Word(
                start=start,
                end=start + len(core),
                text=core,
                key=fold(core),
                opens=len(inner) < len(raw),
                closed=closed,
                breaks=_breaks(page, match.end()),
            )
        )
    return found


def _closed(word: _Word, mark: str) -> _Word:
    return _Word(word.start, word.end, word.text, word.key, word.opens, word.closed + mark, word.breaks)


def _breaks(page: Prepared, at: int) -> bool:
    if page.text[at : at + 1] != "\n":
        return False
    line = page.line(page.line_of(at))
    return line.end - line.start < _WRAPPED or page.text[at : at + 2] == "\n\n"


def _goes_on(word: _Word) -> bool:
    """Whether a name may go on after this word: no mark but a dot of an initial or abbreviation, no line's end."""
    return not word.breaks and (word.closed == "" or (word.closed == "." and len(word.text) <= 4))


def _is_legal(word: _Word) -> bool:
    key = word.key.replace(".", "")
    return key in LEGAL and (word.text[0].isupper() or key in ("plc", "gmbh")) and not word.opens


def _is_capital(word: _Word) -> bool:
    return word.text[0].isupper() or word.text[0].isdigit() or (any(each.isupper() for each in word.text[1:3]))


def _is_given(word: _Word) -> bool:
    """Whether a word may be part of a person's name."""
    key = word.key.replace(".", "")
    if key in GENERATIONS:
        return True
    letters = word.text.replace("'", "").replace("’", "").replace("-", "").replace(".", "")
    return letters.isalpha() and word.text[0].isupper() and key not in NO_PERSON and word.key not in NO_PERSON


def _first_of(words: Sequence[_Word], last: int) -> int | None:
    """Return the first word of the company's name that ends with the word at `last`, or None when it has no other."""
    first, real = last, 0
    for at in range(last - 1, max(-1, last - _LONGEST), -1):
        word, after = words[at], words[at + 1]
        if after.opens or word.breaks or not _joins(word, after, is_last=at + 1 == last):
            break
        if word.key == "and":
            if after.key.replace(".", "") not in AFTER_AND:
                break
        elif word.key in NEVER or not (_is_capital(word) or word.key in JOINING):
            break
        elif _is_capital(word) and word.key != "the":
            first, real = at, real + 1
        elif word.key == "the" and word.text[0].isupper():
            first = at
            break
    return first if real else None


def _joins(word: _Word, after: _Word, *, is_last: bool) -> bool:
    if word.closed == "":
        return True
    if word.closed == ",":
        return is_last or _is_legal(after)
    if word.closed == ".":
        return len(word.text) <= 4 or "." in word.text
    return word.closed == ".," and is_last


def _end(page: Prepared, word: _Word) -> int:
    """Return where a name ends: a dot after its legal form belongs to it."""
    return word.end + (word.closed[:1] == "." and len(word.text) <= 6)


def _person(page: Prepared, run: Sequence[_Word]) -> Iterator[Stretch]:
    long = [
        word for word in run if len(word.text.replace(".", "")) > 1 and word.key.replace(".", "") not in GENERATIONS
    ]
    if not 2 <= len(run) <= 5 or not long or (len(long) < 2 and len(run) < 3 and not _INITIAL.fullmatch(run[0].text)):
        return
    last = run[-1]
    if len(last.text.replace(".", "")) < 2:
        return
    closes = last.key.replace(".", "") in GENERATIONS and last.closed[:1] == "."
    yield Stretch(run[0].start, last.end + closes)
