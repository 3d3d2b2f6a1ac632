"""One process of one contender: opens, warms up, says `ready`, works when told, says what it measured, checks.

python -m benchmarks.process '{"contender": "local", …}'      a line of JSON on standard output
"""

import itertools
import json
import sys
import time
from collections.abc import Callable
from typing import Any, Final

from benchmarks.clients import let_work
from benchmarks.floors import FloorProfile
from benchmarks.work import Contender, Job

__all__ = ["main"]


def _open(job: Job) -> Contender:
    """Open a contender; each is imported alone, as their libraries cost seconds."""
    match job.contender:
        case "local" | "dbos":
            from benchmarks.ours import Ours  # noqa: PLC0415

            return Ours(job, job.contender)
        case "bulk":
            from benchmarks.ours import OursInBulk  # noqa: PLC0415

            return OursInBulk(job, "local")
        case "bulk-dbos":
            from benchmarks.ours import OursInBulk  # noqa: PLC0415

            return OursInBulk(job, "dbos")
        case "graph-sync" | "graph-exit":
            from benchmarks.graphs import Graphs  # noqa: PLC0415

            return Graphs(job, "sync" if job.contender == "graph-sync" else "exit")
        case "steps":
            from benchmarks.steps import Steps  # noqa: PLC0415

            return Steps(job)
        case "floor":
            from benchmarks.floor import Floor  # noqa: PLC0415

            return Floor(job)
        case unknown:
            raise ValueError(f"no contender is called {unknown}")


_TOGETHER: Final = {"bulk": 32, "bulk-dbos": 32}
"""Runs in one call of a contender, where that is not one."""


def main() -> int:
    """Do what the job says."""
    job = Job(**json.loads(sys.argv[1]))
    contender = _open(job)
    together = _TOGETHER.get(job.contender, 1)
    clients = max(job.clients // together, 2) if together > 1 else job.clients
    numbers = itertools.count(1)
    _drive(contender, numbers, clients, lambda done: done < 3)
    print("ready", flush=True)
    sys.stdin.readline()
    profile = FloorProfile() if job.profile else None
    if profile is not None:
        profile.start()
    cpu, began = time.process_time(), time.monotonic()
    until = began + job.seconds
    took = _drive(contender, numbers, clients, lambda _: time.monotonic() < until)
    ended, cpu = time.monotonic(), time.process_time() - cpu
    measured: dict[str, Any] = {"runs": len(took) * together, "wall": ended - began, "cpu": cpu, "took": sorted(took)}
    if profile is not None:
        measured["floors"] = profile.stop()
    print(json.dumps(measured), flush=True)
    sys.stdin.readline()
    print(json.dumps({"checked": contender.check()}), flush=True)
    contender.close()
    return 0


def _drive(
    contender: Contender, numbers: "itertools.count[int]", clients: int, go: Callable[[int], bool]
) -> list[float]:
    """Let clients, a thread each, do one run after another while `go(how many it did)`; return what each run took."""
    took: list[float] = []

    def work() -> None:
        done = 0
        while go(done):
            began = time.monotonic()
            contender.run(next(numbers))
            took.append(time.monotonic() - began)
            done += 1

    let_work(clients, work)
    return took


if __name__ == "__main__":
    sys.exit(main())
