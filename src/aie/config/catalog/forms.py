"""Written forms that only the catalog has."""

import re
from datetime import UTC, date, datetime
from typing import Annotated, Final

from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

__all__ = ["Day", "day_start", "form_expected"]

_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def form_expected(expected: str, example: str) -> PydanticCustomError:
    """Return the refusal of a value that has another form."""
    return PydanticCustomError(
        "form", "{expected} expected, e.g. `{example}`", {"expected": expected, "example": example}
    )


def _day(value: object) -> str:
    try:
        if isinstance(value, str) and _DAY.fullmatch(value):
            return date.fromisoformat(value).isoformat()
    except ValueError:
        pass
    raise form_expected("a date", "2026-12-31")


def day_start(day: str) -> int:
    """Return the first microsecond of a `Day`, UTC."""
    return int(datetime.combine(date.fromisoformat(day), datetime.min.time(), UTC).timestamp()) * 1_000_000


Day = Annotated[
    str,
    BeforeValidator(_day),
    WithJsonSchema({"type": "string", "format": "date", "description": "A day (UTC), e.g. `2026-12-31`"}),
]
"""A day as `2026-12-31`; it begins at midnight UTC."""
