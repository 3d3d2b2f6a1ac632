"""Drives one segment of one run to quiescence: executes the heart's commands and feeds back what happened.

One event loop carries all segments of a process: pure steps run on the loop, whatever blocks runs in a pool, and a
segment that waits for its journal flush holds nothing. Events are buffered and made durable together: before a call
leaves the process (its intent), before an effect is tried, and at the end of the segment.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future
from typing import Final, assert_never

from aie.core import Spend
from aie.errors import AieError, Failure, FenceLost, LimitReached, StepFailure, StoreError
from aie.records import Entry, Event, Locked, Recorded, fenced
from aie.records.events import (
    AttemptIntended,
    AttemptSettled,
    EffectQueued,
    RunFinished,
    RunWaiting,
    SegmentClosed,
    SegmentQueued,
    SegmentStarted,
)
from aie.runs.attempts import StepAttempts
from aie.runs.effects import attempted, deliver, repeat_of
from aie.runs.heart import admit, advance, fold
from aie.runs.reviews import escalation, resolve
from aie.runs.sites import reached
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
    UseDefault,
    Wait,
)
from aie.runs.steps import RunContext, default_value, effect_value, expand_map, failed, gather_map, perform, result_of

__all__ = ["Segment"]

_INLINE: Final = frozenset({"pure", "human"})
"""Conducts whose layers only compute: they run on the loop."""


class Segment:
    """One segment under one epoch."""

    def __init__(self, context: RunContext, recorded: Sequence[Recorded]) -> None:
        """Rehydrate from the run's records up to the claim of this epoch.

        What came after the claim (a decision, a delivery) has set `wake`: the closing transaction sees to it.

        Args:
            context: the run.
            recorded: every event of its stream, in order.
        """
        self._context = context
        self._index = context.loaded.index
        self._began = context.services.clock.monotonic()
        self._state, commands = fold(self._index, ((each.event, each.at) for each in _until_claim(recorded)))
        self._commands: deque[Command] = deque(commands)
        self._buffer: list[Event] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closing: Wait | Finish | None = None
        self._cancelled = False
        self._severed = False

    async def run(self) -> None:
        """Run until nothing is runnable, then close in one fenced transaction.

        Raises:
            FenceLost: another epoch owns the run; nothing of this one was recorded after that.
        """
        self._loop = asyncio.get_running_loop()
        if self._cancelled:
            self._cancel()
        try:
            while True:
                while self._commands:
                    self._execute(self._commands.popleft())
                if self._tasks:
                    done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
                    self._tasks -= done
                    for task in done:
                        task.result()
                elif not self._commands:
                    break
            await self._close()
        except FenceLost:
            raise
        except Exception:
            # Who continues must find nothing of this segment under way: calls and deliveries end first.
            while self._tasks:
                await asyncio.wait(self._tasks)
                self._tasks = {task for task in self._tasks if not task.done()}
            raise
        finally:
            for task in self._tasks:
                task.cancel()

    def cancel(self) -> None:
        """Let the run stop: what is in flight ends, nothing new begins. Called from any thread."""
        self._cancelled = True
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._cancel)

    def _cancel(self) -> None:
        if not self._state.cancelled:
            self._state = self._state.but(cancelled=True)
            if not self._state.running and not self._tasks:
                self._closing = Finish(state="cancelled")

    # ------------------------------------------------------------ commands

    def _execute(self, command: Command) -> None:
        context, state = self._context, self._state
        match command:
            case RunStep():
                self._run_step(command)
            case ExpandMap():
                self._record(expand_map(context, state, command.path))
            case GatherMap():
                self._record(gather_map(context, state, command.path))
            case UseDefault():
                self._record(default_value(context, command.path, command.failure))
            case OpenReview():
                self._record(self._guard(command.path, lambda: escalation(context, state, command)))
            case ResolveReview():
                self._record(self._guard(command.path, lambda: resolve(context, state, command.path)))
            case CompleteEffect():
                self._record(effect_value(context, state, command.path))
            case Forfeit():
                self._record(self._forfeited(command.attempt))
            case Wait() | Finish():
                self._closing = command
            case _:
                assert_never(command)

    def _run_step(self, command: RunStep) -> None:
        refused = self._refusal()
        if refused is not None:
            self._record(
                failed(command.path, Failure.LIMIT_REACHED, refused.message, limit=str(refused.fields["limit"]))
            )
        elif command.wait_ms == 0 and self._index.place(command.path).node.conduct in _INLINE:
            attempts = StepAttempts(self, self._state, command.path, self._context.ref)
            self._record(perform(self._context, self._state, command.path, attempts, self._time_left()))
        else:
            self._spawn(self._step_in_pool(command))

    async def _step_in_pool(self, command: RunStep) -> None:
        if command.wait_ms:
            await self._flush()
            await asyncio.sleep(command.wait_ms / 1000)
        context, state = self._context, self._state
        attempts = StepAttempts(self, state, command.path, context.ref)
        work = context.services.pool.submit(perform, context, state, command.path, attempts, self._time_left())
        event = await asyncio.wrap_future(work)
        if isinstance(event, EffectQueued):
            await self._first_delivery(event)
        else:
            self._record(event)

    async def _first_delivery(self, event: EffectQueued) -> None:
        if self._context.duplicate:
            repeated = repeat_of(self._context, event)
            if repeated is not None:
                self._record(repeated)
                return
        self._record(event)
        self._record(attempted(self._context.services, event, 1))
        await self._flush()
        work = self._context.services.pool.submit(deliver, self._context, event, 1)
        self._record(await asyncio.wrap_future(work))

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        if self._loop is None:
            raise RuntimeError("a segment runs on a loop")
        self._tasks.add(self._loop.create_task(work))

    # ------------------------------------------------------------ events

    def _record(self, event: Event) -> None:
        """Feed an event to the heart and buffer it for the next flush."""
        self._state, commands = advance(self._index, self._state, event, self._context.services.clock.now())
        self._buffer.append(event)
        self._commands.extend(commands)

    def _guard(self, path: str, make: Callable[[], Event]) -> Event:
        try:
            return make()
        except StepFailure as error:
            return failed(path, error.failure, error.message)
        except AieError as error:
            return failed(path, Failure.INTERNAL, error.message)

    def _forfeited(self, attempt: str) -> AttemptSettled:
        """The process that made the call died: nobody knows whether it was billed."""
        intended = self._state.attempts[attempt].intended
        return AttemptSettled(attempt=attempt, path=intended.path, outcome="forfeited", spend=intended.worst)

    def intend(self, event: AttemptIntended) -> "Future[LimitReached | None]":
        """Admit and journal an intent; called from the pool's threads (the `Ledger` of attempts)."""
        result: Future[LimitReached | None] = Future()
        self._on_loop(lambda: self._spawn(self._intend(event, result)))
        return result

    def settle(self, event: AttemptSettled) -> None:
        """Take a settlement; called from the pool's threads, before the step's own event."""
        self._on_loop(lambda: self._record(event))

    async def _intend(self, event: AttemptIntended, result: "Future[LimitReached | None]") -> None:
        refused = admit(self._index.plan.limits, self._state, Spend.from_json(event.worst))
        if refused is not None or self._state.cancelled:
            result.set_result(refused or LimitReached("the run was cancelled", limit="cancelled", free=0, needed=1))
            return
        self._record(event)
        try:
            await self._flush()
        except BaseException as error:
            result.set_exception(error)
            raise
        result.set_result(None)

    def _on_loop(self, call: Callable[[], None]) -> None:
        if self._loop is None:
            raise RuntimeError("a segment runs on a loop")
        self._loop.call_soon_threadsafe(call)

    # ------------------------------------------------------------ limits

    def _elapsed_ms(self) -> int:
        return (self._context.services.clock.monotonic() - self._began) // 1000

    def _time_left(self) -> int | None:
        limit = self._index.plan.limits.time
        return None if limit is None else max(limit - self._state.executed_ms - self._elapsed_ms(), 0)

    def _refusal(self) -> LimitReached | None:
        """Return why no further step may start, or None."""
        steps = self._index.plan.limits.steps
        if steps is not None and self._state.steps > steps:
            return LimitReached(f"the run's limit of {steps} steps is used up", limit="steps", free=0, needed=1)
        if self._time_left() == 0:
            limit = self._index.plan.limits.time
            return LimitReached(f"the run's time limit of {limit} ms is used up", limit="time", free=0, needed=1)
        return None

    # ------------------------------------------------------------ the journal

    async def _flush(self) -> None:
        """Make everything buffered durable.

        Raises:
            FenceLost: another epoch owns the run.
        """
        if self._buffer:
            events, self._buffer = self._buffer, []
            await self._write("flush", lambda _: events)

    async def _write(self, site: str, events: Callable[[Locked], Sequence[Event]]) -> None:
        context, state = self._context, self._state

        def decide(locked: Locked) -> Sequence[Event]:
            fenced(locked, epoch=state.epoch, executor=context.services.executor)
            if self._severed:
                raise StoreError("an earlier write of this segment failed; later ones would leave a gap")
            return events(locked)

        entry = Entry(
            tenant=context.tenant, stream=context.run, decide=decide, segment=state.segment, epoch=state.epoch
        )
        reached(f"{site}.before")
        future = context.services.journal.write(entry)
        future.add_done_callback(self._written)
        await asyncio.wrap_future(future)
        reached(f"{site}.after")

    def _written(self, future: "Future[list[Recorded]]") -> None:
        """Take note of a failure on the journal's own thread, before it turns to the next entry."""
        self._severed |= future.exception() is not None

    async def _close(self) -> None:
        """Write the segment's last transaction: it waits, it ends, or something arrived and the next one is queued."""
        closing = self._closing
        if isinstance(closing, Finish):
            self._buffer.append(self._finished(closing))
        closed = SegmentClosed(segment=self._state.segment, epoch=self._state.epoch, executing_ms=self._elapsed_ms())
        events, self._buffer = self._buffer, []

        def last(locked: Locked) -> Sequence[Event]:
            if not isinstance(closing, Wait):
                return [*events, closed]
            if locked.run is not None and locked.run.wake:
                return [*events, closed, SegmentQueued(segment=self._state.segment + 1, why="woken")]
            waiting = RunWaiting(reviews=list(closing.reviews), effects=list(closing.effects))
            return [*events, waiting, closed]

        await self._write("close", last)

    def _finished(self, finish: Finish) -> RunFinished:
        output, spend = None, self._state.spent.to_json()
        if finish.state == "completed":
            try:
                output = result_of(self._context, self._state)
            except StepFailure as error:
                finish = Finish(state="failed", failure=error.failure.value, path="result", message=error.message)
        return RunFinished(
            state=finish.state,
            epoch=self._state.epoch,
            failure=finish.failure,
            path=finish.path,
            spend=spend,
            output=output,
            message=finish.message,
        )


def _until_claim(recorded: Sequence[Recorded]) -> Sequence[Recorded]:
    """Return the records up to the last claim: the commands of a fold are those of its last event."""
    last = max(n for n, each in enumerate(recorded) if isinstance(each.event, SegmentStarted))
    return recorded[: last + 1]
