"""Show: two workers on one Postgres. One is killed, or stopped past its lease; the other finishes its runs.

    python -m tests.shows.workers --seed 1

Killed: runs are in flight on two workers with the leases that the product has by default; one is killed with SIGKILL,
and the other must finish everything within 15 seconds. Stopped: a worker stops itself (SIGSTOP) at each point at which
it writes or acts, sleeps past its lease while another one finishes its runs, and is woken (SIGCONT): not one row of any
table may change after that, and it must exit by itself.

The negative control takes the fence out of the stopped worker: stale rows must be found.
"""

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # a thread of numpy's would not survive a fork

from sqlalchemy import select

from aie.app import Runner, decide, executing, open_app, open_reviews
from aie.core import observe
from aie.records import PlainKeys, RunFilter, open_store
from aie.records.tables import PROJECTIONS, events, executors
from aie.runs import Pace, effects, recording
from aie.testing.receiver import Receiver
from tests.shows.crash.forking import Child, fork
from tests.shows.crash.judging import about_epochs
from tests.shows.crash.living import LOST, Scene, begin, order_of
from tests.shows.crash.provider import Provider
from tests.shows.crash.stores import Ground, ground
from tests.shows.crash.warming import warm_up
from tests.shows.servers import postgres_server

__all__ = ["Stopped", "show_killed", "show_stopped"]

AT_ONCE: Final = (
    "journal.before_commit", "journal.after_commit", "lease.before_commit", "lease.after_commit",
    "expire.before_commit", "expire.after_commit", "seal.before_commit", "seal.after_commit",
    "claim.before", "claim.after", "keying.before", "keying.after", "flush.before", "flush.after",
    "close.before", "close.after",
    "chat.before", "chat.after", "delivery.before", "delivery.after", "post.before", "post.sent", "post.after",
    "drop.before", "drop.after",
)  # fmt: skip
"""Points that a worker reaches on fresh runs."""
AFTER_A_DEATH: Final = (
    "recovery.before", "recovery.after", "try.before", "try.after", "outcome.before", "outcome.after",
    "inquiry.before", "inquiry.after",
)  # fmt: skip
"""Points that a worker reaches when another one died before it in the middle of a delivery."""
SKIPPED: Final = {
    "of clients, who hold no lease": ("submission", "decision", "cancellation", "retry", "migration", "blob"),
    "of administration, which holds no lease": ("schema", "bundle", "rebuild"),
    "reached only beside an injected defect or another version": ("give_back", "lack"),
}
_SHORT: Final = Pace(lease=700_000, beat=0.1)
_FINISH_WITHIN: Final = 15.0


@dataclass(slots=True)
class Stopped:
    """What became of the stops."""

    attempted: int = 0
    stopped: int = 0
    unreached: list[str] = field(default_factory=list)
    """Points that the worker did not come to."""
    unfinished: list[str] = field(default_factory=list)
    """Points after which the other worker did not finish."""
    stale: list[str] = field(default_factory=list)
    """Rows that changed after the worker was woken."""
    stayed: list[str] = field(default_factory=list)
    """Points after which the worker did not exit by itself."""
    slowest: float = 0.0

    @property
    def failed(self) -> bool:
        """Whether the show failed."""
        return bool(self.unreached or self.unfinished or self.stale or self.stayed)

    def to_json(self) -> dict[str, Any]:
        """Return the counts."""
        return {
            "attempted": self.attempted,
            "stopped": self.stopped,
            "unreached": self.unreached,
            "unfinished": self.unfinished,
            "stale_rows": len(self.stale),
            "stale": self.stale[:20],
            "stayed": self.stayed,
            "slowest_takeover_seconds": round(self.slowest, 1),
            "skipped": {why: list(names) for why, names in SKIPPED.items()},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class _World:
    provider: Provider
    receiver: Receiver
    ground: Ground

    def worker(self, scene: Scene, pace: Pace | None, prepare: Callable[[Callable[[str], None]], None]) -> Child:
        """Start a worker in a process of its own; it ends on SIGTERM, or by itself when its lease is lost."""

        def work(say: Callable[[str], None]) -> int:
            begin(scene, provider=self.provider.url, receiver=self.receiver.url)
            prepare(say)
            return _work(scene, pace, say)

        return Child(work)

    def client(self, scene: Scene, act: Callable[[Runner], Any], *, seconds: float = 60.0) -> Any:
        """Do something in a process that executes nothing."""

        def child() -> Any:
            begin(scene, provider=self.provider.url, receiver=self.receiver.url)
            with open_app(scene.root, actor="script") as app:
                return act(Runner(app, None))

        done = fork(child, seconds=seconds)
        if done.code != 0:
            raise RuntimeError("a client failed")
        return done.value


def _work(scene: Scene, pace: Pace | None, say: Callable[[str], None]) -> int:
    ending, lost = threading.Event(), threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ending.set())

    def lose() -> None:
        lost.set()
        ending.set()

    with open_app(scene.root, actor="worker") as app, executing(app, pace=pace, on_lost=lose) as executor:
        say(f"executor {executor.app.services.executor}")
        while not ending.wait(0.02):
            pass
    return LOST if lost.is_set() else 0


def _nothing(_: Callable[[str], None]) -> None:
    """Prepare nothing."""


def _at(point: str, hit: int, number: int) -> Callable[[Callable[[str], None]], None]:
    """Return what makes a worker send itself a signal at a hit of a point."""

    def prepare(say: Callable[[str], None]) -> None:
        hits: Counter[str] = Counter()
        lock = threading.Lock()

        def reached(at: str) -> None:
            with lock:
                hits[at] += 1
                now = at == point and hits[at] == hit
            if now:
                say(f"at {at}")
                os.kill(os.getpid(), number)

        observe(reached)

    return prepare


def _without_fence(prepare: Callable[[Callable[[str], None]], None]) -> Callable[[Callable[[str], None]], None]:
    """Return the negative control: the worker writes whatever became of its lease."""

    def prepared(say: Callable[[str], None]) -> None:
        recording.fenced = lambda locked, **_: locked.run
        append = effects._append

        def unfenced(services: Any, site: str, row: Any, decide: Any) -> Any:
            return append(services, site, row, lambda locked: decide(replace(locked, live={services.executor})))

        effects._append = unfenced
        prepare(say)

    return prepared


def _submit(count: int, order: str) -> Callable[[Runner], None]:
    def act(runner: Runner) -> None:
        app = runner.app
        release = app.store.releases(app.tenant, workflow="orders", limit=1)[0].id
        for number in range(count):
            runner.submit(order_of(app.root, f"{order}-{number}"), release)

    return act


def _finish(count: int) -> Callable[[Runner], float | None]:
    """Return what decides until every run has ended: the seconds it took, None when it took too long."""

    def act(runner: Runner) -> float | None:
        began = time.monotonic()
        store = runner.app.store
        while time.monotonic() - began < _FINISH_WITHIN + 15:
            for review in open_reviews(runner.app):
                if review.path == "signed":
                    decide(runner, review.id, "approve")
                else:
                    decide(runner, review.id, "correct", values={"handled": "by telephone"})
            if len(store.runs(RunFilter(state="completed"), limit=1000).rows) == count and not store.due_effects():
                return time.monotonic() - began
            time.sleep(0.02)
        return None

    return act


def _came_to(world: _World, scene: Scene, stopping: Child) -> bool:
    """Wait until the worker says that it is at its point; people decide meanwhile."""
    for _ in range(20):
        said = stopping.hear(seconds=1)
        while said is not None and said.startswith("executor "):
            said = stopping.hear(seconds=1)
        if said is not None:
            return said.startswith("at ")
        world.client(scene, _decide_some)
    return False


def _latest_executor(runner: Runner) -> str:
    with runner.app.store.connect() as connection:
        query = select(executors.c.id).order_by(executors.c.started.desc()).limit(1)
        return str(connection.execute(query).scalar_one())


def _is_over(runner: Runner, worker: str) -> bool:
    """Wait until the lease of the stopped worker is over and somebody saw it."""
    until = time.monotonic() + 10
    query = select(executors.c.state).where(executors.c.id == worker)
    while time.monotonic() < until:
        with runner.app.store.connect() as connection:
            if connection.execute(query).scalar() == "dead":
                return True
        time.sleep(0.02)
    return False


def _rows(scene: Scene, worker: str) -> dict[str, set[str]]:
    """Return every row that a stale worker could have changed, by table."""
    store = open_store(scene.store, create=False, keys=PlainKeys(scene.root / ".aie" / "keys.json"))
    found: dict[str, set[str]] = {}
    with store.connect() as connection:
        for table in (events, *PROJECTIONS):
            found[table.name] = {repr(tuple(row)) for row in connection.execute(select(table))}
        of_worker = select(executors).where(executors.c.id == worker)
        found["executors"] = {repr(tuple(row)) for row in connection.execute(of_worker)}
    store.close()
    return found


def _old_epochs(runner: Runner) -> list[str]:
    rows = runner.app.store.runs(limit=1000).rows
    return [found for row in rows for found in about_epochs(runner.app.store.read(row.id))]


def show_stopped(world: _World, points: Sequence[str], *, fence: bool = True) -> Stopped:
    """Stop a worker at each of the points, let another one take over, wake it."""
    tally = Stopped()
    for point in points:
        tally.attempted += 1
        with ExitStack() as stack:
            scene = stack.enter_context(world.ground.scene("plain"))
            world.client(scene, _submit(2, scene.order))
            if point in AFTER_A_DEATH:
                dying = world.worker(scene, _SHORT, _at("post.sent", 4, signal.SIGKILL))
                dying.hear(seconds=20)
                world.client(scene, _decide_some)
                if dying.ended(seconds=20) != -signal.SIGKILL:
                    tally.unreached.append(f"{point} (nobody died)")
                    continue
            _stop_one(world, scene, point, tally, fence=fence)
    return tally


def _decide_some(runner: Runner) -> None:
    """Decide what comes within a second: deliveries begin."""
    until = time.monotonic() + 1.0
    while time.monotonic() < until:
        for review in open_reviews(runner.app):
            decide(runner, review.id, "approve")
        time.sleep(0.02)


def _stop_one(world: _World, scene: Scene, point: str, tally: Stopped, *, fence: bool) -> None:
    # The first lease is taken, not renewed.
    prepare = _at(point, 2 if point.startswith("lease.") else 1, signal.SIGSTOP)
    stopping = world.worker(scene, _SHORT, prepare if fence else _without_fence(prepare))
    if not _came_to(world, scene, stopping):
        tally.unreached.append(point)
        stopping.ended(seconds=0)
        return
    stopping.wait_stopped()
    tally.stopped += 1
    identity = world.client(scene, _latest_executor)
    other = world.worker(scene, _SHORT, _nothing)
    took = world.client(scene, _finish(2))
    if took is None or took > _FINISH_WITHIN:
        tally.unfinished.append(point)
    tally.slowest = max(tally.slowest, took or 0.0)
    if not world.client(scene, lambda runner: _is_over(runner, identity)):
        tally.unfinished.append(f"{point} (its lease is not over)")
    before = fork(lambda: _rows(scene, identity)).value
    stopping.signal(signal.SIGCONT)
    if stopping.ended(seconds=15) != LOST:
        tally.stayed.append(point)
    after = fork(lambda: _rows(scene, identity)).value
    for table in before:
        changed = before[table] ^ after[table]
        tally.stale.extend(f"{point}: {table}: {row[:160]}" for row in sorted(changed))
    tally.stale.extend(f"{point}: {found}" for found in world.client(scene, _old_epochs))
    other.signal(signal.SIGTERM)
    other.ended(seconds=20)


def show_killed(world: _World, *, runs: int, hit: int) -> dict[str, Any]:
    """Kill one of two workers while runs are in flight on both, with the default leases."""
    with world.ground.scene("plain") as scene:
        dying = world.worker(scene, None, _at("chat.before", hit, signal.SIGKILL))
        dead = (dying.hear(seconds=20) or "").removeprefix("executor ")
        other = world.worker(scene, None, _nothing)
        other.hear(seconds=20)
        world.client(scene, _submit(runs, scene.order))
        code = dying.ended(seconds=30)
        left = world.client(scene, lambda runner: _held_by(runner, dead))
        seconds = world.client(scene, _finish(runs))
        old = world.client(scene, _old_epochs)
        other.signal(signal.SIGTERM)
        other.ended(seconds=20)
    return {
        "runs": runs,
        "killed": code == -signal.SIGKILL,
        "in_flight_at_its_death": left,
        "finished_within_seconds": None if seconds is None else round(seconds, 1),
        "old_epochs": old,
        "passed": code == -signal.SIGKILL and left > 0 and (seconds or 99) <= _FINISH_WITHIN and not old,
    }


def _held_by(runner: Runner, executor: str) -> int:
    return sum(row.executor == executor for row in runner.app.store.runs(RunFilter(state="running"), limit=1000).rows)


def main() -> None:
    """Run the show."""
    parser = argparse.ArgumentParser(prog="python -m tests.shows.workers", description=__doc__)
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--point", action="append", choices=[*AT_ONCE, *AFTER_A_DEATH], help="only these points")
    parser.add_argument("--engine", choices=["local", "dbos"], default="local")
    parser.add_argument("--without-fence", action="store_true", help="the negative control: must fail")
    given = parser.parse_args()
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="aie-workers-", dir=memory if memory.is_dir() else None))
    folder.chmod(0o755)
    with ExitStack() as stack:
        provider = stack.enter_context(Provider())
        receiver = stack.enter_context(Receiver(folder / "receiver.log"))
        server = stack.enter_context(postgres_server(folder))
        warm_up(provider.url)
        place = stack.enter_context(ground("postgres", given.engine, folder, server))
        world = _World(provider=provider, receiver=receiver, ground=place)
        killed = None if given.point else show_killed(world, runs=given.runs, hit=12)
        stopped = show_stopped(world, given.point or (*AT_ONCE, *AFTER_A_DEATH), fence=not given.without_fence)
    shutil.rmtree(folder, ignore_errors=True)
    sys.stdout.write(json.dumps({"killed": killed, "stopped": stopped.to_json()}, indent=2) + "\n")
    sys.exit(1 if stopped.failed or (killed is not None and not killed["passed"]) else 0)


if __name__ == "__main__":
    main()
