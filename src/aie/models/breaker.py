"""When a circuit breaker opens, by outcomes of the last while as one process sees them, and what waits for it."""

from collections import deque
from collections.abc import Mapping
from typing import Any

from aie.errors import Failure, Held

__all__ = ["Breaker", "fails", "held_by_breaker"]

_FAILS = frozenset({Failure.PROVIDER_DOWN, Failure.TIMEOUT})


def fails(failure: Failure | None) -> bool:
    """Tell whether an outcome speaks against the endpoint: a refusal or a nonsense answer shows that it is there."""
    return failure in _FAILS


def held_by_breaker(model: str, why: str, *, left: int, at_most: int) -> Held | None:
    """Return what a step waits for that has nobody else to ask; None when it would wait longer than it may.

    Args:
        model: catalog name.
        why: for people.
        left: microseconds until one call may try the model, as far as that is known.
        at_most: the longest wait that the model's retry policy allows.
    """
    return Held(why, on=f"breaker:{model}", wait=left, at_most=at_most) if left < at_most else None


class Breaker:
    """Outcomes of the calls of one endpoint. Not safe to share between threads."""

    def __init__(self) -> None:
        self._outcomes: deque[tuple[int, bool]] = deque()
        self._failed = 0
        """Failures among them."""
        self._last = ""
        """What the last of them was."""

    def opens(self, policy: Mapping[str, Any], failure: Failure | None, at: int) -> str:
        """Take an outcome and tell why the breaker opens; empty: it does not.

        Args:
            policy: `failures` and `within` (microseconds), live facts of the model.
            failure: what the call failed with; None for an answer.
            at: microseconds of a clock that only goes forward.
        """
        self._outcomes.append((at, fails(failure)))
        if failure is not None and fails(failure):
            self._failed += 1
            self._last = failure.value
        while self._outcomes and self._outcomes[0][0] <= at - policy["within"]:
            self._failed -= self._outcomes.popleft()[1]
        if self._failed < policy["failures"] or 2 * self._failed < len(self._outcomes):
            return ""
        seconds = policy["within"] / 1_000_000
        why = f"{self._failed} of {len(self._outcomes)} calls within {seconds:g} s failed, the last with {self._last}"
        self._outcomes.clear()
        self._failed = 0
        return why
