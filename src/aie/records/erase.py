"""Erasure: destroying the data key of one person."""

from collections.abc import Sequence

from sqlalchemy import select

from aie.errors import NotFound
from aie.records import tables
from aie.records.entries import Entry, Locked, key_stream
from aie.records.events import Event, KeyDestroyed
from aie.records.journal import Journal
from aie.records.rows import Recorded
from aie.records.store import Store

__all__ = ["destroy_key"]


def destroy_key(store: Store, journal: Journal, *, tenant: str, subject: str, actor: str, reason: str) -> Recorded:
    """Destroy the data key of a subject: its payloads and blobs cannot be read again, by anyone, from this database.

    Other processes lose the key with their caches; copies of the database made before keep a wrapped key, so backups
    need an end of their own. What the person does later is sealed under a new key.

    Raises:
        NotFound: the subject has no live key.
    """
    table = tables.data_keys
    query = select(table.c.id).where(table.c.tenant == tenant, table.c.subject == subject, table.c.wrapped.is_not(None))
    with store.connect() as connection:
        key = connection.execute(query).scalar()
    if key is None:
        raise NotFound("nothing is sealed for this subject", tenant=tenant)

    def decide(_: Locked) -> Sequence[Event]:
        return (KeyDestroyed(subject=subject, key=key, actor=actor, reason=reason),)

    recorded = journal.append(Entry(tenant=tenant, stream=key_stream(tenant, subject), decide=decide))[0]
    store.vault.forget(tenant, subject)
    if store.dialect == "sqlite":
        with store.connect() as connection:
            # The write-ahead log still holds the page with the wrapped key.
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    return recorded
