"""Names of companies and persons by their form: capitalised words, legal forms, initials.

One pass over the words of a text: each word is looked at a bounded number of times, so any text takes time in
proportion to its length. What a form cannot tell (whether `Grand Hotel` is a person) the place of a rule has to.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from aie.fields.rules.page import Prepared, Stretch
from aie.fields.rules.vocabulary import (
    AFTER_AND,
    GENERATIONS,
    GENERIC,
    JOINING,
    LEGAL,
    NEVER,
    NO_PERSON,
    PLACES,
    ROLES,
)
from aie.fields.rules.words import Word, words

__all__ = ["companies", "parties", "persons"]

_LONGEST: Final = 9
"""Words of a company's name."""
_PERSON: Final = range(2, 6)
"""Words of a person's name."""
_LOWER: Final = frozenset({"plc", "gmbh"})
"""Legal forms that are also written in lower case."""
_INITIAL: Final = re.compile(r"(?:[A-Z]\.?){1,3}")


def companies(page: Prepared) -> Iterator[Stretch]:
    """Yield runs of capitalised words that end in a legal form."""
    found = page.kept(words)
    for at, word in enumerate(found):
        after = found[at + 1] if at + 1 < len(found) else None
        if not _is_legal(word) or (after is not None and _is_legal(after) and _reaches(word, after)):
            continue
        first = _first_of(found, at)
        if first is not None:
            yield Stretch(found[first].start, _end(found, at))


def persons(page: Prepared) -> Iterator[Stretch]:
    """Yield runs of two to five capitalised words or initials."""
    run: list[Word] = []
    for word in page.kept(words):
        if run and (word.opens or not (run[-1].goes_on or word.key in GENERATIONS)):
            yield from _person(run)
            run = []
        if _is_given(word):
            run.append(word)
        else:
            yield from _person(run)
            run = []
    yield from _person(run)


def parties(page: Prepared) -> Iterator[Stretch]:
    """Yield companies and, apart from them, persons."""
    firms = page.kept(_companies)
    taken = {at for firm in firms for at in range(firm.start, firm.end)}
    people = [each for each in persons(page) if each.start not in taken and each.end - 1 not in taken]
    yield from sorted((*firms, *people), key=lambda each: each.start)


def _companies(page: Prepared) -> list[Stretch]:
    return list(companies(page))


def _is_legal(word: Word) -> bool:
    capital = word.text[0].isupper() or word.key in _LOWER
    # `Englewood, CO` is a place.
    return word.key in LEGAL and capital and not word.opens and not (word.text == "CO" and word.closed[:1] != ".")


def _reaches(word: Word, after: Word) -> bool:
    """Whether the legal form goes on with the next word: `Sdn. Bhd.`, `Co., Ltd.`, but not `Inc., Company`."""
    if word.breaks:
        return False
    return word.goes_on or (word.closed in (",", ".,") and after.key not in GENERIC)


def _first_of(found: Sequence[Word], last: int) -> int | None:
    """Return the first word of the company's name that ends with the word at `last`, or None when it has no other."""
    first, real = last, 0
    for at in range(last - 1, max(-1, last - _LONGEST), -1):
        word, after = found[at], found[at + 1]
        if after.opens or word.breaks or not _joins(word, after, is_last=at + 1 == last):
            break
        if word.key in JOINING:
            if at + 1 == last and word.key != "&":
                break
            if word.key in ("of", "for") and at > 0 and found[at - 1].key in ROLES:
                break
            if word.key == "the" and word.text[0].isupper() and found[at - 1].key != "of":
                first = at
                break
        elif word.key == "and" and after.key in AFTER_AND:
            continue
        elif word.key in NEVER or not word.is_capital:
            break
        else:
            first, real = at, real + (word.key not in PLACES or found[last].key not in GENERIC)
    return first if real else None


def _joins(word: Word, after: Word, *, is_last: bool) -> bool:
    if word.closed == "":
        return True
    if word.closed in (",", ".,"):
        return is_last and (after.key not in GENERIC or not _is_legal(word))
    return word.closed == "." and word.is_short


def _end(found: Sequence[Word], at: int) -> int:
    """Return where a name ends: a dot after its legal form belongs to it, and so does `of America`."""
    word = found[at]
    rest = found[at + 1 : at + 3]
    if word.key in GENERIC and len(rest) == 2 and word.goes_on and rest[0].key == "of" and rest[1].text[0].isupper():
        return rest[1].end
    return word.end + (word.closed[:1] == "." and len(word.text) <= 6)


def _is_given(word: Word) -> bool:
    """Whether a word may be part of a person's name."""
    if word.key in GENERATIONS:
        return True
    letters = word.text.translate({ord(each): None for each in "'’-."})
    return letters.isalpha() and word.text[0].isupper() and word.key not in NO_PERSON


def _person(run: Sequence[Word]) -> Iterator[Stretch]:
    names = [word for word in run if word.key not in GENERATIONS]
    long = [word for word in names if len(word.key) > 1]
    if len(run) not in _PERSON or not long or names[-1] is not long[-1] or names[0] is not run[0]:
        return
    if len(long) > 1 or _INITIAL.fullmatch(run[0].text):
        last = run[-1]
        yield Stretch(run[0].start, last.end + (last.key in GENERATIONS and last.closed[:1] == "."))
