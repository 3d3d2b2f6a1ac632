"""The heart: one pure function from a run's events to what is to be done next.

    advance(index, state, event, at) -> (state, commands)        no clock, no IO, no randomness
    fold(index, events) -> (state, commands)                     recovery, replay, explain: the same fold

The driver of a segment executes commands and feeds back what happened as events. A claim (`segment.started`) asks for
everything that is runnable again, so the commands that matter after a fold are those of its last event; whatever an
older epoch was doing and did not record has not happened, except that an intended call may have been billed.
"""

from collections.abc import Iterable
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
from aie.runs.paths import Index, item_path
from aie.runs.state import (
    DONE,
    Attempted,
    Command,
    CompleteEffect,
    Ending,
    ExpandMap,
    Finish,
    Forfeit,
    GatherMap,
    OpenReview,
    Phase,
    Progress,
    ResolveReview,
    RunStep,
    State,
    Status,
    UseDefault,
    Wait,
)

__all__ = ["IDLE_CLAIMS", "Step", "admit", "advance", "fold", "withdraw"]

IDLE_CLAIMS: Final = 10
"""A run whose last ten claims recorded nothing is set aside: it kills the workers that touch it."""

Step = tuple[State, tuple[Command, ...]]


def fold(index: Index, events: Iterable[tuple[Event, int]]) -> Step:
    """Return the state after all events (each with its time) and the commands of the last one."""
    state = State()
    commands: tuple[Command, ...] = ()
    for event, at in events:
        state, commands = advance(index, state, event, at)
    return state, commands


def admit(limits: Limits, state: State, worst: Spend) -> LimitReached | None:
    """Return why a call that may cost `worst` must not be made, or None when its reservation fits the run's limits."""
    for name, limit, used, needed in (
        ("cost", limits.cost, state.spent.cost + state.reserved.cost, worst.cost),
        ("tokens", limits.tokens, state.spent.tokens + state.reserved.tokens, worst.tokens),
        ("model_calls", limits.model_calls, state.spent.calls + state.reserved.calls, worst.calls),
    ):
        if limit is not None and used + needed > limit:
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
    before = state
    state = state.but(last_record=state.last_at, last_at=at, idle_claims=0)
    match event:
        case RunSubmitted():
            return state.but(submitted=event), ()
        case SegmentStarted():
            return _start(index, state, event, before.idle_claims)
        case StepFinished():
            state = _done(state, event.path, Status.FINISHED)
            state = state.but(outputs=state.outputs.set(event.path, event))
            return _follow(index, state, event.path)
        case StepSkipped():
            return _follow(index, _done(state, event.path, Status.SKIPPED), event.path)
        case MapExpanded():
            positions = state.positions.set(event.path, Map({key: at for at, key in enumerate(event.keys)}))
            state = state.but(maps=state.maps.set(event.path, event), positions=positions, running=state.running - 1)
            state = _mark(state, event.path, Status.EXPANDED)
            return _settle(index, *_begin_items(index, state, event.path, event.keys))
        case StepFailed():
            return _handle(index, state, event)
        case StepHeld():
            state = state.but(
                holds=state.holds.set(event.path, event), running=state.running - 1, steps=state.steps - 1
            )
            return _settle(index, _mark(state, event.path, Status.HELD), ())
        case AttemptIntended():
            attempts = state.attempts.set(event.attempt, Attempted(intended=event))
            return state.but(attempts=attempts, reserved=state.reserved + Spend.from_json(event.worst)), ()
        case AttemptSettled():
            return _account(state, event), ()
        case ReviewOpened():
            state = state.but(reviews=state.reviews.set(event.path, event), running=state.running - 1)
            return _settle(index, _mark(state, event.path, Status.REVIEW), ())
        case ReviewDecided():
            return state.but(decisions=state.decisions.set(event.path, event)), ()
        case ReviewExpired():
            return _expired(index, state, event)
        case EffectQueued():
            state = state.but(effects=state.effects.set(event.path, event))
            return _settle(index, _mark(state, event.path, Status.EFFECT).but(running=state.running - 1), ())
        case EffectDelivered():
            return _delivered(index, state, event)
        case EffectFailed():
            return _undelivered(index, state, event)
        case RunCancelRequested():
            return state.but(cancelled=True), ()
        case SegmentQueued():
            return state.but(idle_claims=before.idle_claims), ()
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
    forfeits = tuple(Forfeit(attempt=name) for name, each in sorted(state.attempts.items()) if each.settled is None)
    if idle >= IDLE_CLAIMS:
        message = f"claimed {idle} times in a row without recording anything"
        state = state.but(ending=Ending(state="dead", failure=Failure.INTERNAL.value, message=message))
    state, commands = _resume(index, state)
    return _settle(index, state, forfeits + commands)


def _resume(index: Index, state: State) -> Step:
    """Ask again for everything that has begun and is not done, then for everything that can begin."""
    if state.cancelled or state.ending is not None:
        return state, ()
    commands: list[Command] = []
    for path, progress in sorted(state.nodes.items()):
        command = _again(index, state, path, progress)
        if command is not None:
            state = _issue(state, command)
            commands.append(command)
    state, begun = _begin(index, state, index.needs)
    commands.extend(begun)
    for path, expanded in sorted(state.maps.items()):
        if state.nodes[path].status is Status.EXPANDED:
            state, items = _begin_items(index, state, path, expanded.keys)
            commands.extend(items)
    return state, tuple(commands)


def _again(index: Index, state: State, path: str, progress: Progress) -> Command | None:
    """Return the command that a claim gives again for a node that had begun."""
    match progress.status:
        case Status.RUNNING if progress.failure:
            return _mend(index.place(path).node.handler(Failure(progress.failure)), path, progress.failure)
        case Status.RUNNING | Status.HELD:
            return _run(index, path)
        case Status.REVIEW:
            decided, opened = state.decisions.get(path), state.reviews[path]
            return ResolveReview(path=path) if decided is not None and decided.review == opened.review else None
        case Status.EFFECT:
            return CompleteEffect(path=path) if path in state.receipts else None
        case Status.EXPANDED | Status.FINISHED | Status.SKIPPED | Status.FAILED:
            return None
        case _:
            assert_never(progress.status)


# ---------------------------------------------------------------- what can begin


def _begin(index: Index, state: State, among: Iterable[str]) -> Step:
    """Issue every top-level node among these that has not begun and whose needs are done."""
    commands: list[Command] = []
    for name in among:
        if name not in state.nodes and all(_is_done(state, need) for need in index.needs[name]):
            command = _run(index, name)
            state = _issue(_mark(state, name, Status.RUNNING), command)
            commands.append(command)
    return state, tuple(commands)


def _begin_items(index: Index, state: State, map_path: str, keys: Iterable[str]) -> Step:
    """Issue what can begin in the items of a map, and gather the map when all of them are done."""
    commands: list[Command] = []
    all_done = True
    for key in keys:
        state, begun, done = _begin_item(index, state, map_path, key)
        commands.extend(begun)
        all_done &= done
    if all_done:
        command = GatherMap(path=map_path)
        state = _issue(state, command)
        commands.append(command)
    return state, tuple(commands)


def _begin_item(index: Index, state: State, map_path: str, key: str) -> tuple[State, list[Command], bool]:
    """Issue what can begin in one item; also whether every node of it is done."""
    body = index.bodies[map_path]
    commands: list[Command] = []
    done = True
    for name, node in body.items():
        path = item_path(map_path, key, name)
        if _is_done(state, path):
            continue
        done = False
        siblings = (item_path(map_path, key, need) for need in node.needs if need in body)
        if path not in state.nodes and all(_is_done(state, need) for need in siblings):
            command = _run(index, path)
            state = _issue(_mark(state, path, Status.RUNNING), command)
            commands.append(command)
    return state, commands, done


def _follow(index: Index, state: State, path: str) -> Step:
    """Issue what a node that is done makes runnable."""
    if state.cancelled or state.ending is not None:
        return _settle(index, state, ())
    place = index.place(path)
    if not place.map_path:
        return _settle(index, *_begin(index, state, index.followers[path]))
    key = place.key
    state, commands, done = _begin_item(index, state, place.map_path, key)
    if done:
        items = state.done_items.get(place.map_path, 0) + 1
        state = state.but(done_items=state.done_items.set(place.map_path, items))
        if items == len(state.maps[place.map_path].keys):
            command = GatherMap(path=place.map_path)
            state = _issue(state, command)
            commands.append(command)
    return _settle(index, state, tuple(commands))


def _settle(index: Index, state: State, commands: tuple[Command, ...]) -> Step:
    """Add the command that ends the segment when nothing is in flight."""
    if state.running:
        return state, commands
    last: Command
    reviews = tuple(sorted(path for path, each in state.nodes.items() if each.status is Status.REVIEW))
    effects = tuple(sorted(path for path, each in state.nodes.items() if each.status is Status.EFFECT))
    held = tuple(state.holds[path] for path, each in sorted(state.nodes.items()) if each.status is Status.HELD)
    if state.cancelled:
        last = Finish(state="cancelled")
    elif state.ending is not None:
        ending = state.ending
        last = Finish(state=ending.state, failure=ending.failure, path=ending.path, message=ending.message)
    elif all(_is_done(state, name) for name in index.nodes):
        last = Finish(state="completed")
    elif reviews or effects or held:
        last = Wait(reviews=reviews, effects=effects, held=held)
    else:
        last = Finish(
            state="failed", failure=Failure.INTERNAL.value, message="nothing is runnable and nothing is awaited"
        )
    return state, (*commands, last)


# ---------------------------------------------------------------- what happened to a node


def _handle(index: Index, state: State, event: StepFailed) -> Step:
    """Follow the handler declared for the failure's class."""
    path, failure = event.path, Failure(event.failure)
    before = state.nodes.get(path, Progress(status=Status.RUNNING))
    tries = before.tries + 1
    handler: Handler | None = index.place(path).node.handler(failure)
    state = state.but(running=state.running - 1)
    after = replace(before, status=Status.RUNNING, tries=tries, spent_attempts=_attempts_of(state, path))
    if state.cancelled or state.ending is not None:
        return _settle(index, _put(state, path, after), ())
    if handler is not None and handler.kind == "retry":
        if tries <= handler.times:
            command: Command = RunStep(path=path, wait_ms=min(200 * 2 ** (tries - 1), 10_000))
            return _issue(_put(state, path, replace(after, failure="")), command), (command,)
        handler = handler.then
    if handler is None or handler.kind in ("fail", "dead_letter"):
        ended = "dead" if handler is not None and handler.kind == "dead_letter" else "failed"
        ending = Ending(state=ended, failure=event.failure, path=path, message=event.message or "")
        state = _put(state, path, replace(after, status=Status.FAILED))
        return _settle(index, state.but(ending=ending), ())
    mend = _mend(handler, path, event.failure)
    return _issue(_put(state, path, replace(after, failure=event.failure)), mend), (mend,)


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
    return state.but(
        attempts=state.attempts.set(event.attempt, replace(attempted, settled=event)),
        reserved=state.reserved - Spend.from_json(attempted.intended.worst),
        spent=state.spent + Spend.from_json(event.spend),
    )


def _delivered(index: Index, state: State, event: EffectDelivered) -> Step:
    """Complete the step, when a segment is open to do it; otherwise the next claim does."""
    state = state.but(receipts=state.receipts.set(event.path, event))
    if not state.open_segment:
        return state, ()
    if state.cancelled or state.ending is not None:
        return _settle(index, state, ())
    command = CompleteEffect(path=event.path)
    return _issue(state, command), (command,)


def _undelivered(index: Index, state: State, event: EffectFailed) -> Step:
    """A final failure is the step's failure; one that is tried again leaves the run waiting."""
    if event.path not in state.nodes:
        return state, ()
    if not event.final:
        return _settle(index, state, ()) if state.open_segment else (state, ())
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
            state = _put(state, path, replace(progress, status=Status.RUNNING))
    before = state.nodes.get(event.path)
    if before is not None:
        state = _put(state, event.path, replace(before, status=Status.RUNNING, tries=0, failure=""))
    return state.but(ending=None, phase=Phase.QUEUED, idle_claims=0)


# ---------------------------------------------------------------- small moves


def _run(index: Index, path: str) -> Command:
    return ExpandMap(path=path) if index.place(path).node.map is not None else RunStep(path=path)


def _issue(state: State, command: Command) -> State:
    steps = state.steps + 1 if isinstance(command, RunStep) else state.steps
    return state.but(running=state.running + 1, steps=steps)


def _put(state: State, path: str, progress: Progress) -> State:
    return state.but(nodes=state.nodes.set(path, progress))


def _mark(state: State, path: str, status: Status) -> State:
    before = state.nodes.get(path)
    return _put(state, path, Progress(status=status) if before is None else replace(before, status=status))


def _done(state: State, path: str, status: Status) -> State:
    return _mark(state, path, status).but(running=state.running - 1)


def _is_done(state: State, path: str) -> bool:
    progress = state.nodes.get(path)
    return progress is not None and progress.status in DONE


def _attempts_of(state: State, path: str) -> int:
    count = 0
    while f"{path}#{count + 1}" in state.attempts:
        count += 1
    return count
