"""Admission of calls: reserve against the run's limits, make the intent durable, then let the call leave."""

from collections.abc import Callable
from typing import Protocol

from aie.core import JSON, Spend
from aie.errors import Failure, LimitReached
from aie.layers import Attempt
from aie.records.events import AttemptIntended, AttemptSettled
from aie.runs.state import State

__all__ = ["Ledger", "StepAttempts"]


class Ledger(Protocol):
    """The segment's side of admission; called from any thread."""

    def intend(self, event: AttemptIntended) -> LimitReached | None:
        """Admit and journal the intent; returns once it is durable, or why it was refused."""
        ...

    def settle(self, event: AttemptSettled) -> None:
        """Take the settlement; it becomes durable with whatever the segment flushes next."""
        ...


class _Open:
    """One admitted call."""

    def __init__(self, ledger: Ledger, event: AttemptIntended, recorded: JSON = None) -> None:
        self._ledger = ledger
        self._event = event
        self.recorded = recorded

    def settle(self, spend: Spend, *, response: JSON, resolved: str, ms: int, fingerprint: str = "") -> None:
        """Record the answer and what it cost."""
        if self.recorded is None:
            self._record("settled", spend, resolved=resolved, fingerprint=fingerprint, ms=ms, response=response)

    def release(self, failure: Failure, *, ms: int) -> None:
        """Record that the call surely was not billed; it still counts as a call."""
        self._record("released", Spend(calls=1), failure=failure.value, ms=ms)

    def forfeit(self, failure: Failure, *, ms: int) -> None:
        """Record that the call may have been billed."""
        self._record("forfeited", Spend.from_json(self._event.worst), failure=failure.value, ms=ms)

    def _record(
        self,
        outcome: str,
        spend: Spend,
        *,
        ms: int,
        failure: str = "",
        resolved: str = "",
        fingerprint: str = "",
        response: JSON = None,
    ) -> None:
        self._ledger.settle(
            AttemptSettled(
                attempt=self._event.attempt,
                path=self._event.path,
                outcome=outcome,
                spend=spend.to_json(),
                resolved=resolved,
                fingerprint=fingerprint,
                failure=failure,
                ms=ms,
                response=response,
            )
        )


class StepAttempts:
    """The attempts of one try of one step.

    A try that begins again after a crash is answered from the journal as far as the journal goes: an attempt that was
    settled is not called twice, one that was forfeited is passed over, as its answer is lost.
    """

    def __init__(self, ledger: Ledger, state: State, path: str, hash_request: Callable[[JSON], str]) -> None:
        progress = state.nodes.get(path)
        self._ledger = ledger
        self._state = state
        self._path = path
        self._hash = hash_request
        self._next = 1 + (0 if progress is None else progress.spent_attempts)

    def open(self, *, model: str, request: JSON, worst: Spend, snapshot: str = "", route: str = "") -> Attempt:
        """Reserve the worst case and make the intent durable, then return.

        Raises:
            LimitReached: the reservation does not fit the run's limits.
        """
        request_hash = self._hash(request)
        while (known := self._state.attempts.get(f"{self._path}#{self._next}")) is not None:
            self._next += 1
            settled = known.settled
            if settled is not None and settled.outcome == "settled" and known.intended.request == request_hash:
                return _Open(self._ledger, known.intended, recorded=settled.response)
        event = AttemptIntended(
            attempt=f"{self._path}#{self._next}",
            path=self._path,
            epoch=self._state.epoch,
            model=model,
            request=request_hash,
            worst=worst.to_json(),
            snapshot=snapshot,
            route=route,
        )
        self._next += 1
        refused = self._ledger.intend(event)
        if refused is not None:
            raise refused
        return _Open(self._ledger, event)
