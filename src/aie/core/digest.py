"""Canonical JSON and the digests over it: identity of everything that is versioned."""

import hashlib
import json
from typing import Final, TypeAlias

from aie.errors import InputError

__all__ = ["JSON", "canonical", "digest_bytes", "digest_json"]

JSON: TypeAlias = bool | int | float | str | list["JSON"] | dict[str, "JSON"] | None
"""A JSON value. Floats are legal only where nothing is digested: `canonical` refuses them."""

MAX_INT: Final = 2**53 - 1
MAX_DEPTH: Final = 100


def canonical(value: object) -> bytes:
    """Return the canonical JSON bytes of `value` (RFC 8785, without floats).

    Integers are limited to ±(2^53−1) as other languages read them as doubles; decimals travel as strings.

    Raises:
        InputError: a float, an integer out of range, a lone surrogate, a key that is not a string, or nesting
            deeper than 100.
    """
    wide = _check(value, 0)
    if wide:
        value = _in_utf16_order(value)
    return json.dumps(
        value, ensure_ascii=False, separators=(",", ":"), sort_keys=not wide, check_circular=False
    ).encode()


def digest_json(value: object) -> str:
    """Return `sha256:<hex>` over the canonical JSON of `value`."""
    return digest_bytes(canonical(value))


def digest_bytes(content: bytes) -> str:
    """Return `sha256:<hex>` over bytes as they are."""
    return "sha256:" + hashlib.sha256(content).hexdigest()


def _check(value: object, depth: int) -> bool:
    """Refuse what has no canonical form; True when a key needs UTF-16 order, which differs from code point order."""
    if depth > MAX_DEPTH:
        raise InputError(f"nested deeper than {MAX_DEPTH} levels", hints=("flatten the value",))
    kind = type(value)
    if kind is str:
        _check_text(value)  # type: ignore[arg-type]
        return False
    if value is None or kind is bool:
        return False
    if kind is int:
        if not -MAX_INT <= value <= MAX_INT:  # type: ignore[operator]
            raise InputError("an integer beyond ±(2^53−1) has no canonical form", hints=("write it as a string",))
        return False
    if kind is dict:
        wide = False
        for key, item in value.items():  # type: ignore[attr-defined]
            if type(key) is not str:
                raise InputError(f"a key must be a string, not {type(key).__name__}")
            _check_text(key)
            wide |= not key.isascii() and max(key) > "\ud7ff"
            wide |= _check(item, depth + 1)
        return wide
    if kind is list or kind is tuple:
        wide = False
        for item in value:  # type: ignore[attr-defined]
            wide |= _check(item, depth + 1)
        return wide
    if kind is float:
        raise InputError("a float has no canonical form here", hints=('write decimals as strings, e.g. "0.25"',))
    raise InputError(f"{kind.__name__} is not a JSON value")


def _check_text(text: str) -> None:
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise InputError("text holds a lone surrogate, which no encoding can carry") from error


def _in_utf16_order(value: object) -> object:
    if isinstance(value, dict):
        items = sorted(value.items(), key=lambda item: item[0].encode("utf-16-be"))
        return {key: _in_utf16_order(item) for key, item in items}
    if isinstance(value, list | tuple):
        return [_in_utf16_order(item) for item in value]
    return value
