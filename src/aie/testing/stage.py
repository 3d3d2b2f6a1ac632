"""A stage: a store, a worker and a workflow whose steps are functions of the test, run through the production path."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from threading import Condition
from typing import Literal, cast

from aie.config import Site, StepSpec
from aie.core import JSON, Clock, Limits, RandomIds, SystemClock, canonical
from aie.errors import Failure
from aie.layers import Compiled, Deliverer, Delivery, Layer, LayerName, Outcome, Task, Tools
from aie.records import Journal, MemoryKeys, Recorded, RunRow, open_store
from aie.records.events import RunFinished, RunNeedsRuntime, RunWaiting
from aie.releases import Handler, MapPlan, Node, NodeConduct, Plan, Release, seal
from aie.runs import (
    Engine,
    LocalEngine,
    Pace,
    Relation,
    Releases,
    Services,
    Submission,
    Submitted,
    Worker,
    dbos_engine,
    listener_for,
)

__all__ = ["Act", "ScriptedDeliverer", "ScriptedLayer", "Stage", "make_release", "scripted", "stage"]

Act = Callable[[Task, Tools], Outcome]
"""What a scripted step does."""

EngineName = Literal["local", "dbos"]

RESTING = frozenset({"waiting", "needs_runtime", "completed", "failed", "cancelled", "dead"})


class ScriptedLayer:
    """A layer whose steps are functions: a node's `config["do"]` names one."""

    def __init__(self, acts: Mapping[str, Act], *, name: LayerName = "check", version: int = 1) -> None:
        self.name = name
        self.version = version
        self.in_fibers = False
        self._acts = acts

    def compile(self, step: StepSpec, site: Site) -> Compiled | None:
        """Refuse: scripted steps stand in plans, not in files."""
        raise NotImplementedError(f"{step.name} at {site} is scripted")

    def run(self, task: Task, tools: Tools) -> Outcome:
        """Do what the function of the step does."""
        return self._acts[str(task.config["do"])](task, tools)


class ScriptedDeliverer:
    """A receiver in this process: a function of each delivery."""

    def __init__(self, receive: Callable[[Delivery], JSON]) -> None:
        self._receive = receive

    def deliver(self, delivery: Delivery, tools: Tools) -> JSON:
        """Hand over."""
        return self._receive(delivery)

    def reconcile(self, delivery: Delivery, tools: Tools) -> JSON | None:
        """Know of nothing."""
        return None


def scripted(
    name: str,
    *needs: str,
    do: str = "",
    conduct: NodeConduct = "pure",
    condition: str | None = None,
    over: str = "",
    body: Sequence[Node] = (),
    on: Mapping[Failure, Handler] | None = None,
) -> Node:
    """Return a node that runs the function `do` (by default of its own name), with what it needs as inputs."""
    return Node(
        name=name,
        layer="map" if body else "check",
        conduct=conduct,
        needs=tuple(needs),
        condition=condition,
        inputs={need: need for need in needs},
        config={"do": do or name},
        map=MapPlan(over=over, as_="item", key=None, at_most=1000, nodes=tuple(body)) if body else None,
        handlers=on or {},
    )


def make_release(
    nodes: Sequence[Node],
    *,
    workflow: str = "stage",
    result: Mapping[str, str] | None = None,
    limits: Limits | None = None,
    runtime: Mapping[str, int] | None = None,
) -> Release:
    """Lock nodes as a release whose case is `input.id`."""
    plan = Plan(
        workflow=workflow,
        case="input.id",
        subject=None,
        search={},
        risk="low",
        limits=limits or Limits(),
        result=result or {},
        input_schema="schema:input",
        output_schema="schema:output",
        nodes=tuple(nodes),
    )
    schemas = {"schema:input": canonical({"type": "object"}), "schema:output": canonical({"type": "object"})}
    return seal(plan, components=schemas, files={}, runtime=runtime or {"check": 1})


@dataclass(slots=True)
class Stage:
    """One process's part on the stage."""

    services: Services
    worker: Worker
    releases: dict[str, Release]
    _changed: Condition
    _rested: set[str]

    def add(self, release: Release) -> str:
        """Make a release runnable; return its id."""
        self.releases[release.id] = release
        return release.id

    def submit(self, release: str, data: Mapping[str, JSON], *, relation: Relation = "", key: str = "") -> Submitted:
        """Accept a run."""
        wanted = Submission(tenant="default", release=release, input=data, actor="ann", relation=relation, key=key)
        return self.worker.submit(wanted)

    def rest(self, run: str, timeout: float = 20.0) -> RunRow:
        """Return the run once it rests.

        Raises:
            TimeoutError: it did not.
        """
        until = time.monotonic() + timeout
        while True:
            row = self.row(run)
            if row.state in RESTING:
                return row
            if time.monotonic() > until:
                raise TimeoutError(f"run {run} is {row.state}")
            with self._changed:
                self._changed.wait_for(lambda: run in self._rested, 1.0)
                self._rested.discard(run)

    def row(self, run: str) -> RunRow:
        """Return the run as it stands."""
        return cast("RunRow", self.services.store.run(run))

    def events(self, run: str) -> list[Recorded]:
        """Return what happened."""
        return self.services.store.read(run)


@contextmanager
def stage(  # noqa: PLR0913 — each part of the stage may be another one
    url: str,
    acts: Mapping[str, Act],
    *,
    engine: EngineName = "local",
    engine_url: str = "",
    receive: Callable[[Delivery], JSON] | None = None,
    version: int = 1,
    keys: MemoryKeys | None = None,
    pace: Pace | None = None,
    clock: Clock | None = None,
    live: Callable[[str], Mapping[str, JSON]] | None = None,
) -> Iterator[Stage]:
    """Open a store and be a worker on it until the block ends.

    Args:
        url: the store.
        acts: what the steps do.
        engine: where segments execute.
        engine_url: DBOS's database; by default the store's on Postgres and a file beside it on SQLite.
        receive: what the receiver of effects does.
        version: version of the scripted layer.
        keys: the store's keys; give the same to every stage of one store.
        pace: the worker's.
        clock: the clock.
        live: live facts of components, and `budgets:`; by default none.
    """
    with ExitStack() as stack:
        clock = clock or SystemClock()
        ids = RandomIds(clock)
        store = open_store(url, clock=clock, keys=keys or MemoryKeys(b"stage" * 8))
        stack.callback(store.close)
        journal = stack.enter_context(Journal(store, ids.new("writer")))
        releases: dict[str, Release] = {}
        executor = ids.new("exec")
        layer = ScriptedLayer(acts, version=version)
        deliverers: dict[str, Deliverer] = {} if receive is None else {"check": ScriptedDeliverer(receive)}
        services = Services(
            store=store,
            journal=journal,
            releases=Releases(lambda _, name: releases[name]),
            layers=cast("Mapping[str, Layer]", {"check": layer}),
            clock=clock,
            ids=ids,
            executor=executor,
            engine=engine,
            pool=stack.enter_context(ThreadPoolExecutor(max_workers=32)),
            helpers=stack.enter_context(ThreadPoolExecutor(max_workers=32)),
            live=live or (lambda _: {}),
            secret=lambda name: name,
            deliverers=deliverers,
        )
        made: Engine = LocalEngine() if engine == "local" else dbos_engine(engine_url or _beside(url), executor)
        worker = Worker(services, made, pace=pace or Pace(beat=0.05))
        changed, rested = Condition(), set[str]()

        def heard(recorded: list[Recorded]) -> None:
            runs = {
                each.stream for each in recorded if isinstance(each.event, RunFinished | RunWaiting | RunNeedsRuntime)
            }
            if runs:
                with changed:
                    rested.update(runs)
                    changed.notify_all()

        journal.on_commit(heard)
        worker.start()
        stack.callback(worker.stop)
        if store.dialect == "postgresql":
            listener = listener_for(store, None)
            listener.start(worker.wake)
            stack.callback(listener.stop)
        yield Stage(services=services, worker=worker, releases=releases, _changed=changed, _rested=rested)


def _beside(url: str) -> str:
    return (
        url.replace(".db", ".dbos.db")
        if url.startswith("sqlite")
        else url.replace("postgresql://", "postgresql+psycopg://")
    )
