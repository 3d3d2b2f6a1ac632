"""Opening a store: created when new, migrated when old, refused when it is not one."""

import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import inspect

from aie.errors import StoreError
from aie.records import MemoryKeys, PlainKeys, is_new, open_store
from aie.records.migrate import upgrade
from aie.records.schema import HEAD
from aie.records.tables import metadata


def _shape(url: str) -> dict[str, object]:
    """Return columns, keys and indexes of every table."""
    store = open_store(url, keys=MemoryKeys())
    with store.connect() as connection:
        found = inspect(connection)
        shape = {
            name: (
                [(column["name"], str(column["type"]), column["nullable"]) for column in found.get_columns(name)],
                found.get_pk_constraint(name)["constrained_columns"],
                sorted(
                    (each["name"] or "", tuple(each["column_names"]), bool(each["unique"]))
                    for each in found.get_indexes(name)
                ),
            )
            for name in found.get_table_names()
        }
    store.close()
    return dict(shape)


def test_the_migrations_make_what_a_new_store_gets(store_url: str) -> None:
    """A store that is made by migrating from nothing ends with the same tables."""
    fresh = _shape(store_url)
    store = open_store(store_url, keys=MemoryKeys())
    with store.transaction("schema") as link:
        for name in (*metadata.tables, "alembic_version"):
            link.run(f"DROP TABLE {name}")
    with store.writing.begin() as connection:
        upgrade(connection)
    store.close()
    assert _shape(store_url) == fresh


def test_a_revision_that_nobody_knows_cannot_be_migrated(store_url: str) -> None:
    """A typed error instead of the one of the migration tool."""
    store = open_store(store_url, keys=MemoryKeys())
    with store.transaction("schema") as link:
        link.run("UPDATE alembic_version SET version_num = '0000'")
    store.close()
    with pytest.raises(StoreError, match="0000"):
        open_store(store_url, keys=MemoryKeys())


def test_a_store_of_a_newer_version_is_refused(store_url: str) -> None:
    """Old code must not write into tables that it does not know."""
    store = open_store(store_url, keys=MemoryKeys())
    with store.transaction("schema") as link:
        link.run("UPDATE alembic_version SET version_num = '9999'")
    store.close()
    with pytest.raises(StoreError, match="9999"):
        open_store(store_url, keys=MemoryKeys())


def test_a_store_that_does_not_exist_is_not_made_by_looking(tmp_path: Path, sqlite_url: str) -> None:
    """`create=False` leaves nothing behind."""
    with pytest.raises(StoreError):
        open_store(sqlite_url, keys=MemoryKeys(), create=False)
    with pytest.raises(StoreError):
        open_store(sqlite_url, create=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "url",
    ["", "nonsense", "mysql://u@h/d", "sqlite://", "sqlite:///:memory:", "postgresql+psycopg://u@127.0.0.1:1/none"],
)
def test_an_address_that_is_no_store_is_refused(url: str) -> None:
    """A typed error that says what to write instead."""
    with pytest.raises(StoreError):
        open_store(url, keys=MemoryKeys())


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    """Not a byte of it changes."""
    path = tmp_path / "aie.db"
    path.write_bytes(b"a letter to my bank\n" * 100)
    with pytest.raises(StoreError):
        open_store(f"sqlite:///{path}", keys=MemoryKeys())
    assert path.read_bytes() == b"a letter to my bank\n" * 100


@pytest.mark.parametrize("url", ["sqlite:////dev/null", "postgresql://u:se cret@[::1/x", "mysql://u:secret@h/x", "x y"])
def test_an_address_that_leads_to_no_store_is_refused_without_being_told(url: str) -> None:
    """An address may hold a password; and nothing is made beside what it names."""
    with pytest.raises(StoreError) as caught:
        open_store(url, keys=MemoryKeys())
    assert "cret" not in str(caught.value)
    with pytest.raises(StoreError):
        is_new(url)
    assert not Path("/dev/null.schema").exists()


def test_a_folder_that_cannot_be_made_is_a_store_error(tmp_path: Path) -> None:
    """The path goes through a file."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError):
        open_store(f"sqlite:///{tmp_path / 'file' / 'aie.db'}", keys=MemoryKeys())
    with pytest.raises(StoreError):
        open_store(f"sqlite:///{tmp_path / 'file' / 'aie.db'}")


def test_a_store_without_keys_keeps_them_in_a_file_of_its_owner(tmp_path: Path, sqlite_url: str) -> None:
    """Nobody else may read it, and the store opens again with it."""
    store = open_store(sqlite_url)
    ref = store.put_blob("acme", "s", b"x")
    store.close()
    assert (tmp_path / "keys.json").stat().st_mode & 0o777 == 0o600
    again = open_store(sqlite_url, keys=PlainKeys(tmp_path / "keys.json"))
    assert again.get_blob("acme", ref) == b"x"
    again.close()
    with pytest.raises(StoreError, match="not those that the store was written with"):
        open_store(sqlite_url, keys=MemoryKeys())


def test_a_store_that_lost_its_keys_is_not_given_new_ones(tmp_path: Path, sqlite_url: str) -> None:
    """What is there could not be read with them, and what came after would be sealed under others."""
    keys = tmp_path / "keys.json"
    assert is_new(sqlite_url)
    store = open_store(sqlite_url, keys=PlainKeys(keys, is_new=lambda: is_new(sqlite_url)))
    store.put_blob("acme", "s", b"x")
    store.close()
    keys.rename(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match=r"keys.json is missing"):
        PlainKeys(keys, is_new=lambda: is_new(sqlite_url))
    with pytest.raises(StoreError, match=r"keys.json is missing"):
        open_store(sqlite_url)
    assert not keys.exists()


def test_postgres_without_keys_is_refused_before_connecting() -> None:
    """There is no folder beside it."""
    with pytest.raises(StoreError, match="key provider"):
        open_store("postgresql://nobody@127.0.0.1:1/none")


def test_opening_a_current_store_does_not_import_alembic(sqlite_url: str) -> None:
    """It costs more than a whole run."""
    code = (
        "import sys; from aie.records import open_store\n"
        f"open_store({sqlite_url!r}).close(); print('alembic' in sys.modules)"
    )
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=_env())
        assert done.stdout.strip() == "False"


def _env() -> dict[str, str]:
    return {"PYTHONPATH": str(Path(__file__).parents[3] / "src"), "PATH": "/usr/bin:/bin"}


@pytest.mark.slow
def test_many_processes_may_open_a_new_store_at_once(sqlite_url: str) -> None:
    """None hears that the database is locked, and all use one set of keys."""
    code = (
        "from aie.records import open_store; from aie.core import RandomIds\n"
        f"store = open_store({sqlite_url!r})\n"
        "print(store.put_blob('acme', 's', b'x')); store.close()"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=_env())
        for _ in range(8)
    ]
    said = [process.communicate() for process in running]
    assert [error for _, error in said] == [b""] * 8
    assert len({out for out, _ in said}) == 1


def test_a_new_file_that_another_process_writes_to_is_waited_for(tmp_path: Path) -> None:
    """As while that one makes its tables before the file's mode was set: SQLite itself would refuse at once."""
    path = tmp_path / "new.db"
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with ThreadPoolExecutor(1) as pool:
        opening = pool.submit(open_store, f"sqlite:///{path}", keys=MemoryKeys())
        with pytest.raises(TimeoutError):
            opening.result(timeout=0.2)
        other.execute("COMMIT")
        opening.result(timeout=20).close()
    other.close()


def test_the_version_in_the_code_is_the_last_migration() -> None:
    """`HEAD` names the revision that `tables.py` describes."""
    folder = Path(__file__).parents[3] / "src" / "aie" / "records" / "migrations" / "versions"
    assert max(path.stem for path in folder.glob("v*.py")).startswith(f"v{HEAD}_")
