"""What depends on the entries of the catalog: workflows, releases, environments, runs in flight."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from aie.app.opening import App
from aie.config import AgentStep, MapStep, ModelsSpec, ModelStep, StepSpec, WorkflowSpec
from aie.models import read_route
from aie.records import RunFilter
from aie.releases import Release, load_release
from aie.runs import models_of

__all__ = ["Uses", "find_uses"]

_GOING: Final = ("queued", "running", "waiting", "needs_runtime")
_MOST: Final = 200
"""Releases, and runs of each state, that are looked at; a store has no totals."""


@dataclass(slots=True, kw_only=True)
class Uses:
    """What depends on a model or a route."""

    workflows: set[str] = field(default_factory=set)
    releases: list[str] = field(default_factory=list)
    environments: list[str] = field(default_factory=list)
    runs: int = 0


def find_uses(app: App, catalog: ModelsSpec, workflows: Mapping[str, WorkflowSpec]) -> dict[str, Uses]:
    """Return what depends on each model and each route, by its name: no model is named like a route."""
    uses = {name: Uses() for name in (*catalog.models, *catalog.routes)}
    for workflow, spec in workflows.items():
        for asked in _asked(spec.steps):
            route = catalog.routes.get(asked)
            for name in (asked, *(() if route is None else route.candidates)):
                if name in uses:
                    uses[name].workflows.add(workflow)
    for row in app.store.releases(app.tenant, limit=_MOST):
        release = load_release(app.store, row.id, tenant=app.tenant)
        needed = set(_needed(release)) & uses.keys()
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
    return uses


def _asked(steps: Mapping[str, StepSpec]) -> Iterator[str]:
    for step in steps.values():
        if isinstance(step, MapStep):
            yield from _asked(step.map.steps)
        elif isinstance(step, ModelStep):
            yield step.model
        elif isinstance(step, AgentStep):
            yield step.agent
            yield from (tool.model for tool in step.tools.values() if tool.model is not None)


def _needed(release: Release) -> Iterator[str]:
    for names in models_of(release.components):
        yield from names
    for key, content in release.components.items():
        if key.startswith("route:"):
            route = read_route(content)
            if not route.alone:
                yield route.name
