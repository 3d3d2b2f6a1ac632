"""Calls from other threads onto an event loop, many for one wake of the loop.

A wake is a system call and a switch of threads, which cost more than most of what they announce: a batch of the journal
that ends thirty flushes wakes the loop once.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable

__all__ = ["Mailbox"]


class Mailbox:
    """The calls that wait for one loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._calls: deque[Callable[[], None]] = deque()
        self._armed = False

    def post(self, call: Callable[[], None]) -> None:
        """Let the loop make a call soon, after all that were posted before. From any thread."""
        self._calls.append(call)
        if not self._armed:
            # Two threads may both get here: the second wake finds nothing to do.
            self._armed = True
            with contextlib.suppress(RuntimeError):  # the loop is closed: the process stops and nobody waits for it
                self.loop.call_soon_threadsafe(self._make)

    def _make(self) -> None:
        # Disarmed first: a call that is appended from now on is seen below or wakes the loop again.
        self._armed = False
        while self._calls:
            call = self._calls.popleft()
            try:
                call()
            except Exception as error:  # noqa: BLE001 - as the loop does: one broken call hinders no other
                self.loop.call_exception_handler({"message": "a posted call failed", "exception": error})
