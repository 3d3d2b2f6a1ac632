"""Hearing what other processes committed, on Postgres."""

import threading
from collections.abc import Callable

from aie.records.store import Store

__all__ = ["listen"]


def listen(
    store: Store,
    channel: str,
    on_news: Callable[[str], None],
    *,
    ready: threading.Event,
    stopping: threading.Event,
    poll: float = 0.5,
) -> None:
    """Call `on_news` with each run that other processes tell of, until `stopping` is set; holds one connection.

    What this process writes itself, its journals tell when they commit.

    Args:
        store: a store on Postgres.
        channel: its name.
        on_news: called on this thread.
        ready: set once nothing sent from now on can be missed.
        stopping: ends the call within `poll` seconds.
        poll: seconds between looks at `stopping`.
    """
    from psycopg import sql  # noqa: PLC0415 - the driver costs time that a run on SQLite does not pay

    pooled = store.reading.raw_connection()
    try:
        connection = pooled.driver_connection
        if connection is None:
            raise ConnectionError("the pool gave no connection")
        connection.autocommit = True
        connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
        ready.set()
        while not stopping.is_set():
            for notice in connection.notifies(timeout=poll):
                writer, *runs = notice.payload.split(" ")
                for run in runs if writer not in store.writers_here else ():
                    on_news(run)
                if stopping.is_set():
                    break
        connection.execute(sql.SQL("UNLISTEN {}").format(sql.Identifier(channel)))
    except BaseException:
        pooled.invalidate()
        raise
    finally:
        pooled.close()
