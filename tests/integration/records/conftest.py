"""Stores for the records' tests: each test that asks for `store` runs on SQLite and on Postgres."""

from collections.abc import Iterator

import pytest

from aie.records import Journal, MemoryKeys, Store, open_store, take_lease
from aie.records.links import PostgresLink, SqliteLink
from aie.records.memory import Continuation
from tests.shows.story import EXECUTOR, StoryClock


@pytest.fixture
def keys() -> MemoryKeys:
    """Keys of one store."""
    return MemoryKeys()


@pytest.fixture
def store(store_url: str, keys: MemoryKeys) -> Iterator[Store]:
    """An empty store on either database."""
    opened = open_store(store_url, clock=StoryClock(), keys=keys)
    yield opened
    opened.close()


@pytest.fixture
def journal(store: Store) -> Iterator[Journal]:
    """A running journal, with one live executor."""
    take_lease(store, EXECUTOR, ttl=3_600_000_000, runtime={})
    with Journal(store, "w1") as running:
        yield running


@pytest.fixture
def kind(store: Store) -> type[SqliteLink | PostgresLink]:
    """What the store is written through."""
    return SqliteLink if store.dialect == "sqlite" else PostgresLink


@pytest.fixture
def gone_on(kind: type[SqliteLink | PostgresLink], monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether the rows stood as remembered, for each transaction that went on from them."""
    go_on, told = kind.go_on, []

    def listening(self: SqliteLink | PostgresLink, given: Continuation) -> bool:
        told.append(go_on(self, given))  # type: ignore[arg-type]
        return told[-1]

    monkeypatch.setattr(kind, "go_on", listening)
    return told


@pytest.fixture
def other(store: Store) -> Iterator[Journal]:
    """Another process's journal."""
    with Journal(store, "w2") as running:
        yield running
