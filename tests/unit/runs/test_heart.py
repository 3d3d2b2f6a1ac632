"""The heart: what follows from what happened, without a clock, a store or a layer."""

import random
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aie.core import Limits, Spend
from aie.errors import Failure
from aie.records.events import (
    AttemptIntended,
    AttemptSettled,
    EffectDelivered,
    EffectFailed,
    EffectQueued,
    Event,
    MapExpanded,
    ReviewDecided,
    ReviewExpired,
    ReviewOpened,
    RunCancelRequested,
    RunFinished,
    RunRetried,
    RunWaiting,
    SegmentClosed,
    SegmentQueued,
    SegmentStarted,
    StepFailed,
    StepFinished,
    StepHeld,
    StepSkipped,
)
from aie.releases import Handler, MapPlan, Node, Plan
from aie.runs.heart import IDLE_CLAIMS, admit, advance, claims_in_vain, fold, withdraw
from aie.runs.paths import Index, index_plan, item_path
from aie.runs.state import (
    Command,
    CompleteEffect,
    ExpandMap,
    Finish,
    Forfeit,
    GatherMap,
    OpenReview,
    ResolveReview,
    RunStep,
    State,
    Status,
    UseDefault,
    Wait,
)

LABELS = {"classes": [], "regions": None, "integrity": "trusted"}


def node(name: str, *needs: str, conduct: str = "pure", body: tuple[Node, ...] = (), **on: Handler) -> Node:
    return Node(
        name=name,
        layer="check",
        conduct=conduct,  # type: ignore[arg-type]
        needs=needs,
        map=MapPlan(over="input.items", as_="item", key=None, at_most=100, nodes=body) if body else None,
        handlers={Failure(failure): handler for failure, handler in on.items()},
    )


def plan(*nodes: Node, limits: Limits | None = None) -> Index:
    return index_plan(
        Plan(
            workflow="w",
            case="input.id",
            subject=None,
            search={},
            risk="low",
            limits=limits or Limits(),
            result={},
            input_schema="",
            output_schema="",
            nodes=nodes,
        )
    )


def started(epoch: int = 1, segment: int = 1) -> SegmentStarted:
    return SegmentStarted(segment=segment, epoch=epoch, executor="x", runtime={}, engine="local")


def finished(path: str) -> StepFinished:
    return StepFinished(path=path, ref="", labels=LABELS, reads={}, ms=0, cpu_us=0, output={}, cites=[])  # type: ignore[arg-type]


def failed(path: str, failure: Failure = Failure.TIMEOUT) -> StepFailed:
    return StepFailed(path=path, failure=failure.value, message="")


def after(index: Index, *events: Event) -> tuple[State, tuple[Command, ...]]:
    return fold(index, ((event, at) for at, event in enumerate(events)))


def paths(commands: Iterable[Command]) -> list[str]:
    return [command.path for command in commands if isinstance(command, RunStep)]


def test_a_claim_runs_every_step_that_needs_nothing() -> None:
    """Parallel branches begin together."""
    _, commands = after(plan(node("a"), node("b"), node("c", "a", "b")), started())
    assert paths(commands) == ["a", "b"]


HELD = StepHeld(path="a", on="stop:workflow:w", why="stopped")


def test_a_held_step_lets_the_others_end_and_then_the_run_waits() -> None:
    """It holds no thread: the segment closes as for a person."""
    index = plan(node("a"), node("b"))
    assert after(index, started(), HELD)[1] == ()
    assert after(index, started(), HELD, finished("b"))[1] == (Wait(reviews=(), effects=(), held=(HELD,)),)


def test_the_next_claim_tries_a_held_step_again() -> None:
    """As often as it takes: a try that was held is none of the steps that are limited."""
    index = plan(node("a"))
    first = [started(), HELD, RunWaiting(reviews=[], effects=[]), SegmentClosed(segment=1, epoch=1, executing_ms=1)]
    state, commands = after(index, *first, SegmentQueued(segment=2, why="freed"), started(epoch=2, segment=2))
    assert (paths(commands), state.steps) == (["a"], 1)


def test_a_run_with_a_held_step_can_be_cancelled() -> None:
    """Nothing of it is tried again."""
    first = [started(), HELD, RunWaiting(reviews=[], effects=[]), RunCancelRequested(actor="ann")]
    _, commands = after(plan(node("a")), *first, started(epoch=2, segment=2))
    assert commands == (Finish(state="cancelled"),)


def test_a_withdrawn_intent_leaves_nothing_reserved() -> None:
    """No budget had room for it, and it never became durable."""
    intended = AttemptIntended(
        attempt="a#1", path="a", epoch=1, model="m", request="", worst={"cost": 5, "tokens": 1, "calls": 1}
    )
    before, _ = after(plan(node("a")), started())
    with_it, _ = advance(plan(node("a")), before, intended, 1)
    state = withdraw(with_it, intended)
    assert (dict(state.attempts), state.reserved) == ({}, Spend())


def test_a_step_begins_when_everything_it_needs_is_done() -> None:
    """Not before the last of them."""
    index = plan(node("a"), node("b"), node("c", "a", "b"))
    assert after(index, started(), finished("a"))[1] == ()
    assert paths(after(index, started(), finished("a"), finished("b"))[1]) == ["c"]


def test_a_skipped_step_lets_those_after_it_be_asked_for() -> None:
    """Whether they are skipped too is the driver's to see: it knows the values."""
    index = plan(node("a"), node("b", "a"))
    assert paths(after(index, started(), StepSkipped(path="a", why=""))[1]) == ["b"]


def test_the_last_step_ends_the_run() -> None:
    """Nothing in flight, nothing to begin: completed."""
    assert after(plan(node("a")), started(), finished("a"))[1] == (Finish(state="completed"),)


def test_a_failure_without_a_handler_ends_the_run() -> None:
    """And what is in flight is let end first."""
    index = plan(node("a"), node("b"))
    state, commands = after(index, started(), failed("a"))
    assert commands == ()
    _, commands = advance(index, state, finished("b"), 9)
    assert commands == (Finish(state="failed", failure="timeout", path="a"),)


def test_a_retry_runs_the_step_again_and_then_follows_its_end() -> None:
    """`retry 2 then escalate desk`."""
    index = plan(node("a", timeout=Handler(kind="retry", times=2, then=Handler(kind="escalate", desk="d"))))
    events: list[Event] = [started()]
    for _ in range(2):
        events.append(failed("a"))
        command = after(index, *events)[1][0]
        assert isinstance(command, RunStep)
        assert command.wait_ms > 0
    assert after(index, *events, failed("a"))[1] == (OpenReview(path="a", desk="d", failure="timeout"),)


@pytest.mark.parametrize(
    ("handler", "command"),
    [
        (Handler(kind="default", value=1), UseDefault(path="a", failure="timeout")),
        (Handler(kind="dead_letter"), Finish(state="dead", failure="timeout", path="a")),
        (Handler(kind="fail"), Finish(state="failed", failure="timeout", path="a")),
    ],
)
def test_each_handler_has_its_command(handler: Handler, command: Command) -> None:
    """The closed set of handlers."""
    assert after(plan(node("a", timeout=handler)), started(), failed("a"))[1] == (command,)


def test_a_review_leaves_the_run_waiting_and_its_decision_is_resolved_by_the_next_claim() -> None:
    """A human wait is the end of a segment."""
    index = plan(node("a", conduct="human"), node("b", "a"))
    opened = ReviewOpened(review="r1", path="a", desk="d", shown_hash="", why="", shown=None)
    _, commands = after(index, started(), opened)
    assert commands == (Wait(reviews=("a",), effects=()),)
    decided = ReviewDecided(review="r1", path="a", actor="ann", decision="approve", shown_hash="")
    closed = SegmentClosed(segment=1, epoch=1, executing_ms=5)
    events = (started(), opened, RunWaiting(reviews=["a"], effects=[]), closed, decided, started(2, 2))
    assert after(index, *events)[1] == (ResolveReview(path="a"),)
    assert paths(after(index, *events, finished("a"))[1]) == ["b"]


def test_a_decision_on_an_earlier_review_of_the_step_does_not_count() -> None:
    """The step failed and was escalated again since."""
    index = plan(node("a", conduct="human"))
    events = [
        started(),
        ReviewOpened(review="r1", path="a", desk="d", shown_hash="", why="", shown=None),
        ReviewDecided(review="r1", path="a", actor="ann", decision="approve", shown_hash=""),
        ReviewOpened(review="r2", path="a", desk="d", shown_hash="", why="", shown=None),
        started(2, 2),
    ]
    assert after(index, *events)[1] == (Wait(reviews=("a",), effects=()),)


def test_a_review_that_nobody_decided_follows_its_handler() -> None:
    """At the next claim when the run waits, at once in a running segment."""
    index = plan(node("a", conduct="human", review_expired=Handler(kind="escalate", desk="chief")), node("b"))
    opened = ReviewOpened(review="r1", path="a", desk="d", shown_hash="", why="", shown=None)
    expired = ReviewExpired(review="r1", path="a")
    command = OpenReview(path="a", desk="chief", failure="review_expired")
    assert after(index, started(), opened, expired)[1] == (command,)
    closed = SegmentClosed(segment=1, epoch=1, executing_ms=0)
    events = (started(), opened, finished("b"), RunWaiting(reviews=["a"], effects=[]), closed, expired, started(2, 2))
    assert after(index, *events)[1] == (command,)
    ends = plan(node("a", conduct="human"))
    waited = (started(), opened, RunWaiting(reviews=["a"], effects=[]), closed, expired, started(2, 2))
    assert after(ends, *waited)[1] == (
        Finish(state="failed", failure="review_expired", path="a", message="nobody decided in time"),
    )


def test_an_effect_is_completed_in_its_segment_or_by_the_next_claim() -> None:
    """Delivered at once, or later by the outbox."""
    index = plan(node("a", conduct="effect"))
    queued = EffectQueued(key="k", path="a", receiver="r", semantics="idempotent", body_hash="", request=None)
    delivered = EffectDelivered(key="k", path="a", attempt=1)
    assert after(index, started(), queued)[1] == (Wait(reviews=(), effects=("a",)),)
    assert after(index, started(), queued, delivered)[1] == (CompleteEffect(path="a"),)
    closed = SegmentClosed(segment=1, epoch=1, executing_ms=0)
    assert after(index, started(), queued, closed, delivered)[1] == ()
    assert after(index, started(), queued, closed, delivered, started(2, 2))[1] == (CompleteEffect(path="a"),)


def test_only_a_final_failure_of_an_effect_is_the_steps_failure() -> None:
    """A receiver that is down is tried again by the outbox."""
    index = plan(node("a", conduct="effect", receiver_refused=Handler(kind="escalate", desk="d")))
    queued = EffectQueued(key="k", path="a", receiver="r", semantics="idempotent", body_hash="", request=None)
    down = EffectFailed(key="k", path="a", attempt=1, failure="receiver_down", final=False)
    refused = EffectFailed(key="k", path="a", attempt=2, failure="receiver_refused", final=True)
    assert after(index, started(), queued, down)[1] == (Wait(reviews=(), effects=("a",)),)
    expected = OpenReview(path="a", desk="d", failure="receiver_refused")
    assert after(index, started(), queued, down, refused)[1] == (expected,)


def test_a_map_runs_its_body_for_each_item_and_is_gathered_once() -> None:
    """Items advance on their own; the map is done with the last one."""
    index = plan(node("lines", body=(node("x"), node("y", "x"))), node("z", "lines"))
    expanded = MapExpanded(path="lines", keys=["1", "b/c"], items=[1, 2], labels=LABELS)  # type: ignore[arg-type]
    assert after(index, started())[1] == (ExpandMap(path="lines"),)
    one, two = (item_path("lines", key, "x") for key in expanded.keys)
    events: list[Event] = [started(), expanded]
    assert paths(after(index, *events)[1]) == [one, two]
    events += [finished(two)]
    last = item_path("lines", "b/c", "y")
    assert paths(after(index, *events)[1]) == [last]
    events += [finished(last), finished(one), finished(item_path("lines", "1", "y"))]
    assert after(index, *events)[1] == (GatherMap(path="lines"),)
    assert paths(after(index, *events, finished("lines"))[1]) == ["z"]


def test_a_map_of_nothing_is_gathered_at_once() -> None:
    """No items, no waiting."""
    index = plan(node("lines", body=(node("x"),)))
    expanded = MapExpanded(path="lines", keys=[], items=[], labels=LABELS)  # type: ignore[arg-type]
    assert after(index, started(), expanded)[1] == (GatherMap(path="lines"),)


def test_a_map_waits_for_what_its_body_reads_from_outside() -> None:
    """The body's needs are the map's."""
    index = plan(node("a"), node("lines", body=(node("x", "a"),)))
    assert paths(after(index, started())[1]) == ["a"]
    assert ExpandMap(path="lines") not in after(index, started())[1]


def test_a_claim_after_a_death_asks_again_and_forfeits_the_unsettled_attempt() -> None:
    """What was intended may have been billed; what was not recorded has not happened."""
    index = plan(node("a", conduct="external"), node("b"))
    intended = AttemptIntended(attempt="a#1", path="a", epoch=1, model="m", request="", worst={"cost": 9, "calls": 1})
    state, commands = after(index, started(), finished("b"), intended, started(2))
    assert commands == (Forfeit(attempt="a#1"), RunStep(path="a"))
    settled = AttemptSettled(attempt="a#1", path="a", outcome="forfeited", spend=intended.worst)
    state, _ = advance(index, state, settled, 9)
    assert (state.spent, state.reserved) == (Spend(cost=9, calls=1), Spend())


def test_a_run_that_kills_its_workers_is_set_aside() -> None:
    """Claims in a row without a record."""
    index = plan(node("a"))
    events: list[Event] = []
    for epoch in range(1, IDLE_CLAIMS + 1):
        events += [SegmentQueued(segment=1, why="recovered"), started(epoch)]
        assert paths(after(index, *events)[1]) == ["a"]
    command = after(index, *events, started(99))[1][-1]
    assert isinstance(command, Finish)
    assert command.state == "dead"


def test_a_run_whose_calls_never_come_to_anything_is_set_aside() -> None:
    """Each claim makes one more call, which is forfeited by the next: that is no way forward. An answer is."""
    index = plan(node("a", conduct="external"))
    worst = Spend(cost=9, tokens=9, calls=1).to_json()
    events: list[Event] = []

    def call(number: int, outcome: str) -> list[Event]:
        name = f"a#{number}"
        intended = AttemptIntended(attempt=name, path="a", epoch=number, model="m", request="", worst=worst)
        return [intended, AttemptSettled(attempt=name, path="a", outcome=outcome, spend=worst)]

    for epoch in range(1, IDLE_CLAIMS + 1):
        intended, forfeited = call(epoch, "forfeited")
        events += [SegmentQueued(segment=1, why="recovered"), started(epoch), intended, forfeited]
        assert claims_in_vain(events) == after(index, *events)[0].idle_claims == epoch
    state, commands = after(index, *events, started(99))
    assert isinstance(commands[-1], Finish)
    assert (commands[-1].state, commands[-1].failure, state.reserved) == ("dead", "internal", Spend())
    answered = [*events, *call(99, "settled")]
    assert claims_in_vain(answered) == after(index, *answered)[0].idle_claims == 0
    assert paths(after(index, *answered, started(99))[1]) == ["a"]


def test_a_cancelled_run_lets_what_is_in_flight_end_and_begins_nothing() -> None:
    """And ends cancelled, whatever else happened."""
    index = plan(node("a"), node("b", "a"))
    cancel = RunCancelRequested(actor="ann")
    assert after(index, started(), cancel, finished("a"))[1] == (Finish(state="cancelled"),)
    assert after(index, cancel, started())[1] == (Finish(state="cancelled"),)


def test_a_retried_run_goes_on_from_its_failed_step() -> None:
    """What was done stays done."""
    index = plan(node("a"), node("b", "a"), node("c", "b"))
    ended = RunFinished(state="failed", epoch=1, failure="timeout", path="b", spend={})
    closed = SegmentClosed(segment=1, epoch=1, executing_ms=0)
    events = (started(), finished("a"), failed("b"), ended, closed, RunRetried(actor="ann", path="b"), started(2, 2))
    assert paths(after(index, *events)[1]) == ["b"]


def test_a_retried_run_asks_anew_what_nobody_had_decided() -> None:
    """The end of the run withdrew the review: waiting for it would never end."""
    escalated = node("c", timeout=Handler(kind="escalate", desk="d"))
    index = plan(node("a", conduct="human"), node("b"), escalated)
    events: tuple[Event, ...] = (
        started(),
        ReviewOpened(review="r1", path="a", desk="d", shown_hash="", why="", shown=None),
        failed("c"),
        ReviewOpened(review="r2", path="c", desk="d", shown_hash="", why="", shown=None),
        failed("b"),
        RunFinished(state="failed", epoch=1, failure="timeout", path="b", spend={}),
        SegmentClosed(segment=1, epoch=1, executing_ms=0),
        RunRetried(actor="ann", path="b"),
        started(2, 2),
    )
    assert after(index, *events)[1] == (
        RunStep(path="a"),
        RunStep(path="b"),
        OpenReview(path="c", desk="d", failure="timeout"),
    )


def test_the_time_of_a_segment_that_died_counts_up_to_its_last_record() -> None:
    """Otherwise a run that kills workers would have no time limit."""
    index = plan(node("a"), node("b"))
    state, _ = fold(index, [(started(), 1_000_000), (finished("a"), 3_000_000), (started(2), 9_000_000)])
    assert state.executed_ms == 2000


@pytest.mark.parametrize(
    ("limits", "refused"),
    [
        (Limits(cost=10), None),
        (Limits(cost=9), "cost"),
        (Limits(tokens=4), "tokens"),
        (Limits(model_calls=0), "model_calls"),
    ],
)
def test_a_call_is_admitted_only_if_its_worst_case_fits(limits: Limits, refused: str | None) -> None:
    """Reserved before it is used."""
    found = admit(limits, State(), Spend(cost=10, tokens=5, calls=1))
    assert (None if found is None else found.fields["limit"]) == refused


# ---------------------------------------------------------------- properties


def _random_plan(rng: random.Random) -> Index:
    nodes: list[Node] = []
    for number in range(rng.randint(1, 7)):
        needs = [each.name for each in nodes if rng.random() < 0.4]
        handler = rng.choice(
            [
                Handler(kind="fail"),
                Handler(kind="retry", times=2),
                Handler(kind="default"),
                Handler(kind="escalate", desk="d"),
            ]
        )
        body = (node("x"), node("y", "x")) if rng.random() < 0.25 else ()
        conduct = "pure" if body else rng.choice(["pure", "external", "human", "effect"])
        made = node(f"n{number}", *needs, conduct=conduct, body=body, timeout=handler)
        nodes.append(made)
    return plan(*nodes)


def _answer(rng: random.Random, index: Index, command: Command, reviews: dict[str, str]) -> list[Event]:
    """Return what a driver may report of a command."""
    match command:
        case RunStep() if rng.random() < 0.15:
            return [failed(command.path)]
        case RunStep() if rng.random() < 0.1:
            return [StepSkipped(path=command.path, why="")]
        case RunStep() if index.place(command.path).node.conduct == "human":
            reviews[command.path] = f"r{rng.random()}"
            return [
                ReviewOpened(
                    review=reviews[command.path], path=command.path, desk="d", shown_hash="", why="", shown=None
                )
            ]
        case RunStep() if index.place(command.path).node.conduct == "effect":
            key = f"k{command.path}"
            queued = EffectQueued(key=key, path=command.path, receiver="r", semantics="", body_hash="", request=None)
            return [queued, EffectDelivered(key=key, path=command.path, attempt=1)]
        case OpenReview():
            reviews[command.path] = f"r{rng.random()}"
            return [
                ReviewOpened(
                    review=reviews[command.path], path=command.path, desk="d", shown_hash="", why="", shown=None
                )
            ]
        case ExpandMap():
            keys = [str(each) for each in range(rng.randint(0, 3))]
            return [MapExpanded(path=command.path, keys=keys, items=list(keys), labels=LABELS)]  # type: ignore[arg-type]
        case Forfeit():
            return []
        case _:
            return [finished(command.path)]  # type: ignore[union-attr]


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32))
def test_every_order_of_events_and_every_death_reaches_an_end(seed: int) -> None:
    """Commands are answered in any order, the process dies anywhere: the run ends, and nothing done is done again."""
    rng = random.Random(seed)
    index = _random_plan(rng)
    journal: list[tuple[Event, int]] = []
    durable = 0
    reviews: dict[str, str] = {}
    done: set[str] = set()
    epoch, segment, at = 0, 1, 0
    for _ in range(400):
        epoch += 1
        at += 1
        journal = [*journal[:durable], (started(epoch, segment), at)]
        durable = len(journal)
        done = {each.path for each, _ in journal if isinstance(each, StepFinished | StepSkipped)}
        state, commands = fold(index, journal)
        assert state.idle_claims == claims_in_vain([event for event, _ in journal])
        todo = list(commands)
        ending: Command | None = None
        died = False
        while todo and not died:
            command = todo.pop(rng.randrange(len(todo)))
            if isinstance(command, Wait | Finish):
                ending = command
                continue
            for event in _answer(rng, index, command, reviews):
                at += 1
                if isinstance(event, StepFinished | StepSkipped):
                    assert event.path not in done, f"{event.path} was done twice"
                    done.add(event.path)
                journal.append((event, at))
                state, more = advance(index, state, event, at)
                todo.extend(more)
            if rng.random() < 0.2:
                durable = len(journal)
            died = rng.random() < 0.03
        if died:
            continue
        assert ending is not None, "the segment ended without a command"
        if isinstance(ending, Finish):
            assert ending.state in ("completed", "failed")
            if ending.state == "completed":
                assert all(state.nodes[name].status in (Status.FINISHED, Status.SKIPPED) for name in index.nodes)
            assert ending.failure != Failure.INTERNAL
            return
        journal.append((SegmentClosed(segment=segment, epoch=epoch, executing_ms=0), at))
        for path in ending.reviews:
            decided = ReviewDecided(review=reviews[path], path=path, actor="a", decision="approve", shown_hash="")
            journal.append((decided, at))
        durable = len(journal)
        segment += 1
    pytest.fail("the run never ended")
