"""A worker: claims queued runs, executes their segments, holds a lease, and continues what dead executors left.

Everything it does on its beat is level-triggered: it asks what is due and does it, so a beat that is lost or done twice
changes nothing. Between beats it acts on news: of its own journal, and of other processes through a listener.
"""

import contextlib
import json
import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from aie.core import Spend
from aie.errors import AieError, FenceLost
from aie.records import (
    Entry,
    Recorded,
    claimable,
    drop_lease,
    end_hung_writers,
    expire_leases,
    held_runs,
    live_executors,
    orphans,
    renew_lease,
    seal,
    take_lease,
)
from aie.records.events import RunCancelRequested, SegmentQueued, SegmentStarted
from aie.runs.claims import (
    Claim,
    claim,
    claim_all,
    claim_of,
    context_of,
    free_held,
    give_back,
    lacking,
    missing,
    requeue,
    stopping,
    tell_missing,
    unserved,
)
from aie.runs.deadlines import expire_review
from aie.runs.effects import redeliver
from aie.runs.engine import Engine
from aie.runs.heart import claims_in_vain
from aie.runs.mailbox import Mailbox
from aie.runs.segment import Segment
from aie.runs.services import Services
from aie.runs.sites import append
from aie.runs.submission import Submission, Submitted, submit, submit_all

__all__ = ["Pace", "Worker"]

_log = logging.getLogger("aie.runs")

_TIDY_EVERY: Final = 600
"""Beats between two looks at the engine's own books."""

_LONGEST: Final = 30.0
"""Most seconds before a run that broke off here is claimed again."""

QUEUES: Final = ("interactive", "bulk")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast a worker beats and how much it takes on."""

    lease: int = 5_000_000
    """Microseconds that a lease lasts without a beat: how long a dead worker's runs wait at most, plus a beat."""
    beat: float = 1.0
    """Seconds between beats."""
    again: float = 1.0
    """Seconds before a run that came to nothing twice in a row is claimed again; doubled each time, up to 30 s."""
    capacity: int = 64
    """Most segments in flight."""


class Worker:
    """One executor of one store."""

    def __init__(
        self,
        services: Services,
        engine: Engine,
        *,
        pace: Pace | None = None,
        on_lost: Callable[[], None] | None = None,
        sole: bool = False,
    ) -> None:
        """Prepare.

        Args:
            services: the ports; its `executor` must be fresh.
            engine: where segments execute.
            pace: how fast to beat.
            on_lost: called when the lease was lost and nothing may be executed any more; a process should exit.
            sole: this process holds the lock of a store that has one executor at a time: all others are dead.
        """
        self.services = services
        self.engine = engine
        self._pace = pace or Pace()
        self._on_lost = on_lost
        self._sole = sole
        self._news = threading.Event()
        self._stopping = threading.Event()
        self._segments: dict[str, Segment] = {}
        self._broken: deque[tuple[int, Claim]] = deque()
        """Claims whose segment broke off here, with the time from which their runs may go on."""
        self._misplaced: deque[Entry] = deque()
        """Claims of runs that were moved to layer versions which are not here."""
        self._passed_over: dict[str, int] = {}
        """Runs whose layer versions are not here, with the end of their stream when it was read."""
        self._threads: list[threading.Thread] = []
        self._outbox = ThreadPoolExecutor(max_workers=4, thread_name_prefix="aie-outbox")
        self._delivering: dict[tuple[str, str], Future[object]] = {}
        self._was_full = False
        """The last look for work found no room: the next segment that ends makes some."""
        self._beat_count = 0
        self.lost = False

    # ------------------------------------------------------------ life

    def start(self) -> None:
        """Take the lease, launch the engine, recover what is there, begin to claim."""
        services = self.services
        take_lease(services.store, services.executor, ttl=self._pace.lease, runtime=services.runtime(), sole=self._sole)
        services.journal.on_commit(self._committed)
        self.engine.launch(self._execute)
        for name, work in (("aie-lease", self._leases), ("aie-beat", self._beats), ("aie-claims", self._claims)):
            thread = threading.Thread(target=work, name=name, daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self, *, drain: bool = True) -> None:
        """Stop claiming, let segments in flight close (with `drain`), give the lease back."""
        self._stopping.set()
        self._news.set()
        for thread in self._threads:
            thread.join()
        self.engine.stop(drain=drain and not self.lost)
        self._outbox.shutdown(wait=drain)
        if not self.lost:
            drop_lease(self.services.store, self.services.executor)

    def wake(self, run: str = "") -> None:
        """Look for work now; `run` says which run the news is about, if any."""
        segment = self._segments.get(run)
        if segment is not None and self._cancel_requested(run):
            segment.cancel()
        self._news.set()

    def submit(self, wanted: Submission) -> Submitted:
        """Accept a run and start it here at once, unless the worker is full or lacks its runtime; then it is queued."""
        room = self.engine.in_flight() < self._pace.capacity and not self._stopping.is_set()
        room = room and not lacking(self.services, wanted.tenant, wanted.release)
        submitted = submit(self.services, wanted, claim=room)
        if submitted.recorded and room:
            self.engine.start([claim_of(submitted.recorded)])
        return submitted

    def submit_all(self, wanted: Sequence[Submission]) -> list[Submitted | AieError]:
        """Accept many runs and start here as many as there is room for; the rest is queued.

        Returns:
            For each what it became, or why it was refused.
        """
        room = max(self._pace.capacity - self.engine.in_flight(), 0) if not self._stopping.is_set() else 0
        if any(lacking(self.services, *place) for place in {(each.tenant, each.release) for each in wanted}):
            room = 0
        outcomes = submit_all(self.services, wanted, claim=room)
        begun = [each.recorded for each in outcomes[:room] if isinstance(each, Submitted) and each.recorded]
        self.engine.start([claim_of(recorded) for recorded in begun])
        return outcomes

    # ------------------------------------------------------------ segments

    async def _execute(self, claimed: Claim, mailbox: Mailbox) -> None:
        services = self.services
        segment: Segment | None = None
        recorded = claimed.recorded
        try:
            recorded = recorded or tuple(services.store.read(claimed.run))
            if (lacks := missing(services, recorded)) and not stopping(recorded):
                self._misplaced.append(unserved(services, claimed, lacks))
                self._news.set()
                return
            segment = Segment(context_of(services, recorded), recorded)
            self._segments[claimed.run] = segment
            await segment.run(mailbox)
        except FenceLost:
            raise
        except Exception:
            # We live, so nobody else would take the run over: give it back. One that always breaks off is set aside.
            self._broken.append((self._goes_on(recorded), claimed))
            self._news.set()
            raise
        finally:
            if self._segments.get(claimed.run) is segment:
                self._segments.pop(claimed.run, None)
            if self._was_full:
                self._news.set()

    def _goes_on(self, recorded: Sequence[Recorded]) -> int:
        """Return when a run that broke off may go on: at once the first time, then ever later."""
        vain = claims_in_vain([each.event for each in recorded])
        pause = min(self._pace.again * 2 ** (vain - 2), _LONGEST) if vain > 1 else 0.0
        return self.services.clock.monotonic() + int(pause * 1_000_000)

    def _claims(self) -> None:
        """Claim what is queued whenever there is news, until nothing is left or the worker is full."""
        while not self._stopping.is_set():
            self._news.wait()
            self._news.clear()
            try:
                while not self._stopping.is_set() and self._claim_some():
                    pass
            except (AieError, OSError) as error:
                _log.warning("claiming failed: %s; the next beat tries again", error)

    def _give_back(self) -> None:
        """Queue again what broke off here; while the store does not take it, the next beat tries again."""
        while self._misplaced:
            with contextlib.suppress(FenceLost):
                append(self.services.journal, "lack", self._misplaced[0])
            self._misplaced.popleft()
        busy = {key for (_, key), future in list(self._delivering.items()) if not future.done()}
        for _ in range(len(self._broken)):
            at, claimed = self._broken[0]
            if is_due := self.services.clock.monotonic() >= at:
                with contextlib.suppress(FenceLost):
                    append(self.services.journal, "give_back", give_back(self.services, claimed, busy=busy))
            self._broken.popleft()
            if not is_due:
                self._broken.append((at, claimed))

    def _claim_some(self) -> bool:
        self._give_back()
        room = self._pace.capacity - self.engine.in_flight()
        self._was_full = room <= 0
        if room <= 0:
            return False
        store = self.services.store
        rows = claimable(store, limit=room, queues=QUEUES, besides=self.services.ledger.controls.stopped())
        claims = claim_all(self.services, rows)
        self.engine.start(claims)
        return bool(claims)

    def _committed(self, recorded: list[Recorded]) -> None:
        """News from this process's own journal, in the thread that committed: only set flags."""
        started = {each.stream for each in recorded if isinstance(each.event, SegmentStarted)}
        for each in recorded:
            if isinstance(each.event, SegmentQueued) and each.stream not in started:
                self._news.set()
            elif isinstance(each.event, RunCancelRequested):
                segment = self._segments.get(each.stream)
                if segment is not None:
                    segment.cancel()

    # ------------------------------------------------------------ the beat

    def _leases(self) -> None:
        """Keep the lease, apart from the beat: that one may have to wait for a row which a hung process has locked."""
        store, executor = self.services.store, self.services.executor
        while not self._stopping.is_set():
            try:
                renew_lease(store, executor, ttl=self._pace.lease)
                if end_hung_writers(store):
                    _log.warning("a hung process was cut off from the store")
            except FenceLost:
                self._lose()
                return
            except AieError as error:
                _log.warning("the lease could not be renewed: %s; the next beat tries again", error)
            except Exception:  # noqa: BLE001 — only a lost lease ends the worker
                _log.exception("the lease could not be renewed; the next beat tries again")
            self._stopping.wait(self._pace.beat)

    def _beats(self) -> None:
        while not self._stopping.is_set():
            try:
                self._beat()
            except AieError as error:
                _log.warning("a beat failed: %s; the next one tries again", error)
            except Exception:  # noqa: BLE001 — a beat that failed is tried again
                _log.exception("a beat failed; the next one tries again")
            self._news.set()
            self._stopping.wait(self._pace.beat)

    def _beat(self) -> None:
        services = self.services
        expire_leases(services.store, besides=services.executor)
        for row in orphans(services.store):
            if requeue(services, row):
                _log.info("run %s goes on after its executor died", row.id)
        self._claim_needing()
        self._free_held()
        for review in services.store.due_reviews():
            expire_review(services, review)
        self._deliver_due()
        seal(services.store)
        self._beat_count += 1
        if self._beat_count % _TIDY_EVERY == 1:
            self.engine.tidy(live_executors(services.store))

    def _claim_needing(self) -> None:
        """Claim runs that lacked their runtime elsewhere; those that lack it here too hide no others behind them."""
        passed: dict[str, int] = {}
        limit = self._pace.capacity + len(self._passed_over)
        for row in claimable(self.services.store, limit=limit, queues=QUEUES, state="needs_runtime"):
            same = self._passed_over.get(row.id) == row.last_n
            claimed = None if same else claim(self.services, row)
            if claimed is not None:
                self.engine.start([claimed])
            else:
                passed[row.id] = row.last_n
        self._passed_over = passed

    def _free_held(self) -> None:
        """Let runs go on whose steps waited for money or for a stop to be lifted: the longest waiting first."""
        services, room = self.services, dict[str, Spend]()
        for row in held_runs(services.store):
            if services.ledger.freed(row.tenant, json.loads(row.held), room):
                free_held(services, row)

    def _deliver_due(self) -> None:
        services = self.services
        self._delivering = {key: future for key, future in self._delivering.items() if not future.done()}
        for row in services.store.due_effects(limit=32):
            key = (row.tenant, row.key)
            if key not in self._delivering:
                recorded = services.store.read(row.run)
                context = context_of(services, recorded)
                if services.ledger.is_stopped(context.tenant, context.workflow):
                    continue
                if lacks := missing(services, recorded):
                    tell_missing(services, row.tenant, row.run, lacks)
                    continue
                self._delivering[key] = self._outbox.submit(redeliver, context, row)

    def _cancel_requested(self, run: str) -> bool:
        row = self.services.store.run(run)
        return row is not None and row.cancel_requested

    def _lose(self) -> None:
        """The lease is gone: others run our runs now. Stop at once; every write of ours is refused anyway."""
        self.lost = True
        self._stopping.set()
        self._news.set()
        _log.error("the lease of executor %s was lost; stopping", self.services.executor)
        if self._on_lost is not None:
            self._on_lost()
