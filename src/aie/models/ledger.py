"""The arithmetic of budgets: windows of time, slabs of a window, and who may draw how much. No clock, no IO.

A budget caps what a tenant or a workflow may spend in a window. An executor is granted a slab of the window and draws
on it without asking again; what was granted counts as taken. Slabs shrink as the window empties, and what lies idle in
one is recalled before a call is refused, so that a call is admitted for as long as the cap minus what is spent,
forfeited and reserved covers its worst case, whoever holds the slabs.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from aie.config import OnExhausted, Period
from aie.core import Spend, usd

__all__ = [
    "UNBOUNDED",
    "Budget",
    "Exhausted",
    "Scope",
    "Slab",
    "Window",
    "explained",
    "open_window",
    "share_out",
    "taken",
    "window_named",
]

Scope = Literal["workflow", "tenant"]
"""Whose budget: a run's limits are within its workflow's budget, that within its tenant's."""

UNBOUNDED: Final = 2**53 - 1
"""What is granted where a budget has no cap."""

_AHEAD: Final = 19
"""A slab holds so many further calls like the one that it is leased for, or as many again as are under way on it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """A cap, as it applies now."""

    tenant: str
    scope: Scope
    name: str
    """The workflow's or the tenant's name."""
    cost: int | None
    """Micro-USD; None: not bounded."""
    tokens: int | None
    per: Period
    on_exhausted: OnExhausted
    origin: Literal["declared", "set"] = "declared"
    """From `aie.yaml`, or set over it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A budget in one stretch of time."""

    id: str
    """`<tenant>/<scope>/<name>/<per>/<stretch>`, e.g. `acme/workflow/claims/day/2026-11-22`."""
    ends: int | None
    """Microseconds since the epoch; None: never."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slab:
    """A part of a window that one executor may draw on."""

    id: str
    granted: Spend
    reserved: Spend
    """Of calls under way, or of a dead executor's calls until their runs go on and forfeit them."""
    spent: Spend
    forfeited: Spend
    """Of calls that may have been billed."""
    overrun: Spend
    """What was billed beyond reservations; part of `spent`."""

    @property
    def used(self) -> Spend:
        """What is not free any more."""
        return self.reserved + self.spent + self.forfeited


_EMPTY: Final = Slab(id="", granted=Spend(), reserved=Spend(), spent=Spend(), forfeited=Spend(), overrun=Spend())


@dataclass(frozen=True, slots=True, kw_only=True)
class Exhausted:
    """A call that does not fit into a budget."""

    budget: Budget
    window: Window
    free: Spend
    """What is neither spent nor forfeited nor reserved."""
    reserved: Spend
    """Of calls under way: a part of it may become free."""
    forfeited: Spend
    needed: Spend

    @property
    def limit(self) -> Literal["cost", "tokens"]:
        """Which of the two caps it is."""
        short = self.budget.cost is not None and self.free.cost < self.needed.cost
        return "cost" if short else "tokens"

    @property
    def hopeless(self) -> bool:
        """Whether the call is dearer than the whole budget: waiting cannot help."""
        caps = ((self.budget.cost, self.needed.cost), (self.budget.tokens, self.needed.tokens))
        return any(cap is not None and needed > cap for cap, needed in caps)


def open_window(budget: Budget, at: int) -> Window:
    """Return the window of a budget at a time, in microseconds since the epoch; days and months are of UTC."""
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at)
    day = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    match budget.per:
        case "day":
            return _window(budget, f"{day:%Y-%m-%d}", day + timedelta(days=1))
        case "month":
            first = day.replace(day=1)
            return _window(budget, f"{day:%Y-%m}", (first + timedelta(days=32)).replace(day=1))
        case "total":
            return _window(budget, "total", None)


def _window(budget: Budget, stretch: str, ends: datetime | None) -> Window:
    micros = None if ends is None else int(ends.timestamp()) * 1_000_000
    return Window(id=f"{budget.tenant}/{budget.scope}/{budget.name}/{budget.per}/{stretch}", ends=micros)


def window_named(window: str) -> tuple[str, str, str, str, str]:
    """Return tenant, scope, name, `per` and stretch of a window's id."""
    tenant, scope, name, per, stretch = window.split("/")
    return tenant, scope, name, per, stretch


def taken(slabs: Sequence[Slab]) -> Spend:
    """Return what of a window is not free, whoever holds it."""
    total = Spend()
    for slab in slabs:
        total = total + slab.used
    return total


def share_out(
    budget: Budget, window: Window, slabs: Sequence[Slab], mine: str, needed: Spend
) -> Mapping[str, Spend] | Exhausted:
    """Return what to grant to which slab so that a call that may need `needed` fits into `mine`.

    A slab that is not named keeps what it has. While there is plenty, `mine` gets enough for more calls; when it is
    short, what lies idle in other slabs is recalled, and nothing is granted ahead.

    Args:
        budget: the cap.
        window: the stretch of time.
        slabs: all slabs of the window, locked; `mine` need not be among them yet.
        mine: id of the slab to fill.
        needed: the worst case of the call.
    """
    own = next((slab for slab in slabs if slab.id == mine), _EMPTY)
    others = [slab for slab in slabs if slab.id != mine]
    caps = Spend(
        cost=UNBOUNDED if budget.cost is None else budget.cost,
        tokens=UNBOUNDED if budget.tokens is None else budget.tokens,
    )
    free = caps - _held(others) - own.used
    if _covers(free, needed, budget):
        return {mine: _filled(budget, own, needed, free)}
    free = caps - taken(slabs)
    if _covers(free, needed, budget):
        recalled = {slab.id: slab.used for slab in others if slab.granted != slab.used}
        return {**recalled, mine: _filled(budget, own, needed, needed)}
    return Exhausted(
        budget=budget,
        window=window,
        free=Spend(cost=max(free.cost, 0), tokens=max(free.tokens, 0)),
        reserved=_sum(slab.reserved for slab in slabs),
        forfeited=_sum(slab.forfeited for slab in slabs),
        needed=needed,
    )


def _held(slabs: Sequence[Slab]) -> Spend:
    """Return what other executors hold; one that was billed beyond its slab holds more than it was granted."""
    return _sum(
        Spend(cost=max(slab.granted.cost, slab.used.cost), tokens=max(slab.granted.tokens, slab.used.tokens))
        for slab in slabs
    )


def _sum(amounts: Iterable[Spend]) -> Spend:
    total = Spend()
    for each in amounts:
        total = total + each
    return total


def _covers(free: Spend, needed: Spend, budget: Budget) -> bool:
    """Tell whether a call fits; what costs nothing fits into a budget that was lowered below what is spent, too."""
    cost = budget.cost is None or max(free.cost, 0) >= needed.cost
    return cost and (budget.tokens is None or max(free.tokens, 0) >= needed.tokens)


def _filled(budget: Budget, own: Slab, needed: Spend, free: Spend) -> Spend:
    """Return what a slab is granted: what is used of it, the call, and more like it from half of what is left."""
    cost = own.used.cost + _ahead(needed.cost, free.cost, own.reserved.cost)
    tokens = own.used.tokens + _ahead(needed.tokens, free.tokens, own.reserved.tokens)
    return Spend(cost=UNBOUNDED if budget.cost is None else cost, tokens=UNBOUNDED if budget.tokens is None else tokens)


def _ahead(needed: int, free: int, reserved: int) -> int:
    return needed + max(min(max(_AHEAD * needed, reserved), (free - needed) // 2), 0)


def explained(refused: Exhausted) -> str:
    """Return for people which budget it is, how much was free and how much was needed."""
    budget, limit = refused.budget, refused.limit
    whole = budget.cost if limit == "cost" else budget.tokens
    free, needed, reserved, forfeited = (
        _amount(each, limit) for each in (refused.free, refused.needed, refused.reserved, refused.forfeited)
    )
    per = "in all" if budget.per == "total" else f"per {budget.per}"
    cap = usd(whole or 0) if limit == "cost" else f"{whole} tokens"
    return (
        f"the budget of {budget.scope} {budget.name} ({cap} {per}) has {free} free, and the call may need {needed}; "
        f"{reserved} is reserved by calls under way, {forfeited} forfeited"
    )


def _amount(spend: Spend, limit: Literal["cost", "tokens"]) -> str:
    return usd(spend.cost) if limit == "cost" else f"{spend.tokens} tokens"
