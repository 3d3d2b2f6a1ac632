"""The journal on both databases: what is acknowledged is there once, in order, and nothing else is."""

import gc
import weakref
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace
from threading import Event as Flag

import pytest
from sqlalchemy import select, text

from aie.errors import Conflict, FenceLost, IdempotencyConflict, InputError, NotFound, StoreError
from aie.records import (
    CHANNEL,
    Entry,
    Event,
    Journal,
    Locked,
    MemoryKeys,
    Recorded,
    Repeat,
    RunRow,
    Store,
    UnknownOutcome,
    claimable,
    drop_lease,
    environment_stream,
    fenced,
    observe,
    open_store,
    present,
    seal,
    submission,
    take_lease,
)
from aie.records import events as ev
from aie.records import journal as journal_module
from aie.records.links import PostgresLink, SqliteLink
from aie.records.tables import events as events_table
from tests.shows.story import EXECUTOR, append, step, submitted

QUEUED = ev.SegmentQueued(segment=1, why="submitted")
STARTED = ev.SegmentStarted(segment=1, epoch=1, executor=EXECUTOR, runtime={"model": 1}, engine="local")


def submit(store: Store, journal: Journal, run: str, *then: Event) -> list[Recorded]:
    """Submit one run."""
    return journal.append(submission("acme", run, submitted(store, "acme", run), *then))


def writer_seqs(store: Store, writer: str) -> list[int]:
    """Return the positions that a writer used."""
    query = select(events_table.c.writer_seq).where(events_table.c.writer == writer).order_by(events_table.c.writer_seq)
    with store.connect() as connection:
        return list(connection.execute(query).scalars())


def test_what_was_appended_reads_back_the_same(store: Store, journal: Journal) -> None:
    """Public and private fields survive, floats in private payloads included."""
    recorded = submit(store, journal, "run_1", QUEUED, STARTED)
    assert store.read("run_1") == recorded
    assert store.read("run_1", after=2) == recorded[2:]
    assert [each.n for each in recorded] == [1, 2, 3]
    assert [each.epoch for each in recorded] == [0, 0, 1], "events from the claim on carry its epoch"


def test_a_stream_is_empty_for_another_tenant(store: Store, journal: Journal) -> None:
    """The tenant is checked in code, not only by the caller's good will."""
    submit(store, journal, "run_1", QUEUED)
    assert store.read("run_1", tenant="globex") == []
    assert store.run("run_1", tenant="globex") is None
    with pytest.raises(NotFound):
        append(journal, "globex", "run_1", step("a"))


def test_private_payloads_are_not_readable_in_the_database(store: Store, journal: Journal) -> None:
    """No private text stands in any column of any event."""
    submit(store, journal, "run_secret", QUEUED)
    with store.connect() as connection:
        for row in connection.execute(select(events_table)):
            assert all(b"water damage" not in bytes(str(value), "utf-8") for value in row)
            assert row.payload is None or b"water damage" not in bytes(row.payload)


def test_a_decision_that_raises_fails_its_entry_alone(store: Store, journal: Journal) -> None:
    """Neighbours in the same transaction are appended and no position is lost."""

    def refuse(_: Locked) -> Sequence[Event]:
        raise Conflict("no")

    futures = [
        journal.write(submission("acme", "run_1", submitted(store, "acme", "1"), QUEUED)),
        journal.write(Entry(tenant="acme", stream="run_2", decide=refuse)),
        journal.write(submission("acme", "run_3", submitted(store, "acme", "3"), QUEUED)),
    ]
    assert len(futures[0].result()) == 2
    with pytest.raises(Conflict, match="no"):
        futures[1].result()
    assert len(futures[2].result()) == 2
    assert writer_seqs(store, "w1") == [1, 2, 3, 4]


def test_an_entry_that_the_database_refuses_does_not_fail_its_neighbours(store: Store) -> None:
    """The batch is tried again entry by entry; positions stay without a gap."""
    journal = Journal(store, "w1", linger_ms=200)
    review = ev.ReviewOpened(review="rev_1", path="a", desk="d", shown_hash="sha256:1", why="always", shown={})
    with journal:
        submit(store, journal, "run_1", QUEUED, review)
        twice = submission("acme", "run_2", submitted(store, "acme", "2"), QUEUED, review)
        futures = [
            journal.write(twice),
            journal.write(submission("acme", "run_3", submitted(store, "acme", "3"), QUEUED)),
        ]
        with pytest.raises(StoreError):
            futures[0].result()
        assert [each.n for each in futures[1].result()] == [1, 2]
    assert store.run("run_2") is None
    assert writer_seqs(store, "w1") == [1, 2, 3, 4, 5]


def test_values_that_are_not_json_are_refused_before_anything_is_written(store: Store, journal: Journal) -> None:
    """A float in a public field, and an object in a private one, are the caller's mistakes."""
    submit(store, journal, "run_1", QUEUED)
    wrong = ev.SegmentClosed(segment=1, epoch=1, executing_ms=0.5)  # type: ignore[arg-type]
    with pytest.raises(InputError):
        append(journal, "acme", "run_1", wrong)
    with pytest.raises(InputError):
        append(journal, "acme", "run_1", ev.RunCancelRequested(actor="ada", reason=object()))  # type: ignore[arg-type]
    assert len(store.read("run_1")) == 2


def test_the_same_submission_again_names_the_run_that_exists(store: Store, journal: Journal) -> None:
    """A repeat is answered with the first run; another body under the key is a conflict."""
    body = submitted(store, "acme", "case", key="k")
    journal.append(submission("acme", "run_1", body, QUEUED))
    with pytest.raises(Repeat) as repeat:
        journal.append(submission("acme", "run_2", body, QUEUED))
    assert repeat.value.run_id == "run_1"
    with pytest.raises(IdempotencyConflict):
        journal.append(submission("acme", "run_3", submitted(store, "acme", "other", key="k"), QUEUED))
    elsewhere = submitted(store, "globex", "case", key="k")
    assert journal.append(submission("globex", "run_4", elsewhere, QUEUED)), "keys of tenants are apart"


def test_of_equal_submissions_in_one_commit_one_is_accepted(store: Store) -> None:
    """Entries of a batch see what earlier ones did."""
    journal = Journal(store, "w1", linger_ms=100)
    body = submitted(store, "acme", "case")
    with journal:
        futures = [journal.write(submission("acme", f"run_{n}", body, QUEUED)) for n in range(4)]
        outcomes = [future.exception() for future in futures]
    assert outcomes[0] is None
    assert [type(each) for each in outcomes[1:]] == [Repeat] * 3


def test_two_journals_accept_a_submission_once(store: Store, journal: Journal) -> None:
    """Also when neither saw the other's before it decided."""
    body = submitted(store, "acme", "case")
    with Journal(store, "w2") as other:
        writers = [journal, other] * 10
        futures: list[Future[list[Recorded]]] = [
            each.write(submission("acme", f"run_{n}", body, QUEUED)) for n, each in enumerate(writers)
        ]
        outcomes = [future.exception() for future in futures]
    assert sum(each is None for each in outcomes) == 1
    assert sum(isinstance(each, Repeat) for each in outcomes) == 19
    assert len(store.runs().rows) == 1


def test_only_the_owner_of_the_epoch_may_write(store: Store, journal: Journal) -> None:
    """A fenced decision is refused for a stale epoch, another executor and a lease that was lost."""
    submit(store, journal, "run_1", QUEUED, STARTED)

    def write(epoch: int, executor: str) -> list[Recorded]:
        def decide(locked: Locked) -> Sequence[Event]:
            fenced(locked, epoch=epoch, executor=executor)
            return (step("a"),)

        return journal.append(Entry(tenant="acme", stream="run_1", decide=decide, segment=1, epoch=epoch))

    assert write(1, EXECUTOR)
    for epoch, executor in ((0, EXECUTOR), (2, EXECUTOR), (1, "ex_other")):
        with pytest.raises(FenceLost):
            write(epoch, executor)
    drop_lease(store, EXECUTOR)
    with pytest.raises(FenceLost, match="lease"):
        write(1, EXECUTOR)


def claiming(row: RunRow, executor: str) -> Entry:
    """Claim a run as an executor does."""

    def decide(locked: Locked) -> Sequence[ev.Event]:
        run = present(locked)
        if run.state != "queued":
            raise Conflict("claimed")
        if executor not in locked.live:
            raise FenceLost("no lease")
        started = ev.SegmentStarted(
            segment=run.segment, epoch=run.epoch + 1, executor=executor, runtime={}, engine="local"
        )
        return (started,)

    return Entry(tenant=row.tenant, stream=row.id, decide=decide, executor=executor)


def test_of_two_claims_one_wins_and_raises_the_epoch(store: Store, journal: Journal) -> None:
    """The claim decides again under the row lock."""
    submit(store, journal, "run_1", QUEUED)
    take_lease(store, "ex_2", ttl=1_000_000, runtime={})
    (row,) = claimable(store, limit=10, queues=["interactive"])
    first = journal.append(claiming(row, EXECUTOR))
    with pytest.raises(Conflict):
        journal.append(claiming(row, "ex_2"))
    assert isinstance(first[0].event, ev.SegmentStarted)
    run = store.run("run_1")
    assert run is not None
    assert (run.state, run.epoch, run.executor) == ("running", 1, EXECUTOR)
    assert claimable(store, limit=10, queues=["interactive"]) == []


def test_an_executor_without_a_live_lease_claims_nothing(store: Store, journal: Journal) -> None:
    """Neither a queued run nor one that it submits itself."""
    submit(store, journal, "run_1", QUEUED)
    (row,) = claimable(store, limit=10, queues=["interactive"])
    with pytest.raises(FenceLost):
        journal.append(claiming(row, "ex_gone"))
    with pytest.raises(FenceLost):
        journal.append(submission("acme", "run_2", submitted(store, "acme", "2"), QUEUED, executor="ex_gone"))


def test_what_arrives_during_a_segment_sets_wake(store: Store, journal: Journal) -> None:
    """The closing transaction sees it; the next claim clears it; what the segment writes itself does not set it."""
    submit(store, journal, "run_1", QUEUED, STARTED)
    append(journal, "acme", "run_1", ev.RunCancelRequested(actor="ada"), epoch=1)
    run = store.run("run_1")
    assert run is not None
    assert not run.wake
    append(journal, "acme", "run_1", ev.RunCancelRequested(actor="ada"))
    run = store.run("run_1")
    assert run is not None
    assert run.wake
    assert run.cancel_requested
    append(journal, "acme", "run_1", ev.SegmentStarted(segment=2, epoch=2, executor=EXECUTOR, runtime={}, engine="x"))
    run = store.run("run_1")
    assert run is not None
    assert not run.wake


def test_an_effect_key_is_owed_once_in_a_tenant(store: Store, journal: Journal) -> None:
    """A second run that asks for the same effect conflicts, whether or not it looked."""
    owed = ev.EffectQueued(key="k", path="p", receiver="r", semantics="idempotent", body_hash="h", request={})
    submit(store, journal, "run_1", QUEUED, owed)
    submit(store, journal, "run_2", QUEUED)
    with pytest.raises(StoreError):
        append(journal, "acme", "run_2", owed)
    seen: list[str] = []

    def look(locked: Locked) -> Sequence[Event]:
        seen.append(locked.effects["k"].run)
        return (owed,)

    with pytest.raises(Conflict, match="run_1"):
        journal.append(Entry(tenant="acme", stream="run_2", decide=look, effect_keys=("k",)))
    assert seen == ["run_1"]


def test_a_move_of_an_environment_sees_where_it_points(store: Store, journal: Journal) -> None:
    """Promotion decides on the pointer as it stands."""
    stream = environment_stream("acme", "claims", "production")

    def move(after: str) -> list[Recorded]:
        def decide(locked: Locked) -> Sequence[Event]:
            before = locked.pointers.get("stable", "")
            return (
                ev.EnvironmentMoved(
                    workflow="claims", environment="production", pointer="stable", before=before, after=after,
                    actor="ada", verb="promote",
                ),
            )  # fmt: skip

        return journal.append(Entry(tenant="acme", stream=stream, decide=decide))

    move("sha256:1")
    second = move("sha256:2")[0].event
    assert isinstance(second, ev.EnvironmentMoved)
    assert second.before == "sha256:1"
    assert store.environment("acme", "claims", "production") == {"stable": "sha256:2"}


def test_observers_hear_of_each_commit_and_cannot_break_it(store: Store, journal: Journal) -> None:
    """One observer fails; the other is told and the entry is acknowledged."""
    heard: list[str] = []

    def fail(_: list[Recorded]) -> None:
        raise RuntimeError("observer")

    journal.on_commit(fail)
    journal.on_commit(lambda recorded: heard.extend(each.event.type for each in recorded))
    submit(store, journal, "run_1", QUEUED)
    append(journal, "acme", "run_1", step("a"))
    assert heard[:2] == ["run.submitted", "segment.queued"]


def test_stop_writes_what_was_put_and_refuses_what_follows(store: Store) -> None:
    """Nothing that was accepted is dropped at the end."""
    journal = Journal(store, "w9")
    journal.start()
    futures = [
        journal.write(submission("acme", f"run_{n}", submitted(store, "acme", str(n)), QUEUED)) for n in range(70)
    ]
    journal.stop()
    assert all(len(future.result()) == 2 for future in futures)
    with pytest.raises(StoreError):
        journal.write(Entry(tenant="acme", stream="run_x", decide=lambda _: ()))


def test_a_lost_answer_to_a_commit_appends_nothing_twice(
    store: Store, journal: Journal, kind: type[SqliteLink | PostgresLink], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The transaction was done but the connection broke before saying so."""
    commit = kind.commit

    def commit_and_break(self: SqliteLink | PostgresLink) -> None:
        commit(self)  # type: ignore[arg-type]
        monkeypatch.setattr(kind, "commit", commit)
        raise ConnectionError("gone")

    monkeypatch.setattr(kind, "commit", commit_and_break)
    recorded = submit(store, journal, "run_1", QUEUED)
    assert store.read("run_1") == recorded
    assert len(submit(store, journal, "run_2", QUEUED)) == 2
    assert writer_seqs(store, "w1") == [1, 2, 3, 4]


def test_a_commit_that_failed_is_tried_again(
    store: Store, journal: Journal, kind: type[SqliteLink | PostgresLink], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The transaction was not done: the entry decides again and is appended once."""
    commit = kind.commit

    def break_first(self: SqliteLink | PostgresLink) -> None:
        self.rollback()
        monkeypatch.setattr(kind, "commit", commit)
        raise ConnectionError("gone")

    monkeypatch.setattr(kind, "commit", break_first)
    assert len(submit(store, journal, "run_1", QUEUED)) == 2
    assert writer_seqs(store, "w1") == [1, 2]


def test_a_commit_that_nobody_can_vouch_for_is_said_to_be_unknown(
    store: Store, journal: Journal, kind: type[SqliteLink | PostgresLink], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is neither acknowledged nor tried again."""
    commit = kind.commit

    def lose(self: SqliteLink | PostgresLink) -> None:
        commit(self)  # type: ignore[arg-type]
        raise ConnectionError("gone")

    def unreachable(*_: object) -> bool:
        raise ConnectionError("still gone")

    with monkeypatch.context() as patch:
        patch.setattr(kind, "commit", lose)
        patch.setattr(Journal, "_landed", unreachable)
        patch.setattr(journal_module, "_PAUSES", (0.0,))
        with pytest.raises(UnknownOutcome):
            submit(store, journal, "run_1", QUEUED)
    assert len(store.read("run_1")) == 2


@pytest.mark.postgres
def test_postgres_tells_other_processes_what_became_runnable(postgres_url: str) -> None:
    """A queued run is news; one claimed in the same commit is not."""
    store = open_store(postgres_url, keys=MemoryKeys())
    with store.reading.connect() as connection, Journal(store, "w1") as journal:
        take_lease(store, EXECUTOR, ttl=3_600_000_000, runtime={})
        connection.execute(text(f"LISTEN {CHANNEL}"))
        submit(store, journal, "run_1", QUEUED, STARTED)
        submit(store, journal, "run_2", QUEUED)
        driver = connection.connection.driver_connection
        assert driver is not None
        assert [notice.payload for notice in driver.notifies(timeout=5, stop_after=1)] == [f"{journal.writer} run_2"]
    store.close()


def test_a_slow_observer_delays_only_later_commits(store: Store, journal: Journal) -> None:
    """Futures are resolved before observers are told."""
    release = Flag()

    def wait(_: list[Recorded]) -> None:
        release.wait(5)

    journal.on_commit(wait)
    future = journal.write(submission("acme", "run_1", submitted(store, "acme", "1"), QUEUED))
    assert len(future.result(timeout=5)) == 2
    release.set()


@pytest.mark.postgres
def test_a_process_stopped_inside_a_transaction_stops_nobody_else(postgres_url: str) -> None:
    """The server ends its transaction: its locks go, its entry decides again when it comes back and meets the fence."""
    store = open_store(postgres_url, keys=MemoryKeys())
    take_lease(store, EXECUTOR, ttl=3_600_000_000, runtime={})
    with Journal(store, "stopped") as stopped, Journal(store, "other") as other:
        submit(store, other, "run_1", QUEUED, STARTED)  # the one that stops has not written of it: it locks and reads
        took_over: list[bool] = []

        def end_and_take_over(point: str) -> None:
            """Be the server, and then the other worker, at the moment when the first holds its locks."""
            if point == "journal.before_commit" and not took_over:
                took_over.append(True)
                with store.reading.connect() as connection:
                    waiting = "state = 'idle in transaction' AND datname = current_database()"
                    ended = connection.execute(
                        text(f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE {waiting}")
                    )
                    assert ended.scalars().all() == [True]
                again = ev.SegmentStarted(segment=1, epoch=2, executor="ex_2", runtime={}, engine="local")
                append(other, "acme", "run_1", again)

        def decide(locked: Locked) -> Sequence[Event]:
            fenced(locked, epoch=1, executor=EXECUTOR)
            return (step("stale"),)

        forget = observe(end_and_take_over)
        with pytest.raises(FenceLost):
            stopped.append(Entry(tenant="acme", stream="run_1", decide=decide, segment=1, epoch=1))
        forget()
        assert took_over
    assert [each.event.type for each in store.read("run_1")].count("step.finished") == 0
    with store.writing.connect() as connection:
        shown = connection.execute(text("SHOW idle_in_transaction_session_timeout")).scalar()
    assert shown == "5s", "what the test did by hand the server does by itself"
    store.close()


def test_a_writer_whose_first_entry_was_refused_is_sealed_all_the_same(store: Store, journal: Journal) -> None:
    """The sealer learns of a writer in the transaction that first appends, not in one that was rolled back."""
    with pytest.raises(NotFound):
        append(journal, "acme", "run_1", step("a"))
    submit(store, journal, "run_1", QUEUED)
    assert seal(store) == 2


def test_events_of_a_run_begin_with_its_submission(store: Store, journal: Journal) -> None:
    """Nothing is appended to a run that does not exist, and none is submitted twice."""
    for event in (step("a"), QUEUED, STARTED):
        with pytest.raises(NotFound):
            append(journal, "acme", "run_1", event)
    submit(store, journal, "run_1", QUEUED)
    with pytest.raises(Conflict):
        append(journal, "acme", "run_1", submitted(store, "acme", "again"))
    assert len(store.read("run_1")) == 2


def test_a_review_or_effect_of_another_run_cannot_be_touched(store: Store, journal: Journal) -> None:
    """Even when the entry looked at it: its projection belongs to the other stream."""
    owed = ev.EffectQueued(key="k", path="p", receiver="r", semantics="idempotent", body_hash="h", request={})
    opened = ev.ReviewOpened(review="rev_1", path="a", desk="d", shown_hash="sha256:1", why="always", shown={})
    submit(store, journal, "run_1", QUEUED, owed, opened)
    submit(store, journal, "run_2", QUEUED)
    delivered = ev.EffectDelivered(key="k", path="p", attempt=1)
    decided = ev.ReviewDecided(review="rev_1", path="a", actor="bob", decision="approve", shown_hash="sha256:1")
    for event in (delivered, decided):
        entry = Entry(tenant="acme", stream="run_2", decide=lambda _, event=event: (event,), effect_keys=("k",))  # type: ignore[misc]
        with pytest.raises(NotFound):
            journal.append(entry)


def test_text_that_postgres_cannot_hold_is_refused_on_both(store: Store, journal: Journal) -> None:
    """A NUL in a key is the caller's mistake; in a private field it is data."""
    with pytest.raises(InputError, match="NUL"):
        journal.append(submission("acme", "run_1", submitted(store, "acme", "a\0b"), QUEUED))
    submit(store, journal, "run_2", QUEUED)
    append(journal, "acme", "run_2", ev.RunCancelRequested(actor="ada", reason="a\0b \\u0000"))
    append(journal, "acme", "run_2", ev.RunCancelRequested(actor="\\u0000"))
    assert [each.event for each in store.read("run_2", after=2)] == [
        ev.RunCancelRequested(actor="ada", reason="a\0b \\u0000"),
        ev.RunCancelRequested(actor="\\u0000"),
    ]


def test_a_future_cancelled_in_time_is_never_written(store: Store) -> None:
    """And the writer goes on with the others."""
    journal = Journal(store, "w1", linger_ms=100)
    journal.start()
    gone = journal.write(submission("acme", "run_1", submitted(store, "acme", "1"), QUEUED))
    kept = journal.write(submission("acme", "run_2", submitted(store, "acme", "2"), QUEUED))
    cancelled = gone.cancel()
    assert len(kept.result()) == 2
    journal.stop()
    assert (store.run("run_1") is None) is cancelled


def test_interactive_runs_are_looked_at_before_bulk_work(store: Store, journal: Journal) -> None:
    """Whoever waits at a screen does not wait for a backlog."""
    bulk = replace(submitted(store, "acme", "1"), queue="bulk")
    journal.append(submission("acme", "run_1", bulk, QUEUED))
    submit(store, journal, "run_2", QUEUED)
    assert [row.id for row in claimable(store, limit=10, queues=["interactive", "bulk"])] == ["run_2", "run_1"]


def test_an_error_that_was_told_is_kept_by_nobody(journal: Journal) -> None:
    """Its traceback holds the frame that raised it, and all that the caller had at hand."""

    def decide(_locked: Locked) -> Sequence[Event]:
        raise Conflict("somebody was first")

    gc.collect()
    gc.disable()
    try:
        try:
            journal.append(Entry(tenant="acme", stream="run_1", decide=decide))
        except Conflict as error:
            told = weakref.ref(error)
        journal.stop()
        assert told() is None
    finally:
        gc.enable()
