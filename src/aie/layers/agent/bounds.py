"""The bounds of a step: counted before each call, by a meter that the model cannot reach."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from aie.core import JSON, Spend
from aie.errors import Failure
from aie.layers.port import Attempt, Attempts, PastCall

__all__ = ["BoundReached", "Bounds", "Limit"]

Limit = Literal["calls", "cost", "time"]


class BoundReached(Exception):
    """The next call would go beyond a bound: the step stops with what it has."""

    def __init__(self, limit: Limit) -> None:
        super().__init__(limit)
        self.limit = limit


class Bounds:
    """Counts the calls of one step; stands before the run's own admission.

    A try that begins again, after a wait or a crash, has used what its past calls used. Their answers are repeated from
    the journal, which costs nothing and is not bounded; what is asked after them is.
    """

    def __init__(
        self,
        attempts: Attempts,
        *,
        calls: int,
        cost: int,
        time_us: int,
        past: Sequence[PastCall] = (),
        now: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """Begin to count.

        Args:
            attempts: the run's admission, asked when a call is within the bounds.
            calls: the most calls of models and tools together.
            cost: the most micro-USD.
            time_us: the most microseconds, from now on or from the first of `past`.
            past: calls of this very try from before it began again.
            now: nanoseconds of a clock that never goes back.
        """
        self._attempts = attempts
        self._calls, self._cost = calls, cost
        self._now = now
        self._end = now() + time_us * 1000
        self._gone = past[0].age if past else 0
        """Microseconds since the first call; counted once no answer is left to repeat."""
        self._answers = sum(each.answered for each in past)
        """Answers left to repeat."""
        self._done = 0
        self.calls = len(past) - self._answers
        """Made so far; one whose answer is to be repeated counts when it is."""
        self.cost = sum(each.cost for each in past)
        """Micro-USD spent so far; of calls that are open, what is reserved."""

    @property
    def left_us(self) -> int:
        """Microseconds left."""
        return max(0, self._end - self._now()) // 1000

    @property
    def told_calls(self) -> int:
        """Calls left as a prompt tells it: one without an answer is not in it, so that a prompt is the same again."""
        return self._calls - self._done

    def count(self) -> None:
        """Count a call of a tool before it is made.

        Raises:
            BoundReached: no more calls, or no more time.
        """
        self._check(0)
        self.calls += 1
        self._done += 1

    def knows(self, request: JSON) -> bool:
        """Tell whether the answer of a call is recorded."""
        return self._attempts.knows(request)

    def open(self, *, model: str, request: JSON, worst: Spend, snapshot: str = "", route: str = "") -> Attempt:
        """Admit a call of a model: within the bounds at its worst, then by the run.

        Raises:
            BoundReached: it might go beyond a bound.
            LimitReached, StepFailure, Held: as `Attempts.open`.
        """
        repeats = self._answers > 0
        if not repeats:
            self._end, self._gone = self._end - self._gone * 1000, 0
            self._check(worst.cost)
        attempt = self._attempts.open(model=model, request=request, worst=worst, snapshot=snapshot, route=route)
        if attempt.recorded is not None:
            self._answers -= 1
            self.calls += 1
            self._done += 1
            return attempt
        if repeats:  # another question than before, after all
            try:
                self._check(worst.cost)
            except BoundReached:
                attempt.release(Failure.LIMIT_REACHED, ms=0)
                raise
        self.calls += 1
        self.cost += worst.cost
        return _Metered(attempt, self, worst.cost)

    def closed(self, unused: int, *, answered: bool) -> None:
        """Take back what a call reserved and did not use."""
        self.cost -= unused
        self._done += answered

    def _check(self, cost: int) -> None:
        if self.cost + cost > self._cost:
            raise BoundReached("cost")
        if self.calls >= self._calls:
            raise BoundReached("calls")
        if self.left_us <= 0:
            raise BoundReached("time")

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
    """An admitted call; what was reserved beyond its cost is free again."""

    def __init__(self, attempt: Attempt, bounds: Bounds, reserved: int) -> None:
        self._attempt, self._bounds, self._reserved = attempt, bounds, reserved
        self.recorded: JSON = attempt.recorded
        self.tries = attempt.tries

    def settle(self, spend: Spend, **said: Any) -> None:
        """Record the answer and what it cost."""
        self._attempt.settle(spend, **said)
        self._bounds.closed(self._reserved - spend.cost, answered=True)

    def release(self, failure: Failure, *, ms: int) -> None:
        """Record that the call surely was not billed."""
        self._bounds.closed(self._reserved, answered=False)
        self._attempt.release(failure, ms=ms)

    def forfeit(self, failure: Failure, *, ms: int) -> None:
        """Record that the call may have been billed."""
        self._attempt.forfeit(failure, ms=ms)
