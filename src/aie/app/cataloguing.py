"""The catalog with what depends on it: who answers for a model, until when it lasts, what would stop without it."""

from collections.abc import Iterator
from dataclasses import dataclass

from aie.app.catalog_uses import Uses, find_uses
from aie.app.opening import App
from aie.config import ChatModel, ModelEntry, Route, day_start, load_models, load_workspace
from aie.core import JSON
from aie.errors import ConfigError
from aie.models import Call, pin_route, plan, price_at, read_route
from aie.records import opened_gates
from aie.records.events import ModelResolved
from aie.releases import retiring, short
from aie.runs import resolutions

__all__ = [
    "Candidate",
    "Catalog",
    "Circuit",
    "Moved",
    "Shown",
    "ShownRoute",
    "moved_models",
    "moved_of",
    "open_circuits",
    "show_catalog",
    "show_models",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Circuit:
    """A circuit breaker that is open."""

    left: int
    """Microseconds; 0: the next call tries its model."""
    why: str
    """What opened it, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """A name of a provider came to mean another model."""

    at: int
    """Microseconds since the epoch."""
    model: str
    """Catalog name."""
    snapshot: str
    before: str
    after: str
    release: str
    """As people name it: the first one that the change touched."""
    run: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One entry of the catalog."""

    name: str
    kind: str
    owner: str
    purpose: str
    status: str
    """`active`, `not approved`, `retiring`, `no new releases` or `retired`."""
    stopped: str
    """By whom, and why; empty unless it is."""
    circuit: Circuit | None
    """Its circuit breaker, when it is open."""
    asked: JSON
    """Of a chat model what is pinned and what is live, as `models.yaml` writes it; None for what runs here."""
    regions: tuple[str, ...] | None
    retention_days: int | None
    data_classes: tuple[str, ...] | None
    approvals: tuple[str, ...]
    """Who approved it, each with the day."""
    price: JSON
    """Micro-USD for a million tokens, now; None when nobody knows, 0 for what runs here."""
    next_price: JSON
    """The sheet that begins next, with its day as `from`; None when none does."""
    retires: str
    """Day; empty when unknown."""
    replacement: str
    routes: tuple[str, ...]
    workflows: tuple[str, ...]
    releases: tuple[str, ...]
    """Of the latest ones, as people name them."""
    environments: tuple[str, ...]
    """`workflow/environment`, where the release in use needs it."""
    runs: int
    """In flight, at most 200 of a release and state."""
    moved: tuple[Moved, ...]
    """Changes of what the provider answers with, oldest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A model of a route, as it stands now."""

    model: str
    refused: str
    """Why it would not be asked, whatever is asked; empty where it may be. What is shown to it has its say as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownRoute:
    """One route of the catalog."""

    name: str
    owner: str
    strategy: JSON
    """As a release pins it."""
    constraints: JSON
    """As they are now."""
    when_exhausted: str
    candidates: tuple[Candidate, ...]
    """In the order of the file."""
    workflows: tuple[str, ...]
    releases: tuple[str, ...]
    environments: tuple[str, ...]
    runs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """Everything that steps may name."""

    models: tuple[Shown, ...]
    routes: tuple[ShownRoute, ...]


def show_catalog(app: App) -> Catalog:
    """Return the catalog of the workspace with what depends on each entry, and who may be asked now.

    Raises:
        ConfigError: the files have mistakes.
    """
    workspace = load_workspace(app.root)
    spec = workspace.models
    uses = find_uses(app, spec, workspace.workflows)
    routes = {name: route.candidates for name, route in spec.routes.items()}
    found = (spec.route(name) for name in sorted(routes))
    return Catalog(
        models=tuple(
            _shown(app, entry, uses[name], tuple(each for each, names in sorted(routes.items()) if name in names))
            for name, entry in sorted(spec.models.items())
        ),
        routes=tuple(_shown_route(app, route, uses[route.name]) for route in found if route is not None),
    )


def show_models(app: App) -> tuple[Shown, ...]:
    """Return the models of the workspace with what depends on each of them.

    Raises:
        ConfigError: the files have mistakes.
    """
    return show_catalog(app).models


def moved_models(app: App) -> tuple[Moved, ...]:
    """Return every change of what a model of the catalog answers as; none while `models.yaml` has mistakes."""
    try:
        names = sorted(load_models(app.root).models)
    except ConfigError:
        return ()
    return tuple(each for name in names for each in moved_of(app, name))


def _shown(app: App, entry: ModelEntry, uses: Uses, routes: tuple[str, ...]) -> Shown:
    now = app.services.clock.now()
    end = retiring(entry, now)
    price: JSON = 0
    if isinstance(entry, ChatModel):
        known = price_at(entry, now)
        price = None if known is None else known.to_json()
    stop = app.services.ledger.controls.stop(app.tenant, "model", entry.name)
    return Shown(
        name=entry.name,
        kind=entry.kind,
        owner=entry.owner,
        purpose=entry.purpose,
        status="not approved" if not entry.approved else "active" if end is None else end.stage,
        stopped="" if stop is None else f"by {stop.actor}: {stop.reason}",
        circuit=open_circuits(app).get(entry.name),
        asked={**entry.pinned(), **entry.live()} if isinstance(entry, ChatModel) else None,
        regions=entry.regions,
        retention_days=entry.retention_days,
        data_classes=entry.data_classes,
        approvals=tuple(f"{each.by} {each.date}" for each in entry.approvals),
        price=price,
        next_price=_next_price(entry, now),
        retires="" if entry.retirement is None else entry.retirement.date,
        replacement="" if entry.retirement is None else entry.retirement.replacement or "",
        routes=routes,
        workflows=tuple(sorted(uses.workflows)),
        releases=tuple(uses.releases),
        environments=tuple(sorted(uses.environments)),
        runs=uses.runs,
        moved=tuple(moved_of(app, entry.name)),
    )


def _next_price(entry: ModelEntry, now: int) -> JSON:
    sheets = entry.sheets() if isinstance(entry, ChatModel) else ()
    begins = [(each.valid_from, each) for each in sheets if each.valid_from is not None]
    later = [(day, sheet) for day, sheet in begins if day_start(day) > now]
    if not later:
        return None
    day, sheet = min(later, key=lambda each: each[0])
    return {**sheet.to_json(), "from": day}


def _shown_route(app: App, route: Route, uses: Uses) -> ShownRoute:
    pinned = read_route(pin_route(route))
    facts = {each.name: app.services.ledger.live(app.tenant, each.live) for each in pinned.candidates}
    asked_now = Call(request=None, began=app.services.clock.now())
    refused = {each.model: each.why for each in plan(pinned, asked_now, facts).refused}
    return ShownRoute(
        name=route.name,
        owner=route.spec.owner,
        strategy=dict(pinned.strategy),
        constraints=route.spec.constraints.to_json(),
        when_exhausted=route.spec.when_exhausted,
        candidates=tuple(Candidate(model=name, refused=refused.get(name, "")) for name in route.spec.candidates),
        workflows=tuple(sorted(uses.workflows)),
        releases=tuple(uses.releases),
        environments=tuple(sorted(uses.environments)),
        runs=uses.runs,
    )


def open_circuits(app: App) -> dict[str, Circuit]:
    """Return the models whose circuit breaker is open."""
    now = app.services.clock.now()
    found = sorted(opened_gates(app.store).items())
    return {model: Circuit(left=max(each.until - now, 0), why=each.why) for model, each in found}


def moved_of(app: App, model: str) -> Iterator[Moved]:
    """Yield every change of what an entry of the catalog answers as, oldest first."""
    for at, event in resolutions(app.store, app.tenant, model):
        if event.before:
            yield Moved(
                at=at,
                model=model,
                snapshot=event.snapshot,
                before=event.before,
                after=event.after,
                release=_name(app, event),
                run=event.run,
            )


def _name(app: App, event: ModelResolved) -> str:
    rows = app.store.releases(app.tenant, prefix=event.release, limit=1)
    return short(event.release, rows[0].workflow) if rows else event.release
