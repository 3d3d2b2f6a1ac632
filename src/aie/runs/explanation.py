"""What an explanation of a run holds: values only, made by `explain`, printed by the surfaces."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, Literal

from aie.core import JSON, Spend

__all__ = [
    "AskedModel",
    "AskedOutcome",
    "Call",
    "ComponentUse",
    "Dropped",
    "Effect",
    "Evidence",
    "Explanation",
    "LimitUse",
    "Migration",
    "Moment",
    "RefusedModel",
    "ReviewStory",
    "Segment",
    "Source",
    "StepStatus",
    "StepStory",
    "Trouble",
]

StepStatus = Literal["finished", "skipped", "failed", "review", "effect", "running", "not reached"]
AskedOutcome = Literal["answered", "unsure", "failed", "open"]
"""`open`: it was asked and nothing has come of it yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComponentUse:
    """One versioned thing that a step used."""

    kind: str
    """`prompt`, `schema`, `classifier` …"""
    name: str
    digest: str
    """`sha256:<hex>` of its content."""
    alone: bool = False
    """True for the route of a step that names a model itself: people know it as that model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A place in a document that a step's value rests on."""

    step: str
    """Path of the step."""
    about: str
    """JSON pointer into the step's value; empty for the whole."""
    quote: str
    """The words themselves."""
    document: str
    """Name of the document as it was given; its reference when it is not part of the input."""
    page: int | None
    """1-based; None where the document has no pages."""
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """Something that a step left out."""

    step: str
    """Path of the step."""
    what: JSON
    """What the step's report says of it."""
    quote: str
    """Its words, where the report names a place in a text that can still be read; else empty."""
    document: str
    page: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A text that a step read from a document."""

    step: str
    name: str
    """Name of the document as it was given."""
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """One try that failed."""

    at: int
    failure: str
    """Class of the taxonomy."""
    message: str
    """Empty when erased."""
    report: JSON = None
    """What the layer says of its work until then; None when it says nothing or is erased."""
    causes: tuple[str, ...] = ()
    """What each model that was tried failed with, in words, where the message does not say it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepStory:
    """One step: what ran, what it said, what it used."""

    path: str
    layer: str
    version: int | None
    """Layer version that ran; None when it did not."""
    status: StepStatus
    output: JSON
    """Its value; None when there is none or it is erased."""
    report: JSON
    """What the layer says of its own work."""
    components: tuple[ComponentUse, ...]
    reads: Mapping[str, str]
    """Reference of each value it read, by name."""
    labels: tuple[str, ...]
    """Data classes of the value, and `untrusted` when outsiders could have written it."""
    why: str
    """Why it was skipped; empty otherwise."""
    troubles: tuple[Trouble, ...]
    ms: int
    cpu_us: int
    at: int | None
    """When its value was recorded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of a model that cost or may have cost."""

    attempt: str
    path: str
    model: str
    resolved: str
    """Model id as the provider says it; empty when it did not answer."""
    outcome: str
    """`settled`, `released`, `forfeited` or `open`."""
    spend: Spend
    """Actual; the reservation while open or when forfeited."""
    failure: str
    ms: int
    snapshot: str = ""
    """Identifier that was asked for."""
    fingerprint: str = ""
    """Of the system that answered, where the provider tells one."""
    route: str = ""
    """Route that led to the model; empty where the step names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedModel:
    """A model that a step asked, and what came of it in the end."""

    step: str
    """Path of the step."""
    route: str
    """Route that led to it; empty where the step names it."""
    model: str
    """Catalog name."""
    outcome: AskedOutcome
    failure: str
    """Class of its last failure; empty unless it failed in the end. Also empty for a call whose process died."""
    why: str
    """The failure in words; empty when it is not known or erased."""
    confidence: str
    """How sure a classifier was that was not sure enough; empty otherwise."""
    calls: int
    """Calls that left or may have left; 0 for what runs here."""
    failed: int
    """Those of them that brought no answer."""
    snapshot: str
    """Identifier that was asked for."""
    resolved: str
    """Model id as the provider says it; empty when it did not answer."""
    regions: tuple[str, ...]
    """Where it processed, as the catalog said at the time; empty unless its answer is the step's."""
    repairs: int
    """Times that it was shown what was wrong with its answer."""
    spend: Spend
    forfeited: Spend
    """Part of it that may have been billed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedModel:
    """A model that a step could have asked and was not allowed to."""

    step: str
    """Path of the step."""
    route: str
    """Route it is a candidate of; empty where the step names it."""
    model: str
    """Catalog name."""
    reason: str
    """`regions`, `retention`, `price` … as planning names them."""
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewStory:
    """A task for a person and what came of it."""

    review: str
    path: str
    desk: str
    why: str
    opened_at: int
    due: int | None
    shown: JSON
    """Exactly what the person is shown; None when erased."""
    shown_hash: str
    actor: str
    """Who decided; empty while it is open."""
    decision: str
    """`approve`, `correct`, `reject`; empty while it is open."""
    decided_at: int | None
    values: JSON
    changed: Mapping[str, tuple[JSON, JSON]]
    """Fields that the person changed: before and after."""
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """Something done outside, or owed."""

    key: str
    path: str
    receiver: str
    semantics: str
    state: Literal["queued", "tried", "delivered", "failed"]
    attempts: int
    request: JSON
    receipt: JSON
    failure: str
    """Class of the latest try that failed; empty once it is delivered."""
    at: int
    """When it was owed first."""
    delivered_at: int | None
    why: str = ""
    """What was said of that try; empty once it is delivered, or erased."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitUse:
    """One hard bound of the run and what was used of it."""

    name: str
    """`cost` in micro-USD, `tokens`, `time` in ms, `steps`, `model_calls`."""
    used: int
    at_most: int | None
    """None: the workflow sets no bound."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One stretch of execution by one executor."""

    segment: int
    epoch: int
    executor: str
    engine: str
    runtime: Mapping[str, int]
    began_at: int
    executing_ms: int | None
    """None: it never closed; its process died or lost the run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """The run was moved, in the open, to layer versions that it was not locked with."""

    at: int
    actor: str
    reason: str
    layers: Mapping[str, tuple[int, int]]
    """Layers of the release whose version changed: before and after."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One line of the timeline."""

    at: int
    who: str
    """Actor, executor or step."""
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why a run ended as it did, or where it stands."""

    run: str
    workflow: str
    release: str
    """Release id; the run is pinned to it for life."""
    environment: str
    mode: str
    case: str
    """The business case as people write it; empty when erased."""
    actor: str
    """Who submitted it."""
    submitted_at: int
    finished_at: int | None
    state: str
    """`queued`, `running`, `waiting`, `needs_runtime`, or how it ended."""
    failure: str
    failed_at: str
    """Path of the step that failed; empty otherwise."""
    message: str
    input: JSON
    output: JSON
    relation: str
    erased: bool
    """True when what people wrote and decided can no longer be read."""
    steps: tuple[StepStory, ...]
    evidence: tuple[Evidence, ...]
    dropped: tuple[Dropped, ...]
    sources: tuple[Source, ...]
    reviews: tuple[ReviewStory, ...]
    effects: tuple[Effect, ...]
    calls: tuple[Call, ...]
    asked_models: tuple[AskedModel, ...]
    """By step, in the order in which it asked them first."""
    refused_models: tuple[RefusedModel, ...]
    limits: tuple[LimitUse, ...]
    spend: Spend
    cpu_us: int
    """CPU time of all recorded steps."""
    segments: tuple[Segment, ...]
    needs_runtime: Mapping[str, int]
    """Layer versions that the worker which looked last did not provide; empty unless the run waits for them."""
    installed: Mapping[str, int]
    """Versions of the same layers in the installation that explains; 0: it has no such layer; empty: it did not say."""
    migrations: tuple[Migration, ...]
    """Moves to another runtime, oldest first."""
    timeline: tuple[Moment, ...]
    holds: Mapping[str, str] = field(default_factory=dict)
    """Why, by path of each step whose call waits for money or for a stop to be lifted."""
    alerts: tuple[str, ...] = ()
    """What became known of its models since: a name that came to mean another one."""
    policy: tuple[str, ...] = ()
    """What its release says of labels, in words: what the input holds, what lowers a label, what is proven unused."""

    def to_json(self) -> dict[str, JSON]:
        """Return everything, by field name."""
        return {each.name: _json(getattr(self, each.name)) for each in fields(self)}


def _json(value: Any) -> JSON:
    if is_dataclass(value):
        return {each.name: _json(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Mapping):
        return {key: _json(each) for key, each in value.items()}
    if isinstance(value, tuple | list):
        return [_json(each) for each in value]
    return value  # type: ignore[no-any-return]
