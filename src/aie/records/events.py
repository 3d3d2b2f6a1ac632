"""The vocabulary of what happens: every event type, its public body and its private payload.

An event belongs to a stream (a run, a release, an environment …) of one tenant and is never changed. Its public fields
are facts of operation and must not hold personal data; its private fields are sealed under the data key of the run's
subject, so that erasing the key erases them while the chain over the ciphertext still verifies.

Fields hold JSON values only, so that an event reads back the same for ever. A field that is retired stays readable: it
gets a default here and a sample in `tests/compat`.
"""

from collections.abc import Callable
from dataclasses import MISSING, dataclass, field, fields
from operator import attrgetter
from typing import Any, ClassVar, Final

from aie.core import JSON, LabelsJSON
from aie.errors import IntegrityError

__all__ = [
    "EVENTS",
    "AttemptIntended",
    "AttemptSettled",
    "BudgetSet",
    "EffectAttempted",
    "EffectDelivered",
    "EffectFailed",
    "EffectQueued",
    "EnvironmentMoved",
    "Event",
    "KeyDestroyed",
    "MapExpanded",
    "ModelResolved",
    "ReleaseCreated",
    "ReviewDecided",
    "ReviewExpired",
    "ReviewOpened",
    "RunCancelRequested",
    "RunFinished",
    "RunKeyed",
    "RunMigrated",
    "RunNeedsRuntime",
    "RunRetried",
    "RunSubmitted",
    "RunWaiting",
    "SegmentClosed",
    "SegmentQueued",
    "SegmentStarted",
    "StepFailed",
    "StepFinished",
    "StepHeld",
    "StepSkipped",
    "StopLifted",
    "StopSet",
    "decode",
    "encode",
    "private",
]


def private(default: Any = MISSING) -> Any:
    """Declare a field whose value is sealed under the subject's data key."""
    if default is MISSING:
        return field(metadata={"private": True})
    return field(default=default, metadata={"private": True})


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened."""

    __slots__ = ("encoding",)  # what `check_event` made of it: no field, and gone once the journal has it

    type: ClassVar[str]
    """Stable name, e.g. `step.finished`."""


# ---------------------------------------------------------------- a run begins, waits and ends


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSubmitted(Event):
    """A run was accepted: from here on it ends in a recorded state, whatever dies."""

    type: ClassVar[str] = "run.submitted"
    workflow: str
    release: str
    """Release id the run is pinned to for life."""
    environment: str
    """Pointer it was chosen through; empty when the release was named directly."""
    mode: str
    """`live`, `shadow`, `replay` or `eval`."""
    actor: str
    case: str
    """Keyed hash of the business case."""
    subject: str
    """Keyed hash naming the data key of the person the run is about; one per case unless declared."""
    idempotency_key: str
    body_hash: str
    """Keyed hash of the input, to tell a repeat from a reuse of the key."""
    queue: str = "interactive"
    """Class of work: `interactive` or `bulk`."""
    search: dict[str, str] = field(default_factory=dict)
    """Declared search attributes."""
    relation: str = ""
    """`supersede`, `compensate` or `duplicate` for a later run of the same case; empty for the first."""
    input: JSON = private()
    input_labels: LabelsJSON
    case_text: str = private("")
    """The business case as people write it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunKeyed(Event):
    """The run has a key that tells it from others, learned by a step; runs with the same one can be found by it."""

    type: ClassVar[str] = "run.keyed"
    path: str
    """Step that learned it."""
    name: str
    """Name under which it can be searched for: `key:` and the step, without the items of a map."""
    key: str
    """Keyed hash of its parts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentQueued(Event):
    """The run became runnable."""

    type: ClassVar[str] = "segment.queued"
    segment: int
    why: str
    """`submitted`, `decided`, `expired`, `delivered`, `cancelled`, `recovered`, `retried`, `migrated`, `woken` or
    `freed` (what a call waited for is there)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentStarted(Event):
    """An executor claimed the run; the epoch rose, every older one is fenced off."""

    type: ClassVar[str] = "segment.started"
    segment: int
    epoch: int
    executor: str
    runtime: dict[str, int]
    """Layer versions that serve this segment."""
    engine: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentClosed(Event):
    """The segment ran to quiescence; the last event of its epoch."""

    type: ClassVar[str] = "segment.closed"
    segment: int
    epoch: int
    executing_ms: int
    """Time this segment executed, counted against the run's `time` limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunWaiting(Event):
    """Nothing is runnable until something outside happens."""

    type: ClassVar[str] = "run.waiting"
    reviews: list[str]
    """Paths of open reviews."""
    effects: list[str]
    """Paths of effects not yet known to be applied."""
    held: list[JSON] = field(default_factory=list)
    """For each step whose call waits: `{"path", "on", "cost", "tokens"}` and, where it has an end, `until`, as in
    `step.held`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished(Event):
    """The run ended."""

    type: ClassVar[str] = "run.finished"
    state: str
    """`completed`, `failed`, `cancelled` or `dead` (set aside by a dead-letter handler, or as it got nowhere)."""
    epoch: int
    """The epoch that won."""
    failure: str = ""
    """Class of the taxonomy; empty when completed."""
    path: str = ""
    """Step that failed; empty when completed."""
    spend: dict[str, int]
    output: JSON = private(None)
    message: str = private("")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCancelRequested(Event):
    """Someone asked for the run to stop."""

    type: ClassVar[str] = "run.cancel_requested"
    actor: str
    reason: str = private("")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunNeedsRuntime(Event):
    """No worker that looked provides the layer versions that the release was locked with."""

    type: ClassVar[str] = "run.needs_runtime"
    needs: dict[str, int]
    provided: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRetried(Event):
    """Someone asked for a failed run to go on from its failed step, on the same release."""

    type: ClassVar[str] = "run.retried"
    actor: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunMigrated(Event):
    """Someone moved the run, in the open, to a runtime that it was not locked with."""

    type: ClassVar[str] = "run.migrated"
    actor: str
    runtime: dict[str, int]
    reason: str


# ---------------------------------------------------------------- steps


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFinished(Event):
    """A step has its value."""

    type: ClassVar[str] = "step.finished"
    path: str
    """Node path, with the item's key inside a map: `lines[inv-7]/check`."""
    ref: str
    """Reference of the output."""
    labels: LabelsJSON
    reads: dict[str, str]
    """Reference of each value read, by name."""
    ms: int
    cpu_us: int
    output: JSON = private()
    cites: list[JSON] = private()
    report: JSON = private(None)
    """What the layer says of its own work: dropped passages, scores, rules that fired."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepSkipped(Event):
    """The step's `if` was false, or what it needs was skipped."""

    type: ClassVar[str] = "step.skipped"
    path: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFailed(Event):
    """A try of the step failed; the handler declared for the class decides what comes next."""

    type: ClassVar[str] = "step.failed"
    path: str
    failure: str
    limit: str = ""
    """Which limit, for `limit_reached`."""
    ms: int = 0
    message: str = private()
    report: JSON = private(None)
    """What the layer says of its own work: which models were planned, which were refused and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepHeld(Event):
    """A call of the step must not leave now: the step waits and is tried again, by itself, when it may."""

    type: ClassVar[str] = "step.held"
    path: str
    on: str
    """What has to change: a window of a budget, a stop such as `stop:model:reader`, the rates of a model
    (`rate:reader`), its circuit breaker (`breaker:reader`), or the time (`until:` and microseconds since the epoch)."""
    cost: int = 0
    """Micro-USD that the call may need."""
    tokens: int = 0
    """Tokens that the call may need."""
    why: str
    """For people: which budget, how much was free, how much was needed."""
    ms: int = 0
    until: int = 0
    """When it has waited long enough and fails, microseconds since the epoch; 0: however long it takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MapExpanded(Event):
    """A map has its items."""

    type: ClassVar[str] = "map.expanded"
    path: str
    keys: list[str]
    items: list[JSON] = private()
    labels: LabelsJSON


# ---------------------------------------------------------------- attempts: calls that cost or cannot be recomputed


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptIntended(Event):
    """A call is about to be made; durable before the first byte leaves. Without a settlement it is forfeited."""

    type: ClassVar[str] = "attempt.intended"
    attempt: str
    """`<path>#<n>`, n counting the attempts of the step from 1."""
    path: str
    epoch: int
    model: str
    """Catalog name."""
    request: str
    """Keyed hash of the request."""
    worst: dict[str, int]
    """Reserved spend."""
    draws: dict[str, str] = field(default_factory=dict)
    """The slab that it is reserved on, by window of each budget above the run; empty where none is set."""
    snapshot: str = ""
    """Identifier that is asked for, as the provider names it."""
    route: str = ""
    """Route of the catalog that led to the model; empty when the step names the model itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptSettled(Event):
    """What came of the call."""

    type: ClassVar[str] = "attempt.settled"
    attempt: str
    path: str
    outcome: str
    """`settled` (spend is actual), `released` (surely unbilled) or `forfeited` (spend is the reservation)."""
    spend: dict[str, int]
    measured: bool = True
    """False when the provider did not say what the answer used: it then counts as forfeited."""
    reserved: dict[str, int] = field(default_factory=dict)
    """What was reserved, when it was on slabs."""
    draws: dict[str, str] = field(default_factory=dict)
    """As in the intent."""
    overrun: dict[str, int] = field(default_factory=dict)
    """What the provider billed beyond the reservation; empty, as it should be, in the bounds it declared."""
    resolved: str = ""
    """Model id that the provider says it used."""
    fingerprint: str = ""
    """Of the system that answered, where the provider tells one."""
    failure: str = ""
    ms: int = 0
    response: JSON = private(None)


# ---------------------------------------------------------------- reviews


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewOpened(Event):
    """A task for a person exists."""

    type: ClassVar[str] = "review.opened"
    review: str
    path: str
    desk: str
    shown_hash: str
    """Digest of exactly what the person is shown; a decision binds to it."""
    why: str
    """Why a person: `uncertain`, `always`, `escalated:<failure>` …"""
    due: int | None = None
    """Microseconds since the epoch; None when the desk has no time limit."""
    shown: JSON = private()
    """Fields with their values, evidence and the schema of an answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewDecided(Event):
    """A person decided."""

    type: ClassVar[str] = "review.decided"
    review: str
    path: str
    actor: str
    decision: str
    """`approve`, `correct` or `reject`."""
    shown_hash: str
    values: JSON = private(None)
    """The fields as decided."""
    reason: str = private("")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewExpired(Event):
    """Nobody decided in time: the step fails with `review_expired`."""

    type: ClassVar[str] = "review.expired"
    review: str
    path: str


# ---------------------------------------------------------------- effects


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectQueued(Event):
    """An effect is owed to a receiver; it is delivered at least once under one key."""

    type: ClassVar[str] = "effect.queued"
    key: str
    """HMAC over tenant, workflow, case, node path and the declared business fields."""
    path: str
    receiver: str
    semantics: str
    """`idempotent`, `reconcile` or `at_most_once`."""
    body_hash: str
    request: JSON = private()


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectAttempted(Event):
    """A delivery is about to be tried; durable before the first byte leaves."""

    type: ClassVar[str] = "effect.attempted"
    key: str
    path: str
    attempt: int
    executor: str
    lease_until: int = 0
    """After this time the attempt counts as interrupted; 0: as long as its executor lives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectDelivered(Event):
    """The receiver has it."""

    type: ClassVar[str] = "effect.delivered"
    key: str
    path: str
    attempt: int
    receipt: JSON = private(None)


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectFailed(Event):
    """A delivery did not succeed."""

    type: ClassVar[str] = "effect.failed"
    key: str
    path: str
    attempt: int
    failure: str
    """`receiver_down` is tried again until `final`; `receiver_refused` and `not_permitted` are final at once, and so is
    `delivery_unknown` where the receiver takes each effect once."""
    final: bool
    next_at: int = 0
    """When to try again, microseconds since the epoch; 0: at once."""
    message: str = private("")


# ---------------------------------------------------------------- releases, environments, budgets, stops, keys


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseCreated(Event):
    """A workflow and all its components were locked."""

    type: ClassVar[str] = "release.created"
    release: str
    workflow: str
    actor: str
    bundle: str = ""
    """Digest of the stored bundle's bytes."""
    parent: str = ""
    imported: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentMoved(Event):
    """An environment's pointer was moved."""

    type: ClassVar[str] = "environment.moved"
    workflow: str
    environment: str
    pointer: str
    """`stable`, `canary` or `shadow`."""
    before: str
    """Release id; empty for the first."""
    after: str
    actor: str
    verb: str
    """`promote` or `rollback`."""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetSet(Event):
    """Someone set a budget over the one that is declared in `aie.yaml`, or let the declared one apply again."""

    type: ClassVar[str] = "budget.set"
    scope: str
    """`tenant` or `workflow`."""
    name: str
    cost: int | None
    """Micro-USD; None: not bounded."""
    tokens: int | None
    per: str
    """`day`, `month` or `total`; empty: the declared budget applies again."""
    on_exhausted: str
    actor: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StopSet(Event):
    """A kill switch was thrown: nothing of what it names begins or is called until it is lifted."""

    type: ClassVar[str] = "stop.set"
    kind: str
    """`model`, `workflow` or `tenant`."""
    name: str
    actor: str
    """A person, or `aie` when a provider billed more than its bounds allow."""
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StopLifted(Event):
    """A kill switch was lifted."""

    type: ClassVar[str] = "stop.lifted"
    kind: str
    name: str
    actor: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyDestroyed(Event):
    """A subject's data key was destroyed: what it sealed cannot be read by anyone."""

    type: ClassVar[str] = "key.destroyed"
    subject: str
    key: str
    """Id of the data key."""
    actor: str
    reason: str


# ---------------------------------------------------------------- models


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelResolved(Event):
    """An entry of the catalog answers as another model than before; the first answer is what later ones differ from."""

    type: ClassVar[str] = "model.resolved"
    model: str
    """Catalog name."""
    snapshot: str
    """Identifier that was asked for."""
    before: str
    """Model id that the provider gave until now; empty for the first answer."""
    after: str
    """Model id that the provider gives now."""
    fingerprint: str = ""
    run: str
    release: str
    """Release of that run: the first one that the change touched."""


EVENTS: Final[dict[str, type[Event]]] = {
    kind.type: kind
    for kind in vars().copy().values()
    if isinstance(kind, type) and issubclass(kind, Event) and kind is not Event
}
"""Every event class by its stable name."""

_PUBLIC: Final = {
    kind: tuple(f.name for f in fields(kind) if not f.metadata.get("private")) for kind in EVENTS.values()
}


def _all_of(names: tuple[str, ...]) -> Callable[[Event], tuple[Any, ...]]:
    get: Callable[[Event], Any] = attrgetter(*names)
    return get if len(names) > 1 else lambda event: (get(event),)


_READ_PUBLIC: Final = {kind: _all_of(names) for kind, names in _PUBLIC.items()}
_PRIVATE: Final = {
    kind: tuple((f.name, f.default) for f in fields(kind) if f.metadata.get("private")) for kind in EVENTS.values()
}


def encode(event: Event) -> tuple[dict[str, JSON], dict[str, JSON]]:
    """Return the public body and the private payload; the payload leaves out fields that have their default."""
    kind = type(event)
    payload = {}
    for name, default in _PRIVATE[kind]:
        value = getattr(event, name)
        if value != default or type(value) is not type(default):
            payload[name] = value
    return dict(zip(_PUBLIC[kind], _READ_PUBLIC[kind](event), strict=True)), payload


def decode(type_: str, body: dict[str, Any], payload: dict[str, Any] | None) -> Event:
    """Return the event; private fields of an erased event (payload None) read as None.

    Raises:
        IntegrityError: an event type that this version does not know.
    """
    kind = EVENTS.get(type_)
    if kind is None:
        raise IntegrityError(f"event type {type_!r} is not known to this version", hints=("upgrade aie",))
    if payload is None:
        payload = {name: None for name, _ in _PRIVATE[kind]}
    return kind(**body, **payload)
