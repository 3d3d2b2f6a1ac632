"""Identifiers: `run_01J…`, sortable by the time they were made, minted by logic and never by a store."""

import secrets
from collections.abc import Callable
from typing import Protocol

from aie.core.clock import Clock, SystemClock

__all__ = ["Ids", "RandomIds"]

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
"""Crockford's base 32 in lower case: no i, l, o, u, so that ids survive being read aloud."""


class Ids(Protocol):
    """Where new identifiers come from; tests pass a counting one."""

    def new(self, prefix: str) -> str:
        """Return a fresh identifier `<prefix>_<26 characters>`."""
        ...


class RandomIds:
    """48 bits of milliseconds, then 80 random bits (the layout of a ULID)."""

    def __init__(self, clock: Clock | None = None, randbits: Callable[[int], int] = secrets.randbits) -> None:
        self._clock = clock or SystemClock()
        self._randbits = randbits

    def new(self, prefix: str) -> str:
        """Return a fresh identifier; two made in one millisecond have no order between them."""
        number = (self._clock.now() // 1000) << 80 | self._randbits(80)
        digits = [_ALPHABET[number >> shift & 31] for shift in range(125, -1, -5)]
        return f"{prefix}_{''.join(digits)}"
