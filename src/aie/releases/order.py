"""The order of steps, from what refers to what."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

__all__ = ["Ordered", "order"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordered:
    """Steps in an order in which each comes after what it needs."""

    names: tuple[str, ...]
    """Every step outside a cycle, and behind none."""
    cycles: tuple[tuple[str, ...], ...]
    """Steps that wait for one another, each cycle from the edge that most likely closed it by mistake: its first step
    needs its second, which needs its third … and the last needs the first."""


def order(needs: Mapping[str, Sequence[str]]) -> Ordered:
    """Return the steps of `needs` (each with what it needs, in the order they were written), sorted.

    Of the steps that could come next, the one written first does: the order is that of the file wherever the file is
    already in order.
    """
    position = {name: i for i, name in enumerate(needs)}
    waiting = {name: {need for need in of if need in position} for name, of in needs.items()}
    names: list[str] = []
    while ready := next((name for name, of in waiting.items() if not of), None):
        names.append(ready)
        del waiting[ready]
        for of in waiting.values():
            of.discard(ready)
    return Ordered(names=tuple(names), cycles=tuple(_cycles(waiting, position)))


def _cycles(waiting: Mapping[str, set[str]], position: Mapping[str, int]) -> Iterator[tuple[str, ...]]:
    """Yield one cycle for each group of steps that wait for one another."""
    told: set[str] = set()
    for start in waiting:
        path = [start]
        while path[-1] not in path[:-1] and path[-1] not in told:
            # Every waiting step has a need that waits too, or it would have been ready.
            path.append(min(waiting[path[-1]], key=position.__getitem__))
        if path[-1] not in told:
            yield _from_mistake(path[path.index(path[-1]) : -1], position)
        told.update(path)


def _from_mistake(cycle: list[str], position: Mapping[str, int]) -> tuple[str, ...]:
    """Turn the cycle so that it begins with a step that needs itself or one written after it.

    People write steps in the order they think of them, so the reference that points forward is the one to doubt; every
    cycle has one.
    """
    following = [*cycle[1:], cycle[0]]
    first = max(range(len(cycle)), key=lambda i: position[following[i]] - position[cycle[i]])
    return (*cycle[first:], *cycle[:first])
