"""The work of a run, the same for every contender: five nodes in a row, of which one or three call another process."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from benchmarks.calling import Caller

__all__ = ["NODES", "NOTE", "Contender", "Job", "node_work"]

NODES: Final = ("a", "b", "c", "d", "e")
"""Names of the nodes in the order in which they run."""

_EXTERNAL: Final = {1: frozenset("c"), 3: frozenset("bcd")}
"""Which nodes call, by how many do."""

NOTE: Final = "n" * 150
"""What every value carries along, so that it is of an ordinary size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What one process of one contender has to do."""

    contender: str
    url: str
    """Store: `sqlite:///…` or `postgresql://…`."""
    externals: int
    """How many of the nodes call."""
    socket: str
    """Where the other process answers."""
    clients: int
    """Runs in flight in this process."""
    seconds: float
    """How long runs are started; those under way then are awaited and count."""
    worker: int
    """Which of the contender's processes this is, from 0."""
    profile: bool = False
    """Also tell on which floor of ours the CPU went."""

    def external(self, node: str) -> bool:
        """Tell whether a node calls."""
        return node in _EXTERNAL[self.externals]


class Contender(Protocol):
    """One way to run the work, open in one process."""

    def run(self, number: int) -> None:
        """Do one run from its input to its result, durably; raise when the result is wrong."""
        ...

    def check(self) -> int:
        """Read back every run of this process and return how many there are; raise when one is not as it must be."""
        ...

    def close(self) -> None:
        """End."""
        ...


def node_work(job: Job, caller: Caller) -> dict[str, Callable[[int], int]]:
    """Return what each node does with the value it is given: add one, by itself or through a call."""
    return {name: caller if job.external(name) else _add for name in NODES}


def _add(value: int) -> int:
    return value + 1
