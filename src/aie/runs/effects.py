"""Effects: delivered at least once under one stable key, by whoever holds the row of the outbox.

The first try is made by the segment that queued the effect, right after the request and the try are durable; every
later one by the outbox loop of a worker. What an interrupted try may have done depends on what the receiver declares:
an `idempotent` one is simply given the same key again, a `reconcile` one is asked first, and an `at_most_once` one is
never tried twice: a person decides.

What may leave is asked anew at each try, with the labels that the run's events give the step: whatever the settings do
not permit any more fails the step, whoever queued it and whenever.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from aie.core import JSON, Labels
from aie.errors import AieError, Conflict, Failure, FenceLost, StepFailure
from aie.layers import Delivery
from aie.records import EffectFilter, EffectRow, Entry, Event, Locked, Recorded
from aie.records.events import EffectAttempted, EffectDelivered, EffectFailed, EffectQueued, SegmentQueued
from aie.runs.heart import fold
from aie.runs.scope import labels_read, scope_of
from aie.runs.services import Services
from aie.runs.sites import append, reached
from aie.runs.state import State
from aie.runs.steps import RunContext, failed, tools_for, value_event

__all__ = ["MAX_TRIES", "attempted", "deliver", "interrupted", "redeliver", "repeat_of"]

MAX_TRIES: Final = 8
"""Tries of a receiver that is down and does not say `retries`, over about two minutes; then its failure is final."""

_LEASE: Final = 60_000_000
"""Microseconds after which a try counts as interrupted even if its executor lives."""


class _NoAttempts:
    """Deliveries make no model calls."""

    def open(self, **_: object) -> object:
        """Refuse."""
        raise StepFailure(Failure.INTERNAL, "a delivery asked for a model call")


def attempted(services: Services, event: EffectQueued, attempt: int) -> EffectAttempted:
    """Return the event that must be durable before a try's first byte leaves."""
    return EffectAttempted(
        key=event.key,
        path=event.path,
        attempt=attempt,
        executor=services.executor,
        lease_until=services.clock.now() + _LEASE,
    )


def deliver(context: RunContext, state: State, event: EffectQueued, attempt: int) -> Event:
    """Try to deliver; returns what came of it and never raises."""
    ask_first = event.semantics == "reconcile" and _was_tried(context, event)
    return _try(context, state, event, attempt, ask_first=ask_first)


def _was_tried(context: RunContext, event: EffectQueued) -> bool:
    """Whether a retried run tried this effect before it was retried: its receiver may have it."""
    recorded = context.services.store.read(context.run, tenant=context.tenant)
    tries = [each for each in recorded if isinstance(each.event, EffectAttempted) and each.event.key == event.key]
    return len(tries) > 1


def _try(context: RunContext, state: State, event: EffectQueued, attempt: int, *, ask_first: bool) -> Event:
    place = context.loaded.index.place(event.path)
    deliverer = context.services.deliverers[place.node.layer]
    labels = labels_read(scope_of(context.loaded, state, place), place, state)
    tools = tools_for(context, _NoAttempts(), labels=labels)  # type: ignore[arg-type]
    delivery = Delivery(key=event.key, body=event.request, receiver=event.receiver, config=place.node.config)
    try:
        receipt: JSON | None = None
        if ask_first:
            reached("inquiry.before")
            receipt = deliverer.reconcile(delivery, tools)
            reached("inquiry.after")
        if receipt is None:
            reached("delivery.before")
            receipt = deliverer.deliver(delivery, tools)
            reached("delivery.after")
        return EffectDelivered(key=event.key, path=event.path, attempt=attempt, receipt=receipt)
    except StepFailure as error:
        return _failed(context.services, event, attempt, error.failure, error.message)
    except AieError as error:
        return _failed(context.services, event, attempt, Failure.RECEIVER_REFUSED, error.message)
    except Exception as error:  # noqa: BLE001 — after an unforeseen error nobody knows what the receiver has
        return _failed(context.services, event, attempt, Failure.DELIVERY_UNKNOWN, f"{type(error).__name__}: {error}")


def _failed(services: Services, event: EffectQueued, attempt: int, failure: Failure, message: str) -> EffectFailed:
    unknown = failure is Failure.DELIVERY_UNKNOWN and event.semantics == "at_most_once"
    again = (
        failure in (Failure.RECEIVER_DOWN, Failure.DELIVERY_UNKNOWN)
        and not unknown
        and attempt < _most_tries(services, event)
    )
    return EffectFailed(
        key=event.key,
        path=event.path,
        attempt=attempt,
        failure=failure.value,
        final=not again,
        next_at=services.clock.now() + min(1_000_000 * 2 ** (attempt - 1), 60_000_000) if again else 0,
        message=message,
    )


def interrupted(services: Services, row: EffectRow) -> EffectFailed:
    """Return the event of a try whose outcome was lost: tried again at once, unless the receiver takes it only once."""
    once = row.semantics == "at_most_once"
    return EffectFailed(
        key=row.key,
        path=row.path,
        attempt=row.attempts,
        failure=Failure.DELIVERY_UNKNOWN.value,
        final=once,
        next_at=0 if once else services.clock.now(),
        message="the try was interrupted" + (" and the receiver takes each effect at most once" if once else ""),
    )


def _most_tries(services: Services, event: EffectQueued) -> int:
    """Return how often a receiver is tried, as its settings say now."""
    retries = services.live(event.receiver).get("retries")
    return retries + 1 if isinstance(retries, int) else MAX_TRIES


def redeliver(context: RunContext, row: EffectRow) -> Event | None:
    """Try an effect of the outbox again; returns what came of it, or None when another worker was first.

    The row is claimed by a durable `effect.attempted`; what came of it wakes the run.

    Raises:
        FenceLost: the lease of this executor was lost; another one delivers.
    """
    services = context.services
    recorded = services.store.read(row.run)
    queued = next(each for each in recorded if each.n == row.n)
    event = queued.event
    if not isinstance(event, EffectQueued) or queued.erased:
        return None
    if row.state == "attempting" and row.semantics == "at_most_once":
        outcome: Event = interrupted(services, row)
        _append(services, "outcome", row, lambda locked: _outcome(locked, row, outcome))
        return outcome
    claim = attempted(services, event, row.attempts + 1)
    try:
        _append(services, "try", row, lambda locked: _claim(locked, row, claim))
    except Conflict:
        return None
    claimed = replace(row, state="attempting", attempts=claim.attempt, executor=services.executor)
    state, _ = fold(context.loaded.index, ((each.event, each.at) for each in recorded))
    outcome = _try(context, state, event, claim.attempt, ask_first=row.semantics == "reconcile")
    if isinstance(outcome, EffectFailed) and outcome.final and _may_have_arrived(row, recorded):
        outcome = replace(outcome, message=f"{outcome.message}; an earlier try may have reached it")
    _append(services, "outcome", row, lambda locked: _outcome(locked, claimed, outcome))
    return outcome


def _may_have_arrived(row: EffectRow, recorded: Sequence[Recorded]) -> bool:
    """Whether nobody knows what came of a try before this one."""
    unknown = Failure.DELIVERY_UNKNOWN.value
    failures = (each.event for each in recorded if isinstance(each.event, EffectFailed))
    return row.state == "attempting" or any(each.key == row.key and each.failure == unknown for each in failures)


def repeat_of(context: RunContext, event: EffectQueued) -> Event | None:
    """Return what a duplicate run makes of an effect that another run of its case owes or has delivered."""
    rows = context.services.store.effects(EffectFilter(tenant=context.tenant, key=event.key))
    if not rows or rows[0].run == context.run:
        return None
    row = rows[0]
    if row.state != "delivered":
        return failed(
            event.path, Failure.RECEIVER_REFUSED, f"run {row.run} of the same case owes this effect: {row.state}"
        )
    return value_event(context, event.path, {"delivered_by": row.run}, Labels(), report={"key": event.key})


def _append(
    services: Services, site: str, row: EffectRow, decide: Callable[[Locked], Sequence[Event]]
) -> list[Recorded]:
    """Append what `decide` makes of the effect's row, under this executor's lease."""

    def fenced(locked: Locked) -> Sequence[Event]:
        if services.executor not in locked.live:
            raise FenceLost("the lease of this executor was lost", run=row.run)
        return decide(locked)

    entry = Entry(tenant=row.tenant, stream=row.run, decide=fenced, executor=services.executor)
    return append(services.journal, site, entry)


def _is_still(locked: Locked, row: EffectRow) -> bool:
    now = locked.effects.get(row.key)
    return now is not None and (now.state, now.attempts, now.executor) == (row.state, row.attempts, row.executor)


def _claim(locked: Locked, row: EffectRow, claim: EffectAttempted) -> Sequence[Event]:
    if not _is_still(locked, row):
        raise Conflict("another worker tries this effect")
    return [claim]


def _outcome(locked: Locked, row: EffectRow, outcome: Event) -> Sequence[Event]:
    """Record what came of a try, unless another one began since, and make a waiting run runnable if it needs to."""
    if locked.run is None or not _is_still(locked, row):
        return []
    events: list[Event] = [outcome]
    if isinstance(outcome, EffectFailed) and not outcome.final:
        return events
    if locked.run.state == "waiting":
        events.append(SegmentQueued(segment=locked.run.segment + 1, why="delivered"))
    return events
