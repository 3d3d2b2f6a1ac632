"""A fiber that is alone writes its entry itself where that waits for nobody; all else is the thread's, as ever."""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import closing

import pytest
from sqlalchemy import text

from aie.core import fibers
from aie.records import Entry, Event, Journal, Locked, Recorded, Store, UnknownOutcome, take_lease
from aie.records import events as ev
from aie.records import journal as journal_module
from aie.records.links import PostgresLink, SqliteLink
from aie.records.memory import Continuation
from tests.shows.story import EXECUTOR, append, step, submitted
from tests.unit.fiber_loop import Loop, in_fiber

HERE = threading.main_thread().name
THREAD = "journal-w1"
Kind = type[SqliteLink | PostgresLink]


def begin(store: Store, journal: Journal) -> None:
    """Submit a run and begin its first segment: the journal remembers the rows of those that are running."""
    begun = ev.SegmentStarted(segment=1, epoch=1, executor=EXECUTOR, runtime={"model": 1}, engine="local")
    events = (submitted(store, "acme", "run_1"), ev.SegmentQueued(segment=1, why="submitted"), begun)
    journal.append(Entry(tenant="acme", stream="run_1", decide=lambda _: events))


def entry(*names: str) -> Entry:
    """Return an entry of steps that have finished."""
    return Entry(tenant="acme", stream="run_1", decide=lambda _: [step(name) for name in names])


def steps(store: Store) -> list[str]:
    """Return the steps that are recorded, in order."""
    return [each.event.path for each in store.read("run_1") if isinstance(each.event, ev.StepFinished)]


@pytest.fixture
def threads(store: Store, journal: Journal) -> list[str]:
    """Return the threads that committed after a run had begun; all of them once the journal has stopped."""
    told: list[str] = []

    def tell(recorded: list[Recorded]) -> None:
        if not isinstance(recorded[-1].event, ev.SegmentStarted):
            told.append(threading.current_thread().name)

    journal.on_commit(tell)
    begin(store, journal)
    return told


def test_one_that_is_alone_writes_by_itself_and_of_two_neither_does(
    store: Store, journal: Journal, threads: list[str]
) -> None:
    """Whoever is beside it would be held up; its own thread has nothing else to do."""
    in_fiber(lambda: append(journal, "acme", "run_1", step("a")))
    with closing(Loop(at_once=2)) as loop:
        loop.start(lambda: fibers.pause(0.05))
        loop.start(lambda: append(journal, "acme", "run_1", step("b")))
        loop.drive()
    append(journal, "acme", "run_1", step("c"))
    journal.stop()
    assert threads == [HERE, THREAD, THREAD]
    assert steps(store) == ["a", "b", "c"]


def test_what_is_more_than_going_on_is_the_threads(store: Store, journal: Journal, threads: list[str]) -> None:
    """Rows that nobody remembers are locked and read first, which may wait."""
    body = submitted(store, "acme", "run_2")
    in_fiber(lambda: journal.append(Entry(tenant="acme", stream="run_2", decide=lambda _: [body])))
    journal.stop()
    assert threads == [THREAD]


def test_it_waits_for_no_other_writer(store: Store, journal: Journal, threads: list[str]) -> None:
    """Another process has the store's write lock, or the run's row: the thread waits for it, and the loop goes on."""
    is_free = threading.Event()

    def let_go() -> None:
        if not is_free.is_set():
            is_free.set()
            writer.exec_driver_sql("ROLLBACK")

    with store.writing.connect() as writer, closing(Loop(at_once=1)) as loop:
        if store.dialect == "sqlite":
            writer.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            writer.execute(text("SELECT id FROM runs WHERE id = 'run_1' FOR UPDATE"))
        late = threading.Timer(5, let_go)
        late.start()
        loop.start(lambda: append(journal, "acme", "run_1", step("a")))
        loop.loop.call_later(0.05, loop.loop.stop)
        loop.loop.run_forever()
        assert not is_free.is_set(), "the loop stood still"
        late.cancel()
        let_go()
        loop.drive()
    assert steps(store) == ["a"]
    journal.stop()
    assert threads == [THREAD]


def test_it_overtakes_nothing_that_was_put_before(store: Store) -> None:
    """The thread has taken the entry before it, and lingers: the order of entries is that of events."""
    take_lease(store, EXECUTOR, ttl=3_600_000_000, runtime={})
    with Journal(store, "w1", linger_ms=100) as journal:
        begin(store, journal)
        first = journal.write(entry("first"))
        in_fiber(lambda: append(journal, "acme", "run_1", step("second")))
    assert first.done()
    assert steps(store) == ["first", "second"]


@pytest.mark.parametrize("stands", [True, False])
@pytest.mark.parametrize("is_last", [True, False])
def test_the_thread_waits_for_it(
    store: Store, kind: Kind, monkeypatch: pytest.MonkeyPatch, *, is_last: bool, stands: bool
) -> None:
    """What is put meanwhile comes after it, and so does the end; also when it leaves its entry to the thread."""
    take_lease(store, EXECUTOR, ttl=3_600_000_000, runtime={})
    journal = Journal(store, "w1")
    journal.start()
    begin(store, journal)
    later: list[Future[list[Recorded]]] = []
    stopping = threading.Thread(target=journal.stop)
    go_on = kind.go_on

    def slow(link: SqliteLink | PostgresLink, given: Continuation) -> bool:
        monkeypatch.setattr(kind, "go_on", go_on)
        if not is_last:
            later.append(journal.write(Entry(tenant="acme", stream="run_2", decide=_refused)))
        stopping.start()
        stopping.join(0.1)
        if not stands:
            link.rollback()
        return stands and go_on(link, given)  # type: ignore[arg-type]

    monkeypatch.setattr(kind, "go_on", slow)
    in_fiber(lambda: append(journal, "acme", "run_1", step("first")))
    stopping.join(10)
    assert not stopping.is_alive()
    assert steps(store) == ["first"]
    assert all(isinstance(each.exception(10), _Refused) for each in later)
    with store.connect() as connection:
        assert connection.execute(text("SELECT closed FROM writers WHERE writer = 'w1'")).scalar()


class _Refused(Exception):
    """An entry's own error."""


def _refused(_: Locked) -> Sequence[Event]:
    raise _Refused


def test_a_lost_answer_appends_nothing_twice(
    store: Store, journal: Journal, threads: list[str], kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The transaction was done but the connection broke before saying so."""
    go_on = kind.go_on

    def break_after(link: SqliteLink | PostgresLink, given: object) -> bool:
        go_on(link, given)  # type: ignore[arg-type]
        monkeypatch.setattr(kind, "go_on", go_on)
        raise ConnectionError("gone")

    monkeypatch.setattr(kind, "go_on", break_after)
    recorded = in_fiber(lambda: journal.append(entry("a")))
    append(journal, "acme", "run_1", step("b"))
    assert store.read("run_1")[3] == recorded[0]
    assert steps(store) == ["a", "b"]
    journal.stop()
    assert threads == [HERE, THREAD]


def test_a_commit_that_failed_is_tried_again_by_the_thread(
    store: Store, journal: Journal, threads: list[str], kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was not done: the entry decides again and is appended once."""
    go_on = kind.go_on

    def break_before(link: SqliteLink | PostgresLink, _: object) -> bool:
        link.rollback()
        monkeypatch.setattr(kind, "go_on", go_on)
        raise ConnectionError("gone")

    monkeypatch.setattr(kind, "go_on", break_before)
    in_fiber(lambda: append(journal, "acme", "run_1", step("a")))
    assert steps(store) == ["a"]
    journal.stop()
    assert threads == [THREAD]


def test_an_outcome_that_nobody_knows_is_told(
    store: Store, journal: Journal, threads: list[str], kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is neither acknowledged nor tried again."""
    go_on = kind.go_on

    def lose(link: SqliteLink | PostgresLink, given: object) -> bool:
        go_on(link, given)  # type: ignore[arg-type]
        raise ConnectionError("gone")

    def unreachable(*_: object) -> bool:
        raise ConnectionError("still gone")

    with monkeypatch.context() as patch:
        patch.setattr(kind, "go_on", lose)
        patch.setattr(Journal, "_landed", unreachable)
        patch.setattr(journal_module, "_PAUSES", (0.0,))
        with pytest.raises(UnknownOutcome):
            in_fiber(lambda: append(journal, "acme", "run_1", step("a")))
    assert steps(store) == ["a"]
    journal.stop()
    assert not threads


def test_one_that_is_torn_out_of_it_leaves_the_journal_whole(
    store: Store, journal: Journal, threads: list[str], kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its entry is gone, nothing of it is there, and the next that is alone writes by itself again."""
    go_on = kind.go_on

    def interrupt(link: SqliteLink | PostgresLink, _: object) -> bool:
        monkeypatch.setattr(kind, "go_on", go_on)
        raise KeyboardInterrupt

    monkeypatch.setattr(kind, "go_on", interrupt)

    def torn() -> None:
        with pytest.raises(KeyboardInterrupt):
            journal.append(entry("torn"))

    in_fiber(torn)
    append(journal, "acme", "run_1", step("a"))  # by the thread, which reads the rows anew
    in_fiber(lambda: append(journal, "acme", "run_1", step("b")))
    assert steps(store) == ["a", "b"]
    journal.stop()
    assert threads == [THREAD, HERE]


def test_the_cpu_of_a_commit_is_not_the_fibers(journal: Journal, threads: list[str]) -> None:
    """What a step is said to take does not depend on whether it was alone."""

    def slow(_: Locked) -> Sequence[Event]:
        began = time.thread_time_ns()
        while time.thread_time_ns() - began < 100_000_000:
            pass
        return [step("a")]

    def counted() -> int:
        began = fibers.cpu_ns()
        journal.append(Entry(tenant="acme", stream="run_1", decide=slow))
        return fibers.cpu_ns() - began

    assert in_fiber(counted) < 50_000_000
    journal.stop()
    assert threads == [HERE]
