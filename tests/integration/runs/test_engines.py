"""One suite for every engine on every store: what a run promises does not depend on where it executes."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from threading import Event, Lock
from typing import Any, cast

import pytest

from aie.core import JSON, Labels, Limits, Spend
from aie.errors import Conflict, Failure, IdempotencyConflict, StepFailure
from aie.layers import Deliverer, Delivery, EffectRequest, Outcome, Result, ReviewRequest, Task, Tools
from aie.records import MemoryKeys, RunRow, rebuild
from aie.records.events import (
    AttemptSettled,
    EffectDelivered,
    ReviewDecided,
    ReviewOpened,
    RunFinished,
    RunNeedsRuntime,
    SegmentQueued,
    SegmentStarted,
    StepFinished,
    StepSkipped,
)
from aie.releases import Handler
from aie.runs import Pace, cancel, decide_review, migrate, retry
from aie.testing.stage import Act, Stage, make_release, scripted, stage

Open = Callable[..., AbstractContextManager[Stage]]

SHOWN: JSON = {"fields": {"label": {"value": "a"}}, "answer": {"type": "object"}}


@pytest.fixture(params=["local", "dbos"])
def opened(request: pytest.FixtureRequest, store_url: str) -> Open:
    """Open a stage on this engine and store; several times for several workers."""

    def open_(acts: Mapping[str, Act], **options: Any) -> AbstractContextManager[Stage]:
        return stage(store_url, acts, engine=request.param, **options)

    return open_


def give(data: JSON) -> Act:
    return lambda _task, _tools: Result(data=data)


def nulls(task: Task, _tools: Tools) -> Outcome:
    """Give what was read: a skipped step reads as null."""
    return Result(data={name: value.data for name, value in task.inputs.items()})


def called(task: Task, tools: Tools) -> Outcome:
    """Make one call of 10 micro-USD."""
    attempt = tools.attempts.open(model="m", request={"path": task.path}, worst=Spend(cost=20, tokens=20, calls=1))
    if attempt.recorded is None:
        attempt.settle(Spend(cost=10, tokens=10, calls=1), response="ok", resolved="m-1", ms=1)
    return Result(data="called")


def ask(_task: Task, _tools: Tools) -> Outcome:
    return ReviewRequest(desk="desk", why="always", shown=SHOWN)


def kinds(at: Stage, run: str) -> list[str]:
    return [each.event.type for each in at.events(run)]


def opened_review(at: Stage, run: str) -> ReviewOpened:
    return next(each.event for each in reversed(at.events(run)) if isinstance(each.event, ReviewOpened))


def decision(
    review: ReviewOpened, *, actor: str = "bob", shown_hash: str = "", verdict: str = "approve"
) -> ReviewDecided:
    return ReviewDecided(
        review=review.review,
        path=review.path,
        actor=actor,
        decision=verdict,
        shown_hash=shown_hash or review.shown_hash,
        values={"label": "a"},
    )


def test_a_run_completes_with_its_result(opened: Open) -> None:
    """Branches, a condition that is false and reads as null, a map, and a result from all of them."""
    acts = {
        "a": give({"n": 1}),
        "b": give("b"),
        "never": give(0),
        "nulls": nulls,
        "x": lambda task, _: Result(data=task.config["do"]),
    }
    nodes = [
        scripted("a"),
        scripted("b", "a"),
        scripted("never", "a", condition="a.n > 1"),
        scripted("late", "never", do="nulls"),
        scripted("each", over="input.items", body=[scripted("x")]),
    ]
    with opened(acts) as at:
        release = at.add(
            make_release(nodes, result={"n": "a.n", "never": "never", "late": "late", "items": "size(each)"})
        )
        run = at.submit(release, {"id": "1", "items": ["p", "q"]}).run
        assert at.rest(run).state == "completed"
        ended = at.events(run)[-2].event
        assert isinstance(ended, RunFinished)
        assert ended.output == {"n": 1, "never": None, "late": {"never": None}, "items": 2}
        assert [each.event.path for each in at.events(run) if isinstance(each.event, StepSkipped)] == ["never"]


@pytest.mark.parametrize("key", ["", "x" * 1001, "a\0b", None, [], "same"])
def test_a_key_of_an_item_that_names_nothing_fails_its_map(opened: Open, key: JSON) -> None:
    """It is part of the paths of the item's steps; the run fails with a class and is not tried again and again."""
    each = scripted("each", over="input.items", body=[scripted("x")])
    assert each.map is not None
    keyed = replace(each, map=replace(each.map, key="item.key"))
    with opened({"x": give(1)}) as at:
        release = at.add(make_release([keyed]))
        run = at.rest(at.submit(release, {"id": "1", "items": [{"key": key}, {"key": "same"}]}).run)
        assert (run.state, run.failure, run.failed_path, run.epoch) == ("failed", "invalid_input", "each", 1)
        odd: list[JSON] = [{"key": key} for key in ("a[0]", "a/b", "~1", "]", "é", ".", "'", "{{1}}", 7)]
        assert at.rest(at.submit(release, {"id": "2", "items": odd}).run).state == "completed"


def test_the_same_submission_is_one_run(opened: Open) -> None:
    """By its case, or by the caller's key; another input under either is a conflict."""
    with opened({"a": give(1)}) as at:
        release = at.add(make_release([scripted("a")]))
        first = at.submit(release, {"id": "1"})
        again = at.submit(release, {"id": "1"})
        assert (again.run, again.repeated) == (first.run, True)
        with pytest.raises(Conflict, match="the case has run"):
            at.submit(release, {"id": "1", "more": 1})
        other = at.submit(release, {"id": "1", "more": 1}, relation="supersede")
        assert other.run != first.run
        at.submit(release, {"id": "2"}, key="k")
        with pytest.raises(IdempotencyConflict):
            at.submit(release, {"id": "3"}, key="k")


def test_what_a_call_cost_is_counted_and_its_limit_holds(opened: Open) -> None:
    """Reserved at its worst case, settled at what it used."""
    nodes = [scripted(name, do="call", conduct="external") for name in ("a", "b", "c")]
    with opened({"call": called}) as at:
        free = at.rest(at.submit(at.add(make_release(nodes)), {"id": "1"}).run)
        assert (free.state, free.spend) == ("completed", '{"calls":3,"cost":30,"tokens":30}')
        tight = make_release(nodes, limits=Limits(cost=39), workflow="tight")
        bound = at.rest(at.submit(at.add(tight), {"id": "1"}).run)
        assert (bound.state, bound.failure) == ("failed", "limit_reached")
        spent = sum(each.event.spend["cost"] for each in at.events(bound.id) if isinstance(each.event, AttemptSettled))
        assert spent <= 39


def test_a_person_decides_once(opened: Open) -> None:
    """A stale page and a second decision are conflicts; the run goes on with the first."""
    with opened({"ask": ask, "end": give(2)}) as at:
        release = at.add(make_release([scripted("ask", conduct="human"), scripted("end", "ask")], result={"r": "ask"}))
        run = at.submit(release, {"id": "1"}).run
        assert at.rest(run).state == "waiting"
        review = opened_review(at, run)
        with pytest.raises(Conflict, match="not the one shown"):
            decide_review(at.services, "default", run, decision(review, shown_hash="sha256:other"))
        decide_review(at.services, "default", run, decision(review))
        with pytest.raises(Conflict, match="is decided by bob"):
            decide_review(at.services, "default", run, decision(review, actor="eve"))
        assert at.rest(run).state == "completed"
        assert [each.event.segment for each in at.events(run) if isinstance(each.event, SegmentStarted)] == [1, 2]


def test_a_review_that_nobody_decides_expires(opened: Open) -> None:
    """Then its handler decides; a decision that comes later is refused."""

    def urgent(_task: Task, _tools: Tools) -> Outcome:
        return ReviewRequest(desk="desk", why="always", shown=SHOWN, due_in=1)

    handlers = {Failure.REVIEW_EXPIRED: Handler(kind="default", value="nobody")}
    with opened({"ask": urgent}) as at:
        release = make_release([scripted("ask", conduct="human", on=handlers)], result={"r": "ask"})
        run = at.submit(at.add(release), {"id": "1"}).run
        assert _output(at, run) == {"r": "nobody"}
        with pytest.raises(Conflict, match="is expired"):
            decide_review(at.services, "default", run, decision(opened_review(at, run)))


def test_a_decision_during_a_running_segment_queues_the_next_one(opened: Open) -> None:
    """The closing transaction sees that something arrived."""
    going, decided = Event(), Event()

    def slow(_task: Task, _tools: Tools) -> Outcome:
        going.set()
        decided.wait(10)
        return Result(data=1)

    with opened({"ask": ask, "call": called, "slow": slow}) as at:
        nodes = [
            scripted("ask", conduct="human"),
            scripted("call", conduct="external"),
            scripted("slow", "call", conduct="slow"),
        ]
        run = at.submit(at.add(make_release(nodes)), {"id": "1"}).run
        assert going.wait(10)
        decide_review(at.services, "default", run, decision(opened_review(at, run)))
        assert at.row(run).wake
        decided.set()
        assert at.rest(run).state == "completed"
        whys = [each.event.why for each in at.events(run) if isinstance(each.event, SegmentQueued)]
        assert whys == ["submitted", "woken"]


def test_a_cancelled_run_ends_cancelled(opened: Open) -> None:
    """Waiting, or with a step under way; an ended run cannot be cancelled."""
    going, ended = Event(), Event()

    def slow(_task: Task, _tools: Tools) -> Outcome:
        going.set()
        ended.wait(10)
        return Result(data=1)

    with opened({"ask": ask, "slow": slow, "after": give(1)}) as at:
        waiting = at.submit(at.add(make_release([scripted("ask", conduct="human")])), {"id": "1"}).run
        assert at.rest(waiting).state == "waiting"
        cancel(at.services, "default", waiting, actor="ann", reason="")
        assert at.rest(waiting).state == "cancelled"
        with pytest.raises(Conflict, match="has ended"):
            cancel(at.services, "default", waiting, actor="ann", reason="")
        release = at.add(make_release([scripted("slow", conduct="slow"), scripted("after", "slow")], workflow="w2"))
        running = at.submit(release, {"id": "1"}).run
        assert going.wait(10)
        cancel(at.services, "default", running, actor="ann", reason="")
        ended.set()
        assert at.rest(running).state == "cancelled"
        assert "after" not in [each.event.path for each in at.events(running) if isinstance(each.event, StepFinished)]


def effect(task: Task, _tools: Tools) -> Outcome:
    return EffectRequest(receiver="receiver:r", semantics="idempotent", body={"n": 1}, identity={"n": 1})


def once(task: Task, _tools: Tools) -> Outcome:
    return EffectRequest(receiver="receiver:r", semantics="at_most_once", body={"n": 1}, identity={"n": 1})


def reconciled(task: Task, _tools: Tools) -> Outcome:
    return EffectRequest(receiver="receiver:r", semantics="reconcile", body={"n": 1}, identity={"n": 1})


def test_an_effect_reaches_its_receiver_under_one_key(opened: Open) -> None:
    """A receiver that is down is tried again by the outbox, under the same key."""
    lock, keys = Lock(), list[str]()

    def receive(delivery: Delivery) -> JSON:
        with lock:
            keys.append(delivery.key)
            if len(keys) == 1:
                raise StepFailure(Failure.RECEIVER_DOWN, "no one there")
            return {"took": delivery.body}

    with opened({"pay": effect}, receive=receive) as at:
        release = at.add(make_release([scripted("pay", conduct="effect")], result={"receipt": "pay"}))
        run = at.submit(release, {"id": "1"}).run
        assert at.rest(run).state in ("waiting", "completed")
        while at.row(run).state != "completed":
            at.rest(run)
            Event().wait(0.05)
        assert len(keys) == 2
        assert len(set(keys)) == 1
        delivered = [each.event for each in at.events(run) if isinstance(each.event, EffectDelivered)]
        assert [each.attempt for each in delivered] == [2]


def test_each_delivery_has_the_labels_of_what_its_step_read(opened: Open) -> None:
    """The first one by the segment, a later one by the outbox of whoever comes next; items of maps have the list's."""
    read: list[tuple[str, Labels]] = []
    down = [True]

    class Receiver:
        def deliver(self, delivery: Delivery, tools: Tools) -> JSON:
            read.append((str(delivery.config["do"]), tools.labels))
            if down[0]:
                raise StepFailure(Failure.RECEIVER_DOWN, "no one there")
            return {}

        def reconcile(self, delivery: Delivery, tools: Tools) -> JSON | None:
            return None

    health = Labels(classes=frozenset({"health"}), regions=frozenset({"eu"}))
    acts = {"a": lambda _task, _tools: Result(data=["x"], labels=health), "pay": effect, "each": effect}
    nodes = [
        scripted("a"),
        scripted("pay", "a", conduct="effect"),
        scripted("items", "a", over="a", body=[scripted("each", conduct="effect")]),
    ]
    release = make_release(nodes)
    keys = MemoryKeys(b"stage" * 8)
    with opened(acts, receive=lambda _: None, keys=keys, pace=Pace(lease=300_000, beat=3_600)) as at:
        cast("dict[str, Deliverer]", at.services.deliverers)["check"] = Receiver()
        run = at.submit(at.add(release), {"id": "1"}).run
        assert at.rest(run).state == "waiting"
        while len(read) < 2:
            Event().wait(0.02)
    assert sorted(read, key=lambda each: each[0]) == [("each", health), ("pay", health)]
    read.clear()
    down[0] = False
    with opened(acts, receive=lambda _: None, keys=keys) as at:
        cast("dict[str, Deliverer]", at.services.deliverers)["check"] = Receiver()
        at.add(release)
        while at.row(run).state != "completed":
            Event().wait(0.02)
    assert sorted(read, key=lambda each: each[0]) == [("each", health), ("pay", health)]


@pytest.mark.parametrize("failure", [Failure.RECEIVER_REFUSED, Failure.DELIVERY_UNKNOWN])
def test_an_effect_that_failed_for_good_is_owed_anew_when_its_run_is_retried(opened: Open, failure: Failure) -> None:
    """Under the same key; the row of the outbox is the same, live and rebuilt."""
    broken, keys = [True], list[str]()

    def receive(delivery: Delivery) -> JSON:
        keys.append(delivery.key)
        if broken[0]:
            raise StepFailure(failure, "no")
        return {"took": delivery.body}

    with opened({"pay": once}, receive=receive) as at:
        release = at.add(make_release([scripted("pay", conduct="effect")], result={"receipt": "pay"}))
        run = at.submit(release, {"id": "1"}).run
        assert (at.rest(run).state, at.row(run).failure) == ("failed", failure.value)
        broken[0] = False
        retry(at.services, "default", run, actor="ann")
        ended = at.rest(run)
        if failure is Failure.DELIVERY_UNKNOWN:  # it takes each effect once, and nobody knows whether it did
            assert (ended.state, ended.failure, len(keys)) == ("failed", "delivery_unknown", 1)
            return
        assert (ended.state, ended.effects) == ("completed", 1)
        assert keys == [keys[0]] * 2
        rows = at.services.store.effects()
        assert [(row.state, row.attempts) for row in rows] == [("delivered", 1)]
        rebuild(at.services.store)
        assert at.services.store.effects() == rows


def test_a_retried_effect_asks_a_receiver_that_reconciles_first(opened: Open) -> None:
    """An earlier try may have reached it."""
    calls = list[str]()

    class Receiver:
        def deliver(self, delivery: Delivery, tools: Tools) -> JSON:
            calls.append("deliver")
            raise StepFailure(Failure.RECEIVER_REFUSED, "no")

        def reconcile(self, delivery: Delivery, tools: Tools) -> JSON | None:
            calls.append("ask")
            return {"took": 1}

    with opened({"pay": reconciled}, receive=lambda _: None) as at:
        cast("dict[str, Deliverer]", at.services.deliverers)["check"] = Receiver()
        release = at.add(make_release([scripted("pay", conduct="effect")], result={"receipt": "pay"}))
        run = at.submit(release, {"id": "1"}).run
        assert at.rest(run).state == "failed"
        retry(at.services, "default", run, actor="ann")
        assert at.rest(run).state == "completed"
        assert calls == ["deliver", "ask"]


def test_a_second_run_of_a_case_says_what_it_is_to_the_first(opened: Open) -> None:
    """Also under a key of its own; and whatever its origin, it never asks twice for one effect."""
    with opened({"pay": effect}, receive=lambda _: "took") as at:
        release = at.add(make_release([scripted("pay", conduct="effect")], result={"receipt": "pay"}))
        first = at.submit(release, {"id": "1"}, key="k1").run
        assert at.rest(first).state == "completed"
        assert at.submit(release, {"id": "1"}, key="k1").run == first
        with pytest.raises(Conflict, match=f"the case has run {first} already"):
            at.submit(release, {"id": "1"}, key="k2")
        assert at.rest(at.submit(release, {"id": "1"}, key="k3", relation="duplicate").run).state == "completed"
        unsaid = at.rest(at.submit(release, {"id": "1"}).run)
        assert (unsaid.state, unsaid.failure, unsaid.failed_path) == ("failed", "receiver_refused", "pay")


def test_a_failed_run_goes_on_from_its_failed_step_when_retried(opened: Open) -> None:
    """What was done is not done again."""
    broken, done = [True], list[str]()

    def first(_task: Task, _tools: Tools) -> Outcome:
        done.append("first")
        return Result(data=1)

    def second(_task: Task, _tools: Tools) -> Outcome:
        if broken[0]:
            raise StepFailure(Failure.PROVIDER_DOWN, "down")
        return Result(data=2)

    with opened({"first": first, "second": second}) as at:
        nodes = [scripted("first", conduct="slow"), scripted("second", "first", conduct="slow")]
        run = at.submit(at.add(make_release(nodes)), {"id": "1"}).run
        row = at.rest(run)
        assert (row.state, row.failure, row.failed_path) == ("failed", "provider_down", "second")
        broken[0] = False
        retry(at.services, "default", run, actor="ann")
        assert at.rest(run).state == "completed"
        assert done == ["first"]


def test_a_retried_run_opens_the_reviews_that_its_end_withdrew(opened: Open) -> None:
    """Somebody can decide again, and the run ends."""
    broken = [True]

    def second(_task: Task, _tools: Tools) -> Outcome:
        if broken[0]:
            raise StepFailure(Failure.PROVIDER_DOWN, "down")
        return Result(data=2)

    with opened({"ask": ask, "second": second}) as at:
        nodes = [scripted("ask", conduct="human"), scripted("second", conduct="slow")]
        run = at.submit(at.add(make_release(nodes, result={"r": "ask"})), {"id": "1"}).run
        assert at.rest(run).state == "failed"
        withdrawn = opened_review(at, run)
        broken[0] = False
        retry(at.services, "default", run, actor="ann")
        while at.row(run).state != "waiting":
            Event().wait(0.02)
        with pytest.raises(Conflict, match="is withdrawn"):
            decide_review(at.services, "default", run, decision(withdrawn))
        decide_review(at.services, "default", run, decision(opened_review(at, run)))
        assert _output(at, run) == {"r": {"label": "a"}}


def test_a_bug_in_a_layer_is_a_failure_of_its_run(opened: Open) -> None:
    """Not of the worker: the next run is executed."""

    def bug(_task: Task, _tools: Tools) -> Outcome:
        raise ZeroDivisionError("oops")

    with opened({"bug": bug, "a": give(1)}) as at:
        run = at.submit(at.add(make_release([scripted("bug")])), {"id": "1"}).run
        assert (at.rest(run).state, at.row(run).failure) == ("failed", "internal")
        fine = at.submit(at.add(make_release([scripted("a")], workflow="w2")), {"id": "1"}).run
        assert at.rest(fine).state == "completed"


def test_a_run_is_never_executed_on_another_layer_version(opened: Open) -> None:
    """It says which it needs, waits for a worker that has it, or is migrated in the open."""
    release = make_release([scripted("ask", conduct="human"), scripted("end", "ask", do="end")], result={"r": "end"})
    with opened({"ask": ask, "end": give("old")}) as at:
        at.add(release)
        runs = [at.submit(release.id, {"id": str(number)}).run for number in range(2)]
        for run in runs:
            assert at.rest(run).state == "waiting"
    with opened({"ask": ask, "end": give("new")}, version=2) as at:
        at.add(release)
        for run in runs:
            decide_review(at.services, "default", run, decision(opened_review(at, run)))
            assert at.rest(run).state == "needs_runtime"
        needs = [each.event for each in at.events(runs[0]) if isinstance(each.event, RunNeedsRuntime)]
        assert (needs[0].needs, needs[0].provided) == ({"check": 1}, {"check": 2})
        migrate(at.services, "default", runs[1], actor="ann", reason="tested side by side")
        assert _output(at, runs[1]) == {"r": "new"}
    with opened({"ask": ask, "end": give("old")}) as at:
        at.add(release)
        assert _output(at, runs[0]) == {"r": "old"}


def _output(at: Stage, run: str) -> JSON:
    while at.row(run).state != "completed":
        Event().wait(0.02)
    return next(each.event.output for each in reversed(at.events(run)) if isinstance(each.event, RunFinished))


def test_another_worker_goes_on_where_a_dead_one_stopped(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lease runs out, the run is claimed under a new epoch, the settled call is not made again."""
    calls, stuck = list[str](), Event()

    def call(task: Task, tools: Tools) -> Outcome:
        attempt = tools.attempts.open(model="m", request={}, worst=Spend(cost=20, calls=1))
        if attempt.recorded is None:
            calls.append(task.path)
            attempt.settle(Spend(cost=10, calls=1), response="answer", resolved="m-1", ms=1)
        return Result(data="called")

    def hang(_task: Task, tools: Tools) -> Outcome:
        tools.attempts.open(model="m", request={}, worst=Spend(cost=20, calls=1))
        stuck.set()
        Event().wait(1.0)
        return Result(data=1)

    nodes = [scripted("call", conduct="external"), scripted("hang", "call", conduct="external")]
    release = make_release(nodes)
    quick = Pace(lease=300_000, beat=0.05)
    with opened({"call": call, "hang": hang}, pace=quick) as first:
        monkeypatch.setattr(first.worker, "_beat", lambda: None)
        monkeypatch.setattr("aie.runs.worker.renew_lease", _only_for_others(first))
        first.add(release)
        run = first.submit(release.id, {"id": "1"}).run
        assert stuck.wait(10)
        second_acts = {"call": call, "hang": give(2)}
        with opened(second_acts, pace=quick) as second:
            second.add(release)
            assert second.rest(run).state == "completed"
            epochs = [each.event.epoch for each in second.events(run) if isinstance(each.event, SegmentStarted)]
            assert epochs == [1, 2]
            settled = [each.event.outcome for each in second.events(run) if isinstance(each.event, AttemptSettled)]
            assert settled == ["settled", "forfeited"]
            assert calls == ["call"]
            row: RunRow = second.row(run)
            assert row.spend == '{"calls":2,"cost":30,"tokens":0}'


def _only_for_others(first: Stage) -> Callable[..., int]:
    """Renew every lease but the first stage's: it looks dead while it lives."""
    from aie.records import renew_lease

    def renew(store: Any, executor: str, *, ttl: int) -> int:
        return 0 if executor == first.services.executor else renew_lease(store, executor, ttl=ttl)

    return renew
