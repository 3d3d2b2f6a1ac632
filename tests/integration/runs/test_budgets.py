"""Budgets and kill switches above runs, through the production path on both stores."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from aie.core import JSON, Spend
from aie.errors import Denied, Failure, LimitReached
from aie.layers import Result, ReviewRequest, Task, Tools
from aie.records import Entry, Event, MemoryKeys, budget_stream, drawn, read_store, rebuild, stop_stream, verify
from aie.records.events import (
    AttemptIntended,
    AttemptSettled,
    BudgetSet,
    RunWaiting,
    StepFailed,
    StepHeld,
    StopLifted,
    StopSet,
)
from aie.releases import Handler
from aie.runs import Pace, retry
from aie.testing.stage import Act, Stage, make_release, scripted, stage

WORST = Spend(cost=100, tokens=10, calls=1)
PACE = Pace(lease=20_000_000, beat=0.1)
KEYS = MemoryKeys(b"budgets-" * 4)
TENANT, ALPHA = "default/tenant/default/total/total", "default/workflow/alpha/total/total"

pytestmark = pytest.mark.slow


def budgets(choice: str = "fail", *, tenant: int | None = 1_000, alpha: int | None = 300) -> Mapping[str, JSON]:
    """Return live facts: caps in micro-USD, None for no budget."""

    def spec(cost: int | None) -> JSON:
        return None if cost is None else {"cost": cost, "tokens": None, "per": "total", "on_exhausted": choice}

    return {"tenant": spec(tenant), "workflows": {} if alpha is None else {"alpha": spec(alpha)}}


def opened(url: str, act: Act, facts: Mapping[str, JSON] | list[Mapping[str, JSON]]) -> Any:
    """Return a stage whose budgets are these; of a list, the last one as it is now."""
    said = facts if isinstance(facts, list) else [facts]
    return stage(url, {"call": act}, keys=KEYS, pace=PACE, live=lambda name: said[-1] if name == "budgets:" else {})


def calling(actual: int = 100, *, go: Callable[[], object] = lambda: None) -> Act:
    """Return a step that makes one call."""

    def call(task: Task, tools: Tools) -> Result:
        attempt = tools.attempts.open(model="reader", request={"of": task.path}, worst=WORST)
        go()
        attempt.settle(Spend(cost=actual, tokens=1, calls=1), response={}, resolved="reader", ms=1)
        return Result(data={"ok": True})

    return call


def add(here: Stage, workflow: str = "alpha", **on: Handler) -> str:
    """Make a workflow of one call runnable."""
    handlers = {Failure(name): handler for name, handler in on.items()}
    return here.add(make_release([scripted("call", conduct="external", on=handlers)], workflow=workflow))


def said(here: Stage, stream: str, *events: Event) -> None:
    """Append what a person says."""
    here.services.journal.append(Entry(tenant="default", stream=stream, decide=lambda _: events))


def stopped(kind: str, name: str) -> StopSet:
    return StopSet(kind=kind, name=name, actor="ann", reason="wrong answers")


def lifted(kind: str, name: str) -> StopLifted:
    return StopLifted(kind=kind, name=name, actor="ann", reason="mended")


def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait for something that happens by itself."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def test_a_call_is_drawn_on_the_budget_of_its_workflow_and_of_its_tenant(store_url: str) -> None:
    """The intent names the slabs; the books are what the events say, also after a rebuild, and the records verify."""
    with opened(store_url, calling(70), budgets()) as here:
        run = here.submit(add(here), {"id": "1"}).run
        assert here.rest(run).state == "completed"
        intended = next(each.event for each in here.events(run) if isinstance(each.event, AttemptIntended))
        assert set(intended.draws) == {TENANT, ALPHA}
        store = here.services.store
        before = drawn(store, [TENANT, ALPHA])
        assert [(row.spent.cost, row.reserved.cost) for row in before] == [(70, 0), (70, 0)]
        rebuild(store)
        assert drawn(store, [TENANT, ALPHA]) == before
        with read_store(store) as source:
            assert verify(source).findings == ()


def test_a_run_of_a_workflow_without_a_budget_draws_on_nothing(store_url: str) -> None:
    """Nothing is asked of the store for it."""
    with opened(store_url, calling(), budgets(tenant=None)) as here:
        run = here.submit(add(here, "beta"), {"id": "1"}).run
        assert here.rest(run).state == "completed"
        assert drawn(here.services.store, [TENANT, ALPHA]) == []


def test_a_refusal_says_which_budget_how_much_was_free_and_how_much_was_needed(store_url: str) -> None:
    """The nearest budget refuses first, and what it refuses is not taken from the one above."""
    with opened(store_url, calling(), budgets(alpha=250)) as here:
        release = add(here)
        states = [here.rest(here.submit(release, {"id": f"{n}"}).run).state for n in range(4)]
        assert states == ["completed", "completed", "failed", "failed"]
        run = here.submit(release, {"id": "5"}).run
        here.rest(run)
        failed = next(each.event for each in here.events(run) if isinstance(each.event, StepFailed))
        assert (failed.failure, failed.limit) == ("limit_reached", "workflow cost")
        assert "workflow alpha (0.00025 USD in all) has 0.00005 USD free" in failed.message
        assert "may need 0.0001 USD" in failed.message
        assert sum(row.spent.cost for row in drawn(here.services.store, [TENANT])) == 200


def test_a_handler_of_the_step_takes_over_when_a_budget_refuses(store_url: str) -> None:
    """As for every other limit."""
    with opened(store_url, calling(), budgets(alpha=50)) as here:
        release = add(here, limit_reached=Handler(kind="default", value={"ok": False}))
        assert here.rest(here.submit(release, {"id": "1"}).run).state == "completed"


def test_a_caller_that_may_degrade_is_told_so(store_url: str) -> None:
    """A cheaper candidate fits where the first did not."""
    told: list[str] = []

    def call(task: Task, tools: Tools) -> Result:
        try:
            tools.attempts.open(model="dear", request={}, worst=WORST)
        except LimitReached as refused:
            told.append(refused.on_exhausted)
        attempt = tools.attempts.open(model="cheap", request={}, worst=Spend(cost=10, tokens=1, calls=1))
        attempt.settle(Spend(cost=10, tokens=1, calls=1), response={}, resolved="cheap", ms=1)
        return Result(data={"ok": True})

    with opened(store_url, call, budgets("degrade", alpha=50)) as here:
        run = here.submit(add(here), {"id": "1"}).run
        assert here.rest(run).state == "completed"
        assert told == ["degrade"]
        intended = [each.event for each in here.events(run) if isinstance(each.event, AttemptIntended)]
        assert [(each.attempt, each.model) for each in intended] == [("call#1", "cheap")]


def test_a_step_that_waits_goes_on_when_money_is_freed(store_url: str) -> None:
    """The run holds nothing meanwhile: its segment is closed; the settled call gives back what it did not use."""
    going = threading.Event()
    with opened(store_url, calling(20, go=going.wait), budgets("wait", alpha=150)) as here:
        release = add(here)
        first = here.submit(release, {"id": "1"}).run
        until(lambda: any(isinstance(each.event, AttemptIntended) for each in here.events(first)))
        second = here.submit(release, {"id": "2"}).run
        row = here.rest(second)
        assert (row.state, row.executor) == ("waiting", "")
        events = [each.event for each in here.events(second)]
        held = next(each for each in events if isinstance(each, StepHeld))
        waits = next(each for each in events if isinstance(each, RunWaiting))
        assert (held.on, held.cost) == (ALPHA, 100)
        assert waits.held == [{"path": "call", "on": ALPHA, "cost": 100, "tokens": 10}]
        going.set()
        until(lambda: here.row(second).state == "completed")


def test_a_step_that_waits_goes_on_when_the_budget_is_raised(store_url: str) -> None:
    """What a person sets holds over what is declared, also for runs in flight."""
    with opened(store_url, calling(), budgets("wait", alpha=100)) as here:
        release = add(here)
        assert here.rest(here.submit(release, {"id": "1"}).run).state == "completed"
        run = here.submit(release, {"id": "2"}).run
        assert here.rest(run).state == "waiting"
        raised = BudgetSet(
            scope="workflow", name="alpha", cost=200, tokens=None, per="total", on_exhausted="wait", actor="ann",
            reason="month end",
        )  # fmt: skip
        said(here, budget_stream("default", "workflow", "alpha"), raised)
        until(lambda: here.row(run).state == "completed")


def test_a_call_that_nobody_closed_is_forfeited_when_its_segment_ends(store_url: str) -> None:
    """Whether the run ends or waits: a reservation that nobody gives back would stay taken for ever."""

    def call(task: Task, tools: Tools) -> Result | ReviewRequest:
        tools.attempts.open(model="reader", request={"of": task.path}, worst=WORST)
        if task.inputs["input"].data["id"] == "waits":
            return ReviewRequest(desk="clerks", why="asked", shown={"fields": {}, "answer": {}})
        raise ValueError("forgetful")

    with opened(store_url, call, budgets()) as here:
        node = replace(scripted("call", conduct="external"), inputs={"input": "input"})
        release = here.add(make_release([node], workflow="alpha"))
        for count, (case, state) in enumerate((("ends", "failed"), ("waits", "waiting")), 1):
            run = here.submit(release, {"id": case}).run
            assert here.rest(run).state == state
            settled = [each.event for each in here.events(run) if isinstance(each.event, AttemptSettled)]
            assert [(each.attempt, each.outcome) for each in settled] == [("call#1", "forfeited")]
            rows = drawn(here.services.store, [ALPHA])
            assert [(row.reserved.cost, row.forfeited.cost) for row in rows] == [(0, 100 * count)]
        with read_store(here.services.store) as source:
            assert verify(source).findings == ()


def test_a_reservation_that_never_fits_waits_durably(store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever takes what a slab was filled with: no thread fills it for ever, and the step goes on by itself."""
    with opened(store_url, calling(), budgets()) as here:
        with monkeypatch.context() as taken:
            taken.setattr("aie.runs.recording.fits", lambda *_: False)
            run = here.submit(add(here), {"id": "1"}).run
            row = here.rest(run)
            assert (row.state, row.executor) == ("waiting", "")
            events = [each.event for each in here.events(run)]
        held = next(each for each in events if isinstance(each, StepHeld))
        assert (held.on, held.cost, "others took" in held.why) == (ALPHA, 100, True)
        assert not any(isinstance(each, AttemptIntended) for each in events)
        until(lambda: here.row(run).state == "completed")


def test_waiting_for_more_than_the_whole_budget_fails_at_once(store_url: str) -> None:
    """It would be for ever."""
    with opened(store_url, calling(), budgets("wait", alpha=99)) as here:
        assert here.rest(here.submit(add(here), {"id": "1"}).run).failure == "limit_reached"


def test_a_lowered_budget_holds_for_the_next_call(store_url: str) -> None:
    """What was leased under the old one is not drawn on any more."""
    facts = [budgets(alpha=1_000)]
    with opened(store_url, calling(), facts) as here:
        release = add(here)
        assert here.rest(here.submit(release, {"id": "1"}).run).state == "completed"
        facts.append(budgets(alpha=150))
        assert here.rest(here.submit(release, {"id": "2"}).run).failure == "limit_reached"


def test_a_stopped_workflow_waits_and_goes_on_when_it_is_resumed(store_url: str) -> None:
    """Runs in flight hold before their next step, new ones are refused; another workflow is not touched."""
    reached, going = threading.Event(), threading.Event()

    def slow(task: Task, tools: Tools) -> Result:
        reached.set()
        going.wait(20)
        return Result(data={"ok": True})

    acts = {"slow": slow, "call": calling()}
    with stage(store_url, acts, keys=KEYS, pace=PACE) as here:
        nodes = [scripted("slow", conduct="external"), scripted("call", "slow", conduct="external")]
        release = here.add(make_release(nodes, workflow="alpha"))
        other = add(here, "beta")
        run = here.submit(release, {"id": "1"}).run
        reached.wait(20)
        said(here, stop_stream("default", "workflow", "alpha"), stopped("workflow", "alpha"))
        time.sleep(0.5)
        going.set()
        assert here.rest(run).state == "waiting"
        held = next(each.event for each in here.events(run) if isinstance(each.event, StepHeld))
        assert (held.path, held.on) == ("call", "stop:workflow:alpha")
        with pytest.raises(Denied, match="stopped by ann: wrong answers"):
            here.submit(release, {"id": "2"})
        assert here.rest(here.submit(other, {"id": "3"}).run).state == "completed"
        said(here, stop_stream("default", "workflow", "alpha"), lifted("workflow", "alpha"))
        until(lambda: here.row(run).state == "completed")


def test_a_stopped_model_is_not_called_a_second_later(store_url: str) -> None:
    """By a worker that goes on all the while; its calls fail as of a retired model."""
    with opened(store_url, calling(), budgets(tenant=None, alpha=None)) as here:
        release = add(here)
        assert here.rest(here.submit(release, {"id": "0"}).run).state == "completed"
        said(here, stop_stream("default", "model", "reader"), stopped("model", "reader"))
        end, number = time.monotonic() + 1.0, 1
        while here.rest(here.submit(release, {"id": f"{number}"}).run).state == "completed":
            assert time.monotonic() < end, "it is still called"
            number += 1
        run = here.submit(release, {"id": "last"}).run
        assert here.rest(run).failure == "model_retired"
        assert not any(isinstance(each.event, AttemptIntended) for each in here.events(run))


def test_a_retried_run_stands_under_the_budgets_of_now(store_url: str) -> None:
    """Its money is checked again, as for a new one."""
    facts = [budgets(alpha=50)]
    with opened(store_url, calling(), facts) as here:
        run = here.submit(add(here), {"id": "1"}).run
        assert here.rest(run).failure == "limit_reached"
        facts.append(budgets(alpha=100))
        retry(here.services, "default", run, actor="ann")
        here.worker.wake(run)
        until(lambda: here.row(run).state == "completed")
