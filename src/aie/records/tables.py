"""The tables. On Postgres they live in the schema `aie`, which is the search path of every connection.

`events`, `blobs`, `bundles`, `data_keys`, `executors`, `writers` and `blocks` are what was written. `runs`, `search`,
`reviews`, `effects`, `environments`, `releases`, `draws`, `budgets` and `stops` are projections: dropped and refilled
from events alone. `windows` and `slabs` are leases: who may reserve how much without asking again; `gates` and
`passes` are, too: which model is left alone, and whose turn it is to call one.
"""

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, MetaData, Table, Text

__all__ = [
    "CHANNEL",
    "PROJECTIONS",
    "SCHEMA",
    "blobs",
    "blocks",
    "budgets",
    "bundles",
    "data_keys",
    "draws",
    "effects",
    "environments",
    "events",
    "executors",
    "gates",
    "metadata",
    "passes",
    "releases",
    "reviews",
    "runs",
    "search",
    "slabs",
    "stops",
    "windows",
    "writers",
]

SCHEMA: Final = "aie"
"""Schema on Postgres."""
CHANNEL: Final = "aie_runs"
"""Channel on Postgres: the writer, then the ids of runs that became runnable, wait or ended, with blanks between."""

metadata = MetaData()


def _text(name: str, *, key: bool = False) -> Column[str]:
    return Column(name, Text, primary_key=key, nullable=False)


def _big(name: str, *, key: bool = False) -> Column[int]:
    return Column(name, BigInteger, primary_key=key, nullable=False, autoincrement=False)


def _bool(name: str) -> Column[bool]:
    return Column(name, Boolean, nullable=False)


events = Table(
    "events",
    metadata,
    _text("stream", key=True),
    _big("n", key=True),
    _text("tenant"),
    _text("writer"),
    _big("writer_seq"),
    _text("type"),
    _big("at"),
    _big("segment"),
    _big("epoch"),
    _text("body"),
    Column("payload", LargeBinary),
    _text("key_id"),
    Column("salt", LargeBinary, nullable=False),
    Column("leaf", LargeBinary, nullable=False),
    Index("events_writer", "tenant", "writer", "writer_seq", unique=True),
)

runs = Table(
    "runs",
    metadata,
    _text("id", key=True),
    _text("tenant"),
    _text("workflow"),
    _text("release"),
    _text("environment"),
    _text("mode"),
    _text("state"),
    _text("queue"),
    _text("case_key"),
    _text("subject"),
    _text("idempotency_key"),
    _text("body_hash"),
    _big("segment"),
    _big("epoch"),
    _text("executor"),
    _bool("wake"),
    _bool("cancel_requested"),
    _big("last_n"),
    _text("failure"),
    _text("failed_path"),
    _text("spend"),
    _big("executing_ms"),
    _big("reviews"),
    _big("effects"),
    _big("submitted_at"),
    _big("queued_at"),
    _big("updated_at"),
    Column("held", Text, nullable=False, server_default=""),
    Index("runs_idempotency", "idempotency_key", "tenant", "workflow", unique=True),
    Index("runs_claim", "state", "queue", "queued_at", "id"),
    Index("runs_page", "tenant", "submitted_at", "id"),
    Index("runs_case", "tenant", "case_key"),
    Index("runs_executor", "executor", "state"),
)

Index(
    "runs_held",
    runs.c.state,
    runs.c.queued_at,
    runs.c.id,
    sqlite_where=runs.c.held != "",
    postgresql_where=runs.c.held != "",
)

search = Table(
    "search",
    metadata,
    _text("tenant", key=True),
    _text("name", key=True),
    _text("value", key=True),
    _text("run", key=True),
)

reviews = Table(
    "reviews",
    metadata,
    _text("id", key=True),
    _text("tenant"),
    _text("run"),
    _text("path"),
    _text("desk"),
    _text("state"),
    _text("shown_hash"),
    Column("due", BigInteger),
    _big("opened_at"),
    Column("decided_at", BigInteger),
    _text("actor"),
    _text("decision"),
    Index("reviews_run", "run"),
    Index("reviews_page", "tenant", "state", "opened_at", "id"),
)

effects = Table(
    "effects",
    metadata,
    _text("tenant", key=True),
    _text("key", key=True),
    _text("run"),
    _text("path"),
    _text("receiver"),
    _text("semantics"),
    _text("state"),
    _big("attempts"),
    _big("next_at"),
    _big("lease_until"),
    _text("executor"),
    _big("n"),
    Index("effects_run", "run"),
    Index("effects_due", "state", "next_at", "tenant", "key"),
)

environments = Table(
    "environments",
    metadata,
    _text("tenant", key=True),
    _text("workflow", key=True),
    _text("environment", key=True),
    _text("pointer", key=True),
    _text("release"),
    _text("actor"),
    _big("moved_at"),
)

releases = Table(
    "releases",
    metadata,
    _text("tenant", key=True),
    _text("id", key=True),
    _text("workflow"),
    _text("actor"),
    _text("parent"),
    _text("bundle"),
    _bool("imported"),
    _big("created_at"),
    Index("releases_page", "tenant", "workflow", "created_at", "id"),
)

bundles = Table(
    "bundles",
    metadata,
    _text("tenant", key=True),
    _text("release", key=True),
    Column("data", LargeBinary, nullable=False),
)

blobs = Table(
    "blobs",
    metadata,
    _text("tenant", key=True),
    _text("ref", key=True),
    _text("key_id", key=True),
    _text("writer"),
    _big("writer_seq"),
    _big("at"),
    Column("data", LargeBinary, nullable=False),
    Column("salt", LargeBinary, nullable=False),
    Column("leaf", LargeBinary, nullable=False),
    Index("blobs_writer", "tenant", "writer", "writer_seq", unique=True),
)

data_keys = Table(
    "data_keys",
    metadata,
    _text("id", key=True),
    _text("tenant"),
    _text("subject"),
    Column("wrapped", LargeBinary),
    _big("created_at"),
    Column("mark", LargeBinary, nullable=False),
)
"""One live data key for each (tenant, subject); `wrapped` is null once destroyed, `mark` proves the rest of the row."""
Index(
    "data_keys_live",
    data_keys.c.tenant,
    data_keys.c.subject,
    unique=True,
    sqlite_where=data_keys.c.wrapped.is_not(None),
    postgresql_where=data_keys.c.wrapped.is_not(None),
)

executors = Table(
    "executors",
    metadata,
    _text("id", key=True),
    _text("state"),
    _big("expires"),
    _big("started"),
    _text("runtime"),
    Index("executors_state", "state", "expires"),
)

writers = Table(
    "writers",
    metadata,
    _text("tenant", key=True),
    _text("writer", key=True),
    _text("kind"),
    _big("sealed_seq"),
    _bool("closed"),
)
"""Who has appended; where the sealer goes on. Advice only: `verify` trusts blocks."""

blocks = Table(
    "blocks",
    metadata,
    _text("tenant", key=True),
    Column("height", Integer, primary_key=True, autoincrement=False),
    Column("prev", LargeBinary, nullable=False),
    Column("root", LargeBinary, nullable=False),
    _text("ranges"),
    _big("leaves"),
    _big("sealed_at"),
    Column("head", LargeBinary, nullable=False),
    Column("signature", LargeBinary, nullable=False),
)

draws = Table(
    "draws",
    metadata,
    _text("slab", key=True),
    _text("tenant"),
    _text("window_id"),
    _big("reserved_cost"),
    _big("reserved_tokens"),
    _big("spent_cost"),
    _big("spent_tokens"),
    _big("forfeited_cost"),
    _big("forfeited_tokens"),
    _big("overrun_cost"),
    _big("overrun_tokens"),
    Index("draws_window", "window_id"),
)
"""What the attempts of all runs did to each slab."""

windows = Table("windows", metadata, _text("id", key=True), _text("tenant"))
"""A budget in one stretch of time. The row is the lock under which its slabs are shared out."""

slabs = Table(
    "slabs",
    metadata,
    _text("id", key=True),
    _text("tenant"),
    _text("window_id"),
    _text("executor"),
    _big("granted_cost"),
    _big("granted_tokens"),
    Index("slabs_window", "window_id"),
)
"""What an executor may reserve of a window. Never more is drawn on it than was granted."""

gates = Table("gates", metadata, _text("model", key=True), _big("open_until"), _big("probe_until"), _text("why"))
"""A model: until when its circuit breaker is open, until when one call tries whether it is there again, and what opened
it. The row is the lock under which passes are given out."""

passes = Table(
    "passes",
    metadata,
    _text("id", key=True),
    _text("model"),
    _big("tokens"),
    _big("counts_until"),
    _big("holds_until"),
    Index("passes_model", "model", "counts_until"),
)
"""A call that was let through: until when it counts as one of the last minute, and until when as under way at most."""

budgets = Table(
    "budgets",
    metadata,
    _text("tenant", key=True),
    _text("scope", key=True),
    _text("name", key=True),
    Column("cost", BigInteger),
    Column("tokens", BigInteger),
    _text("per"),
    _text("on_exhausted"),
    _text("actor"),
    _text("reason"),
    _big("at"),
)
"""Budgets that someone set over the declared ones; `per` is empty where the declared one applies again."""

stops = Table(
    "stops",
    metadata,
    _text("tenant", key=True),
    _text("kind", key=True),
    _text("name", key=True),
    _bool("stopped"),
    _text("actor"),
    _text("reason"),
    _big("at"),
)
"""Kill switches, thrown and lifted."""

PROJECTIONS: Final = (runs, search, reviews, effects, environments, releases, draws, budgets, stops)
"""Tables that hold nothing which the events do not."""
