"""Leases and claims: who may run what, and what a dead executor left behind.

All of this is level-triggered: asking again after a crash gives the same answer until the work is done.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from sqlalchemy import bindparam, select, text, tuple_

from aie.errors import FenceLost
from aie.records import tables
from aie.records.engines import ABANDONED_MS, WRITER
from aie.records.rows import RunRow, run_row
from aie.records.store import Store

__all__ = [
    "claimable",
    "drop_lease",
    "end_hung_writers",
    "expire_leases",
    "live_executors",
    "orphans",
    "renew_lease",
    "take_lease",
]


_runs, _executors = tables.runs, tables.executors

# What each beat asks is built once: that takes several times as long as to ask it.
_END_HUNG: Final = text(
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() "
    "AND usename = current_user AND application_name = :writer AND wait_event = 'ClientRead' "
    "AND xact_start IS NOT NULL AND state_change < clock_timestamp() - make_interval(secs => :seconds)"
)
_LIVE: Final = select(_executors.c.id).where(_executors.c.state == "live")
_ANY_LIVE: Final = _LIVE.limit(1)
_ORPHANS: Final = (
    select(_runs)
    .outerjoin(_executors, _executors.c.id == _runs.c.executor)
    .where(_runs.c.state == "running", _executors.c.state.is_distinct_from("live"))
    .order_by(_runs.c.queued_at, _runs.c.id)
    .limit(bindparam("limit"))
)
_CLAIMABLE: Final = (
    select(_runs)
    .where(
        _runs.c.state == bindparam("state"),
        _runs.c.queue.in_(bindparam("queues", expanding=True)),
        _runs.c.tenant.not_in(bindparam("tenants", expanding=True)),
        tuple_(_runs.c.tenant, _runs.c.workflow).not_in(bindparam("workflows", expanding=True)),
    )
    .order_by(_runs.c.queue.desc(), _runs.c.queued_at, _runs.c.id)
    .limit(bindparam("limit"))
)


def take_lease(store: Store, executor: str, *, ttl: int, runtime: Mapping[str, int], sole: bool = False) -> int:
    """Register a new executor for `ttl` microseconds and return when its lease ends. Ids are never used twice.

    With `sole` every other lease ends at once: the caller holds what only one living executor of this store can hold,
    so nobody needs to wait until the leases of dead ones are over.
    """
    with store.transaction("lease") as link:
        if sole:
            link.run("UPDATE executors SET state = 'dead' WHERE state = 'live' AND id <> ?", executor)
        now = link.now(store.clock.now())
        text = json.dumps(dict(runtime), sort_keys=True)
        link.insert(tables.executors, [(executor, "live", now + ttl, now, text)])
    return now + ttl


def renew_lease(store: Store, executor: str, *, ttl: int) -> int:
    """Move the end of a live lease and return it.

    Raises:
        FenceLost: the lease was flipped to dead; the process must stop executing.
    """
    with store.transaction("lease") as link:
        now = link.now(store.clock.now())
        sql = "UPDATE executors SET expires = ? WHERE id = ? AND state = 'live'"
        if link.run(sql, now + ttl, executor) == 0:
            raise FenceLost("the lease of this executor was lost", executor=executor)
    return now + ttl


def drop_lease(store: Store, executor: str) -> None:
    """End a lease at once: what the executor still holds is orphaned now instead of after its time."""
    with store.transaction("lease") as link:
        link.run("UPDATE executors SET state = 'dead' WHERE id = ?", executor)


def live_executors(store: Store) -> frozenset[str]:
    """Return the executors whose leases are live."""
    with store.connect() as connection:
        return frozenset(connection.execute(_LIVE).scalars())


def expire_leases(store: Store, *, besides: str = "") -> list[str]:
    """Flip every lease past its time to dead, by the database's clock; return which.

    An executor never flips its own (`besides`): after a pause of the whole machine it may look before it renews.
    """
    with store.connect() as connection:
        if not connection.execute(_ANY_LIVE).first():
            return []
    with store.transaction("expire") as link:
        now = link.now(store.clock.now())
        sql = "UPDATE executors SET state = 'dead' WHERE state = 'live' AND expires < ? AND id <> ? RETURNING id"
        return sorted(id_ for (id_,) in link.fetch(sql, now, besides))


def end_hung_writers(store: Store) -> int:
    """End transactions whose process stopped in the middle of a statement, and free what they lock; return how many.

    Between statements the server ends them by itself; while it waits for the rest of a COPY or of a pipeline no timeout
    of it applies. Whoever is ended so and comes back finds its connection gone and its fence lost.
    """
    if store.dialect != "postgresql":
        return 0
    with store.connect() as connection:
        found = connection.execute(_END_HUNG, {"writer": WRITER, "seconds": ABANDONED_MS / 1000}).scalar_one()
    return int(found)


def orphans(store: Store, *, limit: int = 100) -> list[RunRow]:
    """Return runs that are running under an executor that is dead or was never registered."""
    with store.connect() as connection:
        return [run_row(row) for row in connection.execute(_ORPHANS, {"limit": limit}).mappings()]  # type: ignore[arg-type]


def claimable(
    store: Store,
    *,
    limit: int,
    queues: Sequence[str],
    state: str = "queued",
    besides: Collection[tuple[str, str]] = (),
) -> list[RunRow]:
    """Return the longest queued runs of these queues, interactive ones before bulk.

    A look, not a claim: the claim decides under the row lock.

    Args:
        store: the records.
        limit: how many at most.
        queues: classes of work.
        state: which runs.
        besides: (tenant, workflow) that were stopped; an empty workflow stands for all of the tenant.
    """
    given = {
        "limit": limit,
        "state": state,
        "queues": list(queues),
        "tenants": [tenant for tenant, workflow in besides if not workflow],
        "workflows": [each for each in besides if each[1]],
    }
    with store.connect() as connection:
        return [run_row(row) for row in connection.execute(_CLAIMABLE, given).mappings()]  # type: ignore[arg-type]
