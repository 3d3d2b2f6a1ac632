"""Where the records become durable: the points at which a crash campaign kills the process.

Each transaction names its site; `<site>.before_commit` and `<site>.after_commit` are reached around its commit.
"""

from collections.abc import Callable
from typing import Final

__all__ = ["SITES", "commit_sites", "observe", "reached"]

SITES: Final = ("journal", "blob", "bundle", "lease", "expire", "key", "seal", "rebuild", "schema")
"""Every transaction of the records, by name."""

commit_sites: Final = frozenset(f"{site}.{when}_commit" for site in SITES for when in ("before", "after"))
"""Every point at which an observer is called."""

_observers: list[Callable[[str], None]] = []


def reached(point: str) -> None:
    """Tell observers, of which production has none, that a point was reached."""
    for observer in _observers:
        observer(point)


def observe(callback: Callable[[str], None]) -> Callable[[], None]:
    """Call `callback` with the name of each point reached; return the function that ends this."""
    _observers.append(callback)
    return lambda: _observers.remove(callback)
