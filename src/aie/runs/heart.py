"""The heart: one pure function from a run's events to what is to be done next.

    advance(index, state, event, at) -> (state, commands)        no clock, no IO, no randomness
    fold(index, events) -> (state, commands)                     recovery, replay, explain: the same fold

The driver of a segment executes commands and feeds back what happened as events. A claim (`segment.started`) asks for
everything that is runnable again, so the commands that matter after a fold are those of its last event; whatever an
older epoch was doing and did not record has not happened, except that an intended call may have been billed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final, assert_never

from immutables import Map

from aie.core import Limits, Spend, usd
from aie.errors import Failure, LimitReached
from aie.records import Event
from aie.records.events import (
    AttemptIntended,
    AttemptSettled,
    EffectDelivered,
    EffectFailed,
    EffectQueued,
    MapExpanded,
    ReviewDecided,
    ReviewExpired,
    ReviewOpened,
    RunCancelRequested,
    RunFinished,
    RunRetried,
    RunSubmitted,
    RunWaiting,
    SegmentClosed,
    SegmentQueued,
    SegmentStarted,
    StepFailed,
    StepFinished,
    StepHeld,
    StepSkipped,
)
from aie.releases import Handler
from aie.runs.moves import (
    Step,
    attempts_of,
    begin,
    begin_items,
    complete,
    first_command,
    follow,
    issue,
    mark,
    put,
    settle,
)
from aie.runs.paths import Index
from aie.runs.state import (
    Attempted,
    Command,
    CompleteEffect,
    Ending,
    Forfeit,
    OpenReview,
    Phase,
    Progress,
    ResolveReview,
    RunStep,
    State,
    Status,
    UseDefault,
)

__all__ = ["IDLE_CLAIMS", "admit", "advance", "claims_in_vain", "fold", "withdraw"]

IDLE_CLAIMS: Final = 10
"""A run whose last ten claims came to nothing is set aside: it kills or breaks whoever touches it."""


def fold(index: Index, events: Iterable[tuple[Event, int]]) -> Step:
    """Return the state after all events (each with its time) and the commands of the last one."""
    state = State()
    commands: tuple[Command, ...] = ()
    for event, at in events:
        state, commands = advance(index, state, event, at)
    return state, commands


def claims_in_vain(events: Sequence[Event]) -> int:
    """Return how many claims there were since the run came to anything last."""
    claims = 0
    for event in reversed(events):
        if isinstance(event, SegmentStarted):
            claims += 1
        elif _leads_on(event):
            break
    return claims


def _leads_on(event: Event) -> bool:
    """Whether a run that does this again and again gets anywhere: calls without an answer cost, and nothing more."""
    if isinstance(event, AttemptSettled):
        return event.outcome == "settled"
    return not isinstance(event, AttemptIntended | SegmentQueued)


def admit(limits: Limits, state: State, worst: Spend) -> LimitReached | None:
    """Return why a call that may cost `worst` must not be made, or None when its reservation fits the run's limits."""
    for name, limit, used, needed in (
        ("cost", limits.cost, state.spent.cost + state.reserved.cost, worst.cost),
        ("tokens", limits.tokens, state.spent.tokens + state.reserved.tokens, worst.tokens),
        ("model_calls", limits.model_calls, state.spent.calls + state.reserved.calls, worst.calls),
    ):
        if limit is not None and needed and used + needed > limit:
            free = max(limit - used, 0)
            left, whole, asked = (usd(n) if name == "cost" else str(n) for n in (free, limit, needed))
            return LimitReached(
                f"the run's limit of {name} leaves {left} of {whole}, and the call may need {asked}",
                limit=name,
                free=free,
                needed=needed,
            )
    return None


def withdraw(state: State, event: AttemptIntended) -> State:
    """Return the state without an intent that did not become durable: no budget above the run had room for it."""
    reserved = state.reserved - Spend.from_json(event.worst)
    return state.but(attempts=state.attempts.delete(event.attempt), reserved=reserved)


def advance(index: Index, state: State, event: Event, at: int) -> Step:  # noqa: C901, PLR0911, PLR0912 — one arm per event
    """Return the run's state after `event` and the commands that follow from it.

    Args:
        index: the plan of the run's release.
        state: the state so far.
        event: what happened.
        at: when, in microseconds since the epoch.
    """
    idle = 0 if _leads_on(event) else state.idle_claims
    before, state = state, state.but(last_record=state.last_at, last_at=at, idle_claims=idle)
    match event:
        case RunSubmitted():
            return state.but(submitted=event, submitted_at=at), ()
        case SegmentStarted():
            return _start(index, state, event, before.idle_claims)
        case StepFinished():
            state = complete(state, event.path, Status.FINISHED)
            state = state.but(outputs=state.outputs.set(event.path, event))
            return follow(index, state, event.path)
        case StepSkipped():
            return follow(index, complete(state, event.path, Status.SKIPPED), event.path)
        case MapExpanded():
            positions = state.positions.set(event.path, Map({key: at for at, key in enumerate(event.keys)}))
            state = state.but(maps=state.maps.set(event.path, event), positions=positions, running=state.running - 1)
            state = mark(state, event.path, Status.EXPANDED)
            return settle(index, *begin_items(index, state, event.path, event.keys))
        case StepFailed():
            return _handle(index, state, event)
        case StepHeld():
            state = state.but(
                holds=state.holds.set(event.path, event), running=state.running - 1, steps=state.steps - 1
            )
            return settle(index, mark(state, event.path, Status.HELD), ())
        case AttemptIntended():
            attempts = state.attempts.set(event.attempt, Attempted(intended=event, at=at))
            return state.but(attempts=attempts, reserved=state.reserved + Spend.from_json(event.worst)), ()
        case AttemptSettled():
            return _account(state, event), ()
        case ReviewOpened():
            state = state.but(reviews=state.reviews.set(event.path, event), running=state.running - 1)
            return settle(index, mark(state, event.path, Status.REVIEW), ())
        case ReviewDecided():
            return state.but(decisions=state.decisions.set(event.path, event)), ()
        case ReviewExpired():
            return _expired(index, state, event)
        case EffectQueued():
            state = state.but(effects=state.effects.set(event.path, event))
            return settle(index, mark(state, event.path, Status.EFFECT).but(running=state.running - 1), ())
        case EffectDelivered():
            return _delivered(index, state, event)
        case EffectFailed():
            return _undelivered(index, state, event)
        case RunCancelRequested():
            return state.but(cancelled=True), ()
        case RunWaiting():
            return state.but(phase=Phase.WAITING), ()
        case SegmentClosed():
            return state.but(executed_ms=state.executed_ms + event.executing_ms, open_segment=False, running=0), ()
        case RunFinished():
            ending = Ending(state=event.state, failure=event.failure, path=event.path, message=event.message)
            return state.but(phase=Phase.FINISHED, ending=ending), ()
        case RunRetried():
            return _retried(state, event), ()
        case _:
            return state, ()


# ---------------------------------------------------------------- a claim


def _start(index: Index, state: State, event: SegmentStarted, idle: int) -> Step:
    """Begin an epoch: whatever is runnable is asked for, whatever is in flight of a dead epoch is forfeited."""
    if state.open_segment:  # the epoch before died: its time counts up to its last record
        abandoned = max(state.last_record - state.segment_began, 0) // 1000
        state = state.but(executed_ms=state.executed_ms + abandoned)
    in_flight = sum(1 for progress in state.nodes.values() if progress.status is Status.RUNNING)
    state = state.but(
        phase=Phase.RUNNING,
        segment=event.segment,
        epoch=event.epoch,
        segment_began=state.last_at,
        open_segment=True,
        running=0,
        idle_claims=idle + 1,
        steps=state.steps - in_flight,
    )
    forfeits = tuple(Forfeit(attempt=name) for name in state.unsettled)
    if idle >= IDLE_CLAIMS:
        message = f"claimed {idle} times in a row without coming to anything"
        state = state.but(ending=Ending(state="dead", failure=Failure.INTERNAL.value, message=message))
    state, commands = _resume(index, state)
    return settle(index, state, forfeits + commands)


def _resume(index: Index, state: State) -> Step:
    """Ask again for everything that has begun and is not done, then for everything that can begin."""
    if state.cancelled or state.ending is not None:
        return state, ()
    commands: list[Command] = []
    for path, progress in sorted(state.nodes.items()):
        command = _again(index, state, path, progress)
        if command is not None:
            state = issue(state, command)
            commands.append(command)
    state, begun = begin(index, state, index.needs)
    commands.extend(begun)
    for path, expanded in sorted(state.maps.items()):
        if state.nodes[path].status is Status.EXPANDED:
            state, items = begin_items(index, state, path, expanded.keys)
            commands.extend(items)
    return state, tuple(commands)


def _again(index: Index, state: State, path: str, progress: Progress) -> Command | None:
    """Return the command that a claim gives again for a node that had begun."""
    match progress.status:
        case Status.RUNNING if progress.failure:
            return _mend(index.place(path).node.handler(Failure(progress.failure)), path, progress.failure)
        case Status.RUNNING | Status.HELD:
            return first_command(index, path)
        case Status.REVIEW:
            decided, opened = state.decisions.get(path), state.reviews[path]
            return ResolveReview(path=path) if decided is not None and decided.review == opened.review else None
        case Status.EFFECT:
            return CompleteEffect(path=path) if path in state.receipts else None
        case Status.EXPANDED | Status.FINISHED | Status.SKIPPED | Status.FAILED:
            return None
        case _:
            assert_never(progress.status)


# ---------------------------------------------------------------- what happened to a node


def _handle(index: Index, state: State, event: StepFailed) -> Step:
    """Follow the handler declared for the failure's class."""
    path, failure = event.path, Failure(event.failure)
    before = state.nodes.get(path, Progress(status=Status.RUNNING))
    tries = before.tries + 1
    handler: Handler | None = index.place(path).node.handler(failure)
    holds = state.holds.delete(path) if path in state.holds else state.holds  # the next try waits anew
    state = state.but(running=state.running - 1, holds=holds)
    after = replace(before, status=Status.RUNNING, tries=tries, spent_attempts=attempts_of(state, path))
    if state.cancelled or state.ending is not None:
        return settle(index, put(state, path, after), ())
    if handler is not None and handler.kind == "retry":
        if tries <= handler.times:
            command: Command = RunStep(path=path, wait_ms=min(200 * 2 ** (tries - 1), 10_000))
            return issue(put(state, path, replace(after, failure="")), command), (command,)
        handler = handler.then
    if handler is None or handler.kind in ("fail", "dead_letter"):
        ended = "dead" if handler is not None and handler.kind == "dead_letter" else "failed"
        ending = Ending(state=ended, failure=event.failure, path=path, message=event.message or "")
        state = put(state, path, replace(after, status=Status.FAILED))
        return settle(index, state.but(ending=ending), ())
    mend = _mend(handler, path, event.failure)
    return issue(put(state, path, replace(after, failure=event.failure)), mend), (mend,)


def _mend(handler: Handler, path: str, failure: str) -> Command:
    """Return the command of a handler that gives the step a value after all."""
    last: Handler | None = handler
    while last is not None and last.kind == "retry":
        last = last.then
    if last is not None and last.kind == "escalate":
        return OpenReview(path=path, desk=last.desk, failure=failure)
    return UseDefault(path=path, failure=failure)


def _account(state: State, event: AttemptSettled) -> State:
    attempted = state.attempts[event.attempt]
    settled = Attempted(intended=attempted.intended, at=attempted.at, settled=event)
    return state.but(
        attempts=state.attempts.set(event.attempt, settled),
        reserved=state.reserved - Spend.from_json(attempted.intended.worst),
        spent=state.spent + Spend.from_json(event.spend),
    )


def _delivered(index: Index, state: State, event: EffectDelivered) -> Step:
    """Complete the step, when a segment is open to do it; otherwise the next claim does."""
    state = state.but(receipts=state.receipts.set(event.path, event))
    if not state.open_segment:
        return state, ()
    if state.cancelled or state.ending is not None:
        return settle(index, state, ())
    command = CompleteEffect(path=event.path)
    return issue(state, command), (command,)


def _undelivered(index: Index, state: State, event: EffectFailed) -> Step:
    """A final failure is the step's failure; one that is tried again leaves the run waiting."""
    if event.path not in state.nodes:
        return state, ()
    if not event.final:
        return settle(index, state, ()) if state.open_segment else (state, ())
    state = state.but(running=state.running + 1)  # the failure takes the place of a command
    failed = StepFailed(path=event.path, failure=event.failure, message=event.message)
    return _handle(index, state, failed)


def _expired(index: Index, state: State, event: ReviewExpired) -> Step:
    """Nobody decided in time: the handler of `review_expired` says what now, or the claim if none is open."""
    opened = state.reviews.get(event.path)
    if opened is None or opened.review != event.review:
        return state, ()
    state = state.but(running=state.running + 1)  # the failure takes the place of a command
    failed = StepFailed(path=event.path, failure=Failure.REVIEW_EXPIRED.value, message="nobody decided in time")
    return _handle(index, state, failed)


def _retried(state: State, event: RunRetried) -> State:
    """Let the next claim run the failed step again, with fresh tries, and ask anew what nobody had decided.

    The end of the run withdrew its open reviews: a run that waited for one of them would wait for ever.
    """
    for path, progress in state.nodes.items():
        decided = state.decisions.get(path)
        if progress.status is Status.REVIEW and (decided is None or decided.review != state.reviews[path].review):
            state = put(state, path, replace(progress, status=Status.RUNNING))
    before = state.nodes.get(event.path)
    if before is not None:
        state = put(state, event.path, replace(before, status=Status.RUNNING, tries=0, failure=""))
    return state.but(ending=None, phase=Phase.QUEUED, idle_claims=0)
