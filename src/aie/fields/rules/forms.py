"""What rules can take: forms of values, each found in a stretch in time that grows with its length only."""

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from aie.config import FieldSpec, Rule
from aie.fields.normalise.choices import forms
from aie.fields.normalise.dates import DATE
from aie.fields.normalise.durations import DURATION
from aie.fields.normalise.money import MONEY
from aie.fields.normalise.numbers import NUMBER
from aie.fields.rules.names import companies, parties, persons
from aie.fields.rules.page import Prepared, Stretch, phrases
from aie.fields.rules.patterns import Pattern

__all__ = ["Finder", "finder"]

Finder = Callable[[Prepared, Stretch], Iterator[Stretch]]
"""Yields what has the form, in the order of the text, inside a stretch."""

_DEFAULT: Final[Mapping[str, str]] = {"text": "line", "name": "party"}
"""Form by the field's type where it is not its own name."""

_LEADING: Final = re.compile(r"[\s:#=.*_-]*")
_CODE: Final = re.compile(r"(?<![\w/-])(?=[\w/.-]{0,40}\d)[^\W_](?:[\w/.-]{0,38}[^\W_])?(?![\w/-])")


def finder(rule: Rule, field: FieldSpec) -> Finder:
    """Return what finds the form that a rule asks for."""
    if rule.pattern is not None:
        return Pattern(rule.pattern).find
    form = rule.find or _DEFAULT.get(field.type, field.type)
    if form == "line":
        return _lines
    if form == "choice":
        return _folded(phrases(tuple(written for written, _ in forms(field.choices))))
    if form == "money" and field.currency is not None:
        return _folded(re.compile(f"{_MONEY}|{_NUMBERS}"))
    return _FINDERS[form]


_NUMBERS: Final = rf"(?<![\d.,])(?:{NUMBER})(?![\d%]|[.,]\d)"
_MONEY: Final = rf"(?<![\w.,])(?:{MONEY})"
_PATTERNS: Final = {
    "date": re.compile(DATE),
    "duration": re.compile(rf"(?<!\w)(?:{DURATION})(?!\w)"),
    "money": re.compile(_MONEY),
    "decimal": re.compile(_NUMBERS),
    "integer": re.compile(_NUMBERS),
    "code": _CODE,
}
"""Patterns of the folded text; each has bounded repeats only."""


def _whole(find: Callable[[Prepared], Iterator[Stretch]]) -> Finder:
    """Find in the whole text, then take what lies inside the stretch: a stretch's end must not cut a value short."""

    def all_of(page: Prepared) -> list[Stretch]:
        return list(find(page))

    def inside(page: Prepared, within: Stretch) -> Iterator[Stretch]:
        found = page.kept(all_of)
        for each in found[bisect_left(found, within.start, key=lambda place: place.start) :]:
            if each.start >= within.end:
                break
            if each.end <= within.end:
                yield each

    return inside


def _folded(pattern: re.Pattern[str]) -> Finder:
    return _whole(lambda page: (Stretch(*match.span()) for match in pattern.finditer(page.folded)))


_FINDERS: Final[Mapping[str, Finder]] = {
    **{form: _folded(pattern) for form, pattern in _PATTERNS.items()},
    "company": _whole(companies),
    "person": _whole(persons),
    "party": _whole(parties),
}
"""Finders that need nothing of the field; one object each, so that all rules share what they found."""


def _lines(page: Prepared, within: Stretch) -> Iterator[Stretch]:
    """Yield what stands on each line, without the marks that a form puts before a value."""
    at = within.start
    while at < within.end:
        end = page.text.find("\n", at, within.end)
        end = within.end if end < 0 else end
        leading = _LEADING.match(page.text, at, end)
        start = leading.end() if leading else at
        stop = start + len(page.text[start:end].rstrip())
        if stop > start:
            yield Stretch(start, stop)
        at = end + 1
