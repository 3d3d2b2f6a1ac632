"""What a run is at a moment: the fold of its events, and what is to be done next.

Everything here is a frozen value over persistent maps, so `advance` can return a new state per event at the cost of the
few entries that changed.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from immutables import Map

from aie.core import Spend
from aie.records.events import (
    AttemptIntended,
    AttemptSettled,
    EffectDelivered,
    EffectQueued,
    MapExpanded,
    ReviewDecided,
    ReviewOpened,
    RunSubmitted,
    StepFinished,
    StepHeld,
)

__all__ = [
    "DONE",
    "Attempted",
    "Command",
    "CompleteEffect",
    "Ending",
    "ExpandMap",
    "Finish",
    "Forfeit",
    "GatherMap",
    "OpenReview",
    "Phase",
    "Progress",
    "ResolveReview",
    "RunStep",
    "State",
    "Status",
    "UseDefault",
    "Wait",
]


class Status(StrEnum):
    """Where one node stands. A node that is not in the state has not begun."""

    RUNNING = "running"
    """A command for it is out."""
    EXPANDED = "expanded"
    """A map whose items are under way."""
    REVIEW = "review"
    """A person has to decide."""
    EFFECT = "effect"
    """A receiver has to confirm."""
    HELD = "held"
    """A call waits for money or for a kill switch to be lifted."""
    FINISHED = "finished"
    SKIPPED = "skipped"
    FAILED = "failed"
    """Failed for good: its handler ended the run."""


DONE: Final = frozenset({Status.FINISHED, Status.SKIPPED})


class Phase(StrEnum):
    """Where the run stands."""

    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    FINISHED = "finished"


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """One node, as far as it came."""

    status: Status
    tries: int = 0
    """Tries that failed."""
    failure: str = ""
    """Class of the failure that a handler is mending; empty otherwise."""
    spent_attempts: int = 0
    """Attempts that belong to failed tries: a new try must not be answered from them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempted:
    """One call and what came of it."""

    intended: AttemptIntended
    at: int = 0
    """When the call was about to be made, in microseconds since the epoch."""
    settled: AttemptSettled | None = None

    @property
    def answered(self) -> bool:
        """Whether there is an answer that a later claim need not pay for again."""
        return self.settled is not None and self.settled.outcome == "settled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How the run is going to end, once nothing is in flight any more."""

    state: str
    failure: str = ""
    path: str = ""
    message: str = ""


@dataclass(frozen=True, kw_only=True)
class State:
    """The fold of a run's events.

    Without slots: `but` copies the instance's dict at a tenth of the cost of `dataclasses.replace`, which was an eighth
    of the CPU of a run.
    """

    phase: Phase = Phase.QUEUED
    submitted: RunSubmitted | None = None
    submitted_at: int = 0
    nodes: Map[str, Progress] = field(default_factory=Map)
    outputs: Map[str, StepFinished] = field(default_factory=Map)
    """Values by path."""
    maps: Map[str, MapExpanded] = field(default_factory=Map)
    positions: Map[str, Map[str, int]] = field(default_factory=Map)
    """Where each item of a map stands in its list, by the item's key."""
    done_items: Map[str, int] = field(default_factory=Map)
    """Items of each map of which every node is done."""
    attempts: Map[str, Attempted] = field(default_factory=Map)
    reviews: Map[str, ReviewOpened] = field(default_factory=Map)
    """The latest review of each path."""
    decisions: Map[str, ReviewDecided] = field(default_factory=Map)
    """The latest decision of each path."""
    effects: Map[str, EffectQueued] = field(default_factory=Map)
    receipts: Map[str, EffectDelivered] = field(default_factory=Map)
    holds: Map[str, StepHeld] = field(default_factory=Map)
    """The latest hold of each path."""
    running: int = 0
    """Commands out."""
    steps: int = 0
    """Steps started, items and tries counted."""
    spent: Spend = field(default_factory=Spend)
    reserved: Spend = field(default_factory=Spend)
    """Intended and not yet settled."""
    executed_ms: int = 0
    """Executing time of closed and abandoned segments."""
    segment: int = 0
    epoch: int = 0
    segment_began: int = 0
    last_at: int = 0
    """Time of the latest event."""
    last_record: int = 0
    """Time of the one before it."""
    idle_claims: int = 0
    """Claims in a row that came to nothing: a run that kills its workers, or always breaks off, is set aside."""
    open_segment: bool = False
    cancelled: bool = False
    ending: Ending | None = None

    @property
    def unsettled(self) -> list[str]:
        """Attempts of which nobody has said yet what came of them."""
        return sorted(name for name, each in self.attempts.items() if each.settled is None)

    def but(self, **changes: object) -> "State":
        """Return the same state with other values in some fields."""
        new = object.__new__(State)
        new.__dict__.update(self.__dict__, **changes)
        return new


# ---------------------------------------------------------------- commands


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStep:
    """Evaluate the step's condition and inputs and run its layer."""

    path: str
    wait_ms: int = 0
    """Pause before a try after a failed one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpandMap:
    """Evaluate the list and the keys of its items."""

    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GatherMap:
    """Every item is done: make the map's value."""

    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UseDefault:
    """The handler of the failure gives the value."""

    path: str
    failure: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenReview:
    """The handler of the failure asks a person for the step's value."""

    path: str
    desk: str
    failure: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolveReview:
    """A decision is there: make it the step's value."""

    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CompleteEffect:
    """The receiver confirmed: make its receipt the step's value."""

    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Forfeit:
    """An attempt of a dead epoch has no settlement: count it at its reservation."""

    attempt: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Nothing is runnable until something outside happens."""

    reviews: tuple[str, ...]
    effects: tuple[str, ...]
    held: tuple[StepHeld, ...] = ()
    """Steps whose calls wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """The run ends."""

    state: str
    failure: str = ""
    path: str = ""
    message: str = ""


Command = (
    RunStep | ExpandMap | GatherMap | UseDefault | OpenReview | ResolveReview | CompleteEffect | Forfeit | Wait | Finish
)
