"""Dates as they are written: in figures in one of three orders, or with the month's name."""

import re
from datetime import date
from typing import Final, Literal

from aie.fields.normalise.folding import fold

__all__ = ["DATE", "read_date"]

_MONTHS: Final = (
    "january january jan janvier januar enero gennaio janeiro januari",
    "february february feb fevrier februar febrero febbraio fevereiro februari",
    "march march mar mars marz maerz marzo marco maart",
    "april april apr avril abril aprile",
    "may may mai mayo maggio maio mei",
    "june june jun juin juni junio giugno junho",
    "july july jul juillet juli julio luglio julho",
    "august august aug aout agosto augustus",
    "september september sep sept septembre septiembre settembre setembro",
    "october october oct octobre oktober okt octubre ottobre outubro",
    "november november nov novembre noviembre novembro",
    "december december dec decembre dezember dez diciembre dicembre dezembro",
)
"""Folded names and abbreviations in English, French, German, Spanish, Italian, Portuguese and Dutch."""
_NUMBER_OF: Final = {name: number for number, names in enumerate(_MONTHS, 1) for name in names.split()}
_ORDINALS: Final = (
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth "
    "sixteenth seventeenth eighteenth nineteenth twentieth"
)
_IN_WORDS: Final = {
    **{word: number for number, word in enumerate(_ORDINALS.split(), 1)},
    **{f"twenty{mark}{word}": 20 + number for mark in "- " for number, word in enumerate(_ORDINALS.split()[:9], 1)},
    "thirtieth": 30,
    "thirty-first": 31,
    "thirty first": 31,
}
_MONTH: Final = rf"(?:{'|'.join(sorted(_NUMBER_OF, key=len, reverse=True))})(?![a-z])\.?"
_DAY: Final = rf"(?:\d{{1,2}}\s?(?:st|nd|rd|th|er|\.|º|ª)?(?!\d)|{'|'.join(sorted(_IN_WORDS, key=len, reverse=True))})"
_YEAR: Final = r"(?:\d{4}|'?\d{2})(?!\d)"
_GAP: Final = r"\s{0,3}"
"""Bounded, like every repeat here: what is read may be hostile."""
_OF: Final = rf"{_GAP}(?:day{_GAP})?(?:(?:of|de|d'){_GAP})?,?{_GAP}"
_MARK: Final = r"\s?([/.-])\s?"

_WEEKDAY: Final = r"(?:(?:mon|tues|wednes|thurs|fri|satur|sun)day|mon|tue|wed|thu|fri|sat|sun)[,.]?\s{1,3}"
_IN: Final = rf",?{_GAP}(?:(?:of|de|in the year){_GAP})?,?{_GAP}"
_DAY_FIRST: Final = rf"(?P<day>{_DAY}){_OF}[-/]?\s?(?P<month>{_MONTH})\s?[-/]?{_IN}(?P<year>{_YEAR})"
_MONTH_FIRST: Final = rf"(?P<month>{_MONTH})\s?[-/]?{_GAP}(?:the\s)?(?P<day>{_DAY})\s?[-/]?{_IN}(?P<year>{_YEAR})"
_FIGURES: Final = rf"\d{{4}}{_MARK}\d{{1,2}}\s?[/.-]\s?\d{{1,2}}(?!\d)|\d{{1,2}}{_MARK}\d{{1,2}}\s?[/.-]\s?{_YEAR}"


def _anonymous(pattern: str) -> str:
    return re.sub(r"\(\?P<\w+>", "(?:", pattern).replace("([/.-])", "[/.-]")


DATE: Final = rf"(?<!\w)(?:{_anonymous(_DAY_FIRST)}|{_anonymous(_MONTH_FIRST)})|(?<!\d)(?:{_anonymous(_FIGURES)})"
"""Where a date may stand in a folded text; whether it is one is for `read_date` to say."""

_WRITTEN: Final = (re.compile(_DAY_FIRST), re.compile(_MONTH_FIRST))
_YEAR_FIRST: Final = re.compile(rf"(\d{{4}}){_MARK}(\d{{1,2}})\s?\2\s?(\d{{1,2}})")
_THREE: Final = re.compile(rf"(\d{{1,2}}){_MARK}(\d{{1,2}})\s?\2\s?'?(\d{{4}}|\d{{1,2}})")
_BEFORE: Final = re.compile(rf"(?:{_WEEKDAY})?(?:the\s+)?")

_PIVOT: Final = 69
"""Two-digit years from here on are of the last century, as POSIX has it."""


def read_date(text: str, order: Literal["dmy", "mdy", "ymd"]) -> str | None:
    """Return `YYYY-MM-DD`; a date in figures is read in the order given, and is none where that gives no day.

    A year that comes first, of four digits, is always year, month, day.
    """
    folded = fold(text).strip().rstrip(".,;")
    before = _BEFORE.match(folded)
    folded = folded[before.end() :] if before else folded
    for pattern in _WRITTEN:
        match = pattern.fullmatch(folded)
        if match is not None:
            return _iso(_year(match["year"]), _NUMBER_OF[match["month"].rstrip(".")], _day(match["day"]))
    match = _YEAR_FIRST.fullmatch(folded)
    if match is not None:
        return _iso(int(match[1]), int(match[3]), int(match[4]))
    match = _THREE.fullmatch(folded)
    return None if match is None else _in_order(match, order)


def _in_order(match: re.Match[str], order: Literal["dmy", "mdy", "ymd"]) -> str | None:
    one, two, three = match[1], match[3], match[4]
    if order != "ymd" and len(three) == 1:
        return None
    match order:
        case "dmy":
            return _iso(_year(three), int(two), int(one))
        case "mdy":
            return _iso(_year(three), int(one), int(two))
        case "ymd":
            return None if len(three) == 4 else _iso(_year(one.rjust(2, "0")), int(two), int(three))


def _year(written: str) -> int:
    digits = written.lstrip("'")
    if len(digits) == 4:
        return int(digits)
    return int(digits) + (1900 if int(digits) >= _PIVOT else 2000)


def _day(written: str) -> int:
    figures = re.match(r"\d+", written)
    return int(figures[0]) if figures else _IN_WORDS[written]


def _iso(year: int, month: int, day: int) -> str | None:
    try:
        return date(year, month, day).isoformat()
    except ValueError:
        return None
