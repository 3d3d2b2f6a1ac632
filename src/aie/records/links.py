"""One connection for writing, in the words both dialects share.

Hot statements go to the driver as prepared text: building a SQLAlchemy expression costs more than running it here.
SQL is written with `?` marks; `{among}` stands for membership in a list parameter, `{lock}` for a lock of the rows of
`runs` and `{lock_rows}` for one of all rows.
"""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, Final, Protocol

from sqlalchemy import Engine, PoolProxiedConnection, Table

from aie.records import continuing
from aie.records.engines import BUSY_MS
from aie.records.memory import Continuation
from aie.records.tables import data_keys, events, runs, search

__all__ = ["Link", "PostgresLink", "SqliteLink", "insert_text", "link_on", "link_to"]

Rows = Sequence[Sequence[Any]]

_PREPARED: Final = "aie.continuing"
"""What a connection knows it by: the names of statements that it was told."""


class Link(Protocol):
    """A connection that is in a transaction between `begin` and `commit` or `rollback`."""

    def begin(self, *, waits: bool = True) -> bool:
        """Start a transaction that may write; false, and none is, when it would have to wait and may not."""
        ...

    def fetch(self, sql: str, *params: Any) -> list[tuple[Any, ...]]:
        """Run one statement and return its rows."""
        ...

    def run(self, sql: str, *params: Any) -> int:
        """Run one statement and return how many rows it touched."""
        ...

    def many(self, sql: str, rows: Rows) -> None:
        """Run one statement for each of the rows."""
        ...

    def insert(self, table: Table, rows: Rows) -> None:
        """Insert whole rows, values in the order of the table's columns."""
        ...

    def array(self, values: Iterable[Any]) -> Any:
        """Return the parameter that `{among}` compares with."""
        ...

    def notify(self, channel: str, payloads: Sequence[str]) -> None:
        """Tell other processes once committed; nothing on SQLite."""
        ...

    def now(self, fallback: int) -> int:
        """Return the database's clock, so that leases do not depend on the clocks of workers."""
        ...

    def go_on(self, given: Continuation) -> bool:
        """Write all of it after `begin` and commit; false, and nothing is, when a row does not stand as given.

        A row that another transaction holds is not waited for: it does not stand.
        """
        ...

    def commit(self) -> None:
        """Make everything since `begin` durable."""
        ...

    def rollback(self) -> None:
        """Undo everything since `begin`."""
        ...

    def close(self) -> None:
        """Give the connection back."""
        ...


@lru_cache(maxsize=256)
def insert_text(table: Table) -> str:
    """Return the INSERT of whole rows."""
    names = [column.name for column in table.columns]
    return f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"


class SqliteLink:
    """SQLite: one writer at a time, so the transaction takes the write lock when it begins."""

    def __init__(self, pooled: PoolProxiedConnection) -> None:
        self._pooled = pooled
        self._cursor: Any = self._pooled.cursor()

    def begin(self, *, waits: bool = True) -> bool:
        """Take the write lock."""
        if waits:
            self._cursor.execute("BEGIN IMMEDIATE")
            return True
        self._cursor.execute("PRAGMA busy_timeout = 0")
        try:
            self._cursor.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return False
        finally:
            self._cursor.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
        return True

    def fetch(self, sql: str, *params: Any) -> list[tuple[Any, ...]]:
        """Run one statement and return its rows."""
        rows: list[tuple[Any, ...]] = self._cursor.execute(_sqlite(sql), params).fetchall()
        return rows

    def run(self, sql: str, *params: Any) -> int:
        """Run one statement and return how many rows it touched."""
        count: int = self._cursor.execute(_sqlite(sql), params).rowcount
        return count

    def many(self, sql: str, rows: Rows) -> None:
        """Run one statement for each of the rows."""
        self._cursor.executemany(_sqlite(sql), rows)

    def insert(self, table: Table, rows: Rows) -> None:
        """Insert whole rows."""
        self._cursor.executemany(insert_text(table), rows)

    def array(self, values: Iterable[Any]) -> Any:
        """Return a JSON array."""
        return json.dumps(list(values))

    def notify(self, channel: str, payloads: Sequence[str]) -> None:
        """Do nothing: SQLite has no channels, processes of one store use a socket."""

    def now(self, fallback: int) -> int:
        """Return the given time: all processes of a SQLite store share the machine's clock."""
        return fallback

    def go_on(self, given: Continuation) -> bool:
        """Move the rows by what they must hold, append, and commit."""
        if not self._stands(given):
            self.rollback()
            return False
        for table, rows in (
            (events, given.events),
            (runs, given.begun.runs),
            (search, given.begun.search),
            (data_keys, given.begun.keys),
        ):
            if rows:
                self.insert(table, rows)
        self.commit()
        return True

    def _stands(self, given: Continuation) -> bool:
        """Move runs and slabs; tell whether all stood as given, and whether all that begins may."""
        for sql, rows in continuing.moves(given):
            if rows and self._cursor.executemany(sql, rows).rowcount < len(rows):
                return False
        return not any(self._cursor.execute(sql, params).fetchone() for sql, params in continuing.looks(given.begun))

    def commit(self) -> None:
        """Commit."""
        self._cursor.execute("COMMIT")

    def rollback(self) -> None:
        """Roll back, if a transaction is open."""
        if self._pooled.dbapi_connection.in_transaction:  # type: ignore[union-attr]
            self._cursor.execute("ROLLBACK")

    def close(self) -> None:
        """Give the connection back."""
        self._pooled.close()


class PostgresLink:
    """Postgres through psycopg."""

    def __init__(self, pooled: PoolProxiedConnection) -> None:
        self._pooled = pooled
        self._cursor: Any = self._pooled.cursor()

    def begin(self, *, waits: bool = True) -> bool:
        """Do nothing: the driver begins with the first statement."""
        return True

    def fetch(self, sql: str, *params: Any) -> list[tuple[Any, ...]]:
        """Run one statement and return its rows."""
        rows: list[tuple[Any, ...]] = self._cursor.execute(_postgres(sql), params).fetchall()
        return rows

    def run(self, sql: str, *params: Any) -> int:
        """Run one statement and return how many rows it touched."""
        count: int = self._cursor.execute(_postgres(sql), params).rowcount
        return count

    def many(self, sql: str, rows: Rows) -> None:
        """Run one statement for each of the rows."""
        if len(rows) == 1:
            self._cursor.execute(_postgres(sql), rows[0])
        elif rows:
            self._cursor.executemany(_postgres(sql), rows)

    def insert(self, table: Table, rows: Rows) -> None:
        """Insert whole rows; many at once through COPY, which costs a tenth of as many inserts."""
        if len(rows) == 1:
            self._cursor.execute(_postgres(insert_text(table)), rows[0])
            return
        with self._cursor.copy(_copy_text(table)) as copy:
            for row in rows:
                copy.write_row(row)

    def array(self, values: Iterable[Any]) -> Any:
        """Return a list."""
        return list(values)

    def notify(self, channel: str, payloads: Sequence[str]) -> None:
        """Send each payload with the commit."""
        self._cursor.execute(
            "SELECT pg_notify(%s, payload) FROM unnest(%s::text[]) AS payload", (channel, list(payloads))
        )

    def now(self, fallback: int) -> int:
        """Return microseconds of the server's clock."""
        return int(self.fetch("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint")[0][0])

    def go_on(self, given: Continuation) -> bool:
        """Run the one statement; as `begin` sends nothing, the server commits it with its answer."""
        connection: Any = self._pooled.driver_connection
        return continuing.ask(connection.pgconn, given, self._pooled.info.setdefault(_PREPARED, set()))

    def commit(self) -> None:
        """Commit."""
        self._pooled.commit()

    def rollback(self) -> None:
        """Roll back."""
        self._pooled.rollback()

    def close(self) -> None:
        """Give the connection back."""
        self._pooled.close()


_LINKS: Final[dict[str, type[SqliteLink] | type[PostgresLink]]] = {"sqlite": SqliteLink, "postgresql": PostgresLink}


def link_to(engine: Engine) -> Link:
    """Check out one connection of the engine for writing."""
    return link_on(engine.raw_connection(), engine.dialect.name)


def link_on(pooled: PoolProxiedConnection, dialect: str) -> Link:
    """Write on a connection that is checked out already."""
    return _LINKS[dialect](pooled)


@lru_cache(maxsize=256)
def _sqlite(sql: str) -> str:
    marked = sql.replace("{among}", "IN (SELECT value FROM json_each(?))")
    return marked.replace("{lock}", "").replace("{lock_rows}", "")


@lru_cache(maxsize=256)
def _postgres(sql: str) -> str:
    marked = sql.replace("{among}", "= ANY(?)").replace("{lock}", "FOR UPDATE OF runs")
    return marked.replace("{lock_rows}", "FOR UPDATE").replace("?", "%s")


@lru_cache(maxsize=256)
def _copy_text(table: Table) -> str:
    return f"COPY {table.name} ({', '.join(column.name for column in table.columns)}) FROM STDIN"
