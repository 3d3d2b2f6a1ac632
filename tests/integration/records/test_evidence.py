"""Evidence on both databases: rebuilding, erasing, sealing, verifying and exporting records."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text

from aie.errors import InputError, NotFound
from aie.records import (
    Heads,
    Journal,
    MemoryKeys,
    Report,
    Store,
    current_heads,
    destroy_key,
    export_records,
    observe,
    open_export,
    open_store,
    read_heads,
    read_store,
    rebuild,
    seal,
    sealer,
    submission,
    tables,
    verify,
)
from aie.records import events as ev
from aie.records.sources import StoreSource
from aie.records.tables import PROJECTIONS
from tests.shows.story import StoryClock, append, step, submitted, tell

QUEUED = ev.SegmentQueued(segment=1, why="submitted")


def projections(store: Store) -> dict[str, list[dict[str, Any]]]:
    """Return every row of every projection."""
    with store.connect() as connection:
        return {
            table.name: [dict(row) for row in connection.execute(select(table).order_by(*table.primary_key)).mappings()]
            for table in PROJECTIONS
        }


def checked(store: Store, heads: Heads | None = None) -> Report:
    """Verify the store as it is."""
    with read_store(store) as source:
        return verify(source, heads)


@pytest.fixture
def told(store: Store) -> Store:
    """A store with a story in it."""
    with Journal(store, "w1") as journal:
        tell(store, journal, runs=11)
    return store


def test_a_rebuild_brings_back_the_same_rows(told: Store) -> None:
    """Claims, epochs, reviews, effects and pointers follow from events alone, erased runs included."""
    before = projections(told)
    assert all(before.values()), "a projection without rows would prove nothing"
    assert {row["epoch"] for row in before["runs"]} == {1, 2}
    with told.transaction("rebuild") as link:
        for table in PROJECTIONS:
            link.run(f"DELETE FROM {table.name}")
    assert rebuild(told) > 0
    assert projections(told) == before


def test_a_rebuild_mends_rows_that_drifted(told: Store) -> None:
    """Negative control of the comparison: a changed row differs until the rebuild."""
    before = projections(told)
    with told.transaction("rebuild") as link:
        link.run("UPDATE runs SET state = 'failed'")
    assert projections(told) != before
    rebuild(told)
    assert projections(told) == before


@pytest.mark.postgres
def test_both_databases_project_the_same_rows(sqlite_url: str, postgres_url: str) -> None:
    """One story told into each, under the same keys."""
    keys, seen = MemoryKeys(), []
    for url in (sqlite_url, postgres_url):
        store = open_store(url, clock=_FixedClock(), keys=keys)
        with Journal(store, "w1") as journal:
            tell(store, journal, runs=11)
        seen.append(projections(store))
        store.close()
    assert seen[0] == seen[1]


class _FixedClock(StoryClock):
    """A clock that stands: two databases look at the time differently often."""

    def now(self) -> int:
        """Return the same moment."""
        return 1_795_000_000_000_000


def test_everything_is_sealed_and_verifies(told: Store) -> None:
    """A saved head anchors what it covers; what came later is said to be unprovable."""
    assert checked(told).unsealed > 0
    assert seal(told) > 0
    assert seal(told) == 0
    heads = current_heads(told)
    report = checked(told, heads)
    assert report.intact
    assert report.unsealed == 0
    assert report.anchored_up_to == report.sealed_up_to
    assert report.unprovable == ()
    with Journal(told, "w2") as journal:
        append(journal, "acme", "run_acme0000", step("late"))
    later = checked(told, heads)
    assert later.intact
    assert later.unsealed == 1
    seal(told)
    assert "blocks after 0" in " ".join(checked(told, heads).unprovable)
    assert "no saved head" in " ".join(checked(told).unprovable)


def heights(store: Store) -> dict[str, int]:
    """Return the number of blocks of each tenant."""
    with store.connect() as connection:
        rows = connection.execute(select(tables.blocks.c.tenant)).scalars().all()
    return {tenant: rows.count(tenant) for tenant in set(rows)}


def test_what_comes_while_it_seals_is_left_for_the_next_time(told: Store) -> None:
    """A store that is written to all the time gets a block each time, not one for every few leaves."""
    with Journal(told, "w2") as journal:

        def write(point: str) -> None:
            if point == "seal.after_commit":
                append(journal, "acme", "run_acme0000", step("meanwhile"))

        forget = observe(write)
        seal(told)
        forget()
    assert heights(told) == {"acme": 1, "globex": 1}
    assert checked(told).unsealed == 1
    assert seal(told) == 1


def test_a_backlog_is_sealed_in_passes(told: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each takes so many leaves, and one call takes them all."""
    few = {kind: sql.replace(f"LIMIT {sealer._LIMIT}", "LIMIT 50") for kind, sql in sealer._NEW.items()}
    monkeypatch.setattr(sealer, "_NEW", few)
    monkeypatch.setattr(sealer, "_LIMIT", 50)
    waiting = checked(told).unsealed
    assert seal(told) == waiting > 100
    assert checked(told).unsealed == 0
    assert max(heights(told).values()) > 1


def test_writers_that_ended_are_forgotten_by_the_sealer(told: Store) -> None:
    """The list of writers does not grow with every process that ever ran."""
    told.close()
    seal(told)
    with told.connect() as connection:
        assert connection.execute(select(tables.writers)).all() == []


def test_a_row_that_cannot_be_sealed_stops_its_writer_and_is_named(told: Store) -> None:
    """A gap is never sealed over."""
    with told.transaction("rebuild") as link:
        link.run("DELETE FROM events WHERE tenant = 'acme' AND writer = 'w1' AND writer_seq = 5")
    seal(told)
    report = checked(told)
    assert any(each.kind == "gap" and each.writer_seq == 6 for each in report.findings)
    assert report.unsealed > 0


def test_erasing_a_person_makes_their_payloads_unreadable_and_nothing_else(store: Store, journal: Journal) -> None:
    """Events stay and verify; private fields read None; others read on; what comes later has a new key."""
    one, two = submitted(store, "acme", "one"), submitted(store, "acme", "two")
    journal.append(submission("acme", "run_1", one, QUEUED))
    journal.append(submission("acme", "run_2", two, QUEUED))
    shared = store.put_blob("acme", one.subject, b"the same form")
    assert store.put_blob("acme", two.subject, b"the same form") == shared
    only = store.put_blob("acme", one.subject, b"only of one")
    destroy_key(store, journal, tenant="acme", subject=one.subject, actor="ada", reason="asked for")
    first = store.read("run_1")[0]
    assert first.erased
    assert isinstance(first.event, ev.RunSubmitted)
    assert first.event.input is None
    assert first.event.workflow == "claims"
    assert not store.read("run_1")[1].erased, "an event without private fields has nothing to erase"
    assert not store.read("run_2")[0].erased
    assert store.get_blob("acme", shared) == b"the same form", "another subject put the same bytes"
    with pytest.raises(NotFound, match="erased"):
        store.get_blob("acme", only)
    append(journal, "acme", "run_1", ev.RunCancelRequested(actor="ada", reason="new words"))
    assert store.read("run_1")[-1].event == ev.RunCancelRequested(actor="ada", reason="new words")
    seal(store)
    assert checked(store).intact
    with pytest.raises(NotFound):
        destroy_key(store, journal, tenant="acme", subject="nobody", actor="ada", reason="")


def test_a_destroyed_key_is_not_in_the_files_of_the_database(tmp_path: Path) -> None:
    """The wrapped key is overwritten in the database file and in its log."""
    store = open_store(f"sqlite:///{tmp_path / 'aie.db'}", keys=MemoryKeys())
    with Journal(store, "w1") as journal:
        body = submitted(store, "acme", "one")
        journal.append(submission("acme", "run_1", body, QUEUED))
        with store.connect() as connection:
            wrapped = bytes(connection.execute(select(tables.data_keys.c.wrapped)).scalar_one())
        files = [tmp_path / "aie.db", tmp_path / "aie.db-wal"]
        assert any(wrapped in file.read_bytes() for file in files)
        destroy_key(store, journal, tenant="acme", subject=body.subject, actor="ada", reason="")
    store.close()
    assert not any(wrapped in file.read_bytes() for file in files if file.exists())


def test_blobs_are_sealed_and_put_once(store: Store) -> None:
    """The same bytes under the same subject are one row, which does not hold them in the clear."""
    ref = store.put_blob("acme", "s", b"claim form")
    assert store.put_blob("acme", "s", b"claim form") == ref
    assert store.get_blob("acme", ref) == b"claim form"
    assert store.put_blob("globex", "s", b"claim form") != ref, "references cannot be linked between tenants"
    with store.connect() as connection:
        rows = connection.execute(select(tables.blobs.c.data)).scalars().all()
    assert len(rows) == 2
    assert all(b"claim form" not in bytes(row) for row in rows)
    with pytest.raises(NotFound):
        store.get_blob("globex", ref)


def test_an_export_verifies_without_database_or_keys(told: Store, tmp_path: Path) -> None:
    """An auditor needs the file, and the public key or a saved head from elsewhere."""
    seal(told)
    heads = current_heads(told)
    heads.write(tmp_path / "head.json")
    path = tmp_path / "records.zip"
    assert export_records(told, path) > 0
    with open_export(path) as source:
        report = verify(source, read_heads(tmp_path / "head.json"))
    assert report.intact
    assert not report.keyed
    assert report.anchored_up_to == report.sealed_up_to
    assert report.events == checked(told).events
    text_of = path.read_bytes()
    assert b"water damage" not in text_of


def test_an_export_holds_no_key(told: Store, tmp_path: Path) -> None:
    """Wrapped data keys stay in the database."""
    path = tmp_path / "records.zip"
    export_records(told, path)
    with zipfile.ZipFile(path) as archive:
        keys = [json.loads(line) for line in archive.read("data_keys.jsonl").splitlines()]
    assert {row["wrapped"] for row in keys} == {"", None}


def test_a_changed_export_is_found(told: Store, tmp_path: Path) -> None:
    """Negative control of the offline check: one word of one body."""
    seal(told)
    path, changed = tmp_path / "records.zip", tmp_path / "changed.zip"
    export_records(told, path)
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(changed, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "events.jsonl":
                content = content.replace(rb"\"actor\":\"bob\"", rb"\"actor\":\"eve\"", 1)
                assert b"eve" in content
            new.writestr(name, content)
    with open_export(changed) as source:
        kinds = {each.kind for each in verify(source, current_heads(told)).findings}
    assert {"changed", "block", "projection"} <= kinds


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04 broken"])
def test_a_file_that_is_no_export_is_refused(content: bytes, tmp_path: Path) -> None:
    """A typed error, not a traceback."""
    path = tmp_path / "records.zip"
    path.write_bytes(content)
    with pytest.raises(InputError), open_export(path):
        pass
    with pytest.raises(InputError), open_export(tmp_path / "absent.zip"):
        pass


def test_a_saved_head_that_was_changed_is_refused(told: Store, tmp_path: Path) -> None:
    """The file is signed."""
    seal(told)
    path = tmp_path / "head.json"
    current_heads(told).write(path)
    path.write_text(path.read_text().replace('"acme",\n   0', '"acme",\n   7'))
    with pytest.raises(InputError, match="changed"):
        read_heads(path)


def test_values_of_a_wrong_type_are_found_and_break_nothing(sqlite_url: str) -> None:
    """SQLite stores anything in any column."""
    store = open_store(sqlite_url, clock=StoryClock(), keys=MemoryKeys())
    with Journal(store, "w1") as journal:
        tell(store, journal, runs=4, tenants=("acme",))
    seal(store)
    for column in tables.events.columns:
        other = "7" if str(column.type) in ("BLOB", "TEXT") else "'seven'"
        with store.writing.connect() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            value = f"x'{other}0'" if str(column.type) == "TEXT" else other
            connection.execute(text(f"UPDATE events SET {column.name} = {value} WHERE writer_seq = 9"))
            report = verify(StoreSource(connection, store.vault.provider))
            connection.exec_driver_sql("ROLLBACK")
        assert any(each.kind == "unreadable" for each in report.findings), column.name
    store.close()
