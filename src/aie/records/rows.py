"""Rows as values: what the store returns and what a decision is shown."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from operator import itemgetter
from typing import Any, Final, NamedTuple

from aie.records.events import Event

__all__ = [
    "EFFECT_COLUMNS",
    "REVIEW_COLUMNS",
    "RUN_COLUMNS",
    "EffectRow",
    "Recorded",
    "ReleaseRow",
    "ReviewRow",
    "RunRow",
    "run_row",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """An event with its place in the records."""

    tenant: str
    stream: str
    n: int
    """Position in the stream, from 1."""
    at: int
    """Microseconds since the epoch."""
    segment: int
    """0 when written from outside a segment."""
    epoch: int
    """0 when written from outside a segment."""
    writer: str
    writer_seq: int
    """Position among all that this writer wrote for the tenant, from 1, without gaps."""
    event: Event
    erased: bool = False
    """True when the data key is destroyed: private fields read None."""


class RunRow(NamedTuple):
    """A run as it stands: the projection of its stream.

    A tuple, as each decision on a run is shown one: a frozen dataclass of so many fields takes five times as long.
    """

    id: str
    tenant: str
    workflow: str
    release: str
    environment: str
    mode: str
    state: str
    """`queued`, `running`, `waiting`, `needs_runtime`, `completed`, `failed`, `cancelled` or `dead`."""
    queue: str
    case_key: str
    subject: str
    idempotency_key: str
    body_hash: str
    segment: int
    """Latest segment queued or started; 0 before the first."""
    epoch: int
    """Latest claim; 0 before the first."""
    executor: str
    """Who runs it; empty unless running."""
    wake: bool
    """Something arrived from outside since the running segment began: it must not just close."""
    cancel_requested: bool
    last_n: int
    """Position of the last event of the stream."""
    failure: str
    failed_path: str
    spend: str
    """Canonical JSON of what its attempts used."""
    executing_ms: int
    reviews: int
    """Reviews ever opened."""
    effects: int
    """Effects ever queued."""
    submitted_at: int
    queued_at: int
    updated_at: int
    held: str
    """Canonical JSON of what its held steps wait for, as in `run.waiting`; empty for none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewRow:
    """A task for a person."""

    id: str
    tenant: str
    run: str
    path: str
    desk: str
    state: str
    """`open`, `decided`, `expired` (nobody decided in time) or `withdrawn` (the run ended without it)."""
    shown_hash: str
    due: int | None
    opened_at: int
    decided_at: int | None
    actor: str
    decision: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectRow:
    """An effect owed to a receiver: the outbox."""

    tenant: str
    key: str
    run: str
    path: str
    receiver: str
    semantics: str
    state: str
    """`queued`, `attempting`, `delivered`, `refused`, `unknown` or `failed`."""
    attempts: int
    next_at: int
    """Not before this time."""
    lease_until: int
    """While attempting: after this time the attempt counts as interrupted. 0: as long as its executor lives."""
    executor: str
    """Who attempts; empty unless attempting."""
    n: int
    """Position of the request in the run's stream."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseRow:
    """A release that exists for a tenant."""

    tenant: str
    id: str
    workflow: str
    actor: str
    parent: str
    bundle: str
    """Digest of the bundle's bytes; empty when its event did not say."""
    imported: bool
    created_at: int


def _names(kind: type) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


RUN_COLUMNS: Final = RunRow._fields
REVIEW_COLUMNS: Final = _names(ReviewRow)
EFFECT_COLUMNS: Final = _names(EffectRow)


_run_values: Final = itemgetter(*RUN_COLUMNS)


def run_row(values: Mapping[str, Any]) -> RunRow:
    """Return the row; SQLite has no booleans of its own."""
    row = RunRow._make(_run_values(values))
    if type(values["wake"]) is type(values["cancel_requested"]) is bool:
        return row
    return row._replace(wake=bool(row.wake), cancel_requested=bool(row.cancel_requested))
