"""Entries: what is asked of the journal, and what their decisions are shown."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from aie.core import Spend
from aie.errors import Conflict, FenceLost, IdempotencyConflict, NotFound
from aie.records.events import Event, RunSubmitted
from aie.records.rows import EffectRow, ReviewRow, RunRow

__all__ = [
    "Decide",
    "Entry",
    "Locked",
    "Repeat",
    "budget_stream",
    "environment_stream",
    "fenced",
    "key_stream",
    "model_stream",
    "present",
    "release_stream",
    "stop_stream",
    "submission",
    "trial_stream",
]


class Repeat(Conflict):
    """The same submission was accepted before; `run` is that run. Not a mistake: answer with the run that exists."""

    code = "repeat"

    def __init__(self, run: RunRow) -> None:
        super().__init__(f"this input was submitted before as {run.id}", run=run.id)
        self.run = run
        self.run_id = run.id


@dataclass(frozen=True, slots=True, kw_only=True)
class Locked:
    """What stands in the store while the entry's transaction holds its locks."""

    run: RunRow | None
    """The stream's run; None for a new stream or one that is no run."""
    reviews: Mapping[str, ReviewRow]
    """Reviews of the run, by id."""
    effects: Mapping[str, EffectRow]
    """Effects of the run, and those the entry asked for, by key."""
    pointers: Mapping[str, str]
    """Release by pointer, for an environment's stream."""
    live: frozenset[str]
    """Executors with a live lease, of those that matter here: the run's and the entry's."""
    same_key: RunRow | None
    """The run submitted before under the entry's idempotency key."""
    last_n: int
    """Position of the stream's last event; 0 for a new stream."""
    now: int
    """Time of the events to be appended."""
    idle: Mapping[str, Spend] = field(default_factory=dict)
    """What may still be drawn on each slab that the entry names; one that does not exist is absent."""


Decide: TypeAlias = Callable[[Locked], Sequence[Event]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One atomic append. Its decision may run again when its transaction is tried again."""

    tenant: str
    stream: str
    """A run id, or what `environment_stream` and its like return."""
    decide: Decide
    """Pure: returns the events to append, or raises, which fails this entry alone."""
    segment: int = 0
    """0: written from outside a segment. Events from `segment.started` on carry that event's own."""
    epoch: int = 0
    executor: str = ""
    """An executor whose lease the decision wants to see in `Locked.live` though it does not hold the run yet."""
    idempotency: tuple[str, str] | None = None
    """(workflow, idempotency key) of a submission."""
    effect_keys: Sequence[str] = field(default=())
    """Effects of other runs that the decision wants to see."""
    slabs: Sequence[str] = field(default=())
    """Slabs that its events draw on."""


def present(locked: Locked) -> RunRow:
    """Return the run.

    Raises:
        NotFound: there is none.
    """
    if locked.run is None:
        raise NotFound("there is no such run", hints=("`aie runs` lists the runs",))
    return locked.run


def fenced(locked: Locked, *, epoch: int, executor: str) -> RunRow:
    """Return the run if this executor still owns it in this epoch and its lease is live.

    Raises:
        FenceLost: another epoch was started, the run is not running, or the lease was lost.
    """
    run = locked.run
    if run is None or run.epoch != epoch or run.executor != executor or run.state != "running":
        raise FenceLost("another executor took the run over", run="" if run is None else run.id, epoch=epoch)
    if executor not in locked.live:
        raise FenceLost("the lease of this executor was lost", run=run.id, epoch=epoch)
    return run


def submission(tenant: str, run: str, submitted: RunSubmitted, *then: Event, executor: str = "") -> Entry:
    """Return the entry that accepts a new run: `submitted`, then for example `segment.queued` and `segment.started`.

    Its future raises `Repeat` when the same body was submitted before under the key, `IdempotencyConflict` for another
    body, and `FenceLost` when `executor` is named and its lease is not live.
    """

    def decide(locked: Locked) -> Sequence[Event]:
        before = locked.same_key
        if before is not None:
            if before.body_hash == submitted.body_hash:
                raise Repeat(before)
            raise IdempotencyConflict(
                f"the idempotency key was used for {before.id} with another input",
                hints=("choose a new key for a new input",),
                run=before.id,
            )
        if executor and executor not in locked.live:
            raise FenceLost("the lease of this executor was lost", run=run)
        return (submitted, *then)

    key = (submitted.workflow, submitted.idempotency_key)
    return Entry(tenant=tenant, stream=run, decide=decide, executor=executor, idempotency=key)


def environment_stream(tenant: str, workflow: str, environment: str) -> str:
    """Return the stream of an environment's moves. Streams that are no run hold a slash, run ids never do."""
    return f"{tenant}/environment/{workflow}/{environment}"


def release_stream(tenant: str, release: str) -> str:
    """Return the stream of a release."""
    return f"{tenant}/release/{release}"


def model_stream(tenant: str, model: str) -> str:
    """Return the stream of what an entry of the catalog resolved to."""
    return f"{tenant}/model/{model}"


def key_stream(tenant: str, subject: str) -> str:
    """Return the stream of a subject's data keys."""
    return f"{tenant}/key/{subject}"


def budget_stream(tenant: str, scope: str, name: str) -> str:
    """Return the stream of what was set of a budget."""
    return f"{tenant}/budget/{scope}/{name}"


def trial_stream(tenant: str, trial: str) -> str:
    """Return the stream of a trial's calls."""
    return f"{tenant}/trial/{trial}"


def stop_stream(tenant: str, kind: str, name: str) -> str:
    """Return the stream of a kill switch."""
    return f"{tenant}/stop/{kind}/{name}"
