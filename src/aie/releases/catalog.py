"""What the catalog says of the models that a release would name: whether they may be used, and for how long still."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from aie.config import ModelEntry, Workspace, day_start
from aie.core import iso
from aie.errors import Problem
from aie.models import HARMLESS, LOCAL_COMPONENTS, PinnedRoute, live_facts, plan, read_route

__all__ = ["Retiring", "catalog_problems", "retiring"]

_FILE = "models.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Retiring:
    """A model at the end of its calendar."""

    model: str
    owner: str
    retires: int
    """When no new run starts with it any more, microseconds since the epoch."""
    stage: str
    """`retiring`, `no new releases` or `retired`."""
    replacement: str
    """Catalog name; empty when none is named."""

    def __str__(self) -> str:
        owner = f"owner {self.owner}" if self.owner else "it has no owner"
        instead = f", replaced by `{self.replacement}`" if self.replacement else ", no replacement is named"
        return f"`{self.model}` retires on {iso(self.retires)[:10]} ({self.stage}; {owner}{instead})"


def retiring(entry: ModelEntry, now: int) -> Retiring | None:
    """Return how far an entry is on the way to its end, or None while that is far or unknown."""
    end = entry.retirement
    if end is None or now < day_start(end.date) - end.warn:
        return None
    day = day_start(end.date)
    stage = "retired" if now >= day else "no new releases" if now >= day - end.refuse_releases else "retiring"
    return Retiring(model=entry.name, owner=entry.owner, retires=day, stage=stage, replacement=end.replacement or "")


def catalog_problems(workspace: Workspace, components: Mapping[str, bytes], now: int) -> Iterator[Problem]:
    """Yield why a release with these components must not be made at a time.

    Args:
        workspace: whose catalog counts.
        components: content of each component by `<kind>:<name>`.
        now: microseconds since the epoch.
    """
    models = workspace.models
    named = {name for kind, _, name in (key.partition(":") for key in components) if kind in LOCAL_COMPONENTS}
    # A route that is told to be wrong as it is written cannot be planned.
    wrong = {each.path[1] for each in models.mistakes() if each.path[0] == "routes"}
    for key, content in sorted(components.items()):
        if key.startswith("route:"):
            route = read_route(content)
            named.update(each.name for each in route.candidates)
            if route.alone or route.name not in wrong:
                yield from _unlawful(workspace, route, now)
    for name in sorted(named & models.models.keys()):
        end = retiring(models.models[name], now)
        if end is not None and end.stage != "retiring":
            place = ("models", name, "retirement", "date")
            hint = f"use `{end.replacement}`" if end.replacement else "use another model"
            yield _problem(workspace, place, "retiring-model", f"no new release may name it: {end}", hint)


def _unlawful(workspace: Workspace, route: PinnedRoute, now: int) -> Iterator[Problem]:
    """Yield the problem of a route none of whose candidates could be asked, however harmless the question."""
    models = workspace.models
    facts = {each.name: live_facts(models, each.live, now) for each in route.candidates}
    planned = plan(route, HARMLESS, facts)
    if planned.order:
        return
    place = ("models" if route.alone else "routes", route.name)
    why = "; ".join(f"`{each.model}`: {each.why}" for each in planned.refused)
    hint = "state what is unknown, or change the constraints or candidates"
    yield _problem(workspace, place, "no-candidate", f"nobody could ever be asked: {why}", hint)


def _problem(workspace: Workspace, path: Iterable[str], code: str, message: str, hint: str) -> Problem:
    keys = tuple(path)
    source = workspace.sources[_FILE]
    mark = source.mark(keys, at_key=len(keys) < 3)
    return Problem(code=code, file=_FILE, line=mark.line, col=mark.col, key=".".join(keys), message=message, hint=hint)
