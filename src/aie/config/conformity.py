"""Whether a value is what a schema says, for the part of JSON Schema that `schemas` reads.

Own rather than a library's: decimals, money and dates are strings here and are compared exactly, floats are refused,
and no message ever holds the value itself, which may be personal.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final, cast

from aie.core import JSON, Money
from aie.errors import InputError

__all__ = ["Mismatch", "mismatches"]

_DECIMAL: Final = re.compile(r"-?[0-9]{1,30}(?:\.[0-9]{1,30})?")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MAX_INT: Final = 2**53 - 1
_DOCUMENT: Final = {"ref": str, "name": str, "media_type": str, "size": int}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mismatch:
    """One place where a value is not what the schema says."""

    path: str
    """JSON pointer into the value; empty for the whole."""
    why: str
    """What was expected; never the value."""

    def __str__(self) -> str:
        return f"{self.path or 'the value'}: {self.why}"


def mismatches(schema: JSON, value: JSON, path: str = "") -> Iterator[Mismatch]:
    """Yield every place where `value` differs from `schema`, which `type_of` accepts."""
    if not isinstance(schema, dict):
        return
    kinds = schema.get("type", "string" if "enum" in schema else None)
    allowed = kinds if isinstance(kinds, list) else [kinds]
    if kinds is None or (value is None and ("null" in allowed or None in cast("list[JSON]", schema.get("enum") or []))):
        return
    kind = next((each for each in allowed if each != "null"), "null")
    why = _wrong_kind(str(kind), schema, value)
    if why:
        yield Mismatch(path=path, why=why)
    elif isinstance(value, dict) and kind == "object":
        yield from _object(schema, value, path)
    elif isinstance(value, list):
        yield from _list(schema, value, path)
    elif isinstance(value, str):
        yield from (Mismatch(path=path, why=each) for each in _text(str(kind), schema, value))
    elif isinstance(value, int) and not isinstance(value, bool):
        yield from (Mismatch(path=path, why=each) for each in _bounds(schema, Decimal(value)))


def _wrong_kind(kind: str, schema: Mapping[str, JSON], value: JSON) -> str:
    """Say what was expected when the value is of another kind; empty when it is of this one."""
    if kind == "document" or schema.get("format") == "document":
        whole = isinstance(value, dict) and {each: type(given) for each, given in value.items()} == _DOCUMENT
        return "" if whole else "a document expected"
    match kind:
        case "object":
            fits = isinstance(value, dict)
        case "array":
            fits = isinstance(value, list)
        case "string":
            fits = isinstance(value, str)
        case "boolean":
            fits = isinstance(value, bool)
        case "null":
            fits = value is None
        case "integer":
            fits = type(value) is int and -_MAX_INT <= value <= _MAX_INT
        case _:
            if type(value) is int:
                return ""
            return (
                ""
                if isinstance(value, str) and _DECIMAL.fullmatch(value)
                else 'a decimal expected, as text like "0.25"'
            )
    return "" if fits else f"{kind} expected"


def _object(schema: Mapping[str, JSON], value: Mapping[str, JSON], path: str) -> Iterator[Mismatch]:
    properties = cast("Mapping[str, JSON]", schema.get("properties") or {})
    for name in cast("list[str]", schema.get("required") or []):
        if name not in value:
            yield Mismatch(path=f"{path}/{_token(name)}", why="is required")
    for name, each in value.items():
        if name in properties:
            yield from mismatches(properties[name], each, f"{path}/{_token(name)}")
        elif schema.get("additionalProperties") is False:
            yield Mismatch(path=f"{path}/{_token(name)}", why="is not among the fields")


def _list(schema: Mapping[str, JSON], value: list[JSON], path: str) -> Iterator[Mismatch]:
    least, most = schema.get("minItems"), schema.get("maxItems")
    if isinstance(least, int) and len(value) < least:
        yield Mismatch(path=path, why=f"at least {least} items expected")
    if isinstance(most, int) and len(value) > most:
        yield Mismatch(path=path, why=f"at most {most} items expected")
    if schema.get("uniqueItems") is True and len({json.dumps(each, sort_keys=True) for each in value}) < len(value):
        yield Mismatch(path=path, why="each item once expected")
    for position, item in enumerate(value):
        yield from mismatches(schema.get("items", {}), item, f"{path}/{position}")


def _text(kind: str, schema: Mapping[str, JSON], value: str) -> Iterator[str]:
    if kind == "number":
        yield from _bounds(schema, Decimal(value))
        return
    if "const" in schema and value != schema["const"]:
        yield "the one text allowed expected"
    choices = schema.get("enum")
    if isinstance(choices, list) and value not in choices:
        yield f"one of {', '.join(str(each) for each in choices[:8])}{' …' if len(choices) > 8 else ''} expected"
    least, most, pattern = schema.get("minLength"), schema.get("maxLength"), schema.get("pattern")
    if isinstance(least, int) and len(value) < least:
        yield f"at least {least} characters expected"
    if isinstance(most, int) and len(value) > most:
        yield f"at most {most} characters expected"
    if isinstance(pattern, str) and re.search(pattern, value) is None:
        yield f"text matching {pattern} expected"
    yield from _format(schema.get("format"), value)


def _format(form: JSON, value: str) -> Iterator[str]:
    match form:
        case "decimal":
            if not _DECIMAL.fullmatch(value):
                yield 'a decimal expected, as text like "0.25"'
        case "money":
            try:
                Money.parse(value)
            except InputError:
                yield "an amount expected, like `500.00 USD`"
        case "date":
            if not _DATE.fullmatch(value) or not _is_day(value):
                yield "a day expected, like `2026-11-22`"
        case _:
            return


def _is_day(value: str) -> bool:
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True


def _bounds(schema: Mapping[str, JSON], value: Decimal) -> Iterator[str]:
    least, most, choices = schema.get("minimum"), schema.get("maximum"), schema.get("enum")
    if isinstance(least, int | float | str) and value < Decimal(str(least)):
        yield f"at least {least} expected"
    if isinstance(most, int | float | str) and value > Decimal(str(most)):
        yield f"at most {most} expected"
    if isinstance(choices, list) and value not in choices:
        yield f"one of {', '.join(str(each) for each in choices[:8])} expected"


def _token(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
