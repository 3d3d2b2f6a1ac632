"""Calls that wait, through the production path on both stores: for their turn, for their time, behind a breaker."""

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from aie.core import JSON, Limits, Spend
from aie.errors import Failure, Held, LimitReached, StepFailure, StoreBusy
from aie.layers import Result, Task, Tools
from aie.records import Entry, MemoryKeys, open_gate, opened_gates, stop_stream
from aie.records.events import AttemptIntended, AttemptSettled, StepFailed, StepHeld, StopLifted, StopSet
from aie.releases import Handler
from aie.runs import Pace, cancel, gate
from aie.testing.stage import Act, Stage, make_release, scripted, stage

WORST = Spend(cost=100, tokens=10, calls=1)
KEYS = MemoryKeys(b"waiting-" * 4)
BREAKER: dict[str, JSON] = {"failures": 2, "within": 60_000_000, "pause": 600_000}

pytestmark = pytest.mark.slow


def opened(url: str, act: Act, facts: Mapping[str, JSON]) -> Any:
    """Return a stage whose model `reader` has these live facts."""
    live = {"model:reader": {"timeout": 5_000_000, **facts}}
    return stage(url, {"call": act}, keys=KEYS, pace=Pace(beat=0.1), live=lambda name: live.get(name, {}))


def add(here: Stage) -> str:
    """Make a workflow of one call runnable."""
    return here.add(make_release([scripted("call", conduct="external")], workflow="alpha"))


def rests(here: Stage, run: str, *, seconds: float = 20.0) -> str:
    """Return the state of a run once it ended: one that waits goes on by itself."""
    until = time.monotonic() + seconds
    while (state := here.row(run).state) not in {"completed", "failed", "dead"} and time.monotonic() < until:
        time.sleep(0.02)
    return state


def said(here: Stage, *events: StopSet | StopLifted) -> None:
    """Append what a person says of the workflow."""
    entry = Entry(tenant="default", stream=stop_stream("default", "workflow", "alpha"), decide=lambda _: events)
    here.services.journal.append(entry)


def test_a_call_without_room_waits_durably_and_goes_on_by_itself(store_url: str) -> None:
    """No thread is held for as long as the call before it takes."""
    going = threading.Event()

    def call(task: Task, tools: Tools) -> Result:
        attempt = tools.attempts.open(model="reader", request={"of": task.path}, worst=WORST)
        going.wait(20)
        attempt.settle(WORST, response={}, resolved="reader", ms=1)
        return Result(data={})

    with opened(store_url, call, {"rates": {"rpm": None, "tpm": None, "concurrency": 1}}) as here:
        release = add(here)
        runs = [here.submit(release, {"id": str(n)}).run for n in range(3)]
        until = time.monotonic() + 15
        while sum(here.row(run).state == "waiting" for run in runs) < 2 and time.monotonic() < until:
            time.sleep(0.05)
        held = [each.event for run in runs for each in here.events(run) if isinstance(each.event, StepHeld)]
        assert {each.on for each in held} == {"rate:reader"}
        going.set()
        assert [rests(here, run) for run in runs] == ["completed"] * 3
        assert sum(isinstance(each.event, AttemptIntended) for run in runs for each in here.events(run)) == 3


class Fails:
    """Does once what the store does when it is held by somebody else, then what it did before."""

    def __init__(self, real: Callable[..., object], error: Exception) -> None:
        self.real = real
        self.errors = [error]

    def __call__(self, *given: Any, **named: Any) -> object:
        if self.errors:
            raise self.errors.pop()
        return self.real(*given, **named)


@pytest.mark.parametrize("error", [StoreBusy("database is locked"), OverflowError("too large an integer")])
def test_an_answer_is_kept_though_its_place_cannot_be_given_back(
    store_url: str, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """It is paid for: the run completes on one call, and the place runs out by itself."""
    failing = Fails(gate.return_pass, error)
    monkeypatch.setattr(gate, "return_pass", failing)

    def call(task: Task, tools: Tools) -> Result:
        attempt = tools.attempts.open(model="reader", request={"of": task.path}, worst=WORST)
        attempt.settle(WORST, response={}, resolved="reader", ms=1)
        return Result(data={})

    with opened(store_url, call, {"rates": {"rpm": None, "tpm": None, "concurrency": 2}}) as here:
        run = here.submit(add(here), {"id": "1"}).run
        assert rests(here, run) == "completed"
        assert failing.errors == []
        settled = [each.event for each in here.events(run) if isinstance(each.event, AttemptSettled)]
        assert [each.outcome for each in settled] == ["settled"]
        assert here.services.gate.room("reader").calls == 1


def test_a_call_that_did_not_leave_fails_as_it_did_though_its_place_cannot_be_given_back(
    store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit that refused it is what its step is told."""
    monkeypatch.setattr(gate, "void_pass", Fails(gate.void_pass, StoreBusy("database is locked")))

    def call(task: Task, tools: Tools) -> Result:
        tools.attempts.open(model="reader", request={"of": task.path}, worst=WORST)
        raise AssertionError("it must not leave")

    with opened(store_url, call, {"rates": {"rpm": None, "tpm": None, "concurrency": 2}}) as here:
        node = scripted("call", conduct="external")
        release = here.add(make_release([node], workflow="alpha", limits=Limits(cost=WORST.cost - 1)))
        run = here.submit(release, {"id": "1"}).run
        assert rests(here, run) == "failed"
        assert here.row(run).failure == "limit_reached"


def test_a_place_is_given_to_who_waits_for_that_model(store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And not to whoever waits for another one, or may not leave any more: nobody else would hear of it."""
    monkeypatch.setattr(gate, "_LOOK", 1.9)
    looked, take_pass = threading.Semaphore(0), gate.take_pass

    def counted(*given: Any, **named: Any) -> object:
        room = take_pass(*given, **named)
        looked.release()
        return room

    monkeypatch.setattr(gate, "take_pass", counted)
    stopped: list[Exception] = []

    def check() -> None:
        if stopped:
            raise stopped[0]

    facts = {"timeout": 5_000_000, "rates": {"rpm": None, "tpm": None, "concurrency": 1}}
    with (
        stage(store_url, {}, keys=KEYS, live=lambda _: facts) as here,
        ThreadPoolExecutor(3) as pool,
    ):
        enter = here.services.gate.enter
        held = [enter(model, WORST, lambda: None) for model in ("slow", "quick")]
        assert looked.acquire(timeout=5)
        assert looked.acquire(timeout=5)
        waiting = []
        for model, leaves in (("slow", lambda: None), ("quick", check), ("quick", lambda: None)):
            waiting.append(pool.submit(enter, model, WORST, leaves))
            assert looked.acquire(timeout=5)
        stopped.append(Held("stopped", on="stop"))
        held[1].leave(None)
        assert waiting[2].result(1.0).model == "quick"
        with pytest.raises(Held):
            waiting[1].result(1.0)
        held[0].leave(None)
        assert waiting[0].result(1.0).model == "slow"


def test_a_kill_switch_reaches_a_call_that_waits_within_a_second(store_url: str) -> None:
    """It is held for the switch, and nothing of it left."""
    inside, going = threading.Event(), threading.Event()

    def call(task: Task, tools: Tools) -> Result:
        attempt = tools.attempts.open(model="reader", request={"of": task.path}, worst=WORST)
        inside.set()
        going.wait(20)
        attempt.settle(WORST, response={}, resolved="reader", ms=1)
        return Result(data={})

    with opened(store_url, call, {"rates": {"rpm": None, "tpm": None, "concurrency": 1}}) as here:
        release = add(here)
        first = here.submit(release, {"id": "1"}).run
        assert inside.wait(10)
        second = here.submit(release, {"id": "2"}).run
        time.sleep(0.3)
        said(here, StopSet(kind="workflow", name="alpha", actor="ann", reason="wrong"))
        began = time.monotonic()
        while here.row(second).state != "waiting" and time.monotonic() < began + 5:
            time.sleep(0.01)
        assert time.monotonic() - began < 1.0
        held = next(each.event for each in here.events(second) if isinstance(each.event, StepHeld))
        assert held.on == "stop:workflow:alpha"
        going.set()
        assert rests(here, first) == "completed"
        said(here, StopLifted(kind="workflow", name="alpha", actor="ann", reason="right again"))
        assert rests(here, second) == "completed"


def test_a_step_that_waits_for_its_time_goes_on_when_it_has_come(store_url: str) -> None:
    """What it waited for is recorded as a time."""
    tries = 0

    def call(task: Task, tools: Tools) -> Result:
        nonlocal tries
        tries += 1
        if tries == 1:
            failure = StepFailure(Failure.RATE_LIMITED, "the provider limits the rate of calls")
            failure.hold = Held("the same", on="later", wait=300_000)
            raise failure
        return Result(data={})

    with opened(store_url, call, {}) as here:
        run = here.submit(add(here), {"id": "1"}).run
        assert rests(here, run) == "completed"
        held = next(each for each in here.events(run) if isinstance(each.event, StepHeld))
        assert int(held.event.on.removeprefix("until:")) - held.at == pytest.approx(300_000, abs=200_000)


def test_an_open_breaker_lets_nothing_through_until_one_call_has_tried(store_url: str) -> None:
    """Two failures open it; while it is open nothing is asked; the answer of one call closes it for all."""
    down = True

    def call(task: Task, tools: Tools) -> Result:
        attempt = tools.attempts.open(model="reader", request={"of": task.path}, worst=WORST)
        if down:
            attempt.release(Failure.PROVIDER_DOWN, ms=1)
            raise StepFailure(Failure.PROVIDER_DOWN, "it is down")
        attempt.settle(WORST, response={}, resolved="reader", ms=1)
        return Result(data={})

    def asked(run: str) -> int:
        return sum(isinstance(each.event, AttemptIntended) for each in here.events(run))

    with opened(store_url, call, {"breaker": BREAKER}) as here:
        release = add(here)

        def ended(case: str) -> tuple[str, int]:
            run = here.submit(release, {"id": case}).run
            return rests(here, run), asked(run)

        assert [ended(case) for case in "ab"] == [("failed", 1)] * 2
        assert list(opened_gates(here.services.store)) == ["reader"]
        refused = here.submit(release, {"id": "c"}).run
        assert (rests(here, refused), asked(refused)) == ("failed", 0)
        failed = next(each.event for each in here.events(refused) if isinstance(each.event, StepFailed))
        assert failed.failure == "provider_down"
        assert "circuit breaker" in failed.message
        time.sleep(1.0)
        assert ended("d") == ("failed", 1)
        assert ended("e") == ("failed", 0)
        down = False
        time.sleep(1.0)
        assert ended("f") == ("completed", 1)
        assert opened_gates(here.services.store) == {}


PATIENT: Mapping[str, JSON] = {"breaker": BREAKER, "retry": {"at_most": 20_000_000}}


class Endpoint:
    """What a model's calls meet; it is down until it is mended."""

    def __init__(self) -> None:
        self.down = True
        self.calls: list[bool] = []
        self.going = threading.Event()
        """Calls that are answered wait for it."""

    def call(self, task: Task, tools: Tools) -> Result:
        """Make one call."""
        attempt = tools.attempts.open(model="reader", request={"of": task.path}, worst=WORST)
        self.calls.append(self.down)
        if self.down:
            attempt.release(Failure.PROVIDER_DOWN, ms=1)
            raise StepFailure(Failure.PROVIDER_DOWN, "it is down")
        self.going.wait(20)
        attempt.settle(WORST, response={}, resolved="reader", ms=1)
        return Result(data={})

    def breaks(self, here: Stage, release: str) -> None:
        """Open the breaker."""
        for case in ("x", "y"):
            assert rests(here, here.submit(release, {"id": case}).run) == "failed"
        assert list(opened_gates(here.services.store)) == ["reader"]


def comes(there: Callable[[], bool], *, seconds: float = 15.0) -> bool:
    """Tell whether something comes true in time."""
    until = time.monotonic() + seconds
    while not (come := there()) and time.monotonic() < until:
        time.sleep(0.02)
    return come


def held(here: Stage, run: str) -> list[StepHeld]:
    """Return what a run waited for."""
    return [each.event for each in here.events(run) if isinstance(each.event, StepHeld)]


def test_after_an_outage_one_call_tries_and_all_others_wait_for_what_comes_of_it(store_url: str) -> None:
    """Nobody who did nothing wrong dies of it, and nobody is asked before the one call was answered."""
    endpoint = Endpoint()
    with opened(store_url, endpoint.call, PATIENT) as here:
        release = add(here)
        endpoint.breaks(here, release)
        endpoint.down = False
        runs = [here.submit(release, {"id": str(n)}).run for n in range(6)]
        assert comes(lambda: len(endpoint.calls) == 3)
        assert comes(lambda: sum(here.row(run).state == "waiting" for run in runs) == 5)
        assert len(endpoint.calls) == 3
        endpoint.going.set()
        assert [rests(here, run) for run in runs] == ["completed"] * 6
        assert {each.on for run in runs for each in held(here, run)} == {"breaker:reader"}
        assert opened_gates(here.services.store) == {}


def test_a_handler_that_tries_again_does_not_spend_its_tries_on_an_open_breaker(store_url: str) -> None:
    """A wait is no failure: after the outage each of them is still there."""
    endpoint = Endpoint()
    endpoint.going.set()
    retries = {Failure.PROVIDER_DOWN: Handler(kind="retry", times=2)}
    with opened(store_url, endpoint.call, PATIENT) as here:
        endpoint.breaks(here, add(here))
        node = scripted("call", conduct="external", on=retries)
        run = here.submit(here.add(make_release([node], workflow="beta")), {"id": "1"}).run
        assert comes(lambda: bool(held(here, run)))
        endpoint.down = False
        assert rests(here, run) == "completed"
        assert not any(isinstance(each.event, StepFailed) for each in here.events(run))


def test_a_step_waits_for_a_breaker_no_longer_than_its_policy_says(store_url: str) -> None:
    """Not at all for a pause that is longer, and over several pauses no longer together."""
    endpoint, facts = Endpoint(), {"retry": {"at_most": 1_500_000}}
    with opened(store_url, endpoint.call, {**facts, "breaker": {**BREAKER, "pause": 60_000_000}}) as here:
        release = add(here)
        endpoint.breaks(here, release)
        run = here.submit(release, {"id": "1"}).run
        assert (rests(here, run), held(here, run)) == ("failed", [])
        failed = next(each.event for each in here.events(run) if isinstance(each.event, StepFailed))
        assert "circuit breaker is open for another" in failed.message


def test_a_step_that_is_never_the_one_that_tries_fails_when_it_has_waited_long_enough(store_url: str) -> None:
    """However often others open the breaker again meanwhile: the end of its wait stays the same."""
    endpoint = Endpoint()
    with opened(store_url, endpoint.call, {"breaker": BREAKER, "retry": {"at_most": 1_500_000}}) as here:
        release = add(here)
        endpoint.breaks(here, release)
        run = here.submit(release, {"id": "1"}).run
        assert comes(lambda: bool(held(here, run)))
        while here.row(run).state == "waiting":
            open_gate(here.services.store, "reader", pause=600_000)
            time.sleep(0.05)
        assert rests(here, run) == "failed"
        assert len({each.until for each in held(here, run)}) == 1
        assert len(endpoint.calls) == 2


def test_a_call_that_tries_and_never_answers_keeps_nobody_for_longer_than_a_pause(store_url: str) -> None:
    """Its worker may be dead: the next one tries, and its answer frees all others."""
    endpoint = Endpoint()
    with opened(store_url, endpoint.call, PATIENT) as here:
        release = add(here)
        endpoint.breaks(here, release)
        endpoint.down = False
        first, second = (here.submit(release, {"id": case}).run for case in "12")
        assert comes(lambda: len(endpoint.calls) == 4)
        endpoint.going.set()
        assert [rests(here, run) for run in (first, second)] == ["completed"] * 2


def test_a_run_that_waits_for_a_breaker_can_be_cancelled_and_stopped(store_url: str) -> None:
    """As any other that waits."""
    endpoint = Endpoint()
    endpoint.going.set()
    with opened(store_url, endpoint.call, {**PATIENT, "breaker": {**BREAKER, "pause": 3_000_000}}) as here:
        release = add(here)
        endpoint.breaks(here, release)
        first, second = (here.submit(release, {"id": case}).run for case in "12")
        assert comes(lambda: {here.row(run).state for run in (first, second)} == {"waiting"})
        cancel(here.services, "default", first, actor="ann", reason="no longer wanted")
        assert comes(lambda: here.row(first).state == "cancelled", seconds=2)
        said(here, StopSet(kind="workflow", name="alpha", actor="ann", reason="wrong"))
        endpoint.down = False
        assert comes(lambda: here.row(second).state == "queued")
        assert not comes(lambda: len(endpoint.calls) > 2, seconds=0.5)
        said(here, StopLifted(kind="workflow", name="alpha", actor="ann", reason="right again"))
        assert rests(here, second) == "completed"


def test_no_call_of_a_cancelled_run_leaves_however_busy_the_loop_is(store_url: str) -> None:
    """The loop is held up by another run, and comes to the cancellation only later."""
    begun, may_call, busy, free, refused = (threading.Event() for _ in range(5))

    def call(task: Task, tools: Tools) -> Result:
        begun.set()
        may_call.wait(20)
        try:
            tools.attempts.open(model="reader", request={"of": task.path}, worst=WORST)
        except LimitReached:
            refused.set()
            raise
        return Result(data={})

    def block(_task: Task, _tools: Tools) -> Result:
        busy.set()
        free.wait(20)
        return Result(data={})

    with stage(store_url, {"call": call, "block": block}, keys=KEYS, pace=Pace(beat=0.1)) as here:
        run = here.submit(add(here), {"id": "1"}).run
        assert begun.wait(10)
        here.submit(here.add(make_release([scripted("block")], workflow="beta")), {"id": "1"})
        assert busy.wait(10)
        cancel(here.services, "default", run, actor="ann", reason="no longer wanted")
        may_call.set()
        was_refused = refused.wait(5)
        free.set()
        assert was_refused
        assert here.rest(run).state == "cancelled"
        assert not [each for each in here.events(run) if isinstance(each.event, AttemptIntended)]
