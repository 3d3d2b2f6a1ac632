"""One event loop on a thread of its own, carrying every segment of the process."""

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable

from aie.errors import FenceLost, StoreError
from aie.runs.claims import Claim
from aie.runs.engine import Execute
from aie.runs.mailbox import Mailbox

__all__ = ["SegmentLoop"]

_log = logging.getLogger("aie.runs")


class SegmentLoop:
    """Runs coroutines of segments on one thread and counts them."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._mailbox = Mailbox(self._loop)
        self._thread = threading.Thread(target=self._loop.run_forever, name="aie-segments", daemon=True)
        self._tasks: set[asyncio.Task[None]] = set()
        self._flying = 0
        self._count = threading.Condition()
        self._thread.start()

    def submit(self, execute: Execute, claim: Claim, landed: Callable[[], None] | None = None) -> None:
        """Start a segment; `landed` is called, on the loop, when it is closed or broke off."""
        with self._count:
            self._flying += 1
        self._mailbox.post(lambda: self._start(execute, claim, landed))

    def in_flight(self) -> int:
        """Return how many segments are executing."""
        return self._flying

    def stop(self, *, drain: bool) -> None:
        """End the loop; with `drain`, after everything in flight."""
        if drain:
            with self._count:
                self._count.wait_for(lambda: self._flying == 0)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    def _start(self, execute: Execute, claim: Claim, landed: Callable[[], None] | None) -> None:
        task = self._loop.create_task(_guarded(execute, claim, self._mailbox))
        self._tasks.add(task)
        task.add_done_callback(lambda task: self._landed(task, landed))

    def _landed(self, task: "asyncio.Task[None]", landed: Callable[[], None] | None) -> None:
        self._tasks.discard(task)
        with self._count:
            self._flying -= 1
            if self._flying == 0:
                self._count.notify_all()
        if landed is not None:
            landed()


async def _guarded(execute: Callable[[Claim, Mailbox], Awaitable[None]], claim: Claim, mailbox: Mailbox) -> None:
    """Run a segment; losing the fence is the normal end of an executor that was too slow."""
    try:
        await execute(claim, mailbox)
    except FenceLost as error:
        _log.warning("run %s, epoch %d: %s", claim.run, claim.epoch, error.message)
    except StoreError as error:  # a full disk, a lost connection: nothing of ours to look into
        _log.warning("run %s, epoch %d: %s; the run will be claimed again", claim.run, claim.epoch, error.message)
    except Exception:  # noqa: BLE001 - logged; the worker gives the run back
        _log.exception("run %s, epoch %d: the segment broke off; the run will be claimed again", claim.run, claim.epoch)
