"""Budgets above a run: the rows that say what was granted and drawn, and the lock under which they are shared out."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from sqlalchemy import ColumnElement, FromClause, Select, bindparam, case, cast, column, func, select, true
from sqlalchemy.dialects.postgresql import JSONB

from aie.core import Spend
from aie.records import tables
from aie.records.links import Link
from aie.records.projection import DRAWN
from aie.records.rows import RunRow, run_row
from aie.records.store import Store

__all__ = ["BudgetRow", "Shares", "SlabRow", "StopRow", "drawn", "held_runs", "locked_windows", "set_budgets", "stops"]

_LOCK_WINDOWS: Final = "SELECT id FROM windows WHERE id {among} ORDER BY id {lock_rows}"
_LOCK_SLABS: Final = (
    "SELECT id, window_id, executor, granted_cost, granted_tokens FROM slabs "
    "WHERE window_id {among} ORDER BY id {lock_rows}"
)
_DRAWS: Final = f"SELECT slab, {', '.join(DRAWN)} FROM draws WHERE window_id {{among}}"
_LIVE: Final = "SELECT id FROM executors WHERE state = 'live' AND id {among}"
_SET: Final = select(tables.budgets)
_STOPPED: Final = select(tables.stops).where(tables.stops.c.stopped)
_GRANT: Final = "UPDATE slabs SET executor = ?, granted_cost = ?, granted_tokens = ? WHERE id = ?"


@dataclass(frozen=True, slots=True, kw_only=True)
class SlabRow:
    """A slab, with what was drawn on it."""

    id: str
    window: str
    executor: str
    live: bool
    """Whether its executor's lease is."""
    granted: Spend
    reserved: Spend
    spent: Spend
    forfeited: Spend
    overrun: Spend


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetRow:
    """A budget that someone set."""

    tenant: str
    scope: str
    name: str
    cost: int | None
    tokens: int | None
    per: str
    """Empty: the declared budget applies again."""
    on_exhausted: str
    actor: str
    reason: str
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StopRow:
    """A kill switch."""

    tenant: str
    kind: str
    name: str
    stopped: bool
    actor: str
    reason: str
    at: int


class Shares:
    """The slabs of some windows, while nobody else can share them out."""

    def __init__(self, link: Link, windows: Sequence[str]) -> None:
        self._link = link
        self.slabs: list[SlabRow] = _slabs(link, windows)

    def grant(self, tenant: str, window: str, slab: str, executor: str, granted: Spend) -> None:
        """Say what an executor may draw on a slab; a new one is made."""
        values = (executor, granted.cost, granted.tokens, slab)
        if not self._link.run(_GRANT, *values):
            self._link.insert(tables.slabs, [(slab, tenant, window, *values[:3])])


@contextmanager
def locked_windows(store: Store, tenant: str, windows: Sequence[str]) -> Iterator[Shares]:
    """Yield the slabs of these windows in a transaction of its own, locked until the block ends.

    Windows are locked in the order of their ids, then slabs in the order of theirs: the journal locks slabs in the same
    order and never a window, so nobody waits in a circle.
    """
    with store.transaction("slab") as link:
        for window in sorted(windows):
            link.run("INSERT INTO windows (id, tenant) VALUES (?, ?) ON CONFLICT DO NOTHING", window, tenant)
        link.fetch(_LOCK_WINDOWS, link.array(sorted(windows)))
        yield Shares(link, windows)


def _slabs(link: Link, windows: Sequence[str]) -> list[SlabRow]:
    locked = link.fetch(_LOCK_SLABS, link.array(sorted(windows)))
    # Statements of their own: what they show was committed before the slabs were locked.
    counts = {row[0]: row[1:] for row in link.fetch(_DRAWS, link.array(sorted(windows)))}
    live = {id_ for (id_,) in link.fetch(_LIVE, link.array(sorted({row[2] for row in locked})))}
    known = {row[0] for row in locked}
    rows = [_slab(*row, live=row[2] in live, counts=counts.get(row[0])) for row in locked]
    lost = [slab for slab in counts if slab not in known]
    return rows + [_slab(slab, slab.rpartition("#")[0], "", 0, 0, live=False, counts=counts[slab]) for slab in lost]


def _slab(
    id_: str, window: str, executor: str, cost: int, tokens: int, *, live: bool, counts: Sequence[int] | None
) -> SlabRow:
    amounts = [0] * len(DRAWN) if counts is None else counts
    reserved, spent, forfeited, overrun = (Spend(cost=amounts[n], tokens=amounts[n + 1]) for n in (0, 2, 4, 6))
    return SlabRow(
        id=id_,
        window=window,
        executor=executor,
        live=live,
        granted=Spend(cost=cost, tokens=tokens),
        reserved=reserved,
        spent=spent,
        forfeited=forfeited,
        overrun=overrun,
    )


def drawn(store: Store, windows: Sequence[str]) -> list[SlabRow]:
    """Return the slabs of these windows as they stand, without a lock."""
    slabs, draws = tables.slabs, tables.draws
    with store.snapshot() as connection:
        granted = connection.execute(select(slabs).where(slabs.c.window_id.in_(windows))).all()
        counts = {
            row.slab: (row.window_id, tuple(getattr(row, name) for name in DRAWN))
            for row in connection.execute(select(draws).where(draws.c.window_id.in_(windows)))
        }
    known = {row.id for row in granted}
    none = ("", None)
    rows = [
        _slab(row.id, row.window_id, row.executor, row.granted_cost, row.granted_tokens, live=True, counts=each[1])
        for row in granted
        for each in (counts.get(row.id, none),)
    ]
    return rows + [
        _slab(slab, window, "", 0, 0, live=False, counts=each)
        for slab, (window, each) in counts.items()
        if slab not in known
    ]


def set_budgets(store: Store, tenant: str | None = None) -> list[BudgetRow]:
    """Return the budgets that someone set; all tenants' for None."""
    query = _SET if tenant is None else _SET.where(tables.budgets.c.tenant == tenant)
    with store.connect() as connection:
        return [BudgetRow(**row) for row in connection.execute(query).mappings()]


def stops(store: Store, tenant: str | None = None) -> list[StopRow]:
    """Return the kill switches that are thrown; all tenants' for None."""
    query = _STOPPED if tenant is None else _STOPPED.where(tables.stops.c.tenant == tenant)
    with store.connect() as connection:
        return [StopRow(**{**row, "stopped": bool(row["stopped"])}) for row in connection.execute(query).mappings()]


def held_runs(store: Store, *, limit: int = 200) -> list[RunRow]:
    """Return waiting runs of which a step is held, the longest waiting first.

    Args:
        store: the records.
        limit: runs of a tenant for each thing that is waited for, so that those that wait for one hide none that waits
            for another. Of those that wait for a time only, the ones whose time comes first.
    """
    with store.connect() as connection:
        found = connection.execute(_held(store.dialect), {"limit": limit})
        return [run_row(row) for row in found.mappings()]  # type: ignore[arg-type]


@cache
def _held(dialect: str) -> Select[Any]:
    """Return the query of `held_runs`, built once: each beat asks it."""
    runs = tables.runs
    waits, on = _waits(dialect)
    timed = on.like("until:%")
    thing, first = case((timed, "until"), else_=on), case((timed, on), else_="")
    place = (
        func.row_number()
        .over(partition_by=(runs.c.tenant, thing), order_by=(first, runs.c.queued_at, runs.c.id))
        .label("place")
    )
    held = (runs.c.state == "waiting", runs.c.held != "")
    placed = select(runs.c.id, place).select_from(runs.join(waits, true())).where(*held).subquery()
    near = select(placed.c.id).where(placed.c.place <= bindparam("limit"))
    return select(runs).where(runs.c.id.in_(near)).order_by(runs.c.queued_at, runs.c.id)


def _waits(dialect: str) -> tuple[FromClause, ColumnElement[str]]:
    """Return a row for each thing that a held run waits for, and what it is."""
    held = func.nullif(tables.runs.c.held, "")
    if dialect == "postgresql":
        each = func.jsonb_array_elements(cast(held, JSONB)).table_valued(column("value", JSONB), name="wait")
        return each, each.c.value["on"].astext
    each = func.json_each(held).table_valued("value", name="wait")
    return each, func.json_extract(each.c.value, "$.on")
