"""What a layer is: how a step is compiled at release and run in a segment.

A layer never sees a store, a clock of its own, or another layer. It is given a `Task` (pinned configuration and input
values) and `Tools` (the few ports to the outside), and returns what it made or what it wants done.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from aie.config import Site, StepSpec, Type
from aie.core import JSON, Cite, Labels, Spend, Value
from aie.errors import Failure

__all__ = [
    "Attempt",
    "Attempts",
    "Compiled",
    "Component",
    "Conduct",
    "Deliverer",
    "Delivery",
    "EffectRequest",
    "Files",
    "Keys",
    "Layer",
    "LayerName",
    "NoOtherRuns",
    "Outcome",
    "PastCall",
    "Result",
    "ReviewRequest",
    "Semantics",
    "Task",
    "Tools",
]

LayerName = Literal["extract", "context", "lookup", "model", "agent", "check", "review", "act"]

Conduct = Literal["pure", "slow", "external", "effect", "human"]
"""pure: recomputed at will. slow: the same, but its result is journalled. external: calls that cost or cannot be
repeated, each an attempt. effect: changes the world, through the outbox. human: waits for a person."""

Semantics = Literal["idempotent", "reconcile", "at_most_once"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """One versioned thing that a step uses; its identity is kind, name and the digest of its canonical content."""

    kind: str
    """`prompt`, `schema`, `classifier`, `route`, `rules`, `recipe`, `receiver` …"""
    name: str
    content: bytes
    """Canonical bytes: the file as it is, or canonical JSON."""
    live: Mapping[str, JSON] = field(default_factory=dict)
    """Facts that permit or cost (price, approval, endpoint); recorded when used, never part of the identity."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """What a layer makes of one step of a workflow file."""

    conduct: Conduct
    inputs: Mapping[str, str]
    """CEL expression of each input, by the name under which the task will hold it."""
    config: Mapping[str, JSON]
    """Everything else `run` needs, canonical JSON; refers to components as `"<kind>:<name>"`."""
    components: tuple[Component, ...]
    output: Type
    failures: frozenset[Failure]
    """Classes this step may raise; each needs a handler in the workflow file."""


def _sleep(microseconds: int) -> None:
    time.sleep(microseconds / 1_000_000)


def _endless() -> int | None:
    return None


class Files(Protocol):
    """Read-only access to the bytes of documents."""

    def read(self, ref: str) -> bytes:
        """Return the bytes stored under a document's reference."""
        ...


class Attempt(Protocol):
    """One admitted call: its reservation is durable. Settle it exactly once."""

    recorded: JSON
    """Response of this very attempt when the journal already holds it, else None: use it instead of calling."""
    tries: int
    """Which try of this very call it is: 1, or more when earlier ones of the step's try brought no answer."""

    def settle(
        self, spend: Spend, *, response: JSON, resolved: str, ms: int, fingerprint: str = "", measured: bool = True
    ) -> None:
        """Record the answer, who gave it as the provider says, and what it cost.

        Args:
            spend: what the provider says was used; what was reserved, when it does not say.
            response: the answer.
            resolved: the model that gave it.
            ms: how long it took.
            fingerprint: of the model's deployment.
            measured: False when the provider does not say what was used: it then counts as forfeited.

        Raises:
            StepFailure: INVALID_OUTPUT: the answer or its figures cannot be recorded; the call is forfeited.
        """
        ...

    def release(self, failure: Failure, *, ms: int) -> None:
        """Record that the call surely was not billed."""
        ...

    def forfeit(self, failure: Failure, *, ms: int) -> None:
        """Record that the call may have been billed: it counts at its reservation."""
        ...


class Attempts(Protocol):
    """Admission of calls against the run's limits."""

    def knows(self, request: JSON) -> bool:
        """Tell whether a call with this request does not leave: its answer is recorded, or `open` refuses it."""
        ...

    def open(self, *, model: str, request: JSON, worst: Spend, snapshot: str = "", route: str = "") -> Attempt:
        """Reserve the worst case and make the intent durable, then return.

        Args:
            model: catalog name of the model.
            request: what is asked; only its keyed hash is recorded.
            worst: the most that the call can use.
            snapshot: identifier of the model as the provider names it.
            route: route of the catalog that led to the model; empty for none.

        Raises:
            LimitReached: the reservation does not fit the run's limits, or a budget above them; when its `on_exhausted`
                is `degrade` a cheaper candidate may be tried.
            StepFailure: MODEL_RETIRED: the model was stopped. PROVIDER_DOWN: its circuit breaker is open.
                RATE_LIMITED: its rates leave no room, and none came in a short wait. Another one may be tried.
            Held: the step waits; nobody but the runs floor catches it.
        """
        ...


class Keys(Protocol):
    """What tells the runs of a workflow apart besides their case."""

    def claim(self, path: str, key: JSON) -> Sequence[str]:
        """Record that this run has the key at a step, and return the other runs that have it there.

        Durable before it looks: of two runs that claim one key at the same time, at least one learns of the other. Runs
        of the same case do not count: what they are to one another was said when they were submitted.
        """
        ...


class NoOtherRuns:
    """Keys of a run that stands for itself: a trial changes nothing and meets nobody."""

    def claim(self, path: str, key: JSON) -> Sequence[str]:
        """Return no run."""
        return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """The ports a running step may use."""

    files: Files
    attempts: Attempts
    components: Callable[[str], bytes]
    """Content of a pinned component by `"<kind>:<name>"`."""
    live: Callable[[str], Mapping[str, JSON]]
    """Live facts of a component by `"<kind>:<name>"`, as they are now."""
    secret: Callable[[str], str]
    """Value of a secret reference such as `env:OPENAI_API_KEY`; never recorded."""
    cache: Callable[[str, Callable[[bytes], Any]], Any]
    """`cache("classifier:intent", load)` returns the loaded component, shared by all runs of the process."""
    labels: Labels = field(default_factory=Labels)
    """Join of the labels of everything that the step reads: whoever outside is shown any of it must be allowed all."""
    case: str = ""
    """Keyed hash of the run's business case: what is drawn by it stays the same for the case."""
    began: int = 0
    """When the run was accepted, microseconds since the epoch; 0 for a step that is no part of a run."""
    pause: Callable[[int], None] = _sleep
    """Waits so many microseconds, and not a moment longer than the run may go on."""
    time_left: Callable[[], int | None] = _endless
    """Microseconds that the run may still take; None without a limit."""
    keys: Keys = field(default_factory=NoOtherRuns)
    """Keys that other runs may have, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PastCall:
    """A call that this very try of a step made before it began again, after a wait or a crash."""

    answered: bool
    """Asked again, it is answered from the journal."""
    cost: int
    """Micro-USD that it used, or may have used."""
    age: int
    """Microseconds from when it was about to be made until now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One step of one run."""

    path: str
    config: Mapping[str, JSON]
    inputs: Mapping[str, Value]
    workflow: str
    time_left_ms: int | None = None
    """What the run's time limit leaves; None when it sets none. A call must not wait longer."""
    mode: str = "live"
    """`live`, `shadow`, `replay` or `eval`: the last two ask nothing that changes from day to day."""
    past: Sequence[PastCall] = ()
    """In their order; none when the try begins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The step has its value."""

    data: JSON
    """Canonical JSON: no floats; confidences are decimal strings of at most six digits."""
    labels: Labels | None = None
    """None: the join of everything read. A layer that reads a file marks what comes out untrusted."""
    cites: Sequence[Cite] = ()
    report: JSON = None
    """For `explain`: what was dropped, which rules fired, which scores were near."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewRequest:
    """A person has to decide."""

    desk: str
    why: str
    shown: JSON
    """{"fields": {name: {"value", "step", "why"}}, "answer": JSON Schema of the decided fields, ...}"""
    due_in: int | None = None
    """Microseconds from opening to the deadline."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectRequest:
    """Something has to be done outside."""

    receiver: str
    """`"receiver:<name>"`, a component."""
    semantics: Semantics
    body: JSON
    identity: JSON
    """The declared business fields that make two requests the same effect."""


Outcome = Result | ReviewRequest | EffectRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One delivery of an effect."""

    key: str
    """Stable for the effect, the same in every repeat."""
    body: JSON
    receiver: str
    """`"receiver:<name>"`: its pinned part is a component, its endpoint a live fact."""
    config: Mapping[str, JSON]
    """Configuration of the step."""


class Deliverer(Protocol):
    """The half of an effect layer that touches the world.

    Its tools have the labels that the step had when it asked for the effect: what may leave is asked at each delivery.
    """

    def deliver(self, delivery: Delivery, tools: Tools) -> JSON:
        """Hand the body to the receiver and return its receipt.

        Raises:
            StepFailure: RECEIVER_DOWN (surely not applied), RECEIVER_REFUSED, NOT_PERMITTED (nothing was sent), or
                DELIVERY_UNKNOWN.
        """
        ...

    def reconcile(self, delivery: Delivery, tools: Tools) -> "JSON | None":
        """Ask a `reconcile` receiver whether it has the key; its receipt, or None when it has not."""
        ...


class Layer(Protocol):
    """One kind of step."""

    @property
    def name(self) -> LayerName:
        """The key of its steps."""
        ...

    @property
    def version(self) -> int:
        """Raised only when the same step on the same input may give another output."""
        ...

    @property
    def in_fibers(self) -> bool:
        """Whether its external steps wait by the ports of their tools alone, so that they need no thread."""
        ...

    def compile(self, step: StepSpec, site: Site) -> Compiled | None:
        """Turn a written step into what `run` needs; report every mistake to `site`, None when it cannot go on."""
        ...

    def run(self, task: Task, tools: Tools) -> Outcome:
        """Do the work.

        Raises:
            StepFailure: with a class among `Compiled.failures`.
        """
        ...
