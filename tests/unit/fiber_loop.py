"""An event loop of the test's own, whose fibers run while it is driven."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TypeVar, cast

from aie.core import fibers
from aie.runs.mailbox import Mailbox

__all__ = ["Loop", "in_fiber"]

T = TypeVar("T")


class Loop:
    """An event loop whose fibers run while it is driven."""

    def __init__(self, at_once: int) -> None:
        self.loop = asyncio.new_event_loop()
        self.mailbox = Mailbox(self.loop)
        self.pool = ThreadPoolExecutor(4)
        self.fibers = fibers.Fibers(self.pool, at_once)
        self.begun = 0
        self.ended: list[object] = []

    def start(self, work: Callable[[], object]) -> None:
        """Run work in a fiber, once the loop is driven; what it returns or raises is kept."""
        self.begun += 1

        def kept() -> None:
            try:
                self.ended.append(work())
            except Exception as error:
                self.ended.append(error)
            if len(self.ended) == self.begun:
                self.loop.call_soon(self.loop.stop)

        self.loop.call_soon(lambda: self.fibers.start(kept, loop=self.loop, post=self.mailbox.post))

    def drive(self) -> list[object]:
        """Let everything end; return what came, in the order in which it did."""
        self.loop.run_forever()
        return self.ended

    def close(self) -> None:
        self.pool.shutdown()
        self.loop.close()


def in_fiber(work: Callable[[], T]) -> T:
    """Return what work returns in a fiber, or raise what it raises."""
    with closing(Loop(at_once=1)) as loop:
        loop.start(work)
        (ended,) = loop.drive()
    if isinstance(ended, Exception):
        raise ended
    return cast("T", ended)
