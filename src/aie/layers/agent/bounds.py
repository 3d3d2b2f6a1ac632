"""The bounds of a step: counted before each call, by a meter that the model cannot reach."""

import time
from collections.abc import Callable, Mapping
from typing import Any, Literal

from aie.core import JSON, Spend
from aie.errors import Failure
from aie.layers.port import Attempt, Attempts

__all__ = ["BoundReached", "Bounds", "Limit"]

Limit = Literal["calls", "cost", "time"]


class BoundReached(Exception):
    """The next call would go beyond a bound: the step stops with what it has."""

    def __init__(self, limit: Limit) -> None:
        super().__init__(limit)
        self.limit = limit


class Bounds:
    """Counts the calls of one step; stands before the run's own admission."""

    def __init__(
        self, attempts: Attempts, *, calls: int, cost: int, time_us: int, now: Callable[[], int] = time.monotonic_ns
    ) -> None:
        """Begin to count.

        Args:
            attempts: the run's admission, asked when a call is within the bounds.
            calls: the most calls of models and tools together.
            cost: the most micro-USD.
            time_us: the most microseconds from now on.
            now: nanoseconds of a clock that never goes back.
        """
        self._attempts = attempts
        self._calls, self._cost = calls, cost
        self._now = now
        self._end = now() + time_us * 1000
        self.calls = 0
        """Made so far."""
        self.cost = 0
        """Micro-USD spent so far; of calls that are open, what is reserved."""

    @property
    def left_us(self) -> int:
        """Microseconds left."""
        return max(0, self._end - self._now()) // 1000

    @property
    def left_calls(self) -> int:
        """Calls left."""
        return self._calls - self.calls

    def count(self) -> None:
        """Count a call before it is made.

        Raises:
            BoundReached: no more calls, or no more time.
        """
        if self.calls >= self._calls:
            raise BoundReached("calls")
        if self.left_us <= 0:
            raise BoundReached("time")
        self.calls += 1

    def knows(self, request: JSON) -> bool:
        """Tell whether the answer of a call is recorded."""
        return self._attempts.knows(request)

    def open(self, *, model: str, request: JSON, worst: Spend, snapshot: str = "", route: str = "") -> Attempt:
        """Admit a call of a model: within the bounds at its worst, then by the run.

        Raises:
            BoundReached: it might go beyond a bound.
            LimitReached, StepFailure, Held: as `Attempts.open`.
        """
        if self.cost + worst.cost > self._cost:
            raise BoundReached("cost")
        self.count()
        self.cost += worst.cost
        try:
            attempt = self._attempts.open(model=model, request=request, worst=worst, snapshot=snapshot, route=route)
        except BaseException:
            self.cost -= worst.cost
            raise
        return _Metered(attempt, self, worst.cost)

    def hurried(self, live: Callable[[str], Mapping[str, JSON]]) -> Callable[[str], Mapping[str, JSON]]:
        """Return live facts under which no call waits longer than there is time left."""

        def facts(component: str) -> Mapping[str, JSON]:
            known = live(component)
            timeout = known.get("timeout")
            if not isinstance(timeout, int):
                return known
            return {**known, "timeout": max(1_000, min(timeout, self.left_us))}

        return facts


class _Metered:
    """An admitted call; what was reserved beyond its cost is free again.

    One that the journal answers keeps its reservation here: after a crash a bound may come early, but never late.
    """

    def __init__(self, attempt: Attempt, bounds: Bounds, reserved: int) -> None:
        self._attempt, self._bounds, self._reserved = attempt, bounds, reserved
        self.recorded: JSON = attempt.recorded
        self.tries = attempt.tries

    def settle(self, spend: Spend, **said: Any) -> None:
        """Record the answer and what it cost."""
        self._bounds.cost += spend.cost - self._reserved
        self._attempt.settle(spend, **said)

    def release(self, failure: Failure, *, ms: int) -> None:
        """Record that the call surely was not billed."""
        self._bounds.cost -= self._reserved
        self._attempt.release(failure, ms=ms)

    def forfeit(self, failure: Failure, *, ms: int) -> None:
        """Record that the call may have been billed."""
        self._attempt.forfeit(failure, ms=ms)
