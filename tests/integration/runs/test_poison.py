"""What cannot be recorded, through the production path on both stores: it fails its step, and no run calls for ever."""

import time
from itertools import pairwise
from typing import Any

import pytest

from aie.core import JSON, Spend
from aie.errors import Failure, StepFailure
from aie.layers import Result, Task, Tools
from aie.records import MemoryKeys, drawn, read_store, verify
from aie.records.events import AttemptIntended, AttemptSettled, SegmentStarted, StepFailed
from aie.releases import Handler
from aie.runs import Pace
from aie.testing.stage import Act, Stage, make_release, scripted, stage

WORST = Spend(cost=100, tokens=10, calls=1)
KEYS = MemoryKeys(b"poison--" * 4)
WINDOW = "default/workflow/alpha/total/total"
BUDGET: JSON = {"cost": 100_000, "tokens": None, "per": "total", "on_exhausted": "fail"}
ANSWER: dict[str, Any] = {"spend": WORST, "response": {"text": "fine"}, "resolved": "reader-1"}

pytestmark = pytest.mark.slow


def opened(url: str, act: Act) -> Any:
    """Return a stage with a budget, whose worker is quick to claim again."""
    live = {"budgets:": {"tenant": None, "workflows": {"alpha": BUDGET}}}
    pace = Pace(beat=0.05, again=0.005)
    return stage(url, {"call": act}, keys=KEYS, pace=pace, live=lambda name: live.get(name, {}))


def ended(here: Stage, **on: Handler) -> str:
    """Run one case to its end; return its id."""
    handlers = {Failure(name): handler for name, handler in on.items()}
    release = here.add(make_release([scripted("call", conduct="external", on=handlers)], workflow="alpha"))
    run = here.submit(release, {"id": "1"}).run
    until = time.monotonic() + 60
    while here.row(run).state not in {"completed", "failed", "dead"}:
        assert time.monotonic() < until, "it goes on for ever"
        time.sleep(0.02)
    return run


def of(here: Stage, run: str, kind: type) -> list[Any]:
    """Return what happened of this kind."""
    return [each.event for each in here.events(run) if isinstance(each.event, kind)]


@pytest.mark.parametrize(
    "said",
    [
        {"response": {"text": "\ud800 bad"}},
        {"resolved": "reader\0"},
        {"resolved": "reader\ud800"},
        {"fingerprint": "\0"},
        {"response": {"score": float("nan")}},
        {"spend": Spend(cost=100, tokens=10**16, calls=1)},
        {"spend": Spend(cost=10**30, tokens=10, calls=1)},
    ],
)
def test_an_answer_that_cannot_be_recorded_fails_its_step_and_is_forfeited(
    store_url: str, said: dict[str, Any]
) -> None:
    """Once: the handler of the step goes on, the money is booked, and who bills what nobody can is asked no more."""

    def call(task: Task, tools: Tools) -> Result:
        attempt = tools.attempts.open(model="reader", request={"of": task.path}, worst=WORST)
        attempt.settle(**{**ANSWER, **said}, ms=1)
        return Result(data={"ok": True})

    with opened(store_url, call) as here:
        run = ended(here, invalid_output=Handler(kind="default", value={"ok": False}))
        assert here.row(run).state == "completed"
        assert [each.failure for each in of(here, run, StepFailed)] == ["invalid_output"]
        settled = of(here, run, AttemptSettled)
        assert [(each.outcome, each.spend) for each in settled] == [("forfeited", WORST.to_json())]
        assert (len(of(here, run, AttemptIntended)), len(of(here, run, SegmentStarted))) == (1, 1)
        rows = drawn(here.services.store, [WINDOW])
        assert [(row.reserved.cost, row.spent.cost, row.forfeited.cost) for row in rows] == [(0, 0, 100)]
        stop = here.services.ledger.controls.stop("default", "model", "reader")
        assert (stop is not None) == ("spend" in said)
        with read_store(here.services.store) as source:
            assert verify(source).findings == ()


@pytest.mark.parametrize(
    "act",
    [
        lambda *_: Result(data={}, report={"said": "\ud800"}),
        lambda *_: fail(StepFailure(Failure.INTERNAL, "it said \ud800")),
        lambda *_: fail(ValueError("\ud800")),
    ],
)
def test_what_a_step_says_of_itself_and_cannot_be_recorded_fails_it(store_url: str, act: Act) -> None:
    """And never its segment."""
    with opened(store_url, act) as here:
        run = ended(here)
        assert (here.row(run).state, here.row(run).failure, here.row(run).epoch) == ("failed", "internal", 1)
        assert "cannot be recorded" in of(here, run, StepFailed)[0].message


def fail(error: Exception) -> Result:
    raise error


def test_a_run_that_always_breaks_off_is_claimed_ever_later_and_then_set_aside(
    store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guard is taken out: each claim makes a call whose answer cannot be written. There are ten of them."""
    monkeypatch.setattr("aie.runs.attempts.check_event", lambda _: None)

    def call(task: Task, tools: Tools) -> Result:
        attempt = tools.attempts.open(model="reader", request={"of": task.path}, worst=WORST)
        attempt.settle(**{**ANSWER, "resolved": "reader\0"}, ms=1)
        return Result(data={})

    with opened(store_url, call) as here:
        run = ended(here)
        assert (here.row(run).state, here.row(run).failure) == ("dead", "internal")
        outcomes = [each.outcome for each in of(here, run, AttemptSettled)]
        assert outcomes == ["forfeited"] * 10
        began = [each.at for each in here.events(run) if isinstance(each.event, SegmentStarted)]
        waits = [after - before for before, after in pairwise(began)]
        assert len(waits) == 10
        assert all(wait >= 5_000 * 2**n for n, wait in enumerate(waits[1:])), waits
        rows = drawn(here.services.store, [WINDOW])
        assert [(row.reserved.cost, row.forfeited.cost) for row in rows] == [(0, 1_000)]
