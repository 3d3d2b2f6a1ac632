"""The floor: seven commits of one row each for a run, and nothing else. No engine that commits so often can beat it."""

import sqlite3
import threading
from typing import Any, Final

import psycopg

from benchmarks.calling import Caller
from benchmarks.work import NODES, NOTE, Job, node_work

__all__ = ["Floor"]

_TABLE: Final = "CREATE TABLE IF NOT EXISTS floor (run TEXT, n INTEGER, value TEXT, PRIMARY KEY (run, n))"


class Floor:
    """A commit when the run begins, one for each node, one when it ends."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._work = node_work(job, Caller(job.socket))
        self._of = threading.local()
        self._done = 0
        # The processes of one store write one after another, as SQLite's own waiting is not fair.
        self._turn = threading.Lock()
        if job.worker == 0:
            self._connection().execute(_TABLE)

    def run(self, number: int) -> None:
        """Commit seven times."""
        connection, value = self._connection(), number
        self._write(connection, number, 0, value)
        for n, name in enumerate(NODES, start=1):
            value = self._work[name](value)
            self._write(connection, number, n, value)
        self._write(connection, number, len(NODES) + 1, value)
        if value != number + len(NODES):
            raise ValueError(f"run {number} ended with {value}")

    def check(self) -> int:
        """Count the rows."""
        mine = f"{self._job.worker}-%"
        rows = self._connection().execute(f"SELECT count(*) FROM floor WHERE run LIKE '{mine}'").fetchone()
        return int(rows[0]) // 7

    def close(self) -> None:
        """Do nothing: connections end with their threads."""

    def _connection(self) -> Any:
        held = getattr(self._of, "connection", None)
        if held is None:
            held = self._of.connection = self._connect()
        return held

    def _connect(self) -> Any:
        if self._job.url.startswith("sqlite"):
            path = self._job.url.removeprefix("sqlite:///")
            connection = sqlite3.connect(path, timeout=60, isolation_level=None, check_same_thread=False)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            return connection
        return psycopg.connect(self._job.url, autocommit=True, prepare_threshold=1)

    def _write(self, connection: Any, number: int, n: int, value: int) -> None:
        row = (f"{self._job.worker}-{number}", n, f"{value} {NOTE}")
        if self._job.url.startswith("sqlite"):
            with self._turn:
                connection.execute("INSERT INTO floor VALUES (?, ?, ?)", row)
        else:
            connection.execute("INSERT INTO floor VALUES (%s, %s, %s)", row)
