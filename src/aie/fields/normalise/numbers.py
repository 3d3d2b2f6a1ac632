"""Numbers as people write them: grouped by comma, dot, space or apostrophe, with either decimal mark, or in words."""

import re
from decimal import Decimal
from typing import Final

from aie.fields.normalise.folding import fold

__all__ = ["NO_MORE", "NUMBER", "WORDS", "exact", "read_decimal", "read_integer", "words_to_int"]

NUMBER: Final = (
    r"[-+(]?\d{1,3}(?:[ ,.'’\u00a0\u202f]\d{3}){1,4}(?:[.,]\d{1,6})?\)?"
    r"|[-+(]?\d{1,2}(?:,\d{2}){1,5},\d{3}(?:\.\d{1,6})?\)?"
    r"|[-+(]?\d{1,15}(?:[.,]\d{1,6})?\)?"
)
"""Where a number may stand in a text; whether it is one is for `exact` to say."""
NO_MORE: Final = r"(?!\d|[.,']\d)"
"""What must follow a number: one that goes on after what `NUMBER` takes is another number, not a smaller one."""

_UNITS: Final = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_TENS: Final = "twenty thirty forty fifty sixty seventy eighty ninety"
_VALUES: Final = {
    **{word: number for number, word in enumerate(_UNITS.split())},
    **{word: 20 + 10 * number for number, word in enumerate(_TENS.split())},
}
WORDS: Final = rf"(?:{'|'.join([*_TENS.split(), *reversed(_UNITS.split()), 'hundred'])})"
"""One number word of English."""

_PLAIN: Final = re.compile(r"\d{1,15}(?:\.\d{1,6})?")
_GROUPED: Final = re.compile(r"(\d{1,3})((?:([ ,.'])\d{3})(?:\3\d{3}){0,4})([.,]\d{1,6})?")
_LAKHS: Final = re.compile(r"([1-9]\d?(?:,\d{2}){1,5},\d{3})(\.\d{1,6})?")
"""Grouped as in India: `1,23,456.00`."""
_COMMA: Final = re.compile(r"(\d{1,15}),(\d{1,6})")


def exact(text: str, *, three_group: bool) -> Decimal | None:
    """Return the number that is written so, or None.

    Args:
        text: digits with marks; a minus before it or brackets around it make it negative.
        three_group: whether a single dot before three digits groups thousands, as in amounts, or begins decimals.
    """
    written = fold(text).strip()
    negative = written.startswith("-") or (written.startswith("(") and written.endswith(")"))
    digits = written.strip("-+() ")
    found = _digits(digits, three_group=three_group)
    if found is None:
        return None
    return -found if negative else found


def _digits(text: str, *, three_group: bool) -> Decimal | None:
    grouped = _GROUPED.fullmatch(text)
    if grouped is not None and _groups(grouped, three_group=three_group):
        whole = grouped[1] + re.sub(r"\D", "", grouped[2])
        return Decimal(whole + (f".{grouped[4][1:]}" if grouped[4] else "")) if len(whole) <= 15 else None
    lakhs = _LAKHS.fullmatch(text)
    if lakhs is not None:
        return Decimal(text.replace(",", ""))
    if _PLAIN.fullmatch(text):
        return Decimal(text)
    comma = _COMMA.fullmatch(text)
    return None if comma is None else Decimal(f"{comma[1]}.{comma[2]}")


def _groups(match: re.Match[str], *, three_group: bool) -> bool:
    """Whether the marks group thousands: the decimal mark differs, and one dot alone does only where said so."""
    mark, decimals = match[3], match[4]
    if decimals is not None and decimals[0] == mark:
        return False
    return match[1][0] != "0" and (mark != "." or decimals is not None or len(match[2]) > 4 or three_group)


def read_decimal(text: str) -> str | None:
    """Return an exact decimal such as `1234.50`; of `12.5%` the number before the sign."""
    number = exact(text.removesuffix("%").strip(), three_group=False)
    return None if number is None else str(number)


def read_integer(text: str) -> int | None:
    """Return a whole number, in figures or in words up to 999."""
    number = exact(text, three_group=True)
    if number is None:
        return words_to_int(text)
    return int(number) if number == number.to_integral_value() else None


def words_to_int(text: str) -> int | None:
    """Return the number that English words stand for, from zero to 999: `twenty-four`, `one hundred and eighty`."""
    words = [word for word in re.split(r"[\s-]+", fold(text).strip()) if word and word != "and"]
    if not words:
        return None
    if "hundred" in words:
        at = words.index("hundred")
        hundreds = words_to_int(" ".join(words[:at])) if at else 1
        rest = words_to_int(" ".join(words[at + 1 :])) if words[at + 1 :] else 0
        if hundreds is None or rest is None or not 1 <= hundreds <= 9 or rest > 99:
            return None
        return 100 * hundreds + rest
    values = [_VALUES.get(word) for word in words]
    if len(values) == 1:
        return values[0]
    tens, units = values[0], values[1]
    if len(values) > 2 or tens is None or units is None or tens < 20 or not 1 <= units <= 9:
        return None
    return tens + units
