"""What `verify` reads: a live store or an export, row by row, as dicts by column."""

import json
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias

from sqlalchemy import Column, ColumnElement, Connection, LargeBinary, Table, Text, literal_column, select
from sqlalchemy.exc import DBAPIError

from aie.core import open_file, written_whole
from aie.errors import InputError, IntegrityError
from aie.records import tables
from aie.records.keys import KeyProvider
from aie.records.store import Store

__all__ = ["ExportSource", "Row", "Source", "StoreSource", "TypedSource", "export_records", "open_export", "read_store"]

Row: TypeAlias = Mapping[str, Any]

EXPORTED: Final = (
    tables.events,
    tables.blobs,
    tables.blocks,
    tables.data_keys,
    tables.bundles,
    *tables.PROJECTIONS,
)
"""Everything but leases and the sealer's marks. Data keys go without the wrapped key: an export holds no secret."""

_LATER: Final = frozenset({"draws", "budgets", "stops"})
"""Projections that the first exports did not have: without its file one is empty, and the events tell if it was."""

_ORDER: Final[dict[str, tuple[str, ...]]] = {
    "events": ("tenant", "writer", "writer_seq"),
    "blobs": ("tenant", "writer", "writer_seq"),
}


class Source(Protocol):
    """Rows of one moment."""

    provider: KeyProvider | None
    """Keys, when the checker has them; None for an auditor who has only the public key."""
    public_key: bytes
    """What heads must be signed by."""

    def rows(self, table: Table) -> Iterator[Row]:
        """Yield the rows of a table in a fixed order; events and blobs by writer."""
        ...

    def streams(self) -> Iterator[Row]:
        """Yield the events in the order (stream, n)."""
        ...


class StoreSource:
    """A live store, read in one snapshot."""

    def __init__(self, connection: Connection, provider: KeyProvider) -> None:
        self._connection = connection
        self.provider: KeyProvider | None = provider
        self.public_key = provider.public_key()

    def rows(self, table: Table) -> Iterator[Row]:
        """Yield the rows of a table."""
        names = _ORDER.get(table.name) or tuple(column.name for column in table.primary_key)
        return self._ordered(table, names)

    def streams(self) -> Iterator[Row]:
        """Yield the events by stream."""
        return self._ordered(tables.events, ("stream", "n"))

    def _ordered(self, table: Table, names: tuple[str, ...]) -> Iterator[Row]:
        # Columns without their types: a value that does not fit its type must reach the check, not fail the read.
        columns: list[ColumnElement[Any]] = [literal_column(column.name).label(column.name) for column in table.columns]
        query = select(*columns).select_from(table).order_by(*(literal_column(name) for name in names))
        try:
            found = self._connection.execution_options(yield_per=1000).execute(query)
            yield from found.mappings()  # type: ignore[misc]
        except DBAPIError as error:
            raise IntegrityError(f"the table {table.name} cannot be read: {type(error.orig).__name__}") from error


class TypedSource:
    """Rows whose values fit their columns; the others are told to `refuse` and left out."""

    def __init__(self, source: Source, refuse: Callable[[Table, Row, str], None]) -> None:
        self._source = source
        self._refuse = refuse
        self.provider = source.provider
        self.public_key = source.public_key

    def rows(self, table: Table) -> Iterator[Row]:
        """Yield the rows of a table that can be read."""
        return self._fitting(table, self._source.rows(table))

    def streams(self) -> Iterator[Row]:
        """Yield the events that can be read, by stream."""
        return self._fitting(tables.events, self._source.streams())

    def _fitting(self, table: Table, rows: Iterator[Row]) -> Iterator[Row]:
        expected = [(column.name, _python_type(column), bool(column.nullable)) for column in table.columns]
        for row in rows:
            for name, kind, nullable in expected:
                value = row[name]
                if not (isinstance(value, kind) or (nullable and value is None)):
                    self._refuse(table, row, name)
                    break
            else:
                yield row


def _python_type(column: Column[Any]) -> type:
    if isinstance(column.type, LargeBinary):
        return bytes
    return str if isinstance(column.type, Text) else int


class ExportSource:
    """An export, read without any database."""

    provider: KeyProvider | None = None

    def __init__(self, archive: zipfile.ZipFile, public_key: bytes) -> None:
        self._archive = archive
        self.public_key = public_key

    def rows(self, table: Table) -> Iterator[Row]:
        """Yield the rows of a table."""
        binary = [column.name for column in table.columns if isinstance(column.type, LargeBinary)]
        names = {column.name for column in table.columns}
        older = {column.name: "" for column in table.columns if column.server_default is not None}
        if table.name in _LATER and f"{table.name}.jsonl" not in self._archive.namelist():
            return
        try:
            with self._archive.open(f"{table.name}.jsonl") as file:
                for line in file:
                    row: dict[str, Any] = older | json.loads(line)
                    if row.keys() != names:
                        raise InputError(f"a line of {table.name}.jsonl does not have the table's columns")
                    for name in binary:
                        row[name] = None if row[name] is None else bytes.fromhex(row[name])
                    yield row
        except (KeyError, ValueError, TypeError, AttributeError, zipfile.BadZipFile) as error:
            raise InputError(f"{table.name}.jsonl of the export cannot be read: {type(error).__name__}") from error

    def streams(self) -> Iterator[Row]:
        """Yield the events by stream."""
        yield from sorted(self.rows(tables.events), key=lambda row: (row["stream"], row["n"]))


@contextmanager
def read_store(store: Store) -> Iterator[StoreSource]:
    """Yield the store as it is at one moment."""
    with store.snapshot() as connection:
        yield StoreSource(connection, store.vault.provider)


@contextmanager
def open_export(path: Path) -> Iterator[ExportSource]:
    """Yield an export.

    Raises:
        InputError: the file is not one.
    """
    try:
        with open_file(path) as file, zipfile.ZipFile(file) as archive:
            manifest = json.loads(archive.read("manifest.json"))
            if manifest["format"] != 1:
                raise InputError(f"{path} has a format of a newer version", hints=("upgrade aie",))
            yield ExportSource(archive, bytes.fromhex(manifest["public_key"]))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    except (KeyError, ValueError, TypeError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} is not an export of records") from error


def export_records(store: Store, path: Path) -> int:
    """Write everything an auditor needs to verify offline into one zip file of JSON lines; return the rows written."""
    count = 0
    with (
        written_whole(path) as draft,
        read_store(store) as source,
        zipfile.ZipFile(draft, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for table in EXPORTED:
            with archive.open(f"{table.name}.jsonl", "w", force_zip64=True) as file:
                for row in source.rows(table):
                    file.write(_line(table, row))
                    count += 1
        manifest = {"format": 1, "public_key": source.public_key.hex(), "exported_at": store.clock.now()}
        archive.writestr("manifest.json", json.dumps(manifest))
    return count


def _line(table: Table, row: Row) -> bytes:
    plain = {name: value.hex() if isinstance(value, bytes | memoryview) else value for name, value in row.items()}
    if table is tables.data_keys:
        plain["wrapped"] = None if plain["wrapped"] is None else ""
    return json.dumps(plain, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
