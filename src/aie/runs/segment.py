"""Drives one segment of one run to quiescence: executes the heart's commands and feeds back what happened.

One event loop carries all segments of a process: pure steps run on the loop, whatever blocks runs in a pool, and a
segment that waits for its journal flush holds nothing: what it waits for calls it back. Events are buffered and made
durable together: before a call leaves the process (its intent), before an effect is tried, and at the end of the
segment.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final, assert_never

from aie.core import Spend
from aie.errors import AieError, Failure, FenceLost, Held, LimitReached, StepFailure, StoreError
from aie.records import Answer, Entry, Event, Locked, Outcome, Recorded, fenced
from aie.records.events import (
    AttemptIntended,
    AttemptSettled,
    EffectQueued,
    RunFinished,
    SegmentClosed,
    SegmentQueued,
    SegmentStarted,
)
from aie.runs.attempts import StepAttempts, settlement
from aie.runs.drawing import block, catalog_name, drawn_on, fits, pause_after, run_waiting
from aie.runs.effects import attempted, deliver, repeat_of
from aie.runs.heart import admit, advance, fold, withdraw
from aie.runs.mailbox import Mailbox
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
from aie.runs.steps import (
    RunContext,
    default_value,
    effect_value,
    expand_map,
    failed,
    gather_map,
    perform,
    result_of,
    waiting,
)

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
        self._flying = 0
        """Steps, deliveries and pauses under way, and the closing."""
        self._working = 0
        """Threads of the pool that work for this segment."""
        self._lock = threading.Lock()
        """Over the state and the buffer: threads of the pool record attempts while the loop goes on."""
        self._mailbox: Mailbox | None = None
        self._over: asyncio.Future[None] | None = None
        self._closing: Wait | Finish | None = None
        self._cancelled = False
        self._severed = False
        """A write failed: a later one would leave a gap."""
        self._broken: BaseException | None = None

    async def run(self, mailbox: Mailbox) -> None:
        """Run until nothing is runnable, then close in one fenced transaction.

        Args:
            mailbox: of the loop that this is awaited on.

        Raises:
            FenceLost: another epoch owns the run; nothing of this one was recorded after that.
        """
        self._over = mailbox.loop.create_future()
        self._mailbox = mailbox
        if self._cancelled:
            self._cancel()
        self._go_on()
        await self._over

    def cancel(self) -> None:
        """Let the run stop: what is in flight ends, nothing new begins. Called from any thread."""
        self._cancelled = True
        if self._mailbox is not None:
            self._mailbox.post(self._cancel)

    def _cancel(self) -> None:
        with self._lock:
            if not self._state.cancelled:
                self._state = self._state.but(cancelled=True)
                if not self._state.running and not self._flying:
                    self._closing = Finish(state="cancelled")

    def _go_on(self) -> None:
        """Execute what there is to do; once nothing is in flight, close."""
        if self._is_over():
            return
        try:
            while self._commands:
                self._execute(self._commands.popleft())
            if not self._flying:
                self._flying += 1
                self._close()
        except Exception as error:  # noqa: BLE001 - told to whoever awaits the segment
            self._break_off(error)

    def _break_off(self, error: BaseException) -> None:
        """End without closing. Calls and deliveries end first: who continues must not meet what this one began.

        A segment whose fence was lost has been continued already; it ends at once.
        """
        self._broken = self._broken or error
        if self._working and not isinstance(self._broken, FenceLost):
            return
        if self._over is not None and not self._over.done():
            self._over.set_exception(self._broken)

    def _is_over(self) -> bool:
        return self._broken is not None or self._over is None or self._over.done()

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
        try:
            self._context.services.ledger.check_step(self._context.tenant, self._context.workflow)
        except Held as held:
            self._record(waiting(command.path, held))
            return
        refused = self._refusal()
        if refused is not None:
            self._record(
                failed(command.path, Failure.LIMIT_REACHED, refused.message, limit=str(refused.fields["limit"]))
            )
        elif command.wait_ms == 0 and self._index.place(command.path).node.conduct in _INLINE:
            attempts = StepAttempts(self, self._state, command.path, self._context.ref)
            self._record(perform(self._context, self._state, command.path, attempts, self._time_left()))
        else:
            self._in_pool(command)

    def _in_pool(self, command: RunStep) -> None:
        """Run a step that blocks, after its pause, if it has one."""
        self._flying += 1
        if not command.wait_ms:
            self._submit(lambda: self._step(command))
            return
        pause = command.wait_ms / 1000
        self._flush(lambda: self._later(pause, lambda: self._submit(lambda: self._step(command))))

    def _step(self, command: RunStep) -> Event:
        attempts = StepAttempts(self, self._state, command.path, self._context.ref)
        return perform(self._context, self._state, command.path, attempts, self._time_left())

    def _later(self, pause: float, call: Callable[[], None]) -> None:
        if self._mailbox is not None:
            self._mailbox.loop.call_later(pause, call)

    def _submit(self, work: Callable[[], Event]) -> None:
        """Let a thread of the pool work and take in what comes of it."""
        if self._is_over():
            return

        def in_thread() -> None:
            try:
                event = work()
            except BaseException as error:  # noqa: BLE001 - told to whoever awaits the segment
                self._post(lambda error=error: self._worked(error))  # type: ignore[misc]
            else:
                self._post(lambda: self._worked(event))

        self._working += 1
        self._context.services.pool.submit(in_thread)

    def _worked(self, came: Event | BaseException) -> None:
        self._working -= 1
        if isinstance(came, BaseException):
            self._break_off(came)
        elif self._broken is not None:
            self._break_off(self._broken)
        else:
            self._landed(came)

    def _post(self, call: Callable[[], None]) -> None:
        if self._mailbox is not None:
            self._mailbox.post(call)

    def _landed(self, event: Event) -> None:
        """Take in what came of a step or of an effect's first delivery."""
        if self._is_over():
            return
        try:
            if isinstance(event, EffectQueued):
                repeated = repeat_of(self._context, event) if self._context.duplicate else None
                if repeated is None:
                    self._first_delivery(event)
                    return
                event = repeated
            self._flying -= 1
            self._record(event)
        except Exception as error:  # noqa: BLE001 - told to whoever awaits the segment
            self._break_off(error)
            return
        self._go_on()

    def _first_delivery(self, event: EffectQueued) -> None:
        self._record(event)
        self._record(attempted(self._context.services, event, 1))
        self._flush(lambda: self._submit(lambda: deliver(self._context, event, 1)))
        self._go_on()

    # ------------------------------------------------------------ events

    def _record(self, event: Event) -> None:
        """Feed an event to the heart and buffer it for the next flush."""
        with self._lock:
            self._take(event)

    def _take(self, event: Event) -> None:
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
        return settlement(intended, "forfeited", Spend.from_json(intended.worst))

    def intend(self, event: AttemptIntended) -> AttemptIntended:
        """Admit and journal an intent; called from the pool's threads (the `Ledger` of attempts).

        First the run's own limits, then the budgets above it: those are judged by the slab's row in the transaction
        that makes the intent durable, and an intent that finds its slab short is put again once that is filled.
        """
        worst, tries = Spend.from_json(event.worst), 0
        while True:
            self._admit(worst)
            drawing = replace(event, draws=self._draws(event, worst, short=tries > 0))
            if self._put_intent(drawing, worst):
                return drawing
            tries += 1
            time.sleep(pause_after(tries))

    def _draws(self, event: AttemptIntended, worst: Spend, *, short: bool) -> dict[str, str]:
        """Ask what stands above the run; when the store cannot say, the segment breaks off and the step has not failed.

        Raises:
            LimitReached, StepFailure, Held: the call must not leave.
        """
        context, ledger = self._context, self._context.services.ledger
        try:
            ledger.check_step(context.tenant, context.workflow)
            ledger.check_model(context.tenant, catalog_name(event.model))
            return ledger.draws(context.tenant, context.workflow, worst, short=short)
        except StoreError as error:
            self._post(lambda error=error: self._break_off(error))  # type: ignore[misc]
            raise

    def _admit(self, worst: Spend) -> None:
        refused = admit(self._index.plan.limits, self._state, worst)
        if refused is not None or self._state.cancelled:
            raise refused or LimitReached("the run was cancelled", limit="cancelled", free=0, needed=1)

    def _put_intent(self, event: AttemptIntended, worst: Spend) -> bool:
        """Make an intent durable, with everything recorded before it; false when it does not fit into its slabs."""
        with self._lock:
            self._admit(worst)
            # In the state at once, so that the run's other calls see its reservation.
            self._state, _ = advance(self._index, self._state, event, self._context.services.clock.now())
            reached("flush.before")
            before, self._buffer = self._buffer, []
            answer = Answer()
            self._put(lambda locked: [*before, event] if fits(locked, event) else before, answer, [*before, event])
        try:
            recorded = answer.wait()
        except BaseException as error:
            self._post(lambda error=error: self._break_off(error))  # type: ignore[misc]
            raise
        reached("flush.after")
        if recorded and recorded[-1].event is event:
            return True
        with self._lock:
            self._state = withdraw(self._state, event)
        return False

    def settle(self, event: AttemptSettled) -> None:
        """Take a settlement; called from the pool's threads, before the step's own event."""
        if event.overrun:
            model = self._state.attempts[event.attempt].intended.model
            block(self._context, catalog_name(model), event)
        self._record(event)

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

    def _flush(self, then: Callable[[], None]) -> None:
        """Make everything buffered durable, then go on with `then`."""
        if not self._buffer:
            then()
            return
        with self._lock:
            events, self._buffer = self._buffer, []
            self._write("flush", events, then)

    def _write(
        self,
        site: str,
        events: Sequence[Event],
        then: Callable[[], None],
        decide: Callable[[Locked], Sequence[Event]] | None = None,
    ) -> None:
        """Put what is to be written into the journal; when it is durable, `then` is called on the loop."""

        def written(outcome: Outcome) -> None:
            self._post(lambda: self._written(site, outcome, then))

        reached(f"{site}.before")
        self._put(decide or (lambda _: events), written, events)

    def _written(self, site: str, outcome: Outcome, then: Callable[[], None]) -> None:
        if self._is_over():
            return
        if isinstance(outcome, BaseException):
            self._break_off(outcome)
            return
        reached(f"{site}.after")
        then()

    def _put(
        self,
        choose: Callable[[Locked], Sequence[Event]],
        done: Callable[[Outcome], None],
        events: Sequence[Event],
    ) -> None:
        """Put an entry; the order of entries is the order of events, so whoever takes the buffer puts it at once.

        Args:
            choose: returns what is appended.
            done: told what came of it.
            events: what may be appended, for the rows that it needs.
        """
        context, state = self._context, self._state

        def decide(locked: Locked) -> Sequence[Event]:
            fenced(locked, epoch=state.epoch, executor=context.services.executor)
            if self._severed:
                raise StoreError("an earlier write of this segment failed; a later one would leave a gap")
            return choose(locked)

        def answered(outcome: Outcome) -> None:
            # On the journal's own thread, before it turns to the next entry.
            self._severed |= isinstance(outcome, BaseException)
            done(outcome)

        entry = Entry(
            tenant=context.tenant,
            stream=context.run,
            decide=decide,
            segment=state.segment,
            epoch=state.epoch,
            slabs=drawn_on(events),
        )
        context.services.journal.put(entry, answered)

    def _close(self) -> None:
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
            return [*events, run_waiting(closing), closed]

        self._write("close", events, self._closed, last)

    def _closed(self) -> None:
        if self._over is not None and not self._over.done():
            self._over.set_result(None)

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
