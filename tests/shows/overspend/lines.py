"""Who starves: to the call, how many are admitted one after the other and at once, by executors that hold slabs.

Everything here runs in one process with several executors of one store, so that a barrier can hold calls in flight.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final

from aie.core import Spend
from aie.errors import Failure
from aie.layers import Result, Task, Tools
from aie.records import Entry, drawn, stop_stream, stops
from aie.records.events import AttemptSettled, StepHeld, StopLifted
from aie.runs import Pace
from aie.testing.stage import Stage, stage
from tests.shows.overspend.calls import WORST, release
from tests.shows.overspend.storm import KEYS, declared

__all__ = ["at_once", "forfeits", "in_a_row", "over_billed", "waiting"]

_PACE: Final = Pace(lease=20_000_000, beat=0.1)
_WINDOW: Final = "default/workflow/alpha/total/total"
Act = Callable[[Task, Tools], Result]


@contextmanager
def _stages(
    url: str, act: Act, count: int, cap: int, *, on_exhausted: str = "fail"
) -> Iterator[list[tuple[Stage, str]]]:
    """Yield executors of one store, each with the release to run there."""
    with ExitStack() as stack:
        live = declared({"alpha": cap, "tenant": 10 * cap}, on_exhausted=on_exhausted)
        made = []
        for _ in range(count):
            here = stack.enter_context(stage(url, {"call": act}, keys=KEYS, live=live, pace=_PACE))
            made.append((here, here.add(release("alpha"))))
        yield made


def _paid(share: int) -> Act:
    """Return a call that costs this percentage of its worst case."""

    def call(task: Task, tools: Tools) -> Result:
        attempt = tools.attempts.open(model="reader", request={"id": str(task.inputs["id"].data)}, worst=WORST)
        spend = Spend(cost=WORST.cost * share // 100, tokens=1, calls=1)
        attempt.settle(spend, response={"ok": True}, resolved="reader", ms=1)
        return Result(data={"ok": True})

    return call


def in_a_row(url: str, executors: int) -> dict[str, Any]:
    """Call by call, each on the next executor: admitted until the cap minus what was spent is below the worst case."""
    cap, actual = 20 * WORST.cost, WORST.cost * 37 // 100
    expected = next(n for n in range(10_000) if cap - n * actual < WORST.cost)
    admitted = refused = 0
    with _stages(url, _paid(37), executors, cap) as stages:
        while refused < 2 * executors and admitted < 10_000:
            here, id_ = stages[(admitted + refused) % executors]
            row = here.rest(here.submit(id_, {"id": f"row-{admitted}-{refused}"}).run)
            admitted += row.state == "completed"
            refused += row.failure == "limit_reached"
    return _line(admitted, expected, refused, refused_again=refused == 2 * executors)


def at_once(url: str, executors: int) -> dict[str, Any]:
    """All at once, none settled before all were decided: as many as the worst case fits into the cap."""
    cap = 7 * WORST.cost + WORST.cost // 2
    expected, wanted = cap // WORST.cost, 24
    going, inside = threading.Event(), threading.Semaphore(0)

    def call(task: Task, tools: Tools) -> Result:
        attempt = tools.attempts.open(model="reader", request={"id": str(task.inputs["id"].data)}, worst=WORST)
        inside.release()
        going.wait(60)
        attempt.settle(WORST, response={"ok": True}, resolved="reader", ms=1)
        return Result(data={"ok": True})

    with _stages(url, call, executors, cap) as stages:
        runs = [(here, here.submit(id_, {"id": f"once-{n}"}).run) for n, (here, id_) in _dealt(stages, wanted)]
        until = time.monotonic() + 60
        while (
            sum(here.row(run).state == "failed" for here, run in runs) < wanted - expected and time.monotonic() < until
        ):
            time.sleep(0.02)
        going.set()
        rows = [here.rest(run, timeout=60) for here, run in runs]
    admitted = sum(row.state == "completed" for row in rows)
    return _line(admitted, expected, sum(row.failure == "limit_reached" for row in rows), refused_again=True)


def _dealt(stages: list[tuple[Stage, str]], wanted: int) -> Iterator[tuple[int, tuple[Stage, str]]]:
    return ((n, stages[n % len(stages)]) for n in range(wanted))


def waiting(url: str, executors: int) -> dict[str, Any]:
    """Many more calls than fit at once, told to wait: every one is admitted in the end, none is refused."""
    wanted, cap = 20, 3 * WORST.cost
    with _stages(url, _slow(WORST.cost // 20), executors, cap, on_exhausted="wait") as stages:
        runs = [(here, here.submit(id_, {"id": f"wait-{n}"}).run) for n, (here, id_) in _dealt(stages, wanted)]
        until = time.monotonic() + 60
        while any(here.row(run).state not in ("completed", "failed") for here, run in runs):
            if time.monotonic() > until:
                break
            time.sleep(0.05)
        rows = [here.row(run) for here, run in runs]
        held = sum(isinstance(each.event, StepHeld) for here, run in runs for each in here.events(run))
    done = sum(row.state == "completed" for row in rows)
    line = _line(done, wanted, sum(row.failure == "limit_reached" for row in rows), refused_again=True)
    return line | {"held": held, "broken": line["broken"] or line["refused"] > 0 or held == 0}


def _slow(amount: int) -> Act:
    def call(task: Task, tools: Tools) -> Result:
        attempt = tools.attempts.open(model="reader", request={"id": str(task.inputs["id"].data)}, worst=WORST)
        time.sleep(0.05)
        attempt.settle(Spend(cost=amount, tokens=1, calls=1), response={"ok": True}, resolved="reader", ms=1)
        return Result(data={"ok": True})

    return call


def forfeits(url: str) -> dict[str, Any]:
    """Calls that may have been billed and answers nobody measured count apart, at what was reserved."""
    turn = iter(range(100))

    def call(task: Task, tools: Tools) -> Result:
        attempt = tools.attempts.open(model="reader", request={"id": str(task.inputs["id"].data)}, worst=WORST)
        match next(turn) % 4:
            case 0:
                attempt.forfeit(Failure.TIMEOUT, ms=1)
            case 1:
                attempt.settle(WORST, response={"ok": True}, resolved="reader", ms=1, measured=False)
            case 2:
                attempt.release(Failure.RATE_LIMITED, ms=1)
            case _:
                attempt.settle(Spend(cost=10, tokens=1, calls=1), response={"ok": True}, resolved="reader", ms=1)
        return Result(data={"ok": True})

    with _stages(url, call, 1, 100 * WORST.cost) as ((here, id_),):
        for n in range(12):
            here.rest(here.submit(id_, {"id": f"forfeit-{n}"}).run)
        rows = drawn(here.services.store, [_WINDOW])
    found = {name: sum(getattr(row, name).cost for row in rows) for name in ("reserved", "spent", "forfeited")}
    expected = {"reserved": 0, "spent": 30, "forfeited": 6 * WORST.cost}
    return {"found": found, "expected": expected, "broken": found != expected}


def over_billed(url: str) -> dict[str, Any]:
    """A server that bills more than it declared: the overrun is recorded, the model blocked until a person lifts it."""
    over = WORST.cost * 3

    def call(task: Task, tools: Tools) -> Result:
        attempt = tools.attempts.open(model="reader", request={"id": str(task.inputs["id"].data)}, worst=WORST)
        billed = over if task.inputs["id"].data == "over-0" else 10
        attempt.settle(Spend(cost=billed, tokens=1, calls=1), response={"ok": True}, resolved="reader", ms=1)
        return Result(data={"ok": True})

    with _stages(url, call, 1, 100 * WORST.cost) as ((here, id_),):
        store, journal = here.services.store, here.services.journal
        first = here.rest(here.submit(id_, {"id": "over-0"}).run)
        blocked = [row.name for row in stops(store)]
        second = here.rest(here.submit(id_, {"id": "over-1"}).run)
        lifted = StopLifted(kind="model", name="reader", actor="ann", reason="the provider paid back")
        journal.append(
            Entry(tenant="default", stream=stop_stream("default", "model", "reader"), decide=lambda _: [lifted])
        )
        here.services.ledger.controls.forget()
        third = here.rest(here.submit(id_, {"id": "over-2"}).run)
        rows = drawn(store, [_WINDOW])
        recorded = [each.event.overrun for each in here.events(first.id) if isinstance(each.event, AttemptSettled)]
    overrun, spent = sum(row.overrun.cost for row in rows), sum(row.spent.cost for row in rows)
    found = [first.state, second.failure, third.state, blocked, overrun, spent, recorded]
    expected = ["completed", "model_retired", "completed", ["reader"], over - WORST.cost, over + 10]
    return {"found": found, "expected": expected, "broken": found[:6] != expected or recorded != [{"cost": overrun}]}


def _line(admitted: int, expected: int, refused: int, *, refused_again: bool) -> dict[str, Any]:
    return {
        "admitted": admitted,
        "expected": expected,
        "refused": refused,
        "broken": admitted != expected or not refused_again,
    }
