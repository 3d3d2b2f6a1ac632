"""models."""

from dataclasses import fields
from typing import Annotated, Any, cast

import typer

from aie.app import Shown, moved_line, show_models
from aie.cli.opened import opened
from aie.cli.options import FormatOption, TenantOption, WorkspaceOption
from aie.cli.screen import Screen
from aie.cli.stating import moved_json
from aie.core import JSON, usd
from aie.errors import NotFound

__all__ = ["models"]


def models(
    name: Annotated[str, typer.Argument(metavar="MODEL", help="One of them, with everything known of it.")] = "",
    workspace: WorkspaceOption = None,
    tenant: TenantOption = "",
    form: FormatOption = "text",
) -> None:
    """Show the catalog: who answers for each model, what it costs, until when it lasts and what depends on it."""
    screen = Screen(form)
    with opened(workspace, tenant=tenant) as app:
        shown = show_models(app)
    if name:
        found = [each for each in shown if each.name == name]
        if not found:
            hint = f"models.yaml names: {', '.join(each.name for each in shown)}"
            raise NotFound(f"no model is named {name!r}", hints=(hint,))
        screen.show(_json(found[0]), _lines(found[0]))
        screen.next("aie models")
        return
    columns = ("MODEL", "OWNER", "STATUS", "RETIRES", "REPLACED BY", "USED BY", "RUNS IN FLIGHT")
    rows = [(e.name, e.owner or "nobody", e.status, e.retires, e.replacement, _used(e), str(e.runs)) for e in shown]
    lines = [*screen.table(columns, rows), *(moved_line(change) for each in shown for change in each.moved)]
    screen.show([_json(each) for each in shown], lines)
    if shown:
        screen.next(f"aie models {shown[0].name}")
    else:
        screen.say("the workspace names no model")
        screen.next("aie check")


def _used(shown: Shown) -> str:
    return ", ".join(shown.environments or shown.workflows) or "nothing"


def _lines(shown: Shown) -> list[str]:
    unknown = "nothing leaves this process" if shown.kind != "chat" else "unknown"
    known = {
        "kind": shown.kind,
        "owner": shown.owner or "nobody",
        "purpose": shown.purpose,
        "status": shown.status,
        "price": _price(shown.price),
        "regions": _listed(shown.regions, unknown),
        "retention": unknown if shown.retention_days is None else f"{shown.retention_days} days",
        "data classes": _listed(shown.data_classes, unknown),
        "approved by": ", ".join(shown.approvals) or "nobody by name",
        "retires": shown.retires or "no day is known",
        "replaced by": shown.replacement or "nothing is named",
        "routes": ", ".join(shown.routes) or "none",
        "workflows": ", ".join(shown.workflows) or "none",
        "releases": ", ".join(shown.releases) or "none",
        "environments": ", ".join(shown.environments) or "none",
        "runs in flight": str(shown.runs),
    }
    return [f"{label:<16}{text}" for label, text in known.items() if text] + [moved_line(e) for e in shown.moved]


def _listed(names: tuple[str, ...] | None, unknown: str) -> str:
    return unknown if names is None else ", ".join(names) or "none"


def _price(price: JSON) -> str:
    if not isinstance(price, dict):
        return "unknown: it cannot be called" if price is None else "0 USD"
    rates = cast("dict[str, Any]", price)
    return f"{usd(rates['input_per_million'])} in, {usd(rates['output_per_million'])} out for a million tokens"


def _json(shown: Shown) -> dict[str, JSON]:
    plain = {each.name: getattr(shown, each.name) for each in fields(shown)}
    listed = {name: list(value) if isinstance(value, tuple) else value for name, value in plain.items()}
    return {**listed, "moved": [moved_json(each) for each in shown.moved]}
