"""What running a segment needs from the outside, given once by the composition root."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any

from aie.config import references, static_paths
from aie.core import JSON, Clock, Ids
from aie.core.fibers import Fibers
from aie.layers import Deliverer, Layer
from aie.models import LOCAL_COMPONENTS, PinnedRoute, one_classifier, read_route
from aie.records import Journal, Store
from aie.releases import POLICY, Policy, Release, read_policy
from aie.runs.gate import Gate
from aie.runs.ledger import BudgetLedger
from aie.runs.paths import Index, index_plan

__all__ = ["Loaded", "Releases", "Seen", "Services", "models_of", "routes_of"]


def routes_of(components: Mapping[str, bytes]) -> Iterator[PinnedRoute]:
    """Yield each thing that a release asks, as a route: of one candidate, where a step names a model itself."""
    routed: set[str] = set()
    for key, content in components.items():
        if key.startswith("route:"):
            route = read_route(content)
            routed.update(each.name for each in route.candidates)
            yield route
    for key in components:
        kind, _, name = key.partition(":")
        if kind in LOCAL_COMPONENTS and name not in routed:
            yield one_classifier(name)


def models_of(components: Mapping[str, bytes]) -> Iterator[tuple[str, ...]]:
    """Yield the catalog names behind each thing that a release asks: one for a model, several for a route."""
    for route in routes_of(components):
        yield tuple(each.name for each in route.candidates)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a process knows of who answers to a snapshot."""

    resolved: str = ""
    """Who answered last; empty before the first answer."""
    n: int = 0
    """How far the stream of the model's changes was read."""


class Loaded:
    """A release, ready to run: its plan walked once, its components loaded once per process."""

    def __init__(self, release: Release) -> None:
        self.release = release
        self.index: Index = index_plan(release.plan)
        self.policy: Policy = read_policy(release.components[POLICY]) if POLICY in release.components else Policy()
        """Labels of the input, and what lowers a label."""
        self._roots: dict[str, tuple[str, ...]] = {}
        self._paths: dict[str, tuple[tuple[str, ...], ...]] = {}
        self._cache: dict[tuple[str, Any], Any] = {}
        self.routes: tuple[PinnedRoute, ...] = tuple(routes_of(release.components))
        """Each thing that its steps ask."""
        self.seen: dict[tuple[str, str, str], Seen] = {}
        """Who answered last, by tenant, catalog name and snapshot, as far as this process knows."""

    def roots(self, text: str) -> tuple[str, ...]:
        """Return the names that an expression of the plan reads."""
        known = self._roots.get(text)
        if known is None:
            known = self._roots[text] = references(text)
        return known

    def paths(self, text: str) -> tuple[tuple[str, ...], ...]:
        """Return the parts of values that an expression of the plan reads."""
        known = self._paths.get(text)
        if known is None:
            known = self._paths[text] = static_paths(text)
        return known

    def component(self, key: str) -> bytes:
        """Return the content of a pinned component by `"<kind>:<name>"`."""
        return self.release.components[key]

    def cached(self, key: str, load: Callable[[bytes], Any]) -> Any:
        """Return the loaded component; two threads may load it twice, the first one is kept."""
        slot = (key, load)
        if slot not in self._cache:
            self._cache.setdefault(slot, load(self.component(key)))
        return self._cache[slot]


class Releases:
    """Releases by id, loaded from the store once per process."""

    def __init__(self, load: Callable[[str, str], Release]) -> None:
        self._load = load
        self._loaded: dict[tuple[str, str], Loaded] = {}

    def get(self, tenant: str, release_id: str) -> Loaded:
        """Return a tenant's release.

        Raises:
            NotFound: the store does not hold it.
        """
        key = (tenant, release_id)
        loaded = self._loaded.get(key)
        if loaded is None:
            loaded = self._loaded.setdefault(key, Loaded(self._load(tenant, release_id)))
        return loaded


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The ports of the runs floor."""

    store: Store
    journal: Journal
    releases: Releases
    layers: Mapping[str, Layer]
    clock: Clock
    ids: Ids
    executor: str
    """Unique, never reused id of this process as an executor; empty in a process that only submits."""
    engine: str
    """Name of the engine that runs segments."""
    pool: Executor
    """Threads for steps that block."""
    helpers: Executor
    """Threads for what blocks in steps that run in fibers: one for each, so that it waits for nobody else's."""
    live: Callable[[str], Mapping[str, JSON]]
    """Live facts of a component by `"<kind>:<name>"`. What was given is never changed: other facts are new objects."""
    secret: Callable[[str], str]
    """Value of a secret reference."""
    deliverers: Mapping[str, Deliverer] = field(default_factory=dict)
    """What delivers effects, by layer."""
    at_once: int = 32
    """Most steps that run in fibers at once."""
    fibers: Fibers = field(init=False, repr=False)
    """Where steps run that wait by their ports alone."""
    gate: Gate = field(init=False, repr=False)
    """Rates and breakers of models."""
    ledger: BudgetLedger = field(init=False, repr=False)
    """Budgets and kill switches above runs."""

    def __post_init__(self) -> None:
        """Open the ledger under the executor's own id."""
        object.__setattr__(self, "fibers", Fibers(self.helpers, self.at_once))
        gate = Gate(self.store, self.clock, self.live)
        object.__setattr__(self, "gate", gate)
        ledger = BudgetLedger(self.store, self.clock, self.executor, self.live, gate)
        object.__setattr__(self, "ledger", ledger)

    def runtime(self) -> dict[str, int]:
        """Return the layer versions this process provides."""
        return {name: layer.version for name, layer in sorted(self.layers.items())}
