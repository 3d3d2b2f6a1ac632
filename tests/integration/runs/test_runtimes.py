"""Layer versions: a run goes on with those of its lock, or with those that somebody moved it to, and with no others."""

from collections.abc import Mapping
from threading import Event
from typing import Any

from aie.core import JSON, SystemClock
from aie.errors import Failure, StepFailure
from aie.layers import Delivery, EffectRequest, Outcome, Result, ReviewRequest, Task, Tools
from aie.records.events import (
    EffectAttempted,
    ReviewDecided,
    ReviewOpened,
    RunFinished,
    RunNeedsRuntime,
    SegmentClosed,
    StepFinished,
)
from aie.runs import Pace, cancel, decide_review, migrate
from aie.testing.stage import Act, Stage, make_release, scripted, stage

ENDED = {"completed", "failed", "cancelled", "dead"}


def ask(task: Task, _tools: Tools) -> Outcome:
    return ReviewRequest(desk="desk", why="always", shown={"path": task.path})


def says(word: str) -> Mapping[str, Act]:
    """Return the acts of one version of the layer."""
    return {"ask": ask, "end": lambda *_: Result(data=word)}


def approve(at: Stage, run: str, path: str) -> None:
    opened = [each.event for each in at.events(run) if isinstance(each.event, ReviewOpened)]
    review = next(each for each in opened if each.path == path)
    decided: dict[str, Any] = {"review": review.review, "path": path, "shown_hash": review.shown_hash}
    decide_review(
        at.services, "default", run, ReviewDecided(actor="bob", decision="approve", values={}, reason="", **decided)
    )


def until(at: Stage, run: str, state: str) -> None:
    """Wait until the run is in a state, however often it rests before; a run that ended otherwise fails the test."""
    while (found := at.rest(run).state) != state:
        assert found not in ENDED, f"the run is {found}, not {state}"
        Event().wait(0.02)


def test_a_run_that_was_moved_is_not_taken_back_by_an_older_worker(store_url: str) -> None:
    """Its release would be served there, but somebody moved it to newer layers: it says so and waits."""
    nodes = [
        scripted("first", do="ask", conduct="human"),
        scripted("second", "first", do="ask", conduct="human"),
        scripted("end", "second"),
    ]
    release = make_release(nodes, result={"said": "end"})
    with stage(store_url, says("old")) as older:
        older.add(release)
        run = older.submit(release.id, {"id": "1"}).run
        until(older, run, "waiting")
    with stage(store_url, says("new"), version=2) as newer:
        newer.add(release)
        approve(newer, run, "first")
        until(newer, run, "needs_runtime")
        migrate(newer.services, "default", run, actor="ann", reason="tested side by side")
        until(newer, run, "waiting")
    with stage(store_url, says("old")) as older:
        older.add(release)
        approve(older, run, "second")
        until(older, run, "needs_runtime")
        last = [each.event for each in older.events(run)][-2:]
        assert isinstance(last[0], RunNeedsRuntime)
        assert isinstance(last[1], SegmentClosed)
        assert (last[0].needs, last[0].provided) == ({"check": 2}, {"check": 1})
        ended = {each.event.path for each in older.events(run) if isinstance(each.event, StepFinished)}
        assert "end" not in ended
    with stage(store_url, says("new"), version=2) as newer:
        newer.add(release)
        until(newer, run, "completed")
        outputs = [each.event.output for each in newer.events(run) if isinstance(each.event, RunFinished)]
        assert outputs == [{"said": "new"}]


class _Later(SystemClock):
    """A minute from now: what waits for its next try is due."""

    def now(self) -> int:
        return super().now() + 60_000_000


def test_an_effect_is_never_delivered_by_another_layer_version(store_url: str) -> None:
    """What a receiver that was down has not got yet, the version that owes it delivers; the run says what it needs."""
    down, got = [True], list[str]()

    def receiver(version: str) -> Any:
        def receive(_delivery: Delivery) -> JSON:
            if down[0]:
                raise StepFailure(Failure.RECEIVER_DOWN, "no one there")
            got.append(version)
            return {"took": version}

        return receive

    def pay(_task: Task, _tools: Tools) -> Outcome:
        return EffectRequest(receiver="receiver:r", semantics="idempotent", body={"n": 1}, identity={"n": 1})

    release = make_release([scripted("pay", conduct="effect")], result={"receipt": "pay"})
    with stage(store_url, {"pay": pay}, receive=receiver("old")) as older:
        older.add(release)
        run = older.submit(release.id, {"id": "1"}).run
        until(older, run, "waiting")
    down[0] = False
    with stage(store_url, {"pay": pay}, receive=receiver("new"), version=2, clock=_Later()) as newer:
        newer.add(release)
        until(newer, run, "needs_runtime")
        tries = [each.event.attempt for each in newer.events(run) if isinstance(each.event, EffectAttempted)]
        assert (tries, got) == ([1], [])
        assert newer.services.store.due_effects() == ()
    with stage(store_url, {"pay": pay}, receive=receiver("old"), clock=_Later()) as older:
        older.add(release)
        until(older, run, "completed")
    assert got == ["old"]


def test_runs_that_lack_their_runtime_hide_no_others_behind_them(store_url: str) -> None:
    """A worker that takes one run at a time still finds the one that it can serve."""
    nodes = [scripted("end")]
    beyond, ours = (make_release(nodes, workflow=f"w{version}", runtime={"check": version}) for version in (3, 1))
    with stage(store_url, says("new"), version=2) as newer:
        runs = [newer.submit(newer.add(release), {"id": "1"}).run for release in (beyond, ours)]
        for run in runs:
            until(newer, run, "needs_runtime")
    with stage(store_url, says("old"), pace=Pace(capacity=1, beat=0.02)) as older:
        for release in (beyond, ours):
            older.add(release)
        until(older, runs[1], "completed")
        assert older.row(runs[0]).state == "needs_runtime"


def test_a_run_that_lacks_its_runtime_can_be_cancelled(store_url: str) -> None:
    """To stop it no layer is needed, and none runs."""
    release = make_release([scripted("end")], runtime={"check": 3})
    with stage(store_url, says("new"), version=2) as at:
        run = at.submit(at.add(release), {"id": "1"}).run
        until(at, run, "needs_runtime")
        cancel(at.services, "default", run, actor="ann", reason="not any more")
        until(at, run, "cancelled")
        assert not [each for each in at.events(run) if isinstance(each.event, StepFinished)]
