"""What a journal wrote last of the rows of running segments, so that its next transaction need not read them first.

Nearly all that is written are new runs, the events between the start of a segment and its end, and its end, nearly
always by the journal that wrote the events before. Such a batch is decided on the rows as they were left, and written
in one statement that does nothing unless they still stand so: every change of a run moves its `last_n`, a slab is
compared as a whole, and of a new run is looked whether its idempotency key is free.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from aie.records.entries import Entry
from aie.records.projection import DRAWN, Desk, Row

__all__ = ["CLOSING", "MOVING", "Begun", "Continuation", "Memory", "RunStep", "SlabStep"]

MOVING: Final = ("last_n", "spend", "updated_at")
"""What the events of a running segment change of its run."""
CLOSING: Final = (*MOVING, "state", "executor", "failure", "failed_path", "executing_ms", "held")
"""What its last transaction changes, unless another segment follows at once."""
_ONLY_CLOSING: Final = CLOSING[len(MOVING) :]
_KEPT: Final = 2_048
"""Rows of each kind that are remembered at most; a segment has one run and few slabs."""


@dataclass(frozen=True, slots=True)
class RunStep:
    """What is changed of a run whose segment is running."""

    id: str
    before: int
    """Position of the last event that the decision knew of."""
    after: tuple[Any, ...]
    """What then stands in the columns of `CLOSING`."""
    closes: bool
    """Whether more changes than the columns of `MOVING`."""


@dataclass(frozen=True, slots=True)
class SlabStep:
    """What they change of a slab."""

    id: str
    granted: tuple[int, int]
    """In micro-USD and in tokens."""
    before: tuple[int, ...]
    """The counts of `DRAWN` that the decision knew of."""
    after: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Begun:
    """New runs, with all that comes with them."""

    runs: Sequence[tuple[Any, ...]]
    """Rows of the table `runs`."""
    search: Sequence[tuple[str, ...]]
    """Rows of the table `search`, of any run."""
    keys: Sequence[tuple[Any, ...]]
    """Rows of the table `data_keys`: of subjects that have no key."""
    executors: Sequence[str]
    """Whose lease must be live."""


@dataclass(frozen=True, slots=True)
class Continuation:
    """A whole transaction that goes on from rows as they were left."""

    runs: Sequence[RunStep]
    """In the order of their ids; each under an executor whose lease must be live."""
    slabs: Sequence[SlabStep]
    events: Sequence[tuple[Any, ...]]
    """Rows of the table `events`."""
    begun: Begun
    news: Sequence[str]
    """What other processes are told."""

    @property
    def is_middle(self) -> bool:
        """Whether it is of running segments alone, which go on."""
        begun = self.begun
        more = begun.runs or begun.search or begun.keys or begun.executors or self.news
        return not more and not any(step.closes for step in self.runs)


class Memory:
    """Rows as the journal left them. Only who commits looks at them."""

    def __init__(self) -> None:
        self._runs: dict[str, Row] = {}
        self._slabs: dict[str, tuple[tuple[int, int], Row]] = {}

    def knows(self, entry: Entry) -> bool:
        """Whether all that the entry's decision is shown is remembered; a new run's is shown nothing."""
        if entry.effect_keys or not all(slab in self._slabs for slab in entry.slabs):
            return False
        if entry.idempotency is not None:
            return entry.stream not in self._runs
        return not entry.executor and entry.stream in self._runs

    def recall(self, entries: Sequence[Entry], desk: Desk, granted: dict[str, tuple[int, int]]) -> None:
        """Lay the rows of these entries on a desk."""
        for entry in entries:
            if entry.idempotency is None and entry.stream not in desk.runs:
                desk.runs[entry.stream] = dict(self._runs[entry.stream])
            for slab in entry.slabs:
                if slab not in granted:
                    granted[slab], row = self._slabs[slab]
                    desk.draws[slab] = dict(row)

    def steps(self, desk: Desk) -> tuple[list[RunStep], list[SlabStep]] | None:
        """Return what changed on the desk since `recall`, but for new runs; None when segments do not change it."""
        if any(table not in ("runs", "draws") for table, _ in desk.changed):
            return None
        if any(table != "runs" for table, _ in desk.fresh):
            return None
        runs = []
        for id_, row in sorted(desk.runs.items()):
            if ("runs", id_) in desk.fresh:
                continue
            known, after = self._runs[id_], tuple(map(row.__getitem__, CLOSING))
            if row != {**known, **dict(zip(CLOSING, after, strict=True))}:
                return None
            closes = after[len(MOVING) :] != tuple(map(known.__getitem__, _ONLY_CLOSING))
            runs.append(RunStep(id_, known["last_n"], after, closes))
        slabs = []
        for id_, row in sorted(desk.draws.items()):
            granted, known = self._slabs[id_]
            slabs.append(SlabStep(id_, granted, _counts(known), _counts(row)))
        return runs, slabs

    def learn(self, desk: Desk, granted: dict[str, tuple[int, int]]) -> None:
        """Remember what a transaction left, once it is durable."""
        for id_, row in desk.runs.items():
            # Reviews and effects have rows of their own, which are not remembered.
            if row["state"] == "running" and not row["reviews"] and not row["effects"]:
                self._runs[id_] = row
            else:
                self._runs.pop(id_, None)
        for id_, amounts in granted.items():
            if id_ in desk.draws:
                self._slabs[id_] = amounts, desk.draws[id_]
        for known in (self._runs, self._slabs):
            while len(known) > _KEPT:
                del known[next(iter(known))]

    def forget(self, desk: Desk) -> None:
        """Forget the rows that are on the desk: one of them does not stand."""
        for id_ in desk.runs:
            self._runs.pop(id_, None)
        for id_ in desk.draws:
            self._slabs.pop(id_, None)

    def clear(self) -> None:
        """Remember nothing."""
        self._runs.clear()
        self._slabs.clear()


def _counts(row: Row) -> tuple[int, ...]:
    return tuple(map(row.__getitem__, DRAWN))
