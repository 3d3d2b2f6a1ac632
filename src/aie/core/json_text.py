"""One reading of JSON for whatever comes from outside, inputs of runs and rows of datasets alike."""

import json
from decimal import Decimal, InvalidOperation
from typing import Final

from aie.core.digest import JSON, canonical
from aie.errors import InputError

__all__ = ["read_json"]

_WRITTEN_OUT: Final = 40
"""Characters, and decimal places either way, up to which a number with an exponent is written without it."""


def read_json(text: str) -> JSON:
    """Return the JSON value, which has a canonical form.

    A number with a fraction or an exponent becomes decimal text, as it was written: nothing that is digested holds a
    float.

    Raises:
        InputError: not JSON (its field `place` is then `:line:col`), a key that stands twice in one object, nested
            too deeply, or without a canonical form.
    """
    try:
        value: JSON = json.loads(text, object_pairs_hook=_no_twice, parse_float=_fraction, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise InputError(f"not JSON: {error.msg.lower()}", place=f":{error.lineno}:{error.colno}") from error
    except RecursionError as error:
        raise InputError("nested too deeply", hints=("flatten the value",)) from error
    except ValueError as error:  # an integer of more digits than Python converts
        raise InputError("a number is too long", hints=("write it as a string",)) from error
    canonical(value)
    return value


def _no_twice(pairs: list[tuple[str, JSON]]) -> dict[str, JSON]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"the key {twice!r} stands twice in one object", hints=("keep one of the two",))
    return found


def _fraction(text: str) -> str:
    try:
        number = Decimal(text)
    except InvalidOperation:  # an exponent that no decimal has
        return text
    return f"{number:f}" if len(text) < _WRITTEN_OUT and abs(number.adjusted()) < _WRITTEN_OUT else text


def _no_constant(text: str) -> None:
    raise InputError(f"not JSON: {text}", hints=("leave the field out, or write null",))
