"""Projections: what the rows are after each event. The same code runs live and in a rebuild.

A `Desk` holds the rows that a batch (or a rebuild) works on as plain dicts; `project` applies one event to it and notes
which rows are new and which changed.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from aie.core import canonical
from aie.records import events as ev
from aie.records.rows import Recorded

__all__ = ["DRAWN", "Desk", "project", "used"]

DRAWN: Final = tuple(
    f"{count}_{unit}" for count in ("reserved", "spent", "forfeited", "overrun") for unit in ("cost", "tokens")
)
"""What is counted of each slab."""
_COUNTS: Final = {
    count: (f"{count}_cost", f"{count}_tokens") for count in ("reserved", "spent", "forfeited", "overrun")
}

Row: TypeAlias = dict[str, Any]
Pointer: TypeAlias = tuple[str, str, str, str]

_EFFECT_FAILED: Final = {"receiver_refused": "refused", "delivery_unknown": "unknown"}
GIVEN_UP: Final = frozenset({"failed", "refused", "unknown"})
"""States of an effect whose delivery failed for good; its run may ask for it anew, under the same key."""


@dataclass(slots=True)
class Desk:
    """The rows at work. Values are changed in place: this is the one mutable thing of the records."""

    runs: dict[str, Row] = field(default_factory=dict)
    reviews: dict[str, Row] = field(default_factory=dict)
    effects: dict[tuple[str, str], Row] = field(default_factory=dict)
    environments: dict[Pointer, Row] = field(default_factory=dict)
    releases: dict[tuple[str, str], Row] = field(default_factory=dict)
    draws: dict[str, Row] = field(default_factory=dict)
    budgets: dict[tuple[str, str, str], Row] = field(default_factory=dict)
    stops: dict[tuple[str, str, str], Row] = field(default_factory=dict)
    search: set[tuple[str, str, str, str]] = field(default_factory=set)
    fresh: set[tuple[str, Any]] = field(default_factory=set)
    """(table, key) of rows that the database does not hold yet."""
    changed: set[tuple[str, Any]] = field(default_factory=set)
    """(table, key) of rows that the database holds otherwise."""

    def add(self, table: str, key: Any, row: Row) -> None:
        """Put a new row on the desk."""
        getattr(self, table)[key] = row
        self.fresh.add((table, key))

    def touch(self, table: str, key: Any) -> None:
        """Note that a row on the desk changed."""
        if (table, key) not in self.fresh:
            self.changed.add((table, key))


def project(desk: Desk, recorded: Recorded) -> None:
    """Apply one event to the rows on the desk."""
    event = recorded.event
    if isinstance(event, ev.RunSubmitted):
        _submitted(desk, recorded, event)
        return
    run = desk.runs.get(recorded.stream)
    if run is not None:
        run["last_n"] = recorded.n
        run["updated_at"] = recorded.at
        desk.touch("runs", recorded.stream)
    apply = _APPLY.get(type(event))
    if apply is not None:
        apply(desk, run, recorded, event)


def _submitted(desk: Desk, recorded: Recorded, event: ev.RunSubmitted) -> None:
    row: Row = {
        "id": recorded.stream,
        "tenant": recorded.tenant,
        "workflow": event.workflow,
        "release": event.release,
        "environment": event.environment,
        "mode": event.mode,
        "state": "queued",
        "queue": event.queue,
        "case_key": event.case,
        "subject": event.subject,
        "idempotency_key": event.idempotency_key,
        "body_hash": event.body_hash,
        "segment": 0,
        "epoch": 0,
        "executor": "",
        "wake": False,
        "cancel_requested": False,
        "last_n": recorded.n,
        "failure": "",
        "failed_path": "",
        "spend": "{}",
        "executing_ms": 0,
        "reviews": 0,
        "effects": 0,
        "submitted_at": recorded.at,
        "queued_at": recorded.at,
        "updated_at": recorded.at,
        "held": "",
    }
    desk.add("runs", recorded.stream, row)
    for name, value in event.search.items():
        desk.search.add((recorded.tenant, name, value, recorded.stream))


def _keyed(desk: Desk, _: Row, recorded: Recorded, event: ev.RunKeyed) -> None:
    desk.search.add((recorded.tenant, event.name, event.key, recorded.stream))


def _queued(_: Desk, run: Row, recorded: Recorded, event: ev.SegmentQueued) -> None:
    run.update(state="queued", segment=event.segment, executor="", queued_at=recorded.at, held="")


def _started(_: Desk, run: Row, __: Recorded, event: ev.SegmentStarted) -> None:
    run.update(state="running", segment=event.segment, epoch=event.epoch, executor=event.executor, wake=False)


def _closed(_: Desk, run: Row, __: Recorded, event: ev.SegmentClosed) -> None:
    run["executing_ms"] += event.executing_ms


def _waiting(_: Desk, run: Row, __: Recorded, event: ev.RunWaiting) -> None:
    run.update(state="waiting", executor="", held=canonical(event.held).decode() if event.held else "")


def _finished(desk: Desk, run: Row, recorded: Recorded, event: ev.RunFinished) -> None:
    run.update(
        state=event.state,
        executor="",
        failure=event.failure,
        failed_path=event.path,
        spend=canonical(event.spend).decode(),
    )
    if run["reviews"]:
        for review in desk.reviews.values():
            if review["run"] == recorded.stream and review["state"] == "open":
                review["state"] = "withdrawn"
                desk.touch("reviews", review["id"])


def _cancel_requested(_: Desk, run: Row, recorded: Recorded, __: ev.RunCancelRequested) -> None:
    run["cancel_requested"] = True
    _from_outside(run, recorded)


def _needs_runtime(_: Desk, run: Row, __: Recorded, ___: ev.RunNeedsRuntime) -> None:
    run.update(state="needs_runtime", executor="")


def _retried(_: Desk, run: Row, __: Recorded, ___: ev.RunRetried) -> None:
    run.update(failure="", failed_path="", cancel_requested=False)


def _intended(desk: Desk, _: Row, recorded: Recorded, event: ev.AttemptIntended) -> None:
    for window, slab in event.draws.items():
        _draw(desk, recorded.tenant, window, slab, "reserved", event.worst)


def _settled(desk: Desk, run: Row | None, recorded: Recorded, event: ev.AttemptSettled) -> None:
    if run is not None:  # the calls of a trial belong to none
        total = json.loads(run["spend"])
        for name, used in event.spend.items():
            total[name] = total.get(name, 0) + used
        run["spend"] = canonical(total).decode()
    used_as = "spent" if event.outcome == "settled" and event.measured else "forfeited"
    for window, slab in event.draws.items():
        _draw(desk, recorded.tenant, window, slab, "reserved", event.reserved, sign=-1)
        if event.overrun:
            _draw(desk, recorded.tenant, window, slab, "overrun", event.overrun)
        if event.outcome != "released":
            _draw(desk, recorded.tenant, window, slab, used_as, event.spend)


def used(row: Mapping[str, Any], unit: str) -> int:
    """Return what of a slab is not free any more, in `cost` or `tokens`."""
    return int(row[f"reserved_{unit}"] + row[f"spent_{unit}"] + row[f"forfeited_{unit}"])


def _draw(
    desk: Desk, tenant: str, window: str, slab: str, count: str, amount: Mapping[str, int], *, sign: int = 1
) -> None:
    """Add to one count of a slab's row, in money and in tokens."""
    row = desk.draws.get(slab)
    if row is None:
        row = {"slab": slab, "tenant": tenant, "window_id": window, **dict.fromkeys(DRAWN, 0)}
        desk.add("draws", slab, row)
    cost, tokens = _COUNTS[count]
    row[cost] += sign * amount.get("cost", 0)
    row[tokens] += sign * amount.get("tokens", 0)
    desk.touch("draws", slab)


def _review_opened(desk: Desk, run: Row, recorded: Recorded, event: ev.ReviewOpened) -> None:
    run["reviews"] += 1
    row: Row = {
        "id": event.review,
        "tenant": recorded.tenant,
        "run": recorded.stream,
        "path": event.path,
        "desk": event.desk,
        "state": "open",
        "shown_hash": event.shown_hash,
        "due": event.due,
        "opened_at": recorded.at,
        "decided_at": None,
        "actor": "",
        "decision": "",
    }
    desk.add("reviews", event.review, row)


def _review_decided(desk: Desk, run: Row, recorded: Recorded, event: ev.ReviewDecided) -> None:
    review = desk.reviews[event.review]
    review.update(state="decided", decided_at=recorded.at, actor=event.actor, decision=event.decision)
    desk.touch("reviews", event.review)
    _from_outside(run, recorded)


def _review_expired(desk: Desk, run: Row, recorded: Recorded, event: ev.ReviewExpired) -> None:
    desk.reviews[event.review].update(state="expired", decided_at=recorded.at)
    desk.touch("reviews", event.review)
    _from_outside(run, recorded)


def _effect_queued(desk: Desk, run: Row, recorded: Recorded, event: ev.EffectQueued) -> None:
    place = recorded.tenant, event.key
    again = place in desk.effects
    run["effects"] += not again
    row: Row = {
        "tenant": recorded.tenant,
        "key": event.key,
        "run": recorded.stream,
        "path": event.path,
        "receiver": event.receiver,
        "semantics": event.semantics,
        "state": "queued",
        "attempts": 0,
        "next_at": recorded.at,
        "lease_until": 0,
        "executor": "",
        "n": recorded.n,
    }
    if again:
        desk.effects[place].update(row)
        desk.touch("effects", place)
    else:
        desk.add("effects", place, row)


def _effect_attempted(desk: Desk, _: Row, recorded: Recorded, event: ev.EffectAttempted) -> None:
    effect = desk.effects[recorded.tenant, event.key]
    effect.update(state="attempting", attempts=event.attempt, executor=event.executor, lease_until=event.lease_until)
    desk.touch("effects", (recorded.tenant, event.key))


def _effect_delivered(desk: Desk, run: Row, recorded: Recorded, event: ev.EffectDelivered) -> None:
    desk.effects[recorded.tenant, event.key].update(state="delivered", executor="", lease_until=0)
    desk.touch("effects", (recorded.tenant, event.key))
    _from_outside(run, recorded)


def _effect_failed(desk: Desk, run: Row, recorded: Recorded, event: ev.EffectFailed) -> None:
    effect = desk.effects[recorded.tenant, event.key]
    state = _EFFECT_FAILED.get(event.failure, "failed") if event.final else "queued"
    effect.update(state=state, executor="", lease_until=0, next_at=event.next_at or recorded.at)
    desk.touch("effects", (recorded.tenant, event.key))
    if event.final:
        _from_outside(run, recorded)


def _from_outside(run: Row, recorded: Recorded) -> None:
    """A running segment has not seen this; its closing transaction looks at `wake` under the row lock."""
    if recorded.epoch == 0 and run["state"] == "running":
        run["wake"] = True


def _environment_moved(desk: Desk, _: None, recorded: Recorded, event: ev.EnvironmentMoved) -> None:
    row: Row = {
        "tenant": recorded.tenant,
        "workflow": event.workflow,
        "environment": event.environment,
        "pointer": event.pointer,
        "release": event.after,
        "actor": event.actor,
        "moved_at": recorded.at,
    }
    _replace(desk, "environments", (recorded.tenant, event.workflow, event.environment, event.pointer), row)


def _release_created(desk: Desk, _: None, recorded: Recorded, event: ev.ReleaseCreated) -> None:
    key = (recorded.tenant, event.release)
    row: Row = {
        "tenant": recorded.tenant,
        "id": event.release,
        "workflow": event.workflow,
        "actor": event.actor,
        "parent": event.parent,
        "bundle": event.bundle,
        "imported": event.imported,
        "created_at": recorded.at,
    }
    desk.add("releases", key, row)


def _budget_set(desk: Desk, _: None, recorded: Recorded, event: ev.BudgetSet) -> None:
    row: Row = {
        "tenant": recorded.tenant,
        "scope": event.scope,
        "name": event.name,
        "cost": event.cost,
        "tokens": event.tokens,
        "per": event.per,
        "on_exhausted": event.on_exhausted,
        "actor": event.actor,
        "reason": event.reason,
        "at": recorded.at,
    }
    _replace(desk, "budgets", (recorded.tenant, event.scope, event.name), row)


def _stop(desk: Desk, _: None, recorded: Recorded, event: ev.StopSet | ev.StopLifted) -> None:
    row: Row = {
        "tenant": recorded.tenant,
        "kind": event.kind,
        "name": event.name,
        "stopped": isinstance(event, ev.StopSet),
        "actor": event.actor,
        "reason": event.reason,
        "at": recorded.at,
    }
    _replace(desk, "stops", (recorded.tenant, event.kind, event.name), row)


def _replace(desk: Desk, table: str, key: Any, row: Row) -> None:
    rows = getattr(desk, table)
    if key in rows:
        rows[key] = row
        desk.touch(table, key)
    else:
        desk.add(table, key, row)


_APPLY: Final[dict[type[ev.Event], Callable[[Desk, Any, Recorded, Any], None]]] = {
    ev.RunKeyed: _keyed,
    ev.SegmentQueued: _queued,
    ev.SegmentStarted: _started,
    ev.SegmentClosed: _closed,
    ev.RunWaiting: _waiting,
    ev.RunFinished: _finished,
    ev.RunCancelRequested: _cancel_requested,
    ev.RunNeedsRuntime: _needs_runtime,
    ev.RunRetried: _retried,
    ev.AttemptIntended: _intended,
    ev.AttemptSettled: _settled,
    ev.ReviewOpened: _review_opened,
    ev.ReviewDecided: _review_decided,
    ev.ReviewExpired: _review_expired,
    ev.EffectQueued: _effect_queued,
    ev.EffectAttempted: _effect_attempted,
    ev.EffectDelivered: _effect_delivered,
    ev.EffectFailed: _effect_failed,
    ev.EnvironmentMoved: _environment_moved,
    ev.ReleaseCreated: _release_created,
    ev.BudgetSet: _budget_set,
    ev.StopSet: _stop,
    ev.StopLifted: _stop,
}
