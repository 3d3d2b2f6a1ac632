"""Time that moves when a test says so."""

import threading
from typing import Final

__all__ = ["VirtualClock"]

_START: Final = 1_790_000_000_000_000
"""A day in September 2026."""


class VirtualClock:
    """A `Clock` that stands still until it is moved; safe to share between threads."""

    def __init__(self, start: int = _START) -> None:
        """Begin at `start` microseconds since the epoch."""
        self._lock = threading.Lock()
        self._now = start
        self._passed = 0

    def now(self) -> int:
        """Return microseconds since the epoch."""
        return self._now

    def monotonic(self) -> int:
        """Return microseconds that were passed so far; a jump of the wall clock is not among them."""
        return self._passed

    def advance(self, microseconds: int) -> None:
        """Let time pass.

        Raises:
            ValueError: it would run backwards.
        """
        if microseconds < 0:
            raise ValueError("time only passes; `jump` sets the wall clock")
        with self._lock:
            self._now += microseconds
            self._passed += microseconds

    def jump(self, to: int) -> None:
        """Set the wall clock, as an administrator does; durations are not touched."""
        with self._lock:
            self._now = to
