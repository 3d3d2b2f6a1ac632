"""One event loop on a thread of its own, carrying every segment of the process."""

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future

from aie.errors import FenceLost
from aie.runs.claims import Claim
from aie.runs.engine import Execute

__all__ = ["SegmentLoop"]

_log = logging.getLogger("aie.runs")


class SegmentLoop:
    """Runs coroutines of segments on one thread and counts them."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="aie-segments", daemon=True)
        self._flying: set[Future[None]] = set()
        self._lock = threading.Lock()
        self._thread.start()

    def submit(self, execute: Execute, claim: Claim) -> "Future[None]":
        """Start a segment; the future is done when its segment is closed or its fence was lost."""
        future = asyncio.run_coroutine_threadsafe(_guarded(execute, claim), self._loop)
        with self._lock:
            self._flying.add(future)
        future.add_done_callback(self._landed)
        return future

    def call(self, function: Callable[[], None]) -> None:
        """Call a function on the loop."""
        self._loop.call_soon_threadsafe(function)

    def in_flight(self) -> int:
        """Return how many segments are executing."""
        with self._lock:
            return len(self._flying)

    def stop(self, *, drain: bool) -> None:
        """End the loop; with `drain`, after everything in flight."""
        if drain:
            with self._lock:
                flying = list(self._flying)
            for future in flying:
                future.exception()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    def _landed(self, future: "Future[None]") -> None:
        with self._lock:
            self._flying.discard(future)


async def _guarded(execute: Callable[[Claim], Awaitable[None]], claim: Claim) -> None:
    """Run a segment; losing the fence is the normal end of an executor that was too slow."""
    try:
        await execute(claim)
    except FenceLost as error:
        _log.warning("run %s, epoch %d: %s", claim.run, claim.epoch, error.message)
    except Exception:
        _log.exception("run %s, epoch %d: the segment broke off; the run will be claimed again", claim.run, claim.epoch)
        raise
