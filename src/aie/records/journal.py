"""The journal: one writer a process, many entries a commit.

Callers put entries and wait for futures. A thread takes whatever has gathered, does it in one transaction and resolves
the futures once it is durable. When a transaction fails as a whole its entries are tried again one by one, so that a
bad one cannot fail its neighbours.

A fiber that is alone, while nothing is under way here, writes its entry itself where that waits for nobody: two changes
of threads cost as much as the transaction (design/017).
"""

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Final, Self

from aie.core import fibers
from aie.errors import StoreError
from aie.records.batch import Batch, Outcome, as_error, nothing_appended
from aie.records.entries import Entry
from aie.records.links import Link, link_to
from aie.records.memory import Memory
from aie.records.rows import Recorded
from aie.records.sites import reached
from aie.records.store import Store
from aie.records.tables import CHANNEL

__all__ = ["Journal", "UnknownOutcome"]

_TRIES: Final = 3
_PAUSES: Final = (0.1, 0.5, 2.0)
"""Seconds between the tries to find out what became of a commit."""
_BATCH: Final = 64

_LOCK: Final = "SELECT id FROM runs WHERE id {among} ORDER BY id {lock}"

_log = logging.getLogger("aie.records")


class UnknownOutcome(StoreError):
    """The connection broke during a commit and the store could not be asked since: the entry is there, or it is not."""

    code = "unknown-outcome"
    retryable = True


@dataclass(frozen=True, slots=True)
class _Order:
    entry: Entry
    done: Callable[[Outcome], None]


class Journal:
    """Group commit for one process. `writer` must never be used by two journals: mint a fresh id for each."""

    def __init__(self, store: Store, writer: str, *, linger_ms: int = 0) -> None:
        self._store = store
        self._writer = writer
        self._linger = linger_ms / 1000
        self._orders: queue.SimpleQueue[_Order | None] = queue.SimpleQueue()
        self._seqs: dict[str, int] = {}
        self._observers: list[Callable[[list[Recorded]], None]] = []
        self._thread: threading.Thread | None = None
        self._putting = threading.Lock()
        self._open = False
        self._under_way = 0
        """Entries that were put and not resolved."""
        self._turn = threading.Lock()
        """Of whoever commits. Nobody waits for it but the thread."""
        self._link: Link | None = None
        self._memory = Memory()
        store.writers_here.add(writer)

    @property
    def writer(self) -> str:
        """Id under which this journal appends."""
        return self._writer

    def start(self) -> None:
        """Start the writer thread."""
        with self._putting:
            if self._open:
                raise StoreError("the journal was started before")
            self._open = True
        self._thread = threading.Thread(target=self._loop, name=f"journal-{self._writer}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Write everything that was put before, then end the thread."""
        with self._putting:
            was_open, self._open = self._open, False
            if was_open:
                self._orders.put(None)
        if self._thread is not None:
            self._thread.join()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def put(self, entry: Entry, done: Callable[[Outcome], None]) -> None:
        """Put an entry; `done` is called, by whoever committed it, with what was appended, once durable, or the error.

        It must be quick.
        """
        order = _Order(entry, done)
        with self._putting:
            if not self._open:
                raise StoreError("the journal is not running", hints=("call start() first; nothing follows stop()",))
            here = not self._under_way and fibers.is_alone() and self._turn.acquire(blocking=False)
            self._under_way += 1
            if not here:
                self._orders.put(order)
        if here:
            try:
                if not fibers.uncounted(lambda: self._lead(order)):
                    self._orders.put(order)
            finally:
                self._turn.release()

    def write(self, entry: Entry) -> "Future[list[Recorded]]":
        """Put an entry; the future holds what was appended once it is durable, or the entry's error."""
        future: Future[list[Recorded]] = Future()
        # What was put is written: it cannot be cancelled any more, and resolving it cannot fail.
        future.set_running_or_notify_cancel()

        def done(outcome: Outcome) -> None:
            if isinstance(outcome, BaseException):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)

        self.put(entry, done)
        return future

    def append(self, entry: Entry) -> list[Recorded]:
        """Put an entry and wait for it."""
        answer: fibers.Answer[list[Recorded]] = fibers.Answer()
        self.put(entry, answer)
        return answer.wait()

    def on_commit(self, callback: Callable[[list[Recorded]], None]) -> None:
        """Call `callback`, in the thread that committed, with what each transaction appended. It must be quick."""
        self._observers.append(callback)

    def _loop(self) -> None:
        last = False
        while not last:
            orders, last = self._gather()
            if orders:
                with self._turn:
                    self._settle(orders)
        with self._turn:
            while not self._orders.empty():  # a fiber left it to this thread since
                order = self._orders.get()
                if order is not None:
                    self._settle([order])
            if self._link is not None:
                self._retire()

    def _lead(self, order: _Order) -> bool:
        """Write on from what is remembered; false when that is not enough, and the order is the thread's."""
        try:
            outcomes = None if self._link is None else self._go_on(self._link, [order.entry], waits=False)
        except UnknownOutcome as error:
            self._recover()
            outcomes = [error]
        except Exception:  # noqa: BLE001 - nothing was done: the thread tries again, and tells of it
            self._recover()
            return False
        except BaseException:
            self._recover()
            with self._putting:
                self._under_way -= 1
            raise
        if outcomes is None:
            return False
        self._resolve([order], outcomes)
        return True

    def _gather(self) -> tuple[list[_Order], bool]:
        """Wait for one order and take those that are there, or come within the linger."""
        first = self._orders.get()
        if first is None:
            return [], True
        orders = [first]
        until = time.monotonic() + self._linger
        while len(orders) < _BATCH:
            try:
                left = until - time.monotonic() if self._linger else 0.0
                order = self._orders.get(timeout=left) if left > 0 else self._orders.get_nowait()
            except queue.Empty:
                break
            if order is None:
                return orders, True
            orders.append(order)
        return orders, False

    def _settle(self, orders: Sequence[_Order]) -> None:
        try:
            outcomes = self._commit([order.entry for order in orders])
        except UnknownOutcome as error:
            self._resolve(orders, [error] * len(orders))
        except Exception as error:  # noqa: BLE001 - the database failed the batch; each entry gets its own try
            if len(orders) > 1:
                _log.warning(
                    "a batch of %d failed (%s); trying its entries one by one", len(orders), type(error).__name__
                )
            for order in orders:
                self._resolve([order], [self._alone(order.entry)])
        else:
            self._resolve(orders, outcomes)

    def _alone(self, entry: Entry) -> Outcome:
        error: Exception | None = None
        for _ in range(_TRIES):
            try:
                return self._commit([entry])[0]
            except UnknownOutcome as unknown:
                return unknown
            except Exception as raised:  # noqa: BLE001 - told to the entry's future below
                error = raised
        assert error is not None
        return as_error(error)

    def _resolve(self, orders: Sequence[_Order], outcomes: Sequence[Outcome]) -> None:
        appended: list[Recorded] = []
        for order, outcome in zip(orders, outcomes, strict=True):
            if not isinstance(outcome, BaseException):
                appended.extend(outcome)
            try:
                order.done(outcome)
            except Exception:  # noqa: BLE001 - the others wait for theirs
                _log.exception("whoever put an entry could not be told what became of it")
        for observer in self._observers if appended else ():
            try:
                observer(appended)
            except Exception:  # noqa: BLE001 - what was committed must be told to the next observer too
                _log.exception("an observer of the journal failed")
        with self._putting:
            self._under_way -= len(orders)

    def _commit(self, entries: Sequence[Entry]) -> list[Outcome]:
        if self._link is None:
            self._link = link_to(self._store.writing)
        try:
            outcomes = self._go_on(self._link, entries)
            return self._begin_anew(self._link, entries) if outcomes is None else outcomes
        except BaseException:
            self._recover()
            raise

    def _go_on(self, link: Link, entries: Sequence[Entry], *, waits: bool = True) -> list[Outcome] | None:
        """Write on from the rows as this journal left them; None, and nothing done, when they are not enough.

        With `waits` false nor is it when another writer is in the way.
        """
        if not all(entry.tenant in self._seqs and self._memory.knows(entry) for entry in entries):
            return None
        batch = self._batch(dict(self._seqs))
        decided = batch.go_on(entries, self._memory)
        if decided is None:
            return None
        outcomes, continuation = decided
        if not link.begin(waits=waits):
            return None
        if not self._make_durable(link, batch, lambda: link.go_on(continuation)):
            self._memory.forget(batch.desk)
            return None
        self._adopt(batch)
        return outcomes

    def _begin_anew(self, link: Link, entries: Sequence[Entry]) -> list[Outcome]:
        """Lock the rows, read them, decide and write."""
        link.begin()
        batch = self._batch(self._last(link, entries))
        outcomes = batch.work(link, entries)
        if nothing_appended(outcomes):
            reached("journal.before_commit")
            link.commit()  # of nothing: a rollback would make the driver forget all that it has prepared
            reached("journal.after_commit")
            return outcomes
        if news := batch.news():
            link.notify(CHANNEL, news)
        self._make_durable(link, batch, link.commit)
        self._adopt(batch)
        return outcomes

    def _batch(self, seqs: dict[str, int]) -> Batch:
        return Batch(self._store.vault, self._writer, self._store.clock.now(), seqs)

    def _adopt(self, batch: Batch) -> None:
        """Go on from what is durable now."""
        self._seqs.update(batch.seqs)
        self._memory.learn(batch.desk, batch.granted)
        for tenant, made in batch.made.items():
            self._store.vault.remember(tenant, made)

    def _make_durable(self, link: Link, batch: Batch, commit: Callable[[], bool | None]) -> bool:
        """Commit, unless it says itself that it did nothing; return whether it was done.

        When the answer is lost, find out, so that nothing is appended twice.
        """
        reached("journal.before_commit")
        done = True
        try:
            done = commit() is not False
        except Exception as error:
            with contextlib.suppress(Exception):
                link.rollback()  # of what may be open still: who looks what became of it would wait for its locks
            for pause in _PAUSES:
                try:
                    landed = self._landed(batch)
                except Exception:  # noqa: BLE001 - the database may be restarting
                    time.sleep(pause)
                    continue
                if not landed:
                    raise
                self._recover()
                break
            else:
                raise UnknownOutcome(f"the store did not say whether it committed: {type(error).__name__}") from error
        reached("journal.after_commit")
        return done

    def _landed(self, batch: Batch) -> bool:
        """Look whether a transaction was done whose answer was lost.

        The server may be at it still, as it need not know that nobody listens: its rows are locked first.
        """
        tenant, writer_seq, leaf = batch.first
        link = link_to(self._store.writing)
        try:
            link.begin()
            link.fetch(_LOCK, link.array(sorted(batch.desk.runs)))
            sql = "SELECT leaf FROM events WHERE tenant = ? AND writer = ? AND writer_seq = ?"
            rows = link.fetch(sql, tenant, self._writer, writer_seq)
            return bool(rows) and bytes(rows[0][0]) == leaf
        finally:
            link.rollback()
            link.close()

    def _last(self, link: Link, entries: Sequence[Entry]) -> dict[str, int]:
        """Return this writer's last positions; register it, in this transaction, with tenants that are new to it."""
        seqs = dict(self._seqs)
        for tenant in {entry.tenant for entry in entries} - seqs.keys():
            rows = link.fetch(
                "SELECT max(writer_seq) FROM events WHERE tenant = ? AND writer = ?", tenant, self._writer
            )
            seqs[tenant] = rows[0][0] or 0
            link.run(
                "INSERT INTO writers (tenant, writer, kind, sealed_seq, closed) VALUES (?, ?, 'events', 0, false) "
                "ON CONFLICT DO NOTHING",
                tenant,
                self._writer,
            )
        return seqs

    def _recover(self) -> None:
        """Forget what the failed transaction may have made untrue: positions, rows, and the connection itself."""
        self._seqs.clear()
        self._memory.clear()
        link, self._link = self._link, None
        if link is None:
            return
        try:
            link.rollback()
            link.close()
        except Exception:  # noqa: BLE001 - the connection is broken; the pool replaces it
            _log.warning("a connection of the journal was lost")

    def _retire(self) -> None:
        """Tell the sealer that nothing follows, and give the connection back."""
        assert self._link is not None
        try:
            self._link.begin()
            self._link.run("UPDATE writers SET closed = true WHERE writer = ?", self._writer)
            reached("journal.before_commit")
            self._link.commit()
            reached("journal.after_commit")
            self._link.close()
        except Exception as error:  # noqa: BLE001 - only a hint to the sealer is lost
            _log.warning("the journal could not say that it ended (%s)", type(error).__name__)
        self._link = None
