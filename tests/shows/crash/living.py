"""One life: a process that opens the workspace, takes part until the order's run has ended, and closes, or dies."""

import contextlib
import logging
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from sqlalchemy import Connection

from aie.app import (
    App,
    Given,
    Runner,
    budget_states,
    cancel_run,
    decide,
    executing,
    lift_stop,
    lock_release,
    migrate_run,
    open_app,
    open_reviews,
    rebuild_projections,
    retry_run,
    set_budget,
)
from aie.core import observe
from aie.errors import Conflict
from aie.layers import Layer
from aie.models import ChatReply, ChatRequest, Endpoint
from aie.models.providers.openai_compatible import OpenAICompatible
from aie.records import ReviewRow
from aie.records import store as store_module
from aie.records.events import RunRetried
from aie.runs import Pace, Segment

__all__ = ["ENDED", "FAILED", "LOST", "VARIANTS", "Kill", "Scene", "begin", "live", "order_of"]

VARIANTS: Final = (
    "plain", "birth", "cancelled", "refused", "late", "upgraded", "broken", "rebuilt", "short", "dear",
)  # fmt: skip
"""What happens besides: the store is made, the run is cancelled, fails and is retried, waits for a
person who never comes, needs another runtime, its segment breaks off once a life, its projections are rebuilt, its
budget is short of money at first, the provider bills more than it declared."""

_SHORT: Final = 3_000
"""Micro-USD that have room for one or two calls at their worst."""
_PLENTY: Final = 30_000_000
"""Micro-USD that have room for all."""
_A_WEEK: Final = 7 * 86_400_000_000

ENDED, FAILED, LOST = 0, 1, 3
"""How a life ends that was not killed."""

_PACES: Final = {
    # The lock of a SQLite store says at once that an executor is dead; on Postgres its lease has to run out.
    "sqlite": Pace(lease=5_000_000, beat=0.1),
    "postgresql": Pace(lease=400_000, beat=0.06),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Where a scenario plays."""

    root: Path
    """Folder of the workspace."""
    store: str
    """Address of its store."""
    order: str
    """The order, unique among scenarios."""
    variant: str = "plain"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """Where a life ends."""

    point: str
    """Empty: at any point."""
    hit: int
    """Which hit, from 1."""


def begin(scene: Scene, *, provider: str, receiver: str) -> None:
    """Make the environment of a life; called in its process."""
    logging.disable(logging.CRITICAL)
    os.environ |= {
        "AIE_CRASH_STORE": scene.store,
        "AIE_CRASH_PROVIDER": provider,
        "AIE_CRASH_RECEIVER": receiver,
    }


def live(scene: Scene, kill: Kill | None = None) -> Counter[str]:
    """Live until the run has ended and everything is closed; return which points were hit how often."""
    hits: Counter[str] = Counter()
    observe(_observer(hits, kill))
    with open_app(scene.root, actor="script") as app:
        if scene.variant == "birth":
            release = lock_release(app, "orders").release.id
        else:
            release = app.store.releases(app.tenant, workflow="orders", limit=1)[0].id
        acting = _upgraded(app) if scene.variant == "upgraded" else app
        lines = 0 if scene.variant == "refused" else 2
        if scene.variant == "broken":
            _break_once()
        if scene.variant == "late":
            _hasten()
        if scene.variant == "dear":
            _overcharge_once()
        with executing(acting, pace=_PACES[app.store.dialect], on_lost=lambda: os._exit(LOST)) as executor:
            runner = Runner(app, executor)
            if scene.variant == "short" and not any(state.budget.origin == "set" for state in budget_states(app)):
                _limit(app, _SHORT)
            run = runner.submit(order_of(scene.root, scene.order, lines=lines), release).run
            _play(runner, run, scene.variant)
        if scene.variant == "rebuilt":
            rebuild_projections(app)
    return hits


def _observer(hits: Counter[str], kill: Kill | None) -> Callable[[str], None]:
    lock = threading.Lock()

    def reached(point: str) -> None:
        with lock:
            hits[point] += 1
            if kill is None:
                return
            count = hits[point] if kill.point else hits.total()
            if kill.point in ("", point) and count == kill.hit:
                os.kill(os.getpid(), signal.SIGKILL)

    return reached


def order_of(root: Path, order: str, *, lines: int = 2) -> Given:
    """Return the input of an order."""
    texts = [{"number": f"L{number}", "text": f"line {number}"} for number in range(lines)]
    data = {"order_id": order, "text": f"about {order}", "lines": texts, "file": "order.txt"}
    return Given(name="order", folder=root, data=data)


def _play(runner: Runner, run: str, variant: str) -> None:
    """Do what people do, until the run has ended."""
    while True:
        row = runner.wait(run, timeout=1.0)
        match row.state:
            case "completed" | "cancelled" | "dead":
                return
            case "failed" if variant == "dear" and row.failure == "model_retired":
                with contextlib.suppress(Conflict):
                    lift_stop(runner.app, "model", "reader", reason="the provider paid back")
                retry_run(runner, run)
            case "failed" if variant != "refused" or _retried(runner, run):
                return
            case "failed":
                retry_run(runner, run)
            case "needs_runtime":
                with contextlib.suppress(Conflict):
                    migrate_run(runner, run, "tested on both")
            case "waiting" if variant == "cancelled":
                with contextlib.suppress(Conflict):
                    cancel_run(runner, run, "not wanted any more")
            case "waiting" if variant == "short" and row.held:
                _limit(runner.app, _PLENTY)
                time.sleep(0.003)
            case "waiting" if variant == "late":
                time.sleep(0.003)
            case "waiting":
                _decide(runner)
            case _:
                pass


def _decide(runner: Runner) -> None:
    reviews = open_reviews(runner.app)
    for review in reviews:
        if review.path == "signed":
            decide(runner, review.id, "approve")
        else:
            decide(runner, review.id, "correct", values={"handled": "by telephone"})
    if not reviews:
        time.sleep(0.003)


def _retried(runner: Runner, run: str) -> bool:
    return any(isinstance(each.event, RunRetried) for each in runner.app.store.read(run))


class _Raised:
    """A layer of a later version that does the same."""

    def __init__(self, layer: Layer) -> None:
        self.name, self.version = layer.name, layer.version + 1
        self.compile, self.run = layer.compile, layer.run


def _upgraded(app: App) -> App:
    layers = {**app.services.layers, "check": _Raised(app.services.layers["check"])}
    return replace(app, services=replace(app.services, layers=layers))


def _limit(app: App, cost: int) -> None:
    """Set the budget of the orders."""
    set_budget(app, "orders", cost=cost, tokens=None, per="total", on_exhausted="wait", reason="a lean month")


def _overcharge_once() -> None:
    """Let the first answer of this life be billed far beyond its bounds, and two lives still within the run's limit."""
    ask = OpenAICompatible.invoke

    def dear(self: OpenAICompatible, request: ChatRequest, endpoint: Endpoint) -> ChatReply:
        OpenAICompatible.invoke = ask  # type: ignore[method-assign]
        return replace(ask(self, request, endpoint), tokens_out=100_000)

    OpenAICompatible.invoke = dear  # type: ignore[method-assign]


def _hasten() -> None:
    """Let every deadline of a review lie behind us."""
    look = store_module.due_reviews

    def later(connection: Connection, *, now: int, limit: int) -> tuple[ReviewRow, ...]:
        return look(connection, now=now + _A_WEEK, limit=limit)

    store_module.due_reviews = later  # type: ignore[assignment]


def _break_once() -> None:
    """Let the first segment of this life break off at its end."""
    close = Segment._close

    def broken(self: Segment) -> None:
        Segment._close = close  # type: ignore[method-assign]
        raise RuntimeError("broken on purpose")

    Segment._close = broken  # type: ignore[method-assign]
