"""Opening a store: its address, its schema, and the keys that belong to it."""

import hmac
import re
from pathlib import Path
from typing import Final

from sqlalchemy import select

from aie.core import Clock, SystemClock
from aie.errors import StoreError
from aie.records.engines import open_engines
from aie.records.keys import KeyProvider, PlainKeys
from aie.records.schema import ensure_schema, has_schema
from aie.records.store import Store
from aie.records.tables import data_keys
from aie.records.vault import key_context, key_mark

__all__ = ["is_new", "open_store"]

_SQLITE: Final = re.compile(r"sqlite:///(?P<path>.+)")
_ASKED: Final = 5
"""Rows that are asked whose keys made them; one alone may have been altered, which is for `verify` to find."""


def open_store(url: str, *, clock: Clock | None = None, keys: KeyProvider | None = None, create: bool = True) -> Store:
    """Open the store at `sqlite:///path` or `postgresql://…`, bringing its schema up to date.

    Without `keys` a SQLite store keeps them in `keys.json` beside the database file.

    Raises:
        StoreError: the address is not one, the store does not exist and `create` is false, its schema is newer than
            this version, or Postgres is named without keys.
    """
    if keys is None:
        keys = _default_keys(url, create=create)
    reading, writing = open_engines(url, create=create)
    try:
        ensure_schema(reading, writing, create=create)
    except BaseException:
        reading.dispose()
        writing.dispose()
        raise
    store = Store(reading=reading, writing=writing, clock=clock or SystemClock(), keys=keys)
    try:
        _check_keys(store)
    except BaseException:
        store.close()
        raise
    return store


def is_new(url: str) -> bool:
    """Whether there is no store at this address yet.

    Raises:
        StoreError: the address is not one, or what is there is no store.
    """
    match = _SQLITE.fullmatch(url)
    if match is not None and not Path(match["path"]).exists():
        return True
    reading, writing = open_engines(url, create=False)
    try:
        return not has_schema(reading)
    finally:
        reading.dispose()
        writing.dispose()


def _check_keys(store: Store) -> None:
    """Refuse keys that this store was not written with: half of it would be sealed under each.

    Raises:
        StoreError: they are others.
    """
    query = select(data_keys.c.id, data_keys.c.tenant, data_keys.c.subject, data_keys.c.created_at, data_keys.c.mark)
    with store.connect() as connection:
        rows = connection.execute(query.limit(_ASKED)).all()
    marks = {
        key_mark(
            store.vault.mac_key(row.tenant, "key"), key_context(row.id, row.tenant, row.subject, row.created_at)
        ): row.mark
        for row in rows
    }
    if rows and not any(isinstance(mark, bytes) and hmac.compare_digest(made, mark) for made, mark in marks.items()):
        raise StoreError(
            "these keys are not those that the store was written with",
            hints=("restore the key file that belongs to the store from a backup",),
        )


def _default_keys(url: str, *, create: bool) -> KeyProvider:
    match = _SQLITE.fullmatch(url)
    if match is None:
        hints = ("pass keys=PlainKeys(path), or name a key file in aie.yaml",)
        raise StoreError("a store that is not a local file needs a key provider", hints=hints)
    path = Path(match["path"])
    if not create and not path.exists():
        raise StoreError(f"there is no store at {path}", hints=("run a workflow first, or check the path",))
    return PlainKeys(path.with_name("keys.json"), is_new=lambda: is_new(url))
