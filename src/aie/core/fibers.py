"""Fibers: code that waits without holding a thread.

A step that asks a model computes for a millisecond and waits for seconds: for the journal, for bytes, for its turn. In
a fiber the same code, unchanged, lets go of its thread while it waits, so that one thread carries hundreds of such
steps and none of them needs a switch between threads to go on (design/015).

Whatever waits on the way says so here; outside of a fiber it blocks its thread, as ever. To hold a lock over a wait is
a mistake in a fiber: whoever wants it next may be on the same thread.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, Generic, Protocol, TypeVar, cast

from greenlet import getcurrent, greenlet

__all__ = [
    "Answer",
    "Fibers",
    "blocking",
    "cpu_ns",
    "in_fiber",
    "is_alone",
    "pause",
    "uncounted",
    "until_readable",
    "until_writable",
]

T = TypeVar("T")

_READY, _LATE, _NOTHING = object(), object(), object()
"""What a fiber may be continued with, and what an answer holds that was not given yet."""


class _Socket(Protocol):
    def fileno(self) -> int: ...


class _Fiber(greenlet):  # type: ignore[misc]
    """One piece of work on the event loop's thread."""

    def __init__(
        self,
        work: Callable[[], None],
        loop: asyncio.AbstractEventLoop,
        post: Callable[[Callable[[], None]], None],
        pool: Executor,
        home: "Fibers",
    ) -> None:
        super().__init__(lambda _: work())  # `go_on` gives it something the first time, too
        self.loop = loop
        self.post = post
        """Makes a call on the loop, from any thread."""
        self.pool = pool
        self.home = home
        self._cpu = 0
        """Nanoseconds of CPU that it took before it was continued last."""
        self._since = 0

    def go_on(self, come: Any = None) -> None:
        """Let it work until it waits again or ends. On the loop, outside of any fiber."""
        self._since = time.thread_time_ns()
        self.switch(come)
        self._cpu += time.thread_time_ns() - self._since
        if self.dead:
            self.home.ended(self.loop)

    def wait(self) -> Any:
        """Let the loop go on; return what `go_on` is given."""
        return self.parent.switch()

    def discount(self, cpu: int) -> None:
        self._cpu -= cpu

    def cpu_ns(self) -> int:
        return self._cpu + time.thread_time_ns() - self._since


def _current() -> _Fiber | None:
    found = getcurrent()
    return found if isinstance(found, _Fiber) else None


class Fibers:
    """Runs pieces of work in fibers of an event loop: so many at once, the others after them in their order."""

    def __init__(self, pool: Executor, at_once: int) -> None:
        """Prepare.

        Args:
            pool: threads for what blocks on the way, of these fibers alone and as many.
            at_once: most fibers at once.
        """
        self._pool = pool
        self._at_once = at_once
        self.living = 0
        """Fibers that have begun and not ended."""
        self._queue: deque[Callable[[], None]] = deque()

    def start(
        self,
        work: Callable[[], None],
        *,
        loop: asyncio.AbstractEventLoop,
        post: Callable[[Callable[[], None]], None],
    ) -> None:
        """Begin a piece of work at once, if there is room. On the loop, outside of any fiber.

        Args:
            work: lets no error out.
            loop: the event loop of this thread.
            post: makes a call on the loop, from any thread.
        """
        self._queue.append(lambda: _Fiber(work, loop, post, self._pool, self).go_on())
        self._next()

    def _next(self) -> None:
        if self.living < self._at_once and self._queue:
            self.living += 1
            self._queue.popleft()()

    def ended(self, loop: asyncio.AbstractEventLoop) -> None:
        """Take note that a fiber has ended, and begin what waits for its place."""
        self.living -= 1
        if self._queue:
            loop.call_soon(self._next)  # not from here: a thousand that end at once would be as many frames deep


class Answer(Generic[T]):
    """Waits for what its one call is given: `begin(answer)`, then `answer.wait()`. A tenth of a `Future`.

    Made by who waits; called once, from any thread. Who is given an error raises it.
    """

    __slots__ = ("_come", "_fiber", "_given", "_waits")

    def __init__(self) -> None:
        self._fiber = _current()
        self._given: T | BaseException | object = _NOTHING
        self._waits = False
        self._come: threading.Lock | None = None
        if self._fiber is None:
            self._come = threading.Lock()
            self._come.acquire()

    def __call__(self, given: T | BaseException) -> None:
        """Take what is waited for."""
        self._given = given
        if self._come is not None:
            self._come.release()
        elif self._fiber is not None and self._fiber is not getcurrent():
            self._fiber.post(self._wake)

    def wait(self, seconds: float | None = None) -> T:
        """Return what was given, or raise it. Call it once.

        Raises:
            TimeoutError: nothing was given in so many seconds.
        """
        if self._come is not None:
            self._come.acquire(timeout=-1 if seconds is None else seconds)
        elif self._given is _NOTHING:
            self._wait_in_fiber(seconds)
        try:
            if self._given is _NOTHING:
                raise TimeoutError("nothing came in time")
            if isinstance(self._given, BaseException):
                raise self._given
            return cast("T", self._given)
        finally:
            self._given = _NOTHING  # an error keeps this frame: it would keep itself, until cycles are collected

    def _wait_in_fiber(self, seconds: float | None) -> None:
        fiber = self._fiber
        assert fiber is not None
        timer = None if seconds is None else fiber.loop.call_later(seconds, self._wake)
        self._waits = True
        try:
            fiber.wait()
        finally:
            if timer is not None:
                timer.cancel()

    def _wake(self) -> None:
        """Continue the fiber, unless it goes on already or does not wait yet. On the loop."""
        if self._waits and self._fiber is not None:
            self._waits = False
            self._fiber.go_on()


def in_fiber() -> bool:
    """Tell whether waits that are said here hold no thread."""
    return _current() is not None


def is_alone() -> bool:
    """Tell whether this is a fiber and the only one: where it works for long, it holds up no other."""
    fiber = _current()
    return fiber is not None and fiber.home.living == 1


def pause(seconds: float) -> None:
    """Wait."""
    fiber = _current()
    if fiber is None:
        time.sleep(seconds)
    else:
        fiber.loop.call_later(seconds, fiber.go_on)
        fiber.wait()


def blocking(call: Callable[[], T]) -> T:
    """Return what a call returns that may block for long; in a fiber a thread of the pool makes it."""
    fiber = _current()
    if fiber is None:
        return call()
    answer: Answer[tuple[T]] = Answer()

    def in_thread() -> None:
        try:
            answer((call(),))
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            answer(error)

    fiber.pool.submit(in_thread)
    return answer.wait()[0]


def until_readable(channel: _Socket, seconds: float) -> None:
    """Wait, in a fiber, until there is something to read, or the other side has closed.

    Raises:
        TimeoutError: not in so many seconds.
    """
    fiber = _current()
    assert fiber is not None, "outside of a fiber the socket itself blocks"
    _until(fiber, channel.fileno(), seconds, fiber.loop.add_reader, fiber.loop.remove_reader)


def until_writable(channel: _Socket, seconds: float) -> None:
    """Wait, in a fiber, until something can be written.

    Raises:
        TimeoutError: not in so many seconds.
    """
    fiber = _current()
    assert fiber is not None, "outside of a fiber the socket itself blocks"
    _until(fiber, channel.fileno(), seconds, fiber.loop.add_writer, fiber.loop.remove_writer)


def _until(fiber: _Fiber, number: int, seconds: float, add: Callable[..., Any], remove: Callable[[int], Any]) -> None:
    add(number, fiber.go_on, _READY)  # first, as it may fail: a timer that is left would end another wait
    timer = fiber.loop.call_later(seconds, fiber.go_on, _LATE)
    try:
        come = fiber.wait()
    finally:
        remove(number)
        timer.cancel()
    if come is _LATE:
        raise TimeoutError("nothing came in time")


def uncounted(call: Callable[[], T]) -> T:
    """Return what a call returns, whose CPU is not the fiber's: a thread does it for whoever is not alone."""
    fiber = _current()
    began = time.thread_time_ns()
    try:
        return call()
    finally:
        if fiber is not None:
            fiber.discount(time.thread_time_ns() - began)


def cpu_ns() -> int:
    """Return the nanoseconds of CPU that this thread or fiber has taken so far."""
    fiber = _current()
    return time.thread_time_ns() if fiber is None else fiber.cpu_ns()
