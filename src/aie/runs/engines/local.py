"""The engine without an engine: segments on one event loop, durability from the records alone."""

from collections.abc import Sequence

from aie.runs.claims import Claim
from aie.runs.engine import Execute
from aie.runs.engines.loop import SegmentLoop

__all__ = ["LocalEngine"]


class LocalEngine:
    """Executes segments in this process and keeps no books of its own."""

    name = "local"

    def __init__(self) -> None:
        self._loop: SegmentLoop | None = None
        self._execute: Execute | None = None

    def launch(self, execute: Execute) -> None:
        """Begin to accept claims."""
        self._execute = execute
        self._loop = SegmentLoop()

    def start(self, claims: Sequence[Claim]) -> None:
        """Start segments."""
        if self._loop is None or self._execute is None:
            raise RuntimeError("the engine was not launched")
        for claim in claims:
            self._loop.submit(self._execute, claim)

    def in_flight(self) -> int:
        """Return how many segments are executing."""
        return 0 if self._loop is None else self._loop.in_flight()

    def tidy(self, live: frozenset[str]) -> None:
        """Do nothing: there are no books."""

    def stop(self, *, drain: bool) -> None:
        """Stop, with `drain` after everything in flight."""
        if self._loop is not None:
            self._loop.stop(drain=drain)
            self._loop = None
