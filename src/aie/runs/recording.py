"""What one segment records: the run's state in memory, and the events of it that are not durable yet.

Events are buffered and made durable together: before a call leaves the process (its intent), before an effect is tried,
and at the end of the segment. The loop and the pool's threads record at the same time, under one lock; whoever waits
for a flush is called back on the loop and holds nothing.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from aie.core import Spend, fibers
from aie.errors import LimitReached, StoreError
from aie.records import Entry, Event, Locked, Outcome, Recorded, fenced, prepare
from aie.records.events import (
    AttemptIntended,
    AttemptSettled,
    RunFinished,
    SegmentClosed,
    SegmentQueued,
    SegmentStarted,
)
from aie.runs.drawing import block, catalog_name, drawn_on, fits, pause_after, run_waiting
from aie.runs.gate import Pass
from aie.runs.heart import admit, advance, fold, withdraw
from aie.runs.ledger import Draws
from aie.runs.sites import reached
from aie.runs.state import Command, Wait
from aie.runs.steps import RunContext

__all__ = ["Driver", "Recording"]


class Driver(Protocol):
    """The segment's side of its recording."""

    def post(self, call: Callable[[], None]) -> None:
        """Make a call on the loop, soon. From any thread."""
        ...

    def break_off(self, error: BaseException) -> None:
        """End the segment without closing it. On the loop."""
        ...

    def is_over(self) -> bool:
        """Tell whether nothing may follow any more."""
        ...


class _Nobody:
    """Where the driver of a segment stood that has ended."""

    def post(self, call: Callable[[], None]) -> None:
        """Make no call."""

    def break_off(self, error: BaseException) -> None:
        """End nothing."""

    def is_over(self) -> bool:
        """Tell that nothing may follow."""
        return True


class Recording:
    """The state and the buffer of one segment; the `Ledger` of its attempts."""

    def __init__(self, context: RunContext, recorded: Sequence[Recorded], driver: Driver) -> None:
        """Rehydrate from the run's records up to the claim of this epoch.

        What came after the claim (a decision, a delivery) has set `wake`: the closing transaction sees to it.

        Args:
            context: the run.
            recorded: every event of its stream, in order.
            driver: told what became of a write.
        """
        self._context = context
        self._driver: Driver = driver
        self._index = context.loaded.index
        self.state, commands = fold(self._index, ((each.event, each.at) for each in _until_claim(recorded)))
        self.commands: deque[Command] = deque(commands)
        """What is to be done next."""
        self._buffer: list[Event] = []
        self._lock = threading.Lock()
        """Over the state and the buffer: threads of the pool record attempts while the loop goes on."""
        self._severed = False
        """A write failed: a later one would leave a gap."""
        self.closed_to_calls = False
        """The run was cancelled, and no call may leave any more; set from any thread, before the loop comes to it."""

    def part(self) -> None:
        """Tell the driver of nothing any more: it has ended.

        The two would keep one another, and all that the run has read and made, until the collector of cycles comes to
        the oldest objects: thousands of runs later.
        """
        self._driver = _Nobody()

    # ------------------------------------------------------------ events

    def record(self, event: Event) -> None:
        """Feed an event to the heart and buffer it for the next flush."""
        with self._lock:
            self.state, commands = advance(self._index, self.state, event, self._context.services.clock.now())
            self._buffer.append(event)
            self.commands.extend(commands)

    def cancel(self) -> bool:
        """Let nothing new begin; return whether the run was not cancelled before and nothing of it is under way."""
        with self._lock:
            if self.state.cancelled:
                return False
            self.state = self.state.but(cancelled=True)
            return not self.state.running

    # ------------------------------------------------------------ attempts

    def enter(self, model: str, worst: Spend) -> Pass:
        """Wait for a call's turn; called from the step (the `Ledger` of attempts)."""
        context, name = self._context, catalog_name(model)

        def check() -> None:
            self._admit(Spend())
            context.services.ledger.check_step(context.tenant, context.workflow)
            context.services.ledger.check_model(context.tenant, name)

        try:
            return context.services.gate.enter(name, worst, check)
        except StoreError as error:
            self._driver.post(lambda error=error: self._driver.break_off(error))  # type: ignore[misc]
            raise

    def intend(self, event: AttemptIntended) -> AttemptIntended:
        """Admit and journal an intent; called from the step (the `Ledger` of attempts).

        First the run's own limits, then the budgets above it: those are judged by the slab's row in the transaction
        that makes the intent durable, and an intent that finds its slab short is put again once that is filled.
        """
        worst, tries, draws = Spend.from_json(event.worst), 0, None
        while True:
            self._admit(worst)
            draws = self._draws(event, worst, tries, draws)
            drawing = replace(event, draws=draws.slabs) if draws.slabs else event
            if self._put_intent(drawing, worst):
                return drawing
            tries += 1
            fibers.pause(pause_after(tries))

    def _draws(self, event: AttemptIntended, worst: Spend, tries: int, short: Draws | None) -> Draws:
        """Ask what stands above the run; when the store cannot say, the segment breaks off and the step has not failed.

        Raises:
            LimitReached, StepFailure, Held: the call must not leave.
        """
        context, ledger = self._context, self._context.services.ledger
        try:
            ledger.check_step(context.tenant, context.workflow)
            ledger.check_model(context.tenant, catalog_name(event.model))
            return ledger.draws(context.tenant, context.workflow, worst, tries=tries, short=short)
        except StoreError as error:
            self._driver.post(lambda error=error: self._driver.break_off(error))  # type: ignore[misc]
            raise

    def _admit(self, worst: Spend) -> None:
        refused = admit(self._index.plan.limits, self.state, worst)
        if refused is not None or self.state.cancelled or self.closed_to_calls:
            raise refused or LimitReached("the run was cancelled", limit="cancelled", free=0, needed=1)

    def _put_intent(self, event: AttemptIntended, worst: Spend) -> bool:
        """Make an intent durable, with everything recorded before it; false when it does not fit into its slabs."""
        with self._lock:
            self._admit(worst)
            # In the state at once, so that the run's other calls see its reservation.
            self.state, _ = advance(self._index, self.state, event, self._context.services.clock.now())
            reached("flush.before")
            before, self._buffer = self._buffer, []
            answer: fibers.Answer[list[Recorded]] = fibers.Answer()
            self._put(lambda locked: [*before, event] if fits(locked, event) else before, answer, [*before, event])
        try:
            recorded = answer.wait()
        except BaseException as error:
            self._driver.post(lambda error=error: self._driver.break_off(error))  # type: ignore[misc]
            raise
        reached("flush.after")
        if recorded and recorded[-1].event is event:
            return True
        with self._lock:
            self.state = withdraw(self.state, event)
        return False

    def settle(self, event: AttemptSettled) -> None:
        """Take a settlement; called from the step, before its own event."""
        try:
            if event.overrun:
                model = self.state.attempts[event.attempt].intended.model
                context = self._context
                block(context.services, context.tenant, context.run, catalog_name(model), event)
        finally:
            self.record(event)

    # ------------------------------------------------------------ the journal

    def flush(self, then: Callable[[], None]) -> None:
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
            self._driver.post(lambda: self._written(site, outcome, then))

        reached(f"{site}.before")
        self._put(decide or (lambda _: events), written, events)

    def _written(self, site: str, outcome: Outcome, then: Callable[[], None]) -> None:
        if self._driver.is_over():
            return
        if isinstance(outcome, BaseException):
            self._driver.break_off(outcome)
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
        context, state = self._context, self.state
        for event in events:
            prepare(event)

        def decide(locked: Locked) -> Sequence[Event]:
            fenced(locked, epoch=state.epoch, executor=context.services.executor)
            if self._severed:
                raise StoreError("an earlier write of this segment failed; a later one would leave a gap")
            return choose(locked)

        def answered(outcome: Outcome) -> None:
            # Before the journal turns to the next entry.
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

    def close(self, waits: Wait | None, ends: RunFinished | None, *, ms: int, then: Callable[[], None]) -> None:
        """Write the segment's last transaction: it waits, it ends, or something arrived and the next one is queued.

        Args:
            waits: what the run waits for, when it waits.
            ends: how the run ended, when it ended.
            ms: how long the segment executed, in milliseconds.
            then: called on the loop when that is durable.
        """
        closed = SegmentClosed(segment=self.state.segment, epoch=self.state.epoch, executing_ms=ms)
        events, self._buffer = [*self._buffer, *([] if ends is None else [ends])], []

        def last(locked: Locked) -> Sequence[Event]:
            if waits is None:
                return [*events, closed]
            if locked.run is not None and locked.run.wake:
                return [*events, closed, SegmentQueued(segment=closed.segment + 1, why="woken")]
            return [*events, run_waiting(waits), closed]

        self._write("close", events, then, last)


def _until_claim(recorded: Sequence[Recorded]) -> Sequence[Recorded]:
    """Return the records up to the last claim: the commands of a fold are those of its last event."""
    last = max(n for n, each in enumerate(recorded) if isinstance(each.event, SegmentStarted))
    return recorded[: last + 1]
