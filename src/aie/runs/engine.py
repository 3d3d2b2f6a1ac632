"""The engine port: where segments execute. All durability is in the records, so engines can be swapped on one store."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeAlias

from aie.runs.claims import Claim
from aie.runs.mailbox import Mailbox

__all__ = ["Engine", "Execute"]

Execute: TypeAlias = Callable[[Claim, Mailbox], Awaitable[None]]
"""Runs the claimed segment to quiescence on the mailbox's loop; raises nothing but `FenceLost` and store errors."""


class Engine(Protocol):
    """Executes claimed segments in this process.

    A claim is started at most once; if the process dies, the run's row says so and another claim follows. An engine
    owes nothing else: it may forget everything when it stops.
    """

    name: str

    def launch(self, execute: Execute) -> None:
        """Begin to accept claims.

        Args:
            execute: what to do with each.
        """
        ...

    def start(self, claims: Sequence[Claim]) -> None:
        """Start segments; returns at once. Several given together may share one unit of the engine's bookkeeping."""
        ...

    def in_flight(self) -> int:
        """Return how many segments are executing."""
        ...

    def tidy(self, live: frozenset[str]) -> None:
        """Drop what the engine's own books hold for nothing; called now and then by whichever worker comes to it.

        Args:
            live: executors with a live lease; what others began is over, its runs were claimed again.
        """
        ...

    def stop(self, *, drain: bool) -> None:
        """Stop accepting; with `drain`, return when everything in flight has closed its segment."""
        ...
