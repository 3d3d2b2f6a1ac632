"""What people set above runs: budgets and kill switches. Each is an event with an actor and a reason."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from aie.app.opening import App
from aie.config import OnExhausted, Period, load_models
from aie.core import Spend
from aie.errors import ConfigError, Conflict, InputError, NotFound
from aie.models import Budget, Window, open_window
from aie.records import Entry, Event, StopRow, budget_stream, drawn, stop_stream, stops
from aie.records.events import BudgetSet, StopLifted, StopSet

__all__ = [
    "BudgetState",
    "StopKind",
    "budget_states",
    "declared_beneath",
    "lift_stop",
    "set_budget",
    "set_stop",
    "stopped",
    "unset_budget",
]

StopKind = Literal["model", "workflow", "tenant"]
"""What a kill switch can stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetState:
    """A budget as it applies now, with what became of it in its window."""

    budget: Budget
    window: Window
    spent: Spend
    forfeited: Spend
    """Of calls that may have been billed and of answers that nobody measured."""
    reserved: Spend
    """Of calls under way, or of calls of dead processes until their runs go on."""
    overrun: Spend
    """What providers billed beyond their bounds; part of `spent`."""

    @property
    def free_cost(self) -> int | None:
        """Micro-USD that further calls may reserve; None: not bounded."""
        cap = self.budget.cost
        return None if cap is None else max(cap - self.spent.cost - self.forfeited.cost - self.reserved.cost, 0)

    @property
    def free_tokens(self) -> int | None:
        """Tokens that further calls may reserve; None: not bounded."""
        cap = self.budget.tokens
        return None if cap is None else max(cap - self.spent.tokens - self.forfeited.tokens - self.reserved.tokens, 0)


def budget_states(app: App) -> list[BudgetState]:
    """Return every budget that applies to the tenant: its own first, then those of workflows by name."""
    ledger = app.services.ledger
    names = [("tenant", app.tenant), *(("workflow", name) for name in ledger.workflows(app.tenant))]
    found = [ledger.budget(app.tenant, scope, name) for scope, name in names]
    return [_state(app, budget) for budget in found if budget is not None]


def _state(app: App, budget: Budget) -> BudgetState:
    window = open_window(budget, app.services.clock.now())
    spent, forfeited, reserved, overrun = Spend(), Spend(), Spend(), Spend()
    for row in drawn(app.store, [window.id]):
        spent, forfeited = spent + row.spent, forfeited + row.forfeited
        reserved, overrun = reserved + row.reserved, overrun + row.overrun
    return BudgetState(
        budget=budget, window=window, spent=spent, forfeited=forfeited, reserved=reserved, overrun=overrun
    )


def set_budget(
    app: App,
    workflow: str,
    *,
    cost: int | None,
    tokens: int | None,
    per: Period,
    on_exhausted: OnExhausted,
    reason: str,
) -> BudgetState:
    """Set a budget over the declared one; it applies to the next call, in every process within a second.

    Args:
        app: an open workspace.
        workflow: its name; empty for the tenant's own budget.
        cost: micro-USD; None: not bounded.
        tokens: tokens; None: not bounded.
        per: when it is whole again.
        on_exhausted: what becomes of a call that does not fit.
        reason: why; recorded.

    Raises:
        InputError: nothing is bounded, or no reason is given.
        NotFound: there is no such workflow.
    """
    if cost is None and tokens is None:
        raise InputError("a budget bounds cost, tokens or both", hints=("--cost '20.00 USD'", "--tokens 1000000"))
    scope, name = _named(app, workflow)
    event = BudgetSet(
        scope=scope,
        name=name,
        cost=cost,
        tokens=tokens,
        per=per,
        on_exhausted=on_exhausted,
        actor=app.actor,
        reason=_reason(reason),
    )
    _append(app, app.tenant, budget_stream(app.tenant, scope, name), event)
    budget = app.services.ledger.budget(app.tenant, scope, name)
    assert budget is not None, "it was set just now"
    return _state(app, budget)


def declared_beneath(app: App, state: BudgetState) -> Budget | None:
    """Return the budget that `aie.yaml` declares and that one which was set takes the place of, the whole of it."""
    return app.services.ledger.declared(app.tenant, state.budget.scope, state.budget.name)


def unset_budget(app: App, workflow: str, *, reason: str) -> None:
    """Let the declared budget apply again, or none where none is declared.

    Raises:
        Conflict: none was set.
        InputError: no reason is given.
        NotFound: there is no such workflow.
    """
    scope, name = _named(app, workflow)
    app.services.ledger.controls.forget()
    if app.services.ledger.controls.budget(app.tenant, scope, name) is None:
        raise Conflict(f"no budget was set for {scope} {name}", hints=("`aie budget show` lists those that apply",))
    event = BudgetSet(
        scope=scope,
        name=name,
        cost=None,
        tokens=None,
        per="",
        on_exhausted="",
        actor=app.actor,
        reason=_reason(reason),
    )
    _append(app, app.tenant, budget_stream(app.tenant, scope, name), event)


def stopped(app: App) -> list[StopRow]:
    """Return the kill switches that are thrown for the tenant, those of models for all tenants."""
    return [row for row in stops(app.store) if row.tenant == app.tenant or row.kind == "model"]


def set_stop(app: App, kind: StopKind, name: str, *, reason: str) -> None:
    """Stop a model, a workflow or a tenant: nothing of it begins or is called, in every process within a second.

    Steps that were about to call wait, durably, until it is lifted; calls of a stopped model go to the next lawful
    candidate of their route, or fail as `model_retired`. What is in flight ends.

    Raises:
        Conflict: it is stopped.
        InputError: no reason is given.
        NotFound: nothing has that name.
    """
    tenant = name if kind == "tenant" else app.tenant
    _check_known(app, kind, name)
    if any((row.tenant, row.kind, row.name) == (tenant, kind, name) for row in stops(app.store)):
        raise Conflict(f"{kind} {name} is stopped", hints=(f"aie resume {kind} {name} --reason TEXT",))
    event = StopSet(kind=kind, name=name, actor=app.actor, reason=_reason(reason))
    _append(app, tenant, stop_stream(tenant, kind, name), event)


def lift_stop(app: App, kind: StopKind, name: str, *, reason: str) -> None:
    """Lift a kill switch; what waited goes on by itself.

    Raises:
        Conflict: it is not stopped.
        InputError: no reason is given.
    """
    tenant = name if kind == "tenant" else app.tenant
    thrown = [row for row in stops(app.store) if (row.kind, row.name) == (kind, name)]
    thrown = [row for row in thrown if kind == "model" or row.tenant == tenant]
    if not thrown:
        raise Conflict(f"{kind} {name} is not stopped", hints=("`aie status` shows what is",))
    event = StopLifted(kind=kind, name=name, actor=app.actor, reason=_reason(reason))
    for row in thrown:
        _append(app, row.tenant, stop_stream(row.tenant, kind, name), event)


def _named(app: App, workflow: str) -> tuple[str, str]:
    if not workflow:
        return "tenant", app.tenant
    _check_known(app, "workflow", workflow)
    return "workflow", workflow


def _check_known(app: App, kind: StopKind, name: str) -> None:
    """Refuse a name that is a slip: a kill switch that stops nothing would be believed in."""
    match kind:
        case "tenant":
            known: Sequence[str] = app.settings.tenants
        case "workflow":
            known = _workflows(app)
        case "model":
            known = _models(app, name)
    if name not in known:
        listed = ", ".join(known) or "none"
        raise NotFound(f"there is no {kind} {name!r}", hints=(f"{kind}s: {listed}",))


def _models(app: App, asked: str) -> list[str]:
    """Return the models of the catalog; any name while it has mistakes, which must keep nobody from stopping one."""
    try:
        return sorted(load_models(app.root).models)
    except ConfigError:
        return [asked]


def _workflows(app: App) -> list[str]:
    folder = app.root / "workflows"
    written = {each.parent.name for each in folder.glob("*/workflow.yaml")}
    released = {row.workflow for row in app.store.releases(app.tenant, limit=1000)}
    return sorted(written | released)


def _reason(reason: str) -> str:
    if not reason.strip():
        raise InputError("a reason is needed: it is what the next person reads", hints=("--reason TEXT",))
    return reason.strip()


def _append(app: App, tenant: str, stream: str, event: Event) -> None:
    app.journal.append(Entry(tenant=tenant, stream=stream, decide=lambda _: [event]))
    app.services.ledger.controls.forget()
