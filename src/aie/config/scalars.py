"""Small written forms with one meaning each: `2%`, `60 s`, `0.10 USD`, `3000 tokens`, `env:NAME`."""

import re
from decimal import Decimal
from typing import Annotated, Final

from pydantic import BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from aie.core import MOST_SPEND, micro_usd, usd
from aie.errors import InputError

__all__ = [
    "CELText",
    "Confidence",
    "Count",
    "DecimalText",
    "Duration",
    "Name",
    "Path",
    "Share",
    "Tokens",
    "Usd",
    "read_duration",
]

_UNITS: Final = {
    "ms": 1_000,
    "s": 1_000_000,
    "min": 60_000_000,
    "h": 3_600_000_000,
    "hour": 3_600_000_000,
    "hours": 3_600_000_000,
    "day": 86_400_000_000,
    "days": 86_400_000_000,
}
_SPELT: Final = {
    "msec": "ms", "millisecond": "ms", "sec": "s", "second": "s", "minute": "min", "hr": "h", "d": "days",
}  # fmt: skip
"""Other spellings of units, but for their plural, for hints alone."""
_MEASURED: Final = re.compile(r"(\d{1,9})\s*([A-Za-z]+)")
_PRICED: Final = re.compile(r"(?:[$€£]|[A-Za-z]{3})?\s*(\d{1,12})(\.\d{1,6})?\s*(?:[$€£]|[A-Za-z]{3})?")
_LONGEST: Final = 36_500 * _UNITS["day"]
"""A hundred years: added to a time it is still an integer that JSON and a database can carry."""
_DURATION: Final = re.compile(r"(\d{1,9}) ?(ms|s|min|h|hours?|days?)")
_PERCENT: Final = re.compile(r"(\d{1,3}(?:\.\d{1,6})?) ?%")
_DECIMAL: Final = re.compile(r"-?\d{1,15}(?:\.\d{1,12})?")
_TOKENS: Final = re.compile(r"(\d{1,9})(?: tokens)?")


def _refuse(expected: str, example: str) -> PydanticCustomError:
    return PydanticCustomError(
        "form", "{expected} expected, e.g. `{example}`", {"expected": expected, "example": example}
    )


def read_duration(value: object) -> int:
    """Return the microseconds of `60 s`, `5 min`, `2 days`."""
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise _refuse("a duration with its unit (ms, s, min, h, days)", _meant_duration(value))
    micros = int(match[1]) * _UNITS[match[2]]
    if micros > _LONGEST:
        raise _refuse("a duration of at most 36500 days", "60 s")
    return micros


def _meant_duration(value: object) -> str:
    if isinstance(value, int):
        return f"{value} s"
    match = _MEASURED.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        return "60 s"
    unit = match[2].casefold()
    unit = unit if unit in _UNITS else _SPELT.get(unit, _SPELT.get(unit.removesuffix("s"), unit.removesuffix("s")))
    return f"{match[1]} {unit}" if unit in _UNITS else "60 s"


def _share(value: object) -> Decimal:
    match = _PERCENT.fullmatch(value) if isinstance(value, str) else None
    if match is None or Decimal(match[1]) > 100:
        raise _refuse(
            "a percentage from 0% to 100%", f"{value}%" if isinstance(value, int) and 0 <= value <= 100 else "2%"
        )
    return Decimal(match[1]) / 100


def _usd(value: object) -> int:
    try:
        return micro_usd(value if isinstance(value, str) else "")
    except InputError as error:
        match = _PRICED.fullmatch(str(value)) if isinstance(value, str | int) else None
        shown = "0.10" if match is None else f"{match[1]}{match[2] or '.00'}"
        most = f"an amount from {usd(0)} to {usd(MOST_SPEND)} (all spend is counted in USD)"
        raise _refuse(most, f"{shown} USD") from error


def _decimal(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int) or not _DECIMAL.fullmatch(str(value)):
        raise _refuse("a decimal", "0.25")
    return str(value)


def _confidence(value: object) -> str:
    text = _decimal(value)
    if not 0 <= Decimal(text) <= 1:
        raise _refuse("a decimal from 0 to 1", "0.8")
    return text


def _tokens(value: object) -> int:
    match = _TOKENS.fullmatch(str(value)) if isinstance(value, str | int) and not isinstance(value, bool) else None
    if match is None or int(match[1]) < 1:
        raise _refuse("a number of tokens", "3000 tokens")
    return int(match[1])


def _cel(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if not isinstance(value, str) or not value.strip():
        raise _refuse("an expression", "input.amount > 10")
    return value


def _text(description: str, **schema: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "description": description, **schema})


Duration = Annotated[int, BeforeValidator(read_duration), _text("A duration, e.g. `60 s`", pattern=_DURATION.pattern)]
"""Microseconds, written `60 s`."""
Share = Annotated[Decimal, BeforeValidator(_share), _text("A percentage, e.g. `2%`", pattern=_PERCENT.pattern)]
"""A number from 0 to 1, written `2%`."""
Usd = Annotated[int, BeforeValidator(_usd), _text("An amount, e.g. `0.10 USD`", pattern=r"^\d+(\.\d+)? USD$")]
"""Micro-USD, written `0.10 USD`."""
DecimalText = Annotated[
    str,
    BeforeValidator(_decimal),
    WithJsonSchema({"type": ["string", "number"], "description": "A decimal, e.g. `0.25`"}),
]
"""An exact decimal as text."""
Confidence = Annotated[
    str,
    BeforeValidator(_confidence),
    WithJsonSchema({"type": ["string", "number"], "description": "A decimal from 0 to 1, e.g. `0.8`"}),
]
"""How sure something is, an exact decimal as text."""
Tokens = Annotated[
    int, BeforeValidator(_tokens), WithJsonSchema({"type": ["string", "integer"], "description": "E.g. `3000 tokens`"})
]
"""A number of tokens, written `3000 tokens` or `3000`."""
CELText = Annotated[
    str,
    BeforeValidator(_cel),
    WithJsonSchema({"type": ["string", "boolean", "integer"], "description": "A CEL expression"}),
]
"""Text of an expression."""
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]
"""A name that is safe in paths, keys and URLs."""
Path = Annotated[str, Field(min_length=1, max_length=400)]
"""A file, relative to the folder of the file that names it."""
Count = Annotated[int, Field(ge=1, le=1_000_000_000)]
"""A positive integer."""
