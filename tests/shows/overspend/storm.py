"""The storm: many processes call at once, are killed and begin again; then the bill is held against the caps."""

import os
import random
import signal
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from aie.core import JSON, observe
from aie.records import MemoryKeys, RunFilter, drawn, open_store, read_store, rebuild, verify
from aie.records.events import AttemptIntended, AttemptSettled, RunFinished, StepFailed
from aie.runs import Pace
from aie.testing.stage import stage
from tests.shows.crash.forking import Child, fork
from tests.shows.overspend.calls import WORST, caller, cost, release
from tests.shows.overspend.server import Server

__all__ = ["KEYS", "Storm", "declared", "weather"]

KEYS: Final = MemoryKeys(b"overspend" * 4)
_CALLS: Final = 4
_SECONDS: Final = 120.0
_PACE: Final = Pace(lease=3_000_000, beat=0.2, capacity=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class Storm:
    """One store, its caps and what happens on it."""

    url: str
    server: str
    processes: int
    runs: int
    """That each process submits."""
    seed: int
    kills: int
    caps: Mapping[str, int]
    """Micro-USD by `run`, `alpha`, `beta` (workflows) and `tenant`."""
    sabotage: Callable[[], None] | None = None


def declared(caps: Mapping[str, int], *, on_exhausted: str = "fail") -> Callable[[str], Mapping[str, JSON]]:
    """Return live facts with budgets of so many micro-USD for ever; `run` is no budget."""

    def spec(cap: int) -> dict[str, JSON]:
        return {"cost": cap, "tokens": None, "per": "total", "on_exhausted": on_exhausted}

    workflows: dict[str, JSON] = {name: spec(cap) for name, cap in caps.items() if name not in ("run", "tenant")}
    facts: dict[str, JSON] = {"tenant": spec(caps["tenant"]) if "tenant" in caps else None, "workflows": workflows}
    return lambda component: facts if component == "budgets:" else {}


def _killer(hit: int) -> Callable[[str], None]:
    hits, lock = 0, threading.Lock()

    def reached(_: str) -> None:
        nonlocal hits
        with lock:
            hits += 1
            if hits == hit:
                os.kill(os.getpid(), signal.SIGKILL)

    return reached


def _live(storm: Storm, number: int, hit: int | None) -> int:
    """Submit this process's runs, those that were not before, and work until they rest."""
    if storm.sabotage is not None:
        storm.sabotage()
    if hit is not None:
        observe(_killer(hit))
    with stage(storm.url, {"call": caller(storm.server)}, keys=KEYS, live=declared(storm.caps), pace=_PACE) as here:
        ids = [
            here.add(release(workflow, calls=_CALLS, limit=storm.caps["run"], retries=2))
            for workflow in ("alpha", "beta")
        ]
        wanted = [here.submit(ids[n % 2], {"id": f"{'ab'[n % 2]}{number}-{n}"}).run for n in range(storm.runs)]
        for run in wanted:
            here.rest(run, timeout=_SECONDS)
    return 0


def weather(storm: Storm, server: Server) -> dict[str, Any]:
    """Let the storm pass and return what came of it; `broken` lists what must not be."""
    draw = random.Random(storm.seed)
    fork(lambda: open_store(storm.url, keys=KEYS).close())
    left, killed, lives = storm.kills, 0, 0
    flying: dict[int, Child] = {}
    unfinished = set(range(storm.processes))
    until = time.monotonic() + 4 * _SECONDS
    broken: list[str] = []
    while unfinished and time.monotonic() < until:
        for number in sorted(unfinished - flying.keys()):
            hit = draw.randint(5, 12 * storm.runs) if left > 0 else None
            left -= hit is not None
            lives += 1
            flying[number] = Child(lambda _say, number=number, hit=hit: _live(storm, number, hit))  # type: ignore[misc]
        for number, child in list(flying.items()):
            pid, status = os.waitpid(child.pid, os.WNOHANG)
            if pid:
                del flying[number]
                code = os.waitstatus_to_exitcode(status)
                killed += code == -signal.SIGKILL
                if code == 0:
                    unfinished.discard(number)
                elif code not in {-signal.SIGKILL, 1}:
                    broken.append(f"process {number} ended with {code}")
        time.sleep(0.02)
    for child in flying.values():
        os.kill(child.pid, signal.SIGKILL)
        broken.append("a process did not end")
    judged = fork(lambda: _judge(storm, server), seconds=120.0)
    found: dict[str, Any] = judged.value or {"broken": ["the store cannot be judged"]}
    return found | {"lives": lives, "killed": killed, "broken": broken + found["broken"]}


def _judge(storm: Storm, server: Server) -> dict[str, Any]:
    bill = server.bill()
    charged = {case: sum(cost(*each) for each in calls) for case, calls in bill.items()}
    totals = {
        "run": max(charged.values(), default=0),
        "alpha": sum(amount for case, amount in charged.items() if case.startswith("a")),
        "beta": sum(amount for case, amount in charged.items() if case.startswith("b")),
        "tenant": sum(charged.values()),
    }
    broken = [f"{name}: billed {totals[name]} of {cap}" for name, cap in storm.caps.items() if totals[name] > cap]
    store = open_store(storm.url, keys=KEYS)
    counts: Counter[str] = Counter()
    spent: dict[str, int] = defaultdict(int)
    page = store.runs(RunFilter(tenant="default"), limit=100_000).rows
    for row in page:
        counts[f"runs_{row.state}"] += 1
        for each in store.read(row.id):
            match each.event:
                case AttemptIntended():
                    counts["attempts_intended"] += 1
                case AttemptSettled(outcome=outcome) as event:
                    counts[f"attempts_{outcome}"] += 1
                    counts["unmeasured"] += not event.measured
                    spent[row.id] += event.spend["cost"]
                case StepFailed(failure="limit_reached", limit=limit):
                    counts["refused_by_run" if limit in ("cost", "tokens") else f"refused_by_{limit.split()[0]}"] += 1
                case RunFinished():
                    counts["runs_ended"] += 1
                case _:
                    pass
    windows = ["default/tenant/default/total/total", *(f"default/workflow/{w}/total/total" for w in ("alpha", "beta"))]
    rows = drawn(store, windows)
    by_window = {
        window: {
            count: sum(getattr(row, count).cost for row in rows if row.window == window)
            for count in ("reserved", "spent", "forfeited", "overrun")
        }
        for window in windows
    }
    used = {
        window: sum(amounts[name] for name in ("reserved", "spent", "forfeited"))
        for window, amounts in by_window.items()
    }
    caps = dict(zip(windows, (storm.caps["tenant"], storm.caps["alpha"], storm.caps["beta"]), strict=True))
    broken += [
        f"{window}: {used[window]} of {caps[window]} in the books" for window in windows if used[window] > caps[window]
    ]
    if used[windows[0]] < totals["tenant"]:
        broken.append(f"the books say {used[windows[0]]}, the server {totals['tenant']}")
    if counts["runs_ended"] < len(page) or len(page) != storm.processes * storm.runs:
        broken.append(f"{len(page)} runs, {counts['runs_ended']} ended")
    if sum(spent.values()) != used[windows[0]] - by_window[windows[0]]["reserved"]:
        broken.append("the attempts of the runs are not what was drawn")
    with read_store(store) as source:
        broken += [str(each) for each in verify(source).findings][:5]
    rebuild(store)
    if drawn(store, windows) != rows:
        broken.append("a rebuild changes what was drawn")
    store.close()
    attempted = storm.processes * storm.runs * _CALLS
    refused = sum(count for name, count in counts.items() if name.startswith("refused"))
    return {
        "attempted": attempted,
        "accepted": counts["attempts_intended"],
        "refused": refused,
        "skipped": max(attempted - counts["attempts_settled"] - refused, 0),
        "billed": totals,
        "caps": dict(storm.caps),
        "books": by_window,
        "worst": WORST.cost,
        "counts": dict(sorted(counts.items())),
        "broken": broken,
    }
