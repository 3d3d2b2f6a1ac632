"""Durations of contracts: a number of days, weeks, months or years, in figures, in words, or in both."""

import re
from typing import Final

from aie.fields.normalise.folding import fold
from aie.fields.normalise.numbers import WORDS, words_to_int

__all__ = ["DURATION", "read_duration"]

_UNIT: Final = r"(?P<unit>day|week|month|year)s?"
_IN_WORDS: Final = rf"{WORDS}(?:[\s-]+(?:and[\s-]+)?{WORDS}){{0,3}}"
_CALENDAR: Final = r"(?:(?:calendar|business|full|consecutive)\s{1,3})?"
_GAP: Final = r"[\s-]{0,3}"
_SPACE: Final = r"\s{0,3}"
"""Bounded, like every repeat here: what is read may be hostile."""

DURATION: Final = (
    rf"(?:{_IN_WORDS}{_GAP}(?:[(\[]{_SPACE}\d{{1,4}}{_SPACE}[)\]]{_GAP})?"
    rf"|\d{{1,4}}{_SPACE}(?:\({_SPACE}{_IN_WORDS}{_SPACE}\){_SPACE})?-?{_SPACE})"
    rf"{_CALENDAR}{_UNIT.replace('?P<unit>', '?:')}"
)
"""Where a duration may stand in a folded text."""

_READ: Final = re.compile(
    rf"(?P<words>{_IN_WORDS})?{_GAP}[(\[]?{_SPACE}(?P<figures>\d{{1,4}})?{_SPACE}"
    rf"(?:\({_SPACE}(?P<after>{_IN_WORDS}){_SPACE}\))?{_SPACE}[)\]]?{_GAP}{_CALENDAR}{_UNIT}'?"
)


def read_duration(text: str) -> str | None:
    """Return `2 years`, `18 months`, `1 day`; None where words and figures contradict each other."""
    match = _READ.fullmatch(fold(text).strip())
    if match is None:
        return None
    numbers = {words_to_int(each) for each in (match["words"], match["after"]) if each is not None}
    numbers |= {int(match["figures"])} if match["figures"] else set()
    number = numbers.pop() if len(numbers) == 1 else None
    if number is None:
        return None
    return f"{number} {match['unit']}{'' if number == 1 else 's'}"
