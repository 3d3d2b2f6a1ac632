"""A journal goes on from the rows that it wrote last, and only as long as they stand so."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace

import pytest
from sqlalchemy import text

from aie.core import Spend
from aie.errors import Conflict, FenceLost
from aie.records import (
    Entry,
    Event,
    Journal,
    Locked,
    MemoryKeys,
    Recorded,
    Store,
    drawn,
    drop_lease,
    fenced,
    locked_windows,
    open_store,
    present,
    read_store,
    rebuild,
    submission,
    take_lease,
    verify,
)
from aie.records import events as ev
from aie.records import journal as journal_module
from aie.records.links import PostgresLink, SqliteLink, link_to
from aie.records.memory import Continuation
from aie.records.tables import events as events_table
from tests.shows.story import EXECUTOR, append, step, submitted

WINDOW = "acme/tenant/acme/day/2026-11-22"
SLAB = f"{WINDOW}#1"
QUEUED = ev.SegmentQueued(segment=1, why="submitted")
STARTED = ev.SegmentStarted(segment=1, epoch=1, executor=EXECUTOR, runtime={"model": 1}, engine="local")
WORST = {"cost": 10, "tokens": 100, "calls": 1}
USED = {"cost": 4, "tokens": 40, "calls": 1}


def start(store: Store, journal: Journal, run: str = "run_1") -> None:
    """Let a segment of a run begin, on a slab of its own."""
    journal.append(submission("acme", run, submitted(store, "acme", run), QUEUED, STARTED))
    grant(store, cost=1_000_000)


def grant(store: Store, *, cost: int) -> None:
    """Share the window out anew."""
    with locked_windows(store, "acme", [WINDOW]) as shares:
        shares.grant("acme", WINDOW, SLAB, EXECUTOR, Spend(cost=cost, tokens=cost))


def intended(number: int) -> ev.AttemptIntended:
    """Return the intent of a call that draws on the slab."""
    return ev.AttemptIntended(
        attempt=f"read#{number}", path="read", epoch=1, model="route:reader", request="hmac:" + "3" * 64, worst=WORST,
        draws={WINDOW: SLAB},
    )  # fmt: skip


def settled(number: int) -> ev.AttemptSettled:
    """Return its settlement."""
    return ev.AttemptSettled(
        attempt=f"read#{number}", path="read", outcome="settled", spend=USED, reserved=WORST, draws={WINDOW: SLAB},
        ms=3, response={"text": "42 €"},
    )  # fmt: skip


def drawing(journal: Journal, *events: Event, run: str = "run_1", watch: Callable[[Locked], None] = lambda _: None
            ) -> "Future[list[Recorded]]":  # fmt: skip
    """Put events of a running segment, as its fence allows."""

    def decide(locked: Locked) -> Sequence[Event]:
        fenced(locked, epoch=1, executor=EXECUTOR)
        watch(locked)
        return events

    return journal.write(Entry(tenant="acme", stream=run, decide=decide, segment=1, epoch=1, slabs=[SLAB]))


def counts(store: Store) -> dict[str, Spend]:
    """Return what was drawn on the slab."""
    (row,) = drawn(store, [WINDOW])
    return {"reserved": row.reserved, "spent": row.spent}


def test_a_segment_goes_on_from_what_it_wrote(store: Store, journal: Journal, gone_on: list[bool]) -> None:
    """Only its first draw reads the slab; what is written reads back, and a rebuild gives the same rows."""
    start(store, journal)
    wrote: list[Recorded] = []
    for number in range(1, 5):
        wrote += drawing(journal, intended(number), step(f"prüfung-{number}-✓"), settled(number)).result()
    assert gone_on == [True, True, True], "the first found no row of the slab"
    assert store.read("run_1", after=3) == wrote
    run, drew = store.run("run_1"), counts(store)
    assert run is not None
    assert run.last_n == 15
    assert drew == {"reserved": Spend(), "spent": Spend(cost=16, tokens=160)}
    rebuild(store)
    assert (store.run("run_1"), counts(store)) == (run, drew)


def test_many_runs_go_on_together(store: Store, gone_on: list[bool]) -> None:
    """A batch of several runs is one continuation."""
    take_lease(store, EXECUTOR, ttl=3_600_000_000, runtime={})
    with Journal(store, "w1", linger_ms=200) as journal:
        for run in ("run_1", "run_2", "run_3"):
            start(store, journal, run)
        drawing(journal, intended(1)).result()
        gone_on.clear()
        futures = [drawing(journal, settled(1)), drawing(journal, step("a"), run="run_2"),
                   drawing(journal, intended(1), run="run_3")]  # fmt: skip
        assert [len(each.result()) for each in futures] == [1, 1, 1]
    assert gone_on == [True]
    assert counts(store) == {"reserved": Spend(cost=10, tokens=100), "spent": Spend(cost=4, tokens=40)}


def test_what_came_from_outside_is_seen_by_the_next_decision(
    store: Store, journal: Journal, other: Journal, gone_on: list[bool]
) -> None:
    """The rows did not stand, so they were locked and read, and the decision was made anew."""
    start(store, journal)
    drawing(journal, intended(1)).result()
    append(other, "acme", "run_1", ev.RunCancelRequested(actor="ada", reason="withdrawn"))
    seen: list[bool] = []
    recorded = drawing(journal, settled(1), watch=lambda locked: seen.append(present(locked).cancel_requested)).result()
    assert seen == [False, True]
    assert recorded[0].n == 6, "after what came from outside"
    assert gone_on == [False]
    drawing(journal, step("b")).result()
    assert gone_on == [False, True], "it goes on from there"


def test_a_refusal_is_never_given_from_memory(store: Store, journal: Journal, other: Journal) -> None:
    """What would be refused by remembered rows is decided on those that stand."""
    start(store, journal)
    drawing(journal, intended(1)).result()
    append(other, "acme", "run_1", step("outside"))

    def unmoved(locked: Locked) -> None:
        if present(locked).last_n == 4:
            raise Conflict("nothing has come")

    assert len(drawing(journal, settled(1), watch=unmoved).result()) == 1


def test_a_neighbour_that_is_refused_costs_nobody_his_write(store: Store, gone_on: list[bool]) -> None:
    """Of one batch the one is appended, the other refused, and one statement tells that both were shown what stands."""
    take_lease(store, EXECUTOR, ttl=3_600_000_000, runtime={})

    def refuse(_: Locked) -> None:
        raise Conflict("no")

    with Journal(store, "w1", linger_ms=200) as journal:
        start(store, journal)
        drawing(journal, intended(1)).result()
        futures = [drawing(journal, settled(1)), drawing(journal, step("b"), watch=refuse)]
        assert [each.n for each in futures[0].result()] == [5]
        with pytest.raises(Conflict):
            futures[1].result()
    assert gone_on == [True]


def test_a_lost_lease_ends_it(store: Store, journal: Journal, gone_on: list[bool]) -> None:
    """Nothing is appended for an executor that is dead, whatever is remembered."""
    start(store, journal)
    drawing(journal, intended(1)).result()
    drop_lease(store, EXECUTOR)
    with pytest.raises(FenceLost):
        drawing(journal, settled(1)).result()
    assert gone_on == [False]
    assert len(store.read("run_1")) == 4


def test_another_epoch_ends_it(store: Store, journal: Journal, other: Journal) -> None:
    """Who took the run over has moved it."""
    start(store, journal)
    drawing(journal, intended(1)).result()
    again = ev.SegmentStarted(segment=1, epoch=2, executor=EXECUTOR, runtime={}, engine="local")
    append(other, "acme", "run_1", again)
    with pytest.raises(FenceLost):
        drawing(journal, settled(1)).result()


def test_what_was_recalled_of_a_slab_is_seen(store: Store, journal: Journal, gone_on: list[bool]) -> None:
    """A decision is made on what is granted now."""
    start(store, journal)
    drawing(journal, intended(1)).result()
    grant(store, cost=12)
    idle: list[int] = []
    drawing(journal, step("b"), watch=lambda locked: idle.append(locked.idle[SLAB].cost)).result()
    assert idle == [999_990, 2]
    assert gone_on == [False]


def test_what_others_drew_on_a_slab_is_not_lost(store: Store, journal: Journal, other: Journal) -> None:
    """Two journals that write of one slab, as when a run was taken over, add up."""
    start(store, journal)
    start(store, other, "run_2")
    for number in range(1, 4):
        drawing(journal, intended(number), settled(number)).result()
        drawing(other, intended(number), run="run_2").result()
    assert counts(store) == {"reserved": Spend(cost=30, tokens=300), "spent": Spend(cost=12, tokens=120)}


def test_runs_with_reviews_and_effects_are_read_each_time(store: Store, journal: Journal, gone_on: list[bool]) -> None:
    """Their rows are several, and change from outside."""
    start(store, journal)
    review = ev.ReviewOpened(review="rev_1", path="a", desk="d", shown_hash="sha256:1", why="always", shown={})
    drawing(journal, review, intended(1)).result()
    drawing(journal, settled(1)).result()
    assert gone_on == []


def test_the_end_of_a_segment_is_not_remembered(store: Store, journal: Journal, gone_on: list[bool]) -> None:
    """It is written from what is remembered; whoever comes late is shown the row."""
    start(store, journal)
    drawing(journal, intended(1)).result()
    drawing(journal, settled(1), ev.RunFinished(state="completed", epoch=1, spend=USED, output={})).result()
    assert gone_on == [True]
    run = store.run("run_1")
    assert run is not None
    assert run.state == "completed"
    with pytest.raises(FenceLost):
        drawing(journal, step("late")).result()


def test_an_entry_that_is_refused_alone_is_refused_by_its_rows(
    store: Store, journal: Journal, gone_on: list[bool], caplog: pytest.LogCaptureFixture
) -> None:
    """They are locked and read, and the driver forgets nothing over it."""

    def refuse(locked: Locked) -> None:
        assert locked.idle[SLAB].cost == 999_990
        raise Conflict("no")

    start(store, journal)
    drawing(journal, intended(1)).result()
    with pytest.raises(Conflict):
        drawing(journal, step("b"), watch=refuse).result()
    assert gone_on == []
    drawing(journal, step("c")).result()
    assert gone_on == [True]
    assert not caplog.records, "the server still knew its statements"


@pytest.mark.postgres
def test_a_statement_that_the_server_forgot_is_prepared_again(
    postgres_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """As after a rollback, or behind a pooler that discards what sessions have."""
    store = open_store(postgres_url, keys=MemoryKeys())
    take_lease(store, EXECUTOR, ttl=3_600_000_000, runtime={})
    with Journal(store, "w1") as journal:
        start(store, journal)
        drawing(journal, intended(1)).result()
        drawing(journal, step("a")).result()
        link = journal._link
        assert link is not None
        link.run("DEALLOCATE ALL")
        link.commit()
        assert [each.n for each in drawing(journal, step("b")).result()] == [6]
    assert not caplog.records
    store.close()


def test_a_write_that_the_database_refuses_is_over_at_once(
    store: Store, journal: Journal, kind: type[SqliteLink | PostgresLink], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is left open that the look at what became of it would have to wait for; then the entry is tried again."""
    start(store, journal)
    first = drawing(journal, intended(1)).result()
    go_on = kind.go_on

    def twice(self: SqliteLink | PostgresLink, given: Continuation) -> bool:
        monkeypatch.setattr(kind, "go_on", go_on)
        place = (*given.events[0][:1], first[-1].n, *given.events[0][2:])
        return go_on(self, replace(given, events=[place]))  # type: ignore[arg-type]

    monkeypatch.setattr(kind, "go_on", twice)
    monkeypatch.setattr(journal_module, "_PAUSES", (0.0,))
    assert [each.n for each in drawing(journal, settled(1)).result(timeout=20)] == [first[-1].n + 1]


@pytest.mark.postgres
def test_a_lost_answer_is_waited_for_while_the_server_is_still_at_it(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection breaks while the statement has its rows and waits for another's; it is done later, and once."""
    store = open_store(postgres_url, keys=MemoryKeys())
    take_lease(store, EXECUTOR, ttl=3_600_000_000, runtime={})
    go_on, at_it = PostgresLink.go_on, list[threading.Thread]()
    elsewhere = link_to(store.writing)

    def lose(self: PostgresLink, given: Continuation) -> bool:
        if at_it:
            return go_on(self, given)
        at_it.append(threading.Thread(target=lambda: go_on(elsewhere, given)))  # type: ignore[arg-type]
        at_it[0].start()
        until(lambda: waiting(store) == 1)
        raise ConnectionError("gone")

    with Journal(store, "w1") as journal, store.writing.connect() as holder:
        start(store, journal)
        drawing(journal, intended(1)).result()
        changed = {"n": "5", "writer": "'w9'"}
        columns = [column.name for column in events_table.columns]
        taken = ", ".join(changed.get(name, name) for name in columns)
        holder.execute(text(f"INSERT INTO events ({', '.join(columns)}) SELECT {taken} FROM events WHERE n = 1"))
        monkeypatch.setattr(PostgresLink, "go_on", lose)
        lost = drawing(journal, settled(1))
        until(lambda: waiting(store) == 2)
        holder.rollback()
        assert [each.n for each in lost.result()] == [5]
        at_it[0].join()
    assert [each.event.type for each in store.read("run_1")].count("attempt.settled") == 1
    elsewhere.close()
    store.close()


def until(holds: Callable[[], bool]) -> None:
    """Look until it is so."""
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def waiting(store: Store) -> int:
    """Return how many statements wait for a lock."""
    with store.connect() as connection:
        sql = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        return int(connection.execute(text(sql)).scalar_one())


@pytest.mark.parametrize("done", [False, True])
def test_an_answer_that_is_lost_is_looked_for(
    store: Store, journal: Journal, kind: type[SqliteLink | PostgresLink], monkeypatch: pytest.MonkeyPatch, done: bool
) -> None:
    """Whether it was done or not: it is there once, and at the position that was told."""
    start(store, journal)
    drawing(journal, intended(1)).result()
    go_on = kind.go_on

    def break_once(self: SqliteLink | PostgresLink, given: Continuation) -> bool:
        monkeypatch.setattr(kind, "go_on", go_on)
        if done:
            go_on(self, given)  # type: ignore[arg-type]
        raise ConnectionError("gone")

    monkeypatch.setattr(kind, "go_on", break_once)
    assert [each.n for each in drawing(journal, settled(1)).result()] == [5]
    assert [each.n for each in drawing(journal, step("b")).result()] == [6]
    assert [each.n for each in store.read("run_1")] == [1, 2, 3, 4, 5, 6]
    assert counts(store)["spent"] == Spend(cost=4, tokens=40)


@pytest.mark.parametrize("second_run", ["run_1", "run_2"])
def test_two_processes_that_write_of_the_same_rows_lose_nothing(store_url: str, second_run: str) -> None:
    """Each finds now and then that the rows do not stand; positions have no gap, sums add up, the chain holds."""
    keys = MemoryKeys()
    here, there = open_store(store_url, keys=keys), open_store(store_url, keys=keys)
    take_lease(here, EXECUTOR, ttl=3_600_000_000, runtime={})
    each, together = 150, 6
    with Journal(here, "w1") as first, Journal(there, "w2") as second:
        start(here, first)
        if second_run != "run_1":
            start(there, second, second_run)
        waiting: list[Future[list[Recorded]]] = []
        for number in range(each):
            waiting.append(drawing(first, intended(number), settled(number)))
            waiting.append(drawing(second, intended(1_000 + number), settled(1_000 + number), run=second_run))
            while len(waiting) > together:
                waiting.pop(0).result()
        for future in waiting:
            future.result()
    streams = {run: [recorded.n for recorded in here.read(run)] for run in {"run_1", second_run}}
    total = 4 * each + 3 * len(streams)
    assert all(found == list(range(1, total // len(streams) + 1)) for found in streams.values())
    assert counts(here) == {"reserved": Spend(), "spent": Spend(cost=8 * each, tokens=80 * each)}
    with read_store(here) as source:
        report = verify(source)
    assert report.events == total
    assert report.findings == ()
    here.close()
    there.close()
