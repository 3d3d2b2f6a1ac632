"""The time that one document may take, however many files, pages and processes reading it needs."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from aie.errors import Failure, StepFailure

__all__ = ["Allowance"]


class Allowance:
    """Milliseconds for one kind of work on one document; waiting for a place to work in is not counted."""

    def __init__(self, ms: int) -> None:
        self.ms = ms
        """What was allowed at the start."""
        self._spent = 0.0

    @property
    def left_ms(self) -> int:
        """What is left; never below 0."""
        return max(0, self.ms - round(self._spent * 1000))

    @contextmanager
    def spending(self) -> Iterator[None]:
        """Count the time that this takes.

        Raises:
            StepFailure: TIMEOUT when nothing was left to begin with.
        """
        if self.left_ms <= 0:
            raise StepFailure(
                Failure.TIMEOUT, f"reading the document and what is attached to it took more than {self.ms} ms"
            )
        begun = time.monotonic()
        try:
            yield
        finally:
            self._spent += time.monotonic() - begun
