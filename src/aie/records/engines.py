"""Connections: how each database is opened so that what is committed stays committed."""

import sqlite3
import time
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import QueuePool

from aie.core import install_line
from aie.errors import StoreError, Unavailable
from aie.records.tables import SCHEMA

__all__ = ["ABANDONED_MS", "BUSY_MS", "WRITER", "mending", "open_engines"]

BUSY_MS: Final = 30_000
"""How long a SQLite writer waits for its turn."""
_AGAIN: Final = 0.01
"""Seconds before a file that others write to is asked again for its mode."""
ABANDONED_MS: Final = 5_000
"""How long a Postgres transaction may sit without a statement."""
WRITER: Final = "aie-writer"
"""What Postgres knows our writing connections as."""
_SILENT: Final = {
    "connect_timeout": 5,
    "tcp_user_timeout": 10_000,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
}
"""After how long a Postgres that says nothing is taken for gone, in libpq's names, seconds and milliseconds: the system
itself waits for a quarter of an hour, and other workers go on from here after a lease. The store's URL may say else."""


_MENDING: Final = {
    "is full": "make room on the disk; what was acknowledged is safe, and runs go on from there",
    "disk I/O error": "see whether the disk is full or failing; what was acknowledged is safe",
    "unable to open": "the folder of the store must exist, and be yours to write",
    "readonly": "the file of the store and its folder must be yours to write",
    "malformed": "keep the file as it is, and restore the store from a backup",
    "not a database": "keep the file as it is, and restore the store from a backup",
}


def mending(said: str) -> tuple[str, ...]:
    """Return what to do about what a database said, as hints."""
    return tuple(hint for words, hint in _MENDING.items() if words in said)[:1]


def open_engines(url: str, *, create: bool) -> tuple[Engine, Engine]:
    """Return the pool for reads and the pool for writes; two, so that neither can starve the other."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:  # never with the address itself, which may hold a password
        raise StoreError("the store's address is not one", hints=("write sqlite:///path or postgresql://…",)) from error
    kind = parsed.get_backend_name()
    if kind == "sqlite":
        return _sqlite(parsed, create=create)
    if kind == "postgresql":
        return _postgres(parsed)
    raise StoreError(f"{kind} is not a store", hints=("write sqlite:///path or postgresql://…",))


def _sqlite(url: URL, *, create: bool) -> tuple[Engine, Engine]:
    if not url.database or url.database == ":memory:":
        raise StoreError("a store needs a file", hints=("write sqlite:///path",))
    path = Path(url.database)
    if path.exists() and not path.is_file():
        raise StoreError(f"{path} is not a file", hints=("write sqlite:///path",))
    if create:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"the folder {path.parent} cannot be made: {error.strerror}") from error
    elif not path.exists():
        raise StoreError(f"there is no store at {path}", hints=("run a workflow first, or check the path",))
    return _sqlite_engine(url, size=4), _sqlite_engine(url, size=2)


def _sqlite_engine(url: URL, *, size: int) -> Engine:
    engine = create_engine(
        url,
        isolation_level="AUTOCOMMIT",
        poolclass=QueuePool,
        pool_size=size,
        max_overflow=8,
        pool_reset_on_return=None,
        connect_args={"timeout": BUSY_MS / 1000, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _: Any) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
        _into_wal(cursor)
        cursor.execute("PRAGMA synchronous = FULL")
        # A destroyed key must not survive in a free page of the file.
        cursor.execute("PRAGMA secure_delete = ON")
        cursor.close()

    return engine


def _into_wal(cursor: Any) -> None:
    """Set the mode of a new file; while another process writes in the old one SQLite refuses it, and does not wait."""
    until = time.monotonic() + BUSY_MS / 1000
    while cursor.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(_AGAIN)


def _postgres(url: URL) -> tuple[Engine, Engine]:
    url = url.set(drivername="postgresql+psycopg")
    try:
        return _postgres_engine(url, size=4), _postgres_engine(url, size=3, writes=True)
    except ModuleNotFoundError as error:
        hints = (install_line("postgres"),)
        raise Unavailable("Postgres needs the optional driver", hints=hints) from error


def _postgres_engine(url: URL, *, size: int, writes: bool = False) -> Engine:
    options = f"-csearch_path={SCHEMA}"
    if writes:
        # A process that is stopped inside a transaction would hold its row locks for ever, and stop every other writer
        # of those runs with it; the server ends its transaction instead, and the fence meets it when it comes back.
        options += f" -cidle_in_transaction_session_timeout={ABANDONED_MS}"
        # What is written finds its rows by their keys, so that no plan depends on values: planning takes longer. Nor
        # on sizes: a plan that reads a whole table, as that is empty today, would be kept while the table grows.
        options += " -cplan_cache_mode=force_generic_plan -cjit=off"
        options += " -cenable_seqscan=off -cenable_hashjoin=off -cenable_mergejoin=off"
        # Also of the statement that is a transaction of its own, whatever the database's default is.
        options += r" -cdefault_transaction_isolation=read\ committed"
    return create_engine(
        url,
        isolation_level="READ COMMITTED" if writes else "AUTOCOMMIT",
        pool_size=size,
        max_overflow=8,
        pool_pre_ping=True,
        connect_args={
            **{name: value for name, value in _SILENT.items() if name not in url.query},
            "options": options,
            "prepare_threshold": 1,
            "application_name": WRITER if writes else "aie-reader",
        },
    )
