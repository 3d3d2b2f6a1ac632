"""What rules can take: forms of values, each found in a stretch in time that grows with its length only."""

import re
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
    if form in _NAMES:
        return _NAMES[form]
    if form == "line":
        return _lines
    if form == "choice":
        return _folded(phrases(tuple(written for written, _ in forms(field.choices))))
    if form == "money" and field.currency is not None:
        return _folded(re.compile(f"{MONEY}|{_NUMBERS}"))
    return _folded(_PATTERNS[form])


_NUMBERS: Final = rf"(?<![\d.,])(?:{NUMBER})(?![\d%]|[.,]\d)"
_PATTERNS: Final = {
    "date": re.compile(DATE),
    "duration": re.compile(rf"(?<!\w)(?:{DURATION})(?!\w)"),
    "money": re.compile(rf"(?<![\w.,])(?:{MONEY})"),
    "decimal": re.compile(_NUMBERS),
    "integer": re.compile(_NUMBERS),
    "code": _CODE,
}
"""Patterns of the folded text; each has bounded repeats only."""

_NAMES: Final[Mapping[str, Finder]] = {"company": companies, "person": persons, "party": parties}


def _folded(pattern: re.Pattern[str]) -> Finder:
    def find(page: Prepared, within: Stretch) -> Iterator[Stretch]:
        for match in pattern.finditer(page.folded, within.start, within.end):
            yield Stretch(*match.span())

    return find


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
