"""The schema's version: created when new, migrated when old, refused when newer than this code."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.exc import DatabaseError, OperationalError, ProgrammingError

from aie.errors import StoreError
from aie.records.engines import mending
from aie.records.sites import reached
from aie.records.tables import SCHEMA, metadata

__all__ = ["HEAD", "ensure_schema", "has_schema"]

HEAD: Final = "0004"
"""Revision that `tables.py` describes; a test compares it with the migrations."""

_LOCK: Final = 0x616965


def ensure_schema(reading: Engine, writing: Engine, *, create: bool) -> None:
    """Leave the database at `HEAD`."""
    if _version(reading) == HEAD:
        return
    if not create:
        raise StoreError(
            "the store does not exist or has an old schema", hints=("run any writing command to bring it up",)
        )
    with _exclusive(writing) as connection:
        current = _version_on(connection)
        if current is None:
            _create(connection)
        elif current != HEAD:
            _migrate(connection, current)


def has_schema(engine: Engine) -> bool:
    """Whether the database was ever made a store."""
    return _version(engine) is not None


def _migrate(connection: Connection, current: str) -> None:
    if current > HEAD:
        raise StoreError(f"the store has schema {current}, this version knows {HEAD}", hints=("upgrade aie",))
    from aie.records.migrate import upgrade  # noqa: PLC0415 - alembic costs 0.7 CPU-s that a current store never needs

    upgrade(connection)


def _version(engine: Engine) -> str | None:
    try:
        with engine.connect() as connection:
            return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    except (OperationalError, ProgrammingError) as error:
        if "alembic_version" in str(error):
            return None
        said = str(error.orig).splitlines()[0]
        raise StoreError(f"the store cannot be reached: {said}", hints=mending(said)) from error
    except DatabaseError as error:
        said = str(error.orig).splitlines()[0]
        raise StoreError(f"the store is not a database: {said}", hints=mending(said)) from error


def _version_on(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


@contextmanager
def _exclusive(engine: Engine) -> Iterator[Connection]:
    """Hold the right to change the schema; other processes wait."""
    if engine.dialect.name == "sqlite":
        with open(f"{engine.url.database}.schema", "a") as lock, engine.connect() as connection:  # noqa: PTH123
            fcntl.flock(lock, fcntl.LOCK_EX)
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            try:
                yield connection
                reached("schema.before_commit")
                connection.exec_driver_sql("COMMIT")
                reached("schema.after_commit")
            except BaseException:
                connection.exec_driver_sql("ROLLBACK")
                raise
    else:
        with engine.begin() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            yield connection
            reached("schema.before_commit")
        reached("schema.after_commit")


def _create(connection: Connection) -> None:
    """Create everything as it is at `HEAD`: the common case, without importing alembic."""
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))
    metadata.create_all(connection, checkfirst=False)
    connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"))
    connection.execute(text("INSERT INTO alembic_version (version_num) VALUES (:head)"), {"head": HEAD})
