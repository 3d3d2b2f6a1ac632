"""Bringing an older schema up to date. This module imports alembic (0.7 CPU-s), so it is loaded only when needed."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection

from aie.errors import StoreError

__all__ = ["upgrade"]


def upgrade(connection: Connection) -> None:
    """Run every migration that the database lacks, within the connection's transaction.

    Raises:
        StoreError: the database is at a revision that this version does not know.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise StoreError(f"the store cannot be migrated: {error}") from error
