"""Times as people say them."""

from aie.core import iso

__all__ = ["ago", "minute"]


def minute(at: int) -> str:
    """Return `2026-11-22 13:45 UTC`."""
    return iso(at)[:16].replace("T", " ") + " UTC"


def ago(now: int, at: int) -> str:
    """Return how long ago a time was, in the unit that fits: `12 s`, `5 min`, `3 h`, `2 days`."""
    seconds = max(now - at, 0) // 1_000_000
    for unit, size in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
