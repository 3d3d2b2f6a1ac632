"""models."""

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Annotated, Any, cast

import typer

from aie.app import Catalog, Shown, ShownRoute, circuit_line, moved_line, plain, show_catalog
from aie.cli.opened import opened
from aie.cli.options import FormatOption, TenantOption, WorkspaceOption
from aie.cli.screen import Screen
from aie.core import JSON, usd
from aie.errors import NotFound

__all__ = ["models"]

_RATES = {"rpm": "calls a minute", "tpm": "tokens a minute", "concurrency": "calls at the same time"}


def models(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A model or a route, with everything known of it.")] = "",
    workspace: WorkspaceOption = None,
    tenant: TenantOption = "",
    form: FormatOption = "text",
) -> None:
    """Show the catalog: who answers for each model, what it costs, until when it lasts and what depends on it.

    Of a route: who of its candidates may be asked now, and why each other one may not.
    """
    screen = Screen(form)
    with opened(workspace, tenant=tenant) as app:
        shown = show_catalog(app)
    entries: list[Shown | ShownRoute] = [*shown.models, *shown.routes]
    if name:
        found = next((each for each in entries if each.name == name), None)
        if found is None:
            hint = f"models.yaml names: {', '.join(each.name for each in entries)}"
            raise NotFound(f"no model and no route is named {name!r}", hints=(hint,))
        screen.show(_json(found), _page(screen, found))
        screen.next("aie models")
        return
    screen.show([_json(each) for each in entries], _tables(screen, shown))
    if entries:
        screen.next(f"aie models {entries[0].name}")
    else:
        screen.say("the workspace names no model")
        screen.next("aie check")


def _tables(screen: Screen, shown: Catalog) -> list[str]:
    columns = ("MODEL", "OWNER", "STATUS", "RETIRES", "REPLACED BY", "USED BY", "RUNS IN FLIGHT")
    rows = [
        (e.name, e.owner or "nobody", _status(e, whole=False), e.retires, e.replacement, _used(e), str(e.runs))
        for e in shown.models
    ]
    lines = screen.table(columns, rows)
    if shown.routes:
        of_routes = ("ROUTE", "OWNER", "STRATEGY", "MAY BE ASKED NOW", "USED BY", "RUNS IN FLIGHT")
        asked = [
            (e.name, e.owner or "nobody", _kind(e), ", ".join(_lawful(e)) or "nobody", _used(e), str(e.runs))
            for e in shown.routes
        ]
        lines += ["", *screen.table(of_routes, asked)]
    return lines + screen.sentences(moved_line(change) for each in shown.models for change in each.moved)


def _used(shown: Shown | ShownRoute) -> str:
    return ", ".join(shown.environments or shown.workflows) or "nothing"


def _status(shown: Shown, *, whole: bool = True) -> str:
    """Return what hinders a model now, then where it stands in its calendar; a table has no room for reasons."""
    hindered = [f"stopped, {shown.stopped}" if whole else "stopped"] if shown.stopped else []
    if shown.circuit is not None:
        hindered.append(circuit_line(shown.circuit.left, shown.circuit.why) if whole else "circuit open")
    return "; ".join([*hindered, *([] if hindered and shown.status == "active" else [shown.status])])


def _page(screen: Screen, shown: Shown | ShownRoute) -> list[str]:
    known = _model(shown) if isinstance(shown, Shown) else _route(shown)
    depends = {
        "workflows": ", ".join(shown.workflows) or "none",
        "releases": ", ".join(shown.releases) or "none",
        "environments": ", ".join(shown.environments) or "none",
        "runs in flight": str(shown.runs),
    }
    lines = screen.facts({label: text for label, text in {**known, **depends}.items() if text})
    return lines + screen.sentences(map(moved_line, shown.moved if isinstance(shown, Shown) else ()))


# ---------------------------------------------------------------- a model


def _model(shown: Shown) -> dict[str, str]:
    unknown = "nothing leaves this process" if shown.kind != "chat" else "unknown"
    later = cast("dict[str, Any] | None", shown.next_price)
    return {
        "kind": shown.kind,
        "owner": shown.owner or "nobody",
        "purpose": shown.purpose,
        "status": _status(shown),
        **(_asked(cast("dict[str, Any]", shown.asked)) if shown.asked is not None else {}),
        "price": _price(shown.price),
        **({f"price from {later['from']}": _price(later)} if later is not None else {}),
        "regions": _listed(shown.regions, unknown),
        "retention": unknown if shown.retention_days is None else f"{shown.retention_days} days",
        "data classes": _listed(shown.data_classes, unknown),
        "approved by": ", ".join(shown.approvals) or "nobody by name",
        "retires": shown.retires or "no day is known",
        "replaced by": shown.replacement or "nothing is named",
        "routes": ", ".join(shown.routes) or "none",
    }


def _asked(asked: Mapping[str, Any]) -> dict[str, str]:
    """Return how a chat model is reached, with what, and how hard."""
    breaker, retry = asked["breaker"], dict(asked["retry"])
    longest = _seconds(retry.pop("at_most"))
    again = ", ".join(f"{failure} {times}" for failure, times in retry.items() if times) or "nothing"
    pause = f"then nothing is asked for {_seconds(breaker['pause'])}"
    rates = [f"{asked['rates'][name]} {words}" for name, words in _RATES.items() if asked["rates"][name] is not None]
    parameters = {name: value for name, value in asked["parameters"].items() if value is not None}
    return {
        "provider": asked["provider"],
        "endpoint": asked["endpoint"],
        "key": asked["api_key"] or "none",
        "snapshot": asked["model"],
        "parameters": plain(parameters),
        "context window": f"{asked['context_window']} tokens",
        "can be shown": ", ".join(asked["modalities"]),
        "features": "unknown" if asked["features"] is None else ", ".join(asked["features"]) or "none",
        "rates": ", ".join(rates) or "no limit",
        "asked again": f"{again}; after {longest} at most" if again != "nothing" else "never",
        "breaker": f"{breaker['failures']} failures within {_seconds(breaker['within'])}, {pause}",
        "timeout": _seconds(asked["timeout"]),
    }


def _seconds(micros: int) -> str:
    return f"{micros / 1_000_000:g} s"


def _listed(names: tuple[str, ...] | None, unknown: str) -> str:
    return unknown if names is None else ", ".join(names) or "none"


def _price(price: JSON) -> str:
    if not isinstance(price, dict):
        return "unknown: it cannot be called" if price is None else "0 USD"
    rates = cast("dict[str, Any]", price)
    return f"{usd(rates['input_per_million'])} in, {usd(rates['output_per_million'])} out for a million tokens"


# ---------------------------------------------------------------- a route


def _route(shown: ShownRoute) -> dict[str, str]:
    strategy = cast("dict[str, Any]", shown.strategy)
    quality = strategy.get("quality")
    chosen = {
        "weights": plain(strategy.get("weights", "")),
        "quality": f"at least {quality['at_least']} on {quality['dataset']}" if quality else "",
    }
    return {
        "kind": f"route, {_kind(shown)}",
        "owner": shown.owner or "nobody",
        **chosen,
        "constraints": "; ".join(_constraints(cast("dict[str, Any]", shown.constraints))) or "none",
        "next one after": ", ".join(strategy["next_on"]) or "nothing",
        "when exhausted": shown.when_exhausted,
        **{f"candidate {each.model}": f"refused: {each.refused}" if each.refused else "may be asked"
           for each in shown.candidates},
    }  # fmt: skip


def _kind(shown: ShownRoute) -> str:
    return str(cast("dict[str, JSON]", shown.strategy)["kind"])


def _lawful(shown: ShownRoute) -> list[str]:
    return [each.model for each in shown.candidates if not each.refused]


def _constraints(wanted: Mapping[str, Any]) -> Iterator[str]:
    if wanted["regions"] is not None:
        yield f"regions {', '.join(wanted['regions']) or 'none'}"
    if wanted["retention_days"] is not None:
        yield f"kept for {wanted['retention_days']} days at most"
    for name in ("modalities", "features"):
        if wanted[name]:
            yield f"{name} {', '.join(wanted[name])}"
    if wanted["max_cost_per_call"] is not None:
        yield f"{usd(wanted['max_cost_per_call'])} a call at most"
    if wanted["approvals"]:
        yield f"approved by {wanted['approvals']}"


# ---------------------------------------------------------------- for programs


def _json(shown: Any) -> dict[str, JSON]:
    kind: dict[str, JSON] = {"kind": "route"} if isinstance(shown, ShownRoute) else {}
    return kind | {each.name: _plain(getattr(shown, each.name)) for each in fields(shown)}


def _plain(value: Any) -> JSON:
    if is_dataclass(value):
        return {each.name: _plain(getattr(value, each.name)) for each in fields(value)}
    return [_plain(each) for each in value] if isinstance(value, tuple) else value
