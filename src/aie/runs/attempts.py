"""Admission of calls: reserve against the run's limits, make the intent durable, then let the call leave."""

from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final, Protocol

from aie.core import JSON, Spend
from aie.errors import Failure, InputError, StepFailure
from aie.layers import Attempt, PastCall
from aie.records import check_event
from aie.records.events import AttemptIntended, AttemptSettled
from aie.runs.gate import Pass
from aie.runs.state import Attempted, State

__all__ = ["Ledger", "StepAttempts", "past_calls", "settlement"]


_MOST: Final = 10**12
"""Micro-USD (a million dollars) or tokens beyond any one call: thousands of them still add up to an integer of JSON."""


class Ledger(Protocol):
    """The segment's side of admission; called from any thread."""

    def enter(self, model: str, worst: Spend) -> Pass:
        """Wait for a call's turn with a model; what comes is given back after the call.

        Raises:
            LimitReached, StepFailure, Held: as `StepAttempts.open`.
        """
        ...

    def intend(self, event: AttemptIntended) -> AttemptIntended:
        """Admit and journal the intent; return it as it is durable, with the slabs that it draws on.

        Raises:
            LimitReached, StepFailure, Held: as `StepAttempts.open`.
        """
        ...

    def settle(self, event: AttemptSettled) -> None:
        """Take the settlement; it becomes durable with whatever the segment flushes next."""
        ...


def settlement(intended: AttemptIntended, outcome: str, spend: Spend, **said: Any) -> AttemptSettled:
    """Return what came of a call, with the reservation that it gives back and what was billed beyond it."""
    worst = intended.worst
    used = spend.to_json()
    return AttemptSettled(
        attempt=intended.attempt,
        path=intended.path,
        outcome=outcome,
        spend=used,
        reserved=worst if intended.draws else {},
        draws=intended.draws,
        overrun=_overrun(worst, used) if outcome == "settled" else {},
        **said,
    )


def _overrun(worst: Mapping[str, int], used: Mapping[str, int]) -> dict[str, int]:
    return {name: min(used[name] - worst[name], _MOST) for name in ("cost", "tokens") if used[name] > worst[name]}


def past_calls(state: State, path: str) -> tuple[PastCall, ...]:
    """Return the calls that the try of a step made before it begins again now."""
    return tuple(
        PastCall(
            answered=each.answered,
            cost=(each.intended.worst if each.settled is None else each.settled.spend)["cost"],
            age=max(state.last_at - each.at, 0),
        )
        for each in _known(state, path)
    )


def _first(state: State, path: str) -> int:
    """Return the number of the first attempt of a step's try."""
    progress = state.nodes.get(path)
    return 1 + (0 if progress is None else progress.spent_attempts)


def _known(state: State, path: str) -> Iterator[Attempted]:
    number = _first(state, path)
    while (known := state.attempts.get(f"{path}#{number}")) is not None:
        yield known
        number += 1


def _check_use(spend: Spend) -> None:
    """Refuse what no call uses: an amount below nothing would make room, one too large could not be added up.

    Raises:
        InputError: it is one of these.
    """
    for name, amount in spend.to_json().items():
        if not 0 <= amount <= _MOST:
            raise InputError(f"no call uses {amount} of {name}", hints=("look at the model's price and bounds",))


class _Open:
    """One admitted call."""

    def __init__(
        self,
        ledger: Ledger,
        event: AttemptIntended,
        given: Pass | None = None,
        *,
        tries: int = 1,
        recorded: JSON = None,
        failed: Callable[[], None] = lambda: None,
    ) -> None:
        self._ledger = ledger
        self._event = event
        self._given = given
        self._failed = failed
        self.recorded = recorded
        self.tries = tries

    def settle(
        self, spend: Spend, *, response: JSON, resolved: str, ms: int, fingerprint: str = "", measured: bool = True
    ) -> None:
        """Record the answer and what it cost.

        Raises:
            StepFailure: INVALID_OUTPUT: they cannot be recorded, so the call is forfeited.
        """
        if self.recorded is not None:
            return
        said = {"resolved": resolved, "fingerprint": fingerprint, "ms": ms, "response": response}
        event = settlement(self._event, "settled", spend, measured=measured, **said)
        try:
            _check_use(spend)
            check_event(event)
        except InputError as error:
            failure, worst = Failure.INVALID_OUTPUT, Spend.from_json(self._event.worst)
            lost = settlement(self._event, "forfeited", worst, failure=failure.value, ms=ms)
            # Who billed beyond its bounds is stopped for that, whether or not its figures can be booked.
            self._close(replace(lost, overrun=event.overrun), failure, None)
            raise StepFailure(failure, f"the answer cannot be recorded: {error.message}") from None
        self._close(event, None, spend.tokens)

    def release(self, failure: Failure, *, ms: int) -> None:
        """Record that the call surely was not billed; it still counts as a call."""
        self._close(settlement(self._event, "released", Spend(calls=1), failure=failure.value, ms=ms), failure, 0)

    def forfeit(self, failure: Failure, *, ms: int) -> None:
        """Record that the call may have been billed."""
        worst = Spend.from_json(self._event.worst)
        self._close(settlement(self._event, "forfeited", worst, failure=failure.value, ms=ms), failure, None)

    def _close(self, event: AttemptSettled, failure: Failure | None, tokens: int | None) -> None:
        """Take what came of the call first: an answer that is paid for is worth more than a place."""
        if failure is not None:
            self._failed()
        try:
            self._ledger.settle(event)
        finally:
            if self._given is not None:
                self._given.leave(failure, tokens)


class StepAttempts:
    """The attempts of one try of one step.

    A try that begins again after a crash is answered from the journal as far as the journal goes: an attempt that was
    settled is not called twice, whichever attempts of other models came before it; one that was released or forfeited
    is passed over, as it has no answer.
    """

    def __init__(self, ledger: Ledger, state: State, path: str, hash_request: Callable[[JSON], str]) -> None:
        self._ledger = ledger
        self._state = state
        self._path = path
        self._hash = hash_request
        self._next = _first(state, path)
        self._answered: dict[str, deque[Attempted]] = {}
        """Answers that the journal holds, by the hash of their request, oldest first."""
        self._failed: Counter[tuple[str, str]] = Counter()
        """Calls of this try that brought no answer, by model and hash of the request."""
        for known in _known(state, path):
            self._next += 1
            if known.answered:
                self._answered.setdefault(known.intended.request, deque()).append(known)
            else:
                self._failed[known.intended.model, known.intended.request] += 1

    def knows(self, request: JSON) -> bool:
        """Tell whether the journal holds an answer of this very request that this try has not used yet."""
        return bool(self._answered) and bool(self._answered.get(self._hash(request)))

    def open(self, *, model: str, request: JSON, worst: Spend, snapshot: str = "", route: str = "") -> Attempt:
        """Reserve the worst case and make the intent durable, then return.

        Raises:
            LimitReached: the reservation does not fit the run's limits, or a budget above them that says so.
            StepFailure: MODEL_RETIRED: the model was stopped. PROVIDER_DOWN, RATE_LIMITED: as the gate says.
            Held: a budget above the run says to wait, or the workflow or the tenant was stopped.
            InputError: the worst case is below nothing, or more than any call uses.
        """
        _check_use(worst)
        request_hash = self._hash(request)
        if self._answered.get(request_hash):
            known = self._answered[request_hash].popleft()
            response = None if known.settled is None else known.settled.response
            return _Open(self._ledger, known.intended, recorded=response)
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
        given = self._ledger.enter(model, worst)
        try:
            admitted = self._ledger.intend(event)
        except BaseException:
            given.withdraw()
            raise
        self._next += 1
        call = (model, request_hash)
        failed = partial(self._failed.update, [call])
        return _Open(self._ledger, admitted, given, tries=self._failed[call] + 1, failed=failed)
