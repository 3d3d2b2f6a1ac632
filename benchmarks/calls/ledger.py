"""The ledger alone: a call reserved on its run, its workflow's and its tenant's budget, durable, then settled, durable.

python -m benchmarks.calls.ledger '{"store": …, "callers": 8, "seconds": 2.0}'      lines of JSON on standard output

What was drawn is compared with what was settled, to the micro-USD.
"""

import json
import sys
import time
from collections.abc import Mapping
from typing import Any, Final

from aie.core import JSON, Limits, Spend
from aie.records import drawn
from aie.runs import Pace, TrialCalls
from aie.testing.stage import Stage, stage
from benchmarks.clients import let_work

__all__ = ["main"]

_WORST: Final = Spend(cost=400, tokens=1500, calls=1)
_USED: Final = Spend(cost=42, tokens=234, calls=1)
_CAP: Final = 10**12
_DECLARED: Final[Mapping[str, JSON]] = {
    "tenant": {"cost": _CAP, "tokens": None, "per": "total", "on_exhausted": "fail"},
    "workflows": {"bench": {"cost": _CAP, "tokens": _CAP, "per": "total", "on_exhausted": "fail"}},
}


def main() -> int:
    """Reserve and settle until the time is over."""
    job: dict[str, Any] = json.loads(sys.argv[1])
    live = {"budgets:": _DECLARED}
    with stage(job["store"], {}, pace=Pace(beat=1.0), live=lambda name: live.get(name, {})) as opened:
        _drive(opened, job["callers"], until=0.0)
        print(json.dumps({"ready": True}), flush=True)
        sys.stdin.readline()
        cpu, began = time.process_time(), time.monotonic()
        took = _drive(opened, job["callers"], until=began + job["seconds"])
        wall, cpu = time.monotonic() - began, time.process_time() - cpu
        print(json.dumps({"calls": len(took), "wall": wall, "cpu": cpu, "took": took}), flush=True)
        sys.stdin.readline()
        print(json.dumps({"drawn": _drawn(opened)}), flush=True)
        sys.stdin.readline()
    return 0


def _drive(opened: Stage, callers: int, *, until: float) -> list[float]:
    """Let callers, each a run of its own, reserve and settle one call after the other, at least one each."""
    took: list[float] = []

    def work() -> None:
        calls = TrialCalls(opened.services, "default", "bench", "step", Limits(cost=_CAP))
        while True:
            began = time.monotonic()
            attempt = calls.open(model="reader", request={"user": "How much?"}, worst=_WORST, snapshot="reader-1")
            attempt.settle(_USED, response=None, resolved="reader-1", ms=1)
            took.append(time.monotonic() - began)
            if time.monotonic() >= until:
                return

    let_work(callers, work)
    return took


def _drawn(opened: Stage) -> int:
    """Return how many settled calls the tenant's budget has, by money; every process of the store tells the same.

    Raises:
        ValueError: a reservation was left behind.
    """
    rows = drawn(opened.services.store, ["default/tenant/default/total/total"])
    if any(row.reserved.cost or row.forfeited.cost or row.overrun.cost for row in rows):
        raise ValueError(f"the slabs hold more than settled calls: {rows}")
    return sum(row.spent.cost for row in rows) // _USED.cost


if __name__ == "__main__":
    sys.exit(main())
