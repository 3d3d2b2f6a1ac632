"""Points at which a process may die: where something becomes durable, and where something leaves the process.

Each floor names its own points and tells when one is reached; a crash campaign observes them and kills the process
there. Production has no observer.
"""

from collections.abc import Callable

__all__ = ["observe", "reached"]

_observers: list[Callable[[str], None]] = []


def reached(point: str) -> None:
    """Tell observers, of which production has none, that a point was reached."""
    for observer in _observers:
        observer(point)


def observe(callback: Callable[[str], None]) -> Callable[[], None]:
    """Call `callback` with the name of each point reached; return the function that ends this."""
    _observers.append(callback)
    return lambda: _observers.remove(callback)
