"""Engines: where segments execute. `local` is built in; `dbos` keeps the books of DBOS Transact beside ours."""

from aie.runs.engine import Engine
from aie.runs.engines.local import LocalEngine

__all__ = ["LocalEngine", "dbos_engine"]


def dbos_engine(url: str, executor: str) -> Engine:
    """Return the engine on DBOS Transact.

    Args:
        url: SQLAlchemy URL of DBOS's system database.
        executor: unique, never reused id of this process.
    """
    from aie.runs.engines.dbos import DbosEngine  # noqa: PLC0415 — 0.9 CPU-s and 64 MB that only this engine needs

    return DbosEngine(url, executor)
