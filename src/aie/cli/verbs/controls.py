"""budget show, set, unset; stop; resume."""

from collections.abc import Iterator
from typing import Annotated, Literal, get_args

import typer

from aie.app import (
    BudgetState,
    StopKind,
    budget_states,
    declared_beneath,
    lift_stop,
    set_budget,
    set_stop,
    unset_budget,
)
from aie.cli.opened import opened
from aie.cli.options import ActorOption, FormatOption, TenantOption, WorkspaceOption
from aie.cli.screen import Screen
from aie.core import JSON, micro_usd, usd
from aie.models import Budget

__all__ = ["budget", "resume", "stop"]

budget = typer.Typer(rich_markup_mode=None, add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)

_Per = Literal["day", "month", "total"]
_Choice = Literal["fail", "wait", "degrade"]
_Kind = Literal["model", "workflow", "tenant"]
assert get_args(_Kind) == get_args(StopKind)

_WorkflowOption = Annotated[
    str, typer.Option("--workflow", metavar="NAME", help="Of this workflow; of the tenant, when left out.")
]
_ReasonOption = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; recorded with your name.")]
_KindArgument = Annotated[_Kind, typer.Argument(metavar="KIND", help="model, workflow or tenant.")]
_NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Its name.")]


@budget.callback()
def _group() -> None:
    """Show and set what a tenant and its workflows may spend."""


@budget.command("show")
def show(workspace: WorkspaceOption = None, tenant: TenantOption = "", form: FormatOption = "text") -> None:
    """Show every budget that applies, and what of it is spent, forfeited, reserved and free."""
    screen = Screen(form)
    with opened(workspace, tenant=tenant) as app:
        states = budget_states(app)
    head = ("BUDGET", "WINDOW", "CAP", "SPENT", "FORFEITED", "RESERVED", "FREE", "WHEN IT IS EXHAUSTED")
    rows = [row for each in states for row in _rows(each)]
    screen.show([_json(each) for each in states], screen.table(head, rows))
    if not states:
        screen.say("no budget applies: runs are bounded by their own limits only")
        screen.next("aie budget set --cost '20.00 USD' --per day --reason TEXT")


@budget.command("set")
def set_(
    cost: Annotated[str, typer.Option("--cost", metavar="'20.00 USD'", help="The most that may be spent.")] = "",
    tokens: Annotated[
        int | None, typer.Option("--tokens", min=1, max=10**15, metavar="N", help="The most tokens.")
    ] = None,
    per: Annotated[_Per, typer.Option("--per", help="When it is whole again; days and months of UTC.")] = "total",
    on_exhausted: Annotated[
        _Choice, typer.Option("--on-exhausted", help="What becomes of a call without room")
    ] = "fail",
    reason: _ReasonOption = "",
    workflow: _WorkflowOption = "",
    workspace: WorkspaceOption = None,
    actor: ActorOption = "",
    tenant: TenantOption = "",
    form: FormatOption = "text",
) -> None:
    """Set a budget over the declared one; it holds for the next call, in every process within a second."""
    screen = Screen(form)
    amount = micro_usd(cost) if cost else None
    with opened(workspace, actor=actor, tenant=tenant) as app:
        state = set_budget(app, workflow, cost=amount, tokens=tokens, per=per, on_exhausted=on_exhausted, reason=reason)
        declared = declared_beneath(app, state)
    free = ", ".join(_amounts(state.free_cost, state.free_tokens))
    screen.show(_json(state), [f"the budget of {state.budget.scope} {state.budget.name} is set: {free} free"])
    for told in [] if declared is None else _let_go(declared, state.budget):
        screen.say(f"the declared {told}")
    screen.next("aie budget show")


@budget.command("unset")
def unset(
    reason: _ReasonOption = "",
    workflow: _WorkflowOption = "",
    workspace: WorkspaceOption = None,
    actor: ActorOption = "",
    tenant: TenantOption = "",
    form: FormatOption = "text",
) -> None:
    """Let the budget that aie.yaml declares apply again, or none where it declares none."""
    screen = Screen(form)
    with opened(workspace, actor=actor, tenant=tenant) as app:
        unset_budget(app, workflow, reason=reason)
        of = f"workflow {workflow}" if workflow else f"tenant {app.tenant}"
    screen.show({"unset": of}, [f"the declared budget of {of} applies again"])
    screen.next("aie budget show")


def stop(
    kind: _KindArgument,
    name: _NameArgument,
    reason: _ReasonOption = "",
    workspace: WorkspaceOption = None,
    actor: ActorOption = "",
    tenant: TenantOption = "",
    form: FormatOption = "text",
) -> None:
    """Stop a model, a workflow or a tenant: nothing of it begins or is called, in every process within a second.

    What is in flight ends. Steps that were about to call wait until it is lifted; calls of a stopped model go to the
    next candidate of their route, or fail as model_retired.
    """
    screen = Screen(form)
    with opened(workspace, actor=actor, tenant=tenant) as app:
        set_stop(app, kind, name, reason=reason)
    screen.show({"stopped": {"kind": kind, "name": name}}, [f"{kind} {name} is stopped"])
    screen.next(f"aie resume {kind} {name} --reason TEXT")


def resume(
    kind: _KindArgument,
    name: _NameArgument,
    reason: _ReasonOption = "",
    workspace: WorkspaceOption = None,
    actor: ActorOption = "",
    tenant: TenantOption = "",
    form: FormatOption = "text",
) -> None:
    """Lift a stop, a person's or the engine's own; what waited goes on by itself."""
    screen = Screen(form)
    with opened(workspace, actor=actor, tenant=tenant) as app:
        lift_stop(app, kind, name, reason=reason)
    screen.show({"resumed": {"kind": kind, "name": name}}, [f"{kind} {name} goes on"])
    screen.next("aie status")


def _let_go(declared: Budget, made: Budget) -> Iterator[str]:
    """Yield what was declared and holds no more: what is left out of a command is easily taken to stay."""
    gone = declared.cost if made.cost is None else None, declared.tokens if made.tokens is None else None
    for cap in _amounts(*gone):
        yield f"cap of {cap} no longer holds"
    if declared.per != made.per:
        yield f"`per: {declared.per}` no longer holds, it is `{made.per}` (--per {declared.per})"
    if declared.on_exhausted != made.on_exhausted:
        kept = f"--on-exhausted {declared.on_exhausted}"
        yield f"`on_exhausted: {declared.on_exhausted}` no longer holds, it is `{made.on_exhausted}` ({kept})"


def _rows(state: BudgetState) -> list[tuple[str, ...]]:
    budget = state.budget
    name, stretch = f"{budget.scope} {budget.name}", state.window.id.rpartition("/")[2]
    last = budget.on_exhausted if budget.origin == "declared" else f"{budget.on_exhausted}; set by a person"
    rows = []
    if budget.cost is not None:
        money = (budget.cost, state.spent.cost, state.forfeited.cost, state.reserved.cost, state.free_cost or 0)
        rows.append((name, stretch, *map(usd, money), last))
    if budget.tokens is not None:
        spent, forfeited, reserved = state.spent.tokens, state.forfeited.tokens, state.reserved.tokens
        counts = (f"{budget.tokens} tokens", str(spent), str(forfeited), str(reserved), str(state.free_tokens))
        rows.append((name, stretch, *counts, last))
    return rows


def _amounts(cost: int | None, tokens: int | None) -> list[str]:
    return [*([] if cost is None else [usd(cost)]), *([] if tokens is None else [f"{tokens} tokens"])]


def _json(state: BudgetState) -> dict[str, JSON]:
    budget, window = state.budget, state.window
    amounts: dict[str, JSON] = {
        name: {"cost": spend.cost, "tokens": spend.tokens}
        for name, spend in (
            ("spent", state.spent),
            ("forfeited", state.forfeited),
            ("reserved", state.reserved),
            ("overrun", state.overrun),
        )
    }
    return {
        "scope": budget.scope,
        "name": budget.name,
        "per": budget.per,
        "window": window.id,
        "ends": window.ends,
        "cap": {"cost": budget.cost, "tokens": budget.tokens},
        "free": {"cost": state.free_cost, "tokens": state.free_tokens},
        "on_exhausted": budget.on_exhausted,
        "origin": budget.origin,
        **amounts,
    }
