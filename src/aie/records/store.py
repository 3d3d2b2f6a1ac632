"""The store: opening it, reading streams and rows, blobs and bundles, keyed hashes."""

import contextlib
import json
import re
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import Connection, Engine, select
from sqlalchemy.exc import DBAPIError

from aie.core import JSON, Clock, canonical
from aie.errors import IntegrityError, NotFound, StoreError
from aie.records import tables
from aie.records.batch import as_error, place
from aie.records.events import decode
from aie.records.keys import KeyProvider
from aie.records.leaf import blob_header, leaf_of, salt_of
from aie.records.links import Link, link_to
from aie.records.queries import (
    EffectFilter,
    Page,
    ReviewFilter,
    RunFilter,
    due_effects,
    due_reviews,
    list_effects,
    list_reviews,
    list_runs,
)
from aie.records.rows import EffectRow, Recorded, ReleaseRow, ReviewRow, RunRow, run_row
from aie.records.sites import SITES, reached
from aie.records.vault import DataKey, Vault

__all__ = ["Store"]

_TRIES: Final = 3
_SQLITE: Final = re.compile(r"sqlite:///(?P<path>.+)")


class Store:
    """What happened, on one database. Threads may share it."""

    def __init__(self, *, reading: Engine, writing: Engine, clock: Clock, keys: KeyProvider) -> None:
        self.reading = reading
        """Pool for reads, in autocommit."""
        self.writing = writing
        """Pool for transactions of our own."""
        self._driver_error: type[Exception] = writing.dialect.loaded_dbapi.Error
        self.clock = clock
        self.vault = Vault(keys)
        self.writers_here: set[str] = set()
        """Journals of this process: their news come from themselves, not over the channel of Postgres."""
        self._blob_writer = _blob_writer()
        self._blob_seqs: dict[str, int] = {}
        self._blob_lock = threading.Lock()

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self.reading.dialect.name

    def damage(self) -> str:
        """Return what SQLite's quick check finds wrong with its file; empty when nothing, and on Postgres.

        Raises:
            StoreError: the file cannot be read at all.
        """
        if self.dialect != "sqlite":
            return ""
        with self.connect() as connection:
            found = str(connection.exec_driver_sql("PRAGMA quick_check(1)").scalar())
        return "" if found == "ok" else found

    def close(self) -> None:
        """Give all connections back."""
        if self._blob_seqs:
            with self.transaction("blob") as link:
                link.run("UPDATE writers SET closed = true WHERE writer = ?", self._blob_writer)
            self._blob_seqs.clear()
            self._blob_writer = _blob_writer()
        self.reading.dispose()
        self.writing.dispose()

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """Yield a connection for reads."""
        with _typed_errors(), self.reading.connect() as connection:
            yield connection

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """Yield a connection whose reads all see one moment, while others go on writing."""
        if self.dialect == "postgresql":
            repeatable = self.reading.execution_options(isolation_level="REPEATABLE READ")
            with _typed_errors(), repeatable.connect() as connection:
                yield connection
                connection.rollback()
            return
        with _typed_errors(), self.reading.connect() as connection:
            connection.exec_driver_sql("BEGIN")
            try:
                yield connection
            finally:
                connection.exec_driver_sql("ROLLBACK")

    @contextmanager
    def transaction(self, site: str) -> Iterator[Link]:
        """Yield a link inside a transaction that commits when the block ends, at a declared commit site."""
        if site not in SITES:
            raise StoreError(f"{site} is not a commit site", hints=("declare it in aie.records.sites",))
        with _typed_errors():
            link = link_to(self.writing)
        try:
            link.begin()
            yield link
            reached(f"{site}.before_commit")
            link.commit()
            reached(f"{site}.after_commit")
        except BaseException as error:
            with contextlib.suppress(self._driver_error):
                link.rollback()
            if isinstance(error, self._driver_error):
                raise as_error(error) from error
            raise
        finally:
            link.close()

    # ------------------------------------------------------------ streams

    def read(self, stream: str, after: int = 0, *, tenant: str | None = None) -> list[Recorded]:
        """Return the events of a stream in order, from position `after` + 1; of another tenant's stream, none."""
        table = tables.events
        query = select(table).where(table.c.stream == stream, table.c.n > after).order_by(table.c.n)
        if tenant is not None:
            query = query.where(table.c.tenant == tenant)
        with self.connect() as connection:
            rows = connection.execute(query).all()
            keys = self.keys_of(connection, {row.key_id for row in rows if row.key_id})
        return [recorded(row, keys) for row in rows]

    def keys_of(self, connection: Connection, ids: set[str]) -> dict[str, DataKey]:
        """Return the data keys that still exist, by id."""
        if not ids:
            return {}
        table = tables.data_keys
        query = select(table).where(table.c.id.in_(ids), table.c.wrapped.is_not(None))
        return {row.id: self.vault.unwrapped(row) for row in connection.execute(query)}

    def run(self, run_id: str, *, tenant: str | None = None) -> RunRow | None:
        """Return the run as it stands."""
        query = select(tables.runs).where(tables.runs.c.id == run_id)
        if tenant is not None:
            query = query.where(tables.runs.c.tenant == tenant)
        with self.connect() as connection:
            row = connection.execute(query).mappings().first()
        return None if row is None else run_row(row)  # type: ignore[arg-type]

    def runs(self, where: RunFilter | None = None, *, limit: int = 50, after: str = "") -> Page[RunRow]:
        """Return a page of runs, last submitted first."""
        with self.connect() as connection:
            return list_runs(connection, where or RunFilter(), limit=limit, after=after)

    def reviews(self, where: ReviewFilter | None = None, *, limit: int = 50, after: str = "") -> Page[ReviewRow]:
        """Return a page of reviews, last opened first; open ones unless the filter says otherwise."""
        with self.connect() as connection:
            return list_reviews(connection, where or ReviewFilter(), limit=limit, after=after)

    def due_reviews(self, *, limit: int = 50) -> tuple[ReviewRow, ...]:
        """Return open reviews past their deadline."""
        with self.connect() as connection:
            return due_reviews(connection, now=self.clock.now(), limit=limit)

    def effects(self, where: EffectFilter | None = None, *, limit: int = 500) -> tuple[EffectRow, ...]:
        """Return effects in the order in which they are due."""
        with self.connect() as connection:
            return list_effects(connection, where or EffectFilter(), limit=limit)

    def due_effects(self, *, limit: int = 50) -> tuple[EffectRow, ...]:
        """Return effects that are due or were interrupted."""
        with self.connect() as connection:
            return due_effects(connection, now=self.clock.now(), limit=limit)

    def releases(
        self, tenant: str, *, workflow: str | None = None, prefix: str = "", limit: int = 50
    ) -> tuple[ReleaseRow, ...]:
        """Return releases, newest first: of one workflow, or whose id begins with `prefix`."""
        table = tables.releases
        query = select(table).where(table.c.tenant == tenant, table.c.id.startswith(prefix, autoescape=True))
        if workflow is not None:
            query = query.where(table.c.workflow == workflow)
        query = query.order_by(table.c.created_at.desc(), table.c.id.desc()).limit(limit)
        with self.connect() as connection:
            return tuple(ReleaseRow(**row) for row in connection.execute(query).mappings())

    # ------------------------------------------------------------ keyed hashes

    def ref(self, tenant: str, data: JSON) -> str:
        """Return the reference of a value: equal for equal data within a tenant, unlinkable between tenants."""
        return self.vault.ref(tenant, data)

    def mac(self, tenant: str, *parts: JSON) -> str:
        """Return the keyed hash of a list of parts: for case, effect and idempotency keys. Name the purpose first."""
        return self.vault.mac(tenant, "mac", canonical(list(parts)))

    # ------------------------------------------------------------ bytes

    def put_blob(self, tenant: str, subject: str, data: bytes) -> str:
        """Seal bytes under the subject's key and return their reference; putting the same again changes nothing."""
        ref = self.vault.mac(tenant, "blob", data)
        with self._blob_lock:
            for left in reversed(range(_TRIES)):
                try:
                    self._put_blob(tenant, subject, ref, data)
                    break
                except StoreError:
                    # Another writer may have made the subject's key in between. Whether anything was committed or not,
                    # this writer's sequence ends where it was; a new one goes on.
                    self._blob_writer, self._blob_seqs = _blob_writer(), {}
                    if not left:
                        raise
        return ref

    def _put_blob(self, tenant: str, subject: str, ref: str, data: bytes) -> None:
        with self.transaction("blob") as link:
            made = self.vault.live_keys(link, tenant, [subject], self.clock.now())
            key = made[subject]
            seq = self._blob_seqs.get(tenant, 0)
            if not link.fetch("SELECT 1 FROM blobs WHERE tenant = ? AND ref = ? AND key_id = ?", tenant, ref, key.id):
                seq = self._next_blob(link, tenant)
                self._insert_blob(link, (tenant, ref, seq), key, data)
        if seq:
            self._blob_seqs[tenant] = seq
        self.vault.remember(tenant, made)

    def _next_blob(self, link: Link, tenant: str) -> int:
        seq = self._blob_seqs.get(tenant, 0)
        if seq == 0:
            link.insert(tables.writers, [(tenant, self._blob_writer, "blobs", 0, False)])
        return seq + 1

    def _insert_blob(self, link: Link, at: tuple[str, str, int], key: DataKey, data: bytes) -> None:
        tenant, ref, seq = at
        row: dict[str, Any] = {
            "tenant": tenant,
            "ref": ref,
            "key_id": key.id,
            "writer": self._blob_writer,
            "writer_seq": seq,
            "at": self.clock.now(),
            "data": key.seal(data, f"{tenant}\0{ref}".encode()),
        }
        header = blob_header(row)
        salt = salt_of(self.vault.mac_key(tenant, "salt"), header)
        link.insert(tables.blobs, [(*row.values(), salt, leaf_of(salt, header))])

    def get_blob(self, tenant: str, ref: str) -> bytes:
        """Return the bytes.

        Raises:
            NotFound: no such bytes, or every key that sealed them is destroyed.
            IntegrityError: the bytes are not what was put.
        """
        table = tables.blobs
        with self.connect() as connection:
            rows = connection.execute(select(table).where(table.c.tenant == tenant, table.c.ref == ref)).all()
            keys = self.keys_of(connection, {row.key_id for row in rows})
        for row in rows:
            if row.key_id in keys:
                data = keys[row.key_id].open(bytes(row.data), f"{tenant}\0{ref}".encode())
                if self.vault.mac(tenant, "blob", data) != ref:
                    raise IntegrityError(f"the bytes under {ref} are not what was put", ref=ref)
                return data
        erased = bool(rows)
        raise NotFound(f"the bytes {ref} {'were erased' if erased else 'do not exist'}", ref=ref, erased=erased)

    def put_release(self, tenant: str, release_id: str, bundle: bytes) -> None:
        """Store a release's bundle; putting the same again changes nothing. `release.created` makes it visible."""
        with self.transaction("bundle") as link:
            link.run(
                "INSERT INTO bundles (tenant, release, data) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                tenant,
                release_id,
                bundle,
            )

    def get_release(self, release_id: str, *, tenant: str) -> bytes:
        """Return a release's bundle.

        Raises:
            NotFound: the tenant has no such release.
        """
        table = tables.bundles
        with self.connect() as connection:
            data = connection.execute(
                select(table.c.data).where(table.c.tenant == tenant, table.c.release == release_id)
            ).scalar()
        if data is None:
            raise NotFound(f"there is no release {release_id}", release=release_id)
        return bytes(data)

    def environment(self, tenant: str, workflow: str, environment: str) -> dict[str, str]:
        """Return release id by pointer: `stable`, `canary`, `shadow`; a pointer that was never set is absent."""
        table = tables.environments
        query = select(table.c.pointer, table.c.release).where(
            table.c.tenant == tenant,
            table.c.workflow == workflow,
            table.c.environment == environment,
            table.c.release != "",
        )
        with self.connect() as connection:
            return {row.pointer: row.release for row in connection.execute(query)}


@contextmanager
def _typed_errors() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        raise as_error(error.orig or error) from error


def _blob_writer() -> str:
    return "blobs_" + secrets.token_hex(10)


def recorded(row: Any, keys: dict[str, DataKey]) -> Recorded:
    """Return the event of one row of the table `events`."""
    erased = bool(row.key_id) and row.key_id not in keys
    payload: dict[str, Any] | None = {}
    if erased:
        payload = None
    elif row.key_id:
        if row.payload is None:
            raise IntegrityError("the sealed payload of an event is gone", stream=row.stream, n=row.n)
        sealed_for = place(row.tenant, row.stream, row.n, row.type)
        payload = json.loads(keys[row.key_id].open(bytes(row.payload), sealed_for))
    return Recorded(
        tenant=row.tenant,
        stream=row.stream,
        n=row.n,
        at=row.at,
        segment=row.segment,
        epoch=row.epoch,
        writer=row.writer,
        writer_seq=row.writer_seq,
        event=decode(row.type, json.loads(row.body), payload),
        erased=erased,
    )
