"""The catalog with what depends on it: who answers for a model, until when it lasts, what would stop without it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from aie.app.opening import App
from aie.config import ChatModel, MapStep, ModelEntry, StepSpec, load_models, load_workspace
from aie.core import JSON
from aie.errors import ConfigError
from aie.models import price_at
from aie.records import RunFilter
from aie.records.events import ModelResolved
from aie.releases import load_release, retiring, short
from aie.runs import models_of, resolutions

__all__ = ["Moved", "Shown", "moved_models", "moved_of", "show_models"]

_GOING: Final = ("queued", "running", "waiting", "needs_runtime")
_MOST: Final = 200
"""Releases, and runs of each state, that are looked at; a store has no totals."""


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


@dataclass(slots=True, kw_only=True)
class _Uses:
    """What depends on a model."""

    workflows: set[str] = field(default_factory=set)
    releases: list[str] = field(default_factory=list)
    environments: list[str] = field(default_factory=list)
    runs: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One entry of the catalog."""

    name: str
    kind: str
    owner: str
    purpose: str
    status: str
    """`active`, `not approved`, `retiring`, `no new releases` or `retired`."""
    regions: tuple[str, ...] | None
    retention_days: int | None
    data_classes: tuple[str, ...] | None
    approvals: tuple[str, ...]
    """Who approved it, each with the day."""
    price: JSON
    """Micro-USD for a million tokens, now; None when nobody knows, 0 for what runs here."""
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


def show_models(app: App) -> tuple[Shown, ...]:
    """Return the catalog of the workspace with what depends on each entry.

    Raises:
        ConfigError: the files have mistakes.
    """
    workspace = load_workspace(app.root)
    models = workspace.models
    uses: dict[str, _Uses] = {name: _Uses() for name in models.models}
    routes = {name: spec.candidates for name, spec in models.routes.items()}
    for workflow, spec in workspace.workflows.items():
        for asked in _asked(spec.steps):
            for name in routes.get(asked, (asked,)):
                if name in uses:
                    uses[name].workflows.add(workflow)
    _depend(app, uses)
    return tuple(
        _shown(app, entry, uses[name], tuple(each for each, names in sorted(routes.items()) if name in names))
        for name, entry in sorted(models.models.items())
    )


def moved_models(app: App) -> tuple[Moved, ...]:
    """Return every change of what a model of the catalog answers as; none while `models.yaml` has mistakes."""
    try:
        names = sorted(load_models(app.root).models)
    except ConfigError:
        return ()
    return tuple(each for name in names for each in moved_of(app, name))


def _asked(steps: Mapping[str, StepSpec]) -> Iterator[str]:
    for step in steps.values():
        if isinstance(step, MapStep):
            yield from _asked(step.map.steps)
        asked = getattr(step, "model", None)
        if isinstance(asked, str):
            yield asked


def _depend(app: App, uses: Mapping[str, _Uses]) -> None:
    """Note releases, environments and runs in flight with the models that they need."""
    for row in app.store.releases(app.tenant, limit=_MOST):
        release = load_release(app.store, row.id, tenant=app.tenant)
        needed = {name for names in models_of(release.components) for name in names} & uses.keys()
        if not needed:
            continue
        places = [
            f"{row.workflow}/{environment}"
            for environment in app.settings.environments
            if row.id in app.store.environment(app.tenant, row.workflow, environment).values()
        ]
        going = sum(
            len(app.store.runs(RunFilter(tenant=app.tenant, release=row.id, state=state), limit=_MOST).rows)
            for state in _GOING
        )
        for name in needed:
            uses[name].workflows.add(row.workflow)
            uses[name].releases.append(release.short)
            uses[name].environments.extend(places)
            uses[name].runs += going


def _shown(app: App, entry: ModelEntry, uses: _Uses, routes: tuple[str, ...]) -> Shown:
    now = app.services.clock.now()
    end = retiring(entry, now)
    price: JSON = 0
    if isinstance(entry, ChatModel):
        known = price_at(entry, now)
        price = None if known is None else known.to_json()
    return Shown(
        name=entry.name,
        kind=entry.kind,
        owner=entry.owner,
        purpose=entry.purpose,
        status="not approved" if not entry.approved else "active" if end is None else end.stage,
        regions=entry.regions,
        retention_days=entry.retention_days,
        data_classes=entry.data_classes,
        approvals=tuple(f"{each.by} {each.date}" for each in entry.approvals),
        price=price,
        retires="" if entry.retirement is None else entry.retirement.date,
        replacement="" if entry.retirement is None else entry.retirement.replacement or "",
        routes=routes,
        workflows=tuple(sorted(uses.workflows)),
        releases=tuple(uses.releases),
        environments=tuple(sorted(uses.environments)),
        runs=uses.runs,
        moved=tuple(moved_of(app, entry.name)),
    )


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
