"""Drives one segment of one run to quiescence: executes the heart's commands and feeds back what happened.

One event loop carries all segments of a process: pure steps run on the loop, those that ask models in fibers on it,
whatever else blocks in a pool of threads, and a segment that waits for its journal flush holds nothing: what it waits
for calls it back.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, assert_never

from aie.core import Spend
from aie.errors import AieError, Failure, FenceLost, Held, LimitReached, StepFailure
from aie.records import Event, Recorded
from aie.records.events import AttemptSettled, EffectQueued, RunFinished
from aie.runs.attempts import StepAttempts, settlement
from aie.runs.effects import attempted, deliver, repeat_of
from aie.runs.mailbox import Mailbox
from aie.runs.recording import Recording
from aie.runs.reviews import escalation, resolve
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
        self._recording = Recording(context, recorded, self)
        self._flying = 0
        """Steps, deliveries and pauses under way, and the closing."""
        self._working = 0
        """Threads and fibers that work for this segment."""
        self._mailbox: Mailbox | None = None
        self._over: asyncio.Future[None] | None = None
        self._closing: Wait | Finish | None = None
        self._cancelled = False
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
        try:
            self._go_on()
            await self._over
        finally:
            self._recording.part()

    def cancel(self) -> None:
        """Let the run stop: what is in flight ends, nothing new begins. Called from any thread."""
        self._cancelled = self._recording.closed_to_calls = True
        if self._mailbox is not None:
            self._mailbox.post(self._cancel)

    def _cancel(self) -> None:
        if self._recording.cancel() and not self._flying:
            self._closing = Finish(state="cancelled")

    def _go_on(self) -> None:
        """Execute what there is to do; once nothing is in flight, close."""
        if self.is_over():
            return
        try:
            while self._recording.commands:
                self._execute(self._recording.commands.popleft())
            if not self._flying:
                self._flying += 1
                self._close()
        except Exception as error:  # noqa: BLE001 - told to whoever awaits the segment
            self.break_off(error)

    def break_off(self, error: BaseException) -> None:
        """End without closing. Calls and deliveries end first: who continues must not meet what this one began.

        A segment whose fence was lost has been continued already; it ends at once.
        """
        self._broken = self._broken or error
        if self._working and not isinstance(self._broken, FenceLost):
            return
        if self._over is not None and not self._over.done():
            self._over.set_exception(self._broken)

    def post(self, call: Callable[[], None]) -> None:
        """Make a call on the loop, soon. From any thread."""
        if self._mailbox is not None:
            self._mailbox.post(call)

    def is_over(self) -> bool:
        """Tell whether nothing may follow any more."""
        return self._broken is not None or self._over is None or self._over.done()

    # ------------------------------------------------------------ commands

    def _execute(self, command: Command) -> None:
        context, state = self._context, self._recording.state
        match command:
            case RunStep():
                self._run_step(command)
            case ExpandMap():
                self._recording.record(expand_map(context, state, command.path))
            case GatherMap():
                self._recording.record(gather_map(context, state, command.path))
            case UseDefault():
                self._recording.record(default_value(context, state, command.path, command.failure))
            case OpenReview():
                self._recording.record(self._guard(command.path, lambda: escalation(context, state, command)))
            case ResolveReview():
                self._recording.record(self._guard(command.path, lambda: resolve(context, state, command.path)))
            case CompleteEffect():
                self._recording.record(effect_value(context, state, command.path))
            case Forfeit():
                self._recording.record(self._forfeited(command.attempt))
            case Wait() | Finish():
                self._closing = command
            case _:
                assert_never(command)

    def _run_step(self, command: RunStep) -> None:
        try:
            self._context.services.ledger.check_step(self._context.tenant, self._context.workflow)
        except Held as held:
            self._recording.record(waiting(command.path, held))
            return
        refused = self._refusal()
        if refused is not None:
            self._recording.record(
                failed(command.path, Failure.LIMIT_REACHED, refused.message, limit=str(refused.fields["limit"]))
            )
        elif command.wait_ms == 0 and self._index.place(command.path).node.conduct in _INLINE:
            self._recording.record(self._step(command))
        else:
            self._aside(command)

    def _aside(self, command: RunStep) -> None:
        """Run a step that waits, after its pause, if it has one."""
        self._flying += 1
        node = self._index.place(command.path).node
        waits = node.conduct == "external" and self._context.services.layers[node.layer].in_fibers
        run = self._in_fiber if waits else self._in_thread
        if not command.wait_ms:
            run(lambda: self._step(command))
            return
        pause = command.wait_ms / 1000
        self._recording.flush(lambda: self._later(pause, lambda: run(lambda: self._step(command))))

    def _step(self, command: RunStep) -> Event:
        attempts = StepAttempts(self._recording, self._recording.state, command.path, self._context.ref)
        return perform(self._context, self._recording.state, command.path, attempts, self._time_left())

    def _later(self, pause: float, call: Callable[[], None]) -> None:
        if self._mailbox is not None:
            self._mailbox.loop.call_later(pause, call)

    def _in_thread(self, work: Callable[[], Event]) -> None:
        """Let a thread of the pool work and take in what comes of it."""
        if self.is_over():
            return
        self._working += 1
        self._context.services.pool.submit(self._worker(work, self.post))

    def _in_fiber(self, work: Callable[[], Event]) -> None:
        """Let a fiber of this loop work and take in what comes of it."""
        mailbox = self._mailbox
        if mailbox is None or self.is_over():
            return
        self._working += 1
        work_on = self._worker(work, mailbox.loop.call_soon)
        self._context.services.fibers.start(work_on, loop=mailbox.loop, post=mailbox.post)

    def _worker(self, work: Callable[[], Event], tell: Callable[[Callable[[], None]], object]) -> Callable[[], None]:
        def work_on() -> None:
            try:
                event = work()
            except BaseException as error:  # noqa: BLE001 - told to whoever awaits the segment
                tell(lambda error=error: self._worked(error))  # type: ignore[misc]
            else:
                tell(lambda: self._worked(event))

        return work_on

    def _worked(self, came: Event | BaseException) -> None:
        self._working -= 1
        if isinstance(came, BaseException):
            self.break_off(came)
        elif self._broken is not None:
            self.break_off(self._broken)
        else:
            self._landed(came)

    def _landed(self, event: Event) -> None:
        """Take in what came of a step or of an effect's first delivery."""
        if self.is_over():
            return
        try:
            if isinstance(event, EffectQueued):
                repeated = repeat_of(self._context, event) if self._context.duplicate else None
                if repeated is None:
                    self._first_delivery(event)
                    return
                event = repeated
            self._flying -= 1
            self._recording.record(event)
        except Exception as error:  # noqa: BLE001 - told to whoever awaits the segment
            self.break_off(error)
            return
        self._go_on()

    def _first_delivery(self, event: EffectQueued) -> None:
        self._recording.record(event)
        self._recording.record(attempted(self._context.services, event, 1))
        self._recording.flush(lambda: self._in_thread(lambda: deliver(self._context, self._recording.state, event, 1)))
        self._go_on()

    # ------------------------------------------------------------ events

    def _guard(self, path: str, make: Callable[[], Event]) -> Event:
        try:
            return make()
        except StepFailure as error:
            return failed(path, error.failure, error.message)
        except AieError as error:
            return failed(path, Failure.INTERNAL, error.message)

    def _forfeited(self, attempt: str) -> AttemptSettled:
        """Nobody said what came of the call, for example as its process died: it may have been billed."""
        intended = self._recording.state.attempts[attempt].intended
        return settlement(intended, "forfeited", Spend.from_json(intended.worst))

    # ------------------------------------------------------------ limits

    def _elapsed_ms(self) -> int:
        return (self._context.services.clock.monotonic() - self._began) // 1000

    def _time_left(self) -> int | None:
        limit = self._index.plan.limits.time
        return None if limit is None else max(limit - self._recording.state.executed_ms - self._elapsed_ms(), 0)

    def _refusal(self) -> LimitReached | None:
        """Return why no further step may start, or None."""
        steps = self._index.plan.limits.steps
        if steps is not None and self._recording.state.steps > steps:
            return LimitReached(f"the run's limit of {steps} steps is used up", limit="steps", free=0, needed=1)
        if self._time_left() == 0:
            limit = self._index.plan.limits.time
            return LimitReached(f"the run's time limit of {limit} ms is used up", limit="time", free=0, needed=1)
        return None

    def _close(self) -> None:
        """Write the segment's last transaction; a call that its layer left open is over, and may have been billed."""
        for attempt in self._recording.state.unsettled:
            self._recording.record(self._forfeited(attempt))
        closing = self._closing
        self._recording.close(
            closing if isinstance(closing, Wait) else None,
            self._finished(closing) if isinstance(closing, Finish) else None,
            ms=self._elapsed_ms(),
            then=self._closed,
        )

    def _closed(self) -> None:
        if self._over is not None and not self._over.done():
            self._over.set_result(None)

    def _finished(self, finish: Finish) -> RunFinished:
        output, spend = None, self._recording.state.spent.to_json()
        if finish.state == "completed":
            try:
                output = result_of(self._context, self._recording.state)
            except StepFailure as error:
                finish = Finish(state="failed", failure=error.failure.value, path="result", message=error.message)
        return RunFinished(
            state=finish.state,
            epoch=self._recording.state.epoch,
            failure=finish.failure,
            path=finish.path,
            spend=spend,
            output=output,
            message=finish.message,
        )
