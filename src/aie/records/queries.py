"""Lists: declared filters only, newest first, paged by key; never a total."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

from sqlalchemy import Connection, Select, Table, and_, bindparam, or_, select

from aie.errors import InputError
from aie.records import tables
from aie.records.rows import EffectRow, ReviewRow, RunRow, run_row

__all__ = [
    "EffectFilter",
    "Page",
    "ReviewFilter",
    "RunFilter",
    "due_effects",
    "due_reviews",
    "list_effects",
    "list_reviews",
    "list_runs",
]

RowT = TypeVar("RowT")

_runs, _reviews, _effects, _executors = tables.runs, tables.reviews, tables.effects, tables.executors

# What each beat asks is built once: that takes several times as long as to ask it.
_DUE_REVIEWS: Final = (
    select(_reviews)
    .where(_reviews.c.state == "open", _reviews.c.due <= bindparam("now"))
    .order_by(_reviews.c.due, _reviews.c.id)
    .limit(bindparam("limit"))
)
_INTERRUPTED: Final = and_(
    _effects.c.state == "attempting",
    or_(
        _executors.c.state.is_distinct_from("live"),
        and_(_effects.c.lease_until > 0, _effects.c.lease_until < bindparam("now")),
    ),
)
_DUE_EFFECTS: Final = (
    select(_effects)
    .outerjoin(_executors, _executors.c.id == _effects.c.executor)
    .join(_runs, _runs.c.id == _effects.c.run)
    .where(_runs.c.state != "needs_runtime")
    .where(or_(and_(_effects.c.state == "queued", _effects.c.next_at <= bindparam("now")), _INTERRUPTED))
    .order_by(_effects.c.next_at, _effects.c.tenant, _effects.c.key)
    .limit(bindparam("limit"))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[RowT]):
    """One page of a list."""

    rows: tuple[RowT, ...]
    after: str
    """Pass it to get the next page; empty on the last one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFilter:
    """Which runs; None or empty is no restriction."""

    tenant: str | None = None
    state: str | None = None
    workflow: str | None = None
    release: str | None = None
    failure: str | None = None
    """Class of the taxonomy."""
    case_key: str | None = None
    search: Mapping[str, str] = field(default_factory=dict)
    """Declared search attributes that must all be equal."""
    since: int | None = None
    """Submitted at this time or later, microseconds."""
    until: int | None = None
    """Submitted before this time, microseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewFilter:
    """Which reviews; None is no restriction."""

    tenant: str | None = None
    state: str | None = "open"
    desk: str | None = None
    run: str | None = None
    id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectFilter:
    """Which effects; None is no restriction."""

    tenant: str | None = None
    state: str | None = None
    run: str | None = None
    receiver: str | None = None
    key: str | None = None


def list_runs(connection: Connection, where: RunFilter, *, limit: int, after: str) -> Page[RunRow]:
    """Return runs, last submitted first."""
    runs = tables.runs
    query = _equal(runs, tenant=where.tenant, state=where.state, workflow=where.workflow, release=where.release)
    query = _equal(runs, query, failure=where.failure, case_key=where.case_key)
    if where.since is not None:
        query = query.where(runs.c.submitted_at >= where.since)
    if where.until is not None:
        query = query.where(runs.c.submitted_at < where.until)
    for name, value in sorted(where.search.items()):
        found = tables.search.alias()
        matches = and_(found.c.run == runs.c.id, found.c.tenant == runs.c.tenant, found.c.name == name)
        query = query.join(found, and_(matches, found.c.value == value))
    rows, token = _page(connection, query, runs, "submitted_at", limit=limit, after=after)
    return Page(rows=tuple(run_row(row) for row in rows), after=token)


def list_reviews(connection: Connection, where: ReviewFilter, *, limit: int, after: str) -> Page[ReviewRow]:
    """Return reviews, last opened first."""
    table = tables.reviews
    query = _equal(table, tenant=where.tenant, state=where.state, desk=where.desk, run=where.run, id=where.id)
    rows, token = _page(connection, query, table, "opened_at", limit=limit, after=after)
    return Page(rows=tuple(ReviewRow(**row) for row in rows), after=token)


def due_reviews(connection: Connection, *, now: int, limit: int) -> tuple[ReviewRow, ...]:
    """Return open reviews past their deadline. A look: the entry that expires one decides under the lock of the run."""
    found = connection.execute(_DUE_REVIEWS, {"now": now, "limit": limit})
    return tuple(ReviewRow(**row) for row in found.mappings())


def list_effects(connection: Connection, where: EffectFilter, *, limit: int) -> tuple[EffectRow, ...]:
    """Return effects in the order in which they are due."""
    table = tables.effects
    query = _equal(table, tenant=where.tenant, state=where.state, run=where.run, receiver=where.receiver)
    query = _equal(table, query, key=where.key)
    query = query.order_by(table.c.next_at, table.c.tenant, table.c.key).limit(limit)
    return tuple(EffectRow(**row) for row in connection.execute(query).mappings())


def due_effects(connection: Connection, *, now: int, limit: int) -> tuple[EffectRow, ...]:
    """Return effects to deliver: queued and due, or being attempted by an executor that is dead or out of time.

    Not those of runs that wait for another runtime: they are delivered by the layer version that queued them. A look,
    not a claim: `effect.attempted` is the claim, decided under the lock of the run.
    """
    found = connection.execute(_DUE_EFFECTS, {"now": now, "limit": limit})
    return tuple(EffectRow(**row) for row in found.mappings())


def _equal(table: Table, query: Select[Any] | None = None, /, **wanted: str | None) -> Select[Any]:
    query = select(table) if query is None else query
    for name, value in wanted.items():
        if value is not None:
            query = query.where(table.c[name] == value)
    return query


def _page(
    connection: Connection, query: Select[Any], table: Table, time: str, *, limit: int, after: str
) -> tuple[list[dict[str, Any]], str]:
    """Return the rows after the one that the token names, and the token of the last row when there are more."""
    if after:
        at, _, id_ = after.partition(".")
        if not at.isdecimal() or not id_:
            raise InputError("this is not the token of a page", hints=("pass `after` as the last page returned it",))
        query = query.where(or_(table.c[time] < int(at), and_(table.c[time] == int(at), table.c.id < id_)))
    query = query.order_by(table.c[time].desc(), table.c.id.desc()).limit(limit + 1)
    rows = [dict(row) for row in connection.execute(query).mappings()]
    token = f"{rows[limit - 1][time]}.{rows[limit - 1]['id']}" if len(rows) > limit else ""
    return rows[:limit], token
