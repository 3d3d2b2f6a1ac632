"""Claiming runs: the run's row is the queue, the claim raises its epoch, and an orphan is queued again."""

import contextlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from aie.core import fibers
from aie.errors import Conflict
from aie.records import Entry, Event, Locked, Recorded, RunRow, fenced, present
from aie.records.events import (
    RunCancelRequested,
    RunMigrated,
    RunNeedsRuntime,
    RunRetried,
    RunSubmitted,
    SegmentClosed,
    SegmentQueued,
    SegmentStarted,
)
from aie.releases import Release
from aie.runs.effects import interrupted
from aie.runs.services import Services
from aie.runs.sites import append, reached
from aie.runs.steps import RunContext
from aie.runs.submission import started

__all__ = [
    "Claim",
    "claim",
    "claim_all",
    "claim_of",
    "context_of",
    "free_held",
    "give_back",
    "lacking",
    "missing",
    "requeue",
    "runtime_of",
    "stopping",
    "tell_missing",
    "unserved",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """The right to run one segment of one run, until another epoch begins."""

    run: str
    tenant: str
    segment: int
    epoch: int
    recorded: tuple[Recorded, ...] = ()
    """Every event of the run when the claimer already has them; empty: read them."""

    @property
    def id(self) -> str:
        """Name of this very execution, for engines."""
        return f"{self.run}:{self.segment}:{self.epoch}"


def claim(services: Services, row: RunRow) -> Claim | None:
    """Claim a queued run for this executor; None when another was first or its runtime is not provided here.

    A run that needs layer versions that this process has not says so in its records and waits for a worker that has
    them (or for `aie migrate`); it is never run on newer behaviour. To stop one no layer is needed.
    """
    claims = claim_all(services, [row])
    return claims[0] if claims else None


def claim_all(services: Services, rows: Sequence[RunRow]) -> list[Claim]:
    """Claim queued runs, as `claim` does, in as few transactions as they fit into; return those that are ours now."""
    answers = [_put_claim(services, row) for row in rows if _is_served(services, row)]
    claims = []
    for answer in answers:
        with contextlib.suppress(Conflict):
            claims.append(claim_of(answer.wait()))
            reached("claim.after")
    return claims


def _is_served(services: Services, row: RunRow) -> bool:
    """Whether the layer versions that a run needs are here; if not, its records say so."""
    if row.cancel_requested or not (row.state == "needs_runtime" or lacking(services, row.tenant, row.release)):
        return True
    lacks = missing(services, services.store.read(row.id))
    if lacks and row.state == "queued":
        tell_missing(services, row.tenant, row.id, lacks)
    return not lacks


def _put_claim(services: Services, row: RunRow) -> fibers.Answer[list[Recorded]]:
    def decide(locked: Locked) -> Sequence[Event]:
        run = present(locked)
        if run.state not in ("queued", "needs_runtime") or services.executor not in locked.live:
            raise Conflict(f"run {run.id} is {run.state}")
        return [started(services, segment=run.segment, epoch=run.epoch + 1)]

    answer: fibers.Answer[list[Recorded]] = fibers.Answer()
    reached("claim.before")
    services.journal.put(Entry(tenant=row.tenant, stream=row.id, decide=decide, executor=services.executor), answer)
    return answer


def lacking(services: Services, tenant: str, release: str) -> dict[str, int]:
    """Return the layer versions that a new run of a release needs and this process does not provide."""
    return _without(services.releases.get(tenant, release).release.runtime, services.runtime())


def missing(services: Services, recorded: Sequence[Recorded]) -> dict[str, int]:
    """Return the layer versions that a run needs and this process does not provide."""
    submitted = recorded[0].event
    if not isinstance(submitted, RunSubmitted):
        raise TypeError(f"a run's stream begins with run.submitted, not {submitted.type}")
    release = services.releases.get(recorded[0].tenant, submitted.release).release
    return _without(runtime_of(release, recorded), services.runtime())


def stopping(recorded: Sequence[Recorded]) -> bool:
    """Whether somebody asked the run to stop: no step of it begins any more."""
    asked = [each.event for each in recorded if isinstance(each.event, RunCancelRequested | RunRetried)]
    return bool(asked) and isinstance(asked[-1], RunCancelRequested)


def runtime_of(release: Release, recorded: Sequence[Recorded]) -> dict[str, int]:
    """Return the layer versions that a run goes on with: those of its last migration, else those of its lock."""
    moved = [each.event.runtime for each in recorded if isinstance(each.event, RunMigrated)]
    return {name: moved[-1].get(name, version) if moved else version for name, version in release.runtime.items()}


def _without(needs: Mapping[str, int], provided: Mapping[str, int]) -> dict[str, int]:
    return {name: version for name, version in needs.items() if provided.get(name) != version}


def claim_of(recorded: Sequence[Recorded]) -> Claim:
    """Return the claim that stands at the end of these events."""
    last = recorded[-1]
    if not isinstance(last.event, SegmentStarted):
        raise TypeError(f"{last.event.type} is no claim")
    whole = tuple(recorded) if isinstance(recorded[0].event, RunSubmitted) else ()
    return Claim(
        run=last.stream, tenant=last.tenant, segment=last.event.segment, epoch=last.event.epoch, recorded=whole
    )


def requeue(services: Services, row: RunRow) -> bool:
    """Queue a run whose executor died; false when somebody else did, or when this one is dead itself."""

    def decide(locked: Locked) -> Sequence[Event]:
        run = present(locked)
        held = run.state == "running" and run.epoch == row.epoch and run.executor not in locked.live
        if not held or services.executor not in locked.live:
            raise Conflict(f"run {run.id} is {run.state}")
        return [SegmentQueued(segment=run.segment, why="recovered")]

    try:
        entry = Entry(tenant=row.tenant, stream=row.id, decide=decide, executor=services.executor)
        append(services.journal, "recovery", entry)
    except Conflict:
        return False
    return True


def give_back(services: Services, claimed: Claim, *, busy: Collection[str] = ()) -> Entry:
    """Return the entry that queues a run again whose segment broke off here, unless somebody else has it by now.

    What came of the segment's own deliveries is not known any more: they are given back too, except those (`busy`, by
    key) that the outbox of this process is trying.
    """

    def decide(locked: Locked) -> Sequence[Event]:
        fenced(locked, epoch=claimed.epoch, executor=services.executor)
        tries = [row for key, row in sorted(locked.effects.items()) if key not in busy and row.run == claimed.run]
        ours = [row for row in tries if row.state == "attempting" and row.executor == services.executor]
        return [*(interrupted(services, row) for row in ours), SegmentQueued(segment=claimed.segment, why="recovered")]

    return Entry(tenant=claimed.tenant, stream=claimed.run, decide=decide)


def context_of(services: Services, recorded: Sequence[Recorded]) -> RunContext:
    """Return what the steps of a run need to know of it."""
    first = recorded[0]
    if not isinstance(first.event, RunSubmitted):
        raise TypeError(f"a run's stream begins with run.submitted, not {first.event.type}")
    event = first.event
    scope = f"{event.case}:{first.stream}" if event.relation == "supersede" else event.case
    return RunContext(
        services=services,
        loaded=services.releases.get(first.tenant, event.release),
        run=first.stream,
        tenant=first.tenant,
        workflow=event.workflow,
        effect_scope=scope,
        mode=event.mode,
        duplicate=event.relation == "duplicate",
    )


def free_held(services: Services, row: RunRow) -> bool:
    """Queue a waiting run again of which what a step waits for is there; false when something else did."""

    def decide(locked: Locked) -> Sequence[Event]:
        run = present(locked)
        if run.state != "waiting" or not run.held:
            raise Conflict(f"run {run.id} is {run.state}")
        return [SegmentQueued(segment=run.segment + 1, why="freed")]

    try:
        append(services.journal, "freed", Entry(tenant=row.tenant, stream=row.id, decide=decide))
    except Conflict:
        return False
    return True


def tell_missing(services: Services, tenant: str, run: str, lacks: Mapping[str, int]) -> None:
    """Record that a run that nobody runs now needs layer versions which this process does not provide."""

    def decide(locked: Locked) -> Sequence[Event]:
        if present(locked).state not in ("queued", "waiting"):
            raise Conflict("it was claimed meanwhile, or somebody said so before")
        return [_needs(services, lacks)]

    with contextlib.suppress(Conflict):
        append(services.journal, "lack", Entry(tenant=tenant, stream=run, decide=decide))


def unserved(services: Services, claimed: Claim, lacks: Mapping[str, int]) -> Entry:
    """Return the entry that ends a claim at once: the run was moved to layer versions that are not here."""

    def decide(locked: Locked) -> Sequence[Event]:
        fenced(locked, epoch=claimed.epoch, executor=services.executor)
        closed = SegmentClosed(segment=claimed.segment, epoch=claimed.epoch, executing_ms=0)
        return [_needs(services, lacks), closed]

    return Entry(tenant=claimed.tenant, stream=claimed.run, decide=decide, segment=claimed.segment, epoch=claimed.epoch)


def _needs(services: Services, lacks: Mapping[str, int]) -> RunNeedsRuntime:
    provided = services.runtime()
    return RunNeedsRuntime(needs=dict(lacks), provided={name: provided.get(name, 0) for name in lacks})
