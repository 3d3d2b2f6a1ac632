"""Time as an argument: integers of microseconds since the epoch, UTC."""

import time
from datetime import UTC, datetime
from typing import Protocol

__all__ = ["Clock", "SystemClock", "iso"]


class Clock(Protocol):
    """Where the time comes from; tests pass a virtual one."""

    def now(self) -> int:
        """Return microseconds since 1970-01-01 UTC. May jump: never measure a duration with it."""
        ...

    def monotonic(self) -> int:
        """Return microseconds of a clock that only goes forward; for durations within one process."""
        ...


class SystemClock:
    """The machine's clocks."""

    def now(self) -> int:
        """Return wall time in microseconds."""
        return time.time_ns() // 1000

    def monotonic(self) -> int:
        """Return monotonic time in microseconds."""
        return time.monotonic_ns() // 1000


def iso(at: int) -> str:
    """Return `2026-11-22T13:45:00.123Z` for a time in microseconds."""
    return datetime.fromtimestamp(at / 1_000_000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
