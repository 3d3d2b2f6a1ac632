"""New runs and the ends of others are written as the middle of segments is: from memory, if all stands as it says."""

import re
from collections.abc import Sequence
from concurrent.futures import Future

import psycopg
import pytest
from sqlalchemy import select, text

from aie.errors import FenceLost
from aie.records import (
    Entry,
    Event,
    Journal,
    MemoryKeys,
    Recorded,
    Repeat,
    RunFilter,
    Store,
    continuing,
    destroy_key,
    drop_lease,
    open_store,
    read_store,
    rebuild,
    submission,
    tables,
    take_lease,
    verify,
)
from aie.records import events as ev
from tests.integration.records.test_memory import QUEUED, STARTED, until, waiting
from tests.shows.story import EXECUTOR, append, step, submitted

CLOSED = ev.SegmentClosed(segment=1, epoch=1, executing_ms=7)
FAILED = ev.RunFinished(
    state="failed", epoch=1, spend={"cost": 3}, failure="TIMEOUT", path="read", message="it took too long", output=None
)
HELD = [{"path": "read", "on": "stop:tenant:acme", "cost": 0, "tokens": 0, "until": 0}]


def entry(run: str, *events: Event) -> Entry:
    """Return an entry of a running segment."""
    return Entry(tenant="acme", stream=run, decide=lambda _: events, segment=1, epoch=1)


def begin(store: Store, run: str, *, case: str = "", key: str = "", executor: str = EXECUTOR) -> Entry:
    """Return the submission of a run that is claimed at once."""
    return submission("acme", run, submitted(store, "acme", case or run, key=key), QUEUED, STARTED, executor=executor)


def test_runs_begin_go_on_wait_and_end_in_one_transaction(store: Store, gone_on: list[bool]) -> None:
    """The rows are those of a rebuild, what is sealed can be read, lists find the new runs, the chain holds."""
    take_lease(store, EXECUTOR, ttl=3_600_000_000, runtime={})
    with Journal(store, "w1", linger_ms=200) as journal:
        for run in ("run_1", "run_2", "run_3"):
            journal.append(begin(store, run))
        assert gone_on == [True, True], "only the first had to register its writer"
        gone_on.clear()
        waits = ev.RunWaiting(reviews=[], effects=[], held=HELD)
        wanted = [
            begin(store, "run_4"),
            entry("run_1", step("a")),
            entry("run_2", FAILED, CLOSED),
            begin(store, "run_5", case="run_4", key="again"),
            entry("run_3", step("b"), waits, CLOSED),
        ]
        futures: Sequence[Future[list[Recorded]]] = [journal.write(each) for each in wanted]
        assert [len(each.result()) for each in futures] == [3, 1, 2, 3, 3]
    assert gone_on == [True]
    rows = {row.id: row for row in store.runs().rows}
    assert {id_: row.state for id_, row in rows.items()} == {
        "run_1": "running", "run_2": "failed", "run_3": "waiting", "run_4": "running", "run_5": "running",
    }  # fmt: skip
    assert (rows["run_2"].failure, rows["run_2"].failed_path, rows["run_2"].executing_ms) == ("TIMEOUT", "read", 7)
    assert "stop:tenant:acme" in rows["run_3"].held
    assert [row.id for row in store.runs(RunFilter(search={"claim": "run_4"})).rows] == ["run_5", "run_4"]
    begun = store.read("run_4")[0].event
    assert isinstance(begun, ev.RunSubmitted)
    assert begun.input == {"claim": "run_4", "note": "water damage in run_4", "score": 0.25}
    rebuild(store)
    assert {row.id: row for row in store.runs().rows} == rows
    with read_store(store) as source:
        assert verify(source).findings == ()


def test_a_repeat_of_what_another_process_accepted_is_recognised(
    store: Store, journal: Journal, other: Journal, gone_on: list[bool]
) -> None:
    """The key is looked for where all keys are; nothing of the repeat stays."""
    journal.append(begin(store, "run_1"))
    other.append(begin(store, "run_2", key="same"))
    gone_on.clear()
    with pytest.raises(Repeat) as told:
        journal.append(begin(store, "run_3", case="run_2", key="same"))
    assert told.value.run_id == "run_2"
    assert gone_on == [False]
    assert store.read("run_3") == []


def test_a_repeat_within_one_transaction_is_recognised(store: Store, gone_on: list[bool]) -> None:
    """The first is accepted, the second told of it."""
    take_lease(store, EXECUTOR, ttl=3_600_000_000, runtime={})
    with Journal(store, "w1", linger_ms=200) as journal:
        journal.append(begin(store, "run_1"))
        first = journal.write(begin(store, "run_2", key="same"))
        second = journal.write(begin(store, "run_3", case="run_2", key="same"))
        assert len(first.result()) == 3
        with pytest.raises(Repeat):
            second.result()
    assert gone_on == [True]


def test_a_subject_keeps_the_key_that_another_process_gave_it(
    store: Store, journal: Journal, gone_on: list[bool], store_url: str, keys: MemoryKeys
) -> None:
    """Or to destroy one key would not erase all of a person."""
    journal.append(begin(store, "run_1"))
    elsewhere = open_store(store_url, keys=keys)
    with Journal(elsewhere, "w2") as other:
        other.append(begin(store, "run_2", case="ada"))
    elsewhere.close()
    gone_on.clear()
    journal.append(begin(store, "run_3", case="ada", key="other"))
    assert gone_on == [False]
    with store.connect() as connection:
        subject = store.mac("acme", "subject", "ada")
        query = select(tables.data_keys.c.id).where(tables.data_keys.c.subject == subject)
        assert len(connection.execute(query).all()) == 1
    assert store.read("run_3")[0].event.input["claim"] == "ada"  # type: ignore[attr-defined]
    journal.append(begin(store, "run_4", case="ada", key="third"))
    assert gone_on == [False, True], "now it is known here, too"


@pytest.mark.parametrize("erased", [False, True])
def test_a_key_that_this_process_does_not_know_is_looked_for(
    store: Store, journal: Journal, gone_on: list[bool], erased: bool
) -> None:
    """In the midst of a run as well; where it was destroyed there is a new one, and what is written can be read."""
    journal.append(begin(store, "run_1"))
    subject = store.mac("acme", "subject", "run_1")
    if erased:
        destroy_key(store, journal, tenant="acme", subject=subject, actor="ada", reason="asked for")
    store.vault.forget("acme", subject)
    gone_on.clear()
    journal.append(entry("run_1", step("a")))
    assert gone_on == [erased]
    assert [each.event.output for each in store.read("run_1") if isinstance(each.event, ev.StepFinished)] == [
        {"is": "water"}
    ]  # type: ignore[attr-defined]


@pytest.mark.parametrize("executor", [EXECUTOR, "ex_of_nobody"])
def test_nothing_begins_under_a_lease_that_is_not_live(
    store: Store, journal: Journal, gone_on: list[bool], executor: str
) -> None:
    """Neither under one that was lost nor under one that never was."""
    journal.append(begin(store, "run_1"))
    drop_lease(store, EXECUTOR)
    with pytest.raises(FenceLost):
        journal.append(begin(store, "run_2", executor=executor))
    assert gone_on == [False]
    assert store.read("run_2") == []


def test_an_end_is_not_written_over_what_came_from_outside(
    store: Store, journal: Journal, other: Journal, gone_on: list[bool]
) -> None:
    """It was decided without that, so it is decided again."""
    journal.append(begin(store, "run_1"))
    append(other, "acme", "run_1", ev.RunCancelRequested(actor="ada", reason="withdrawn"))
    gone_on.clear()
    seen: list[bool] = []

    def decide(locked: object) -> Sequence[Event]:
        seen.append(locked.run.wake)  # type: ignore[attr-defined]
        return [FAILED, CLOSED]

    journal.append(Entry(tenant="acme", stream="run_1", decide=decide, segment=1, epoch=1))
    assert seen == [False, True]
    assert gone_on == [False]


@pytest.mark.postgres
def test_of_two_processes_that_begin_the_same_at_once_one_is_told_of_the_other(
    postgres_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither sees the other's run when it looks; the index of the keys lets one of them in. A neighbour is let in."""
    store = open_store(postgres_url, keys=MemoryKeys())
    take_lease(store, EXECUTOR, ttl=3_600_000_000, runtime={})
    with Journal(store, "w1", linger_ms=200) as journal, store.writing.connect() as holder:
        journal.append(begin(store, "run_1"))
        columns = [column.name for column in tables.runs.columns]
        taken = ", ".join({"id": "'run_0'", "idempotency_key": "'same'"}.get(name, name) for name in columns)
        holder.execute(text(f"INSERT INTO runs ({', '.join(columns)}) SELECT {taken} FROM runs"))
        repeat = journal.write(begin(store, "run_2", case="run_1", key="same"))
        neighbour = journal.write(begin(store, "run_3"))
        until(lambda: waiting(store) == 1)
        holder.commit()
        with pytest.raises(Repeat) as told:
            repeat.result()
        assert told.value.run_id == "run_0"
        assert len(neighbour.result()) == 3
    assert not caplog.records, "no batch failed"
    store.close()


def test_two_processes_that_begin_the_same_runs_in_other_orders_accept_each_once(
    store_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """However they meet: one waits for the other, and is told of its run."""
    keys = MemoryKeys()
    here, there = open_store(store_url, keys=keys), open_store(store_url, keys=keys)
    take_lease(here, EXECUTOR, ttl=3_600_000_000, runtime={})
    names = [f"{number:02}" for number in range(12)]
    back = dict(zip(names, names[::-1], strict=True))
    with Journal(here, "w1", linger_ms=20) as first, Journal(there, "w2", linger_ms=20) as second:
        first.append(begin(here, "run_a"))
        second.append(begin(there, "run_b"))
        for turn in range(15):
            put = [first.write(begin(here, f"run_{turn}_1_{name}", case=f"{turn}{name}")) for name in names]
            put += [second.write(begin(there, f"run_{turn}_2_{back[name]}", case=f"{turn}{name}")) for name in names]
            errors = [each.exception() for each in put]
            assert [type(each) for each in errors if each is not None] == [Repeat] * len(names)
    assert len(here.runs(limit=1_000).rows) == 2 + 15 * len(names)
    assert not caplog.records, "no batch failed"
    here.close()
    there.close()


@pytest.mark.postgres
def test_plans_of_what_is_written_go_by_keys_from_the_first_row_on(postgres_url: str) -> None:
    """They are made once, in an empty store, and are kept while it grows."""
    store = open_store(postgres_url, keys=MemoryKeys())
    keys = {"runs_pkey", "runs_idempotency", "executors_pkey", "executors_state", "slabs_pkey", "draws_pkey"}
    with store.writing.connect() as connection:
        for statement in (continuing._MIDDLE, continuing._WHOLE):
            told = connection.exec_driver_sql(f"EXPLAIN (GENERIC_PLAN) {statement.text.decode()}").scalars()
            plan = "\n".join(told)
            assert "Seq Scan" not in plan
            used = set(re.findall(r"(?:using|Bitmap Index Scan on) (\w+)", plan))
            assert used <= {*keys, "data_keys_live"}
            assert "runs_pkey" in used
    store.close()


@pytest.mark.postgres
def test_other_processes_hear_of_what_ends_and_waits(postgres_url: str) -> None:
    """With the transaction, and of nothing that goes on."""
    store = open_store(postgres_url, keys=MemoryKeys())
    take_lease(store, EXECUTOR, ttl=3_600_000_000, runtime={})
    with Journal(store, "w1") as journal, psycopg.connect(postgres_url, autocommit=True) as hearing:
        for run in ("run_1", "run_2", "run_3"):
            journal.append(begin(store, run))
        hearing.execute(f"LISTEN {tables.CHANNEL}")
        journal.append(entry("run_1", step("a")))
        journal.append(entry("run_2", FAILED, CLOSED))
        journal.append(entry("run_3", ev.RunWaiting(reviews=[], effects=[], held=HELD), CLOSED))
        assert [each.payload for each in hearing.notifies(timeout=20, stop_after=2)] == ["w1 run_2", "w1 run_3"]
    store.close()


def test_a_connection_knows_both_statements(store: Store, journal: Journal) -> None:
    """What is rolled back between them makes the driver forget, and costs nothing but to be told again."""
    journal.append(begin(store, "run_1"))
    journal.append(begin(store, "run_2"))
    for number in range(3):
        journal.append(entry("run_1", step(f"a{number}")))
        journal.append(begin(store, f"run_1{number}"))
        link = journal._link
        assert link is not None
        link.rollback()
    assert [row.last_n for row in store.runs(limit=5).rows] == [3, 3, 3, 3, 6]
