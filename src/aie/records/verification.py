"""Verify: is what is stored what was written?

With the keys every row proves itself by its salt; without them rows prove themselves by the signed blocks that cover
them. What lies after the last block could have been cut off unseen, and so could whole blocks at the end unless a saved
head says that they existed: the report states up to where each holds.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Table

from aie.core import digest_bytes
from aie.errors import AieError
from aie.records import tables
from aie.records.chain import Heads, signed_by
from aie.records.checks import Finding, check_blocks
from aie.records.compare import compare_projections
from aie.records.events import KeyDestroyed, ReleaseCreated
from aie.records.keys import KeyProvider
from aie.records.leaf import blob_header, event_header, leaf_of, salt_of
from aie.records.sources import Row, Source, TypedSource
from aie.records.vault import key_context, key_mark

__all__ = ["Report", "verify"]

WriterKey = tuple[str, str, str]
"""(tenant, kind, writer)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was checked and what was found."""

    events: int
    blobs: int
    blocks: int
    sealed_up_to: dict[str, int]
    """Height of the last block by tenant: everything in it and before is covered by a signature."""
    anchored_up_to: dict[str, int]
    """Height of the saved head by tenant: everything up to it is also known not to have been cut off."""
    unsealed: int
    """Rows after the last block; cutting off their end could not be found."""
    keyed: bool
    """True when the keys were at hand, so that unsealed rows were proven too."""
    findings: tuple[Finding, ...]

    @property
    def intact(self) -> bool:
        """True when nothing was found."""
        return not self.findings

    @property
    def unprovable(self) -> tuple[str, ...]:
        """What this check cannot tell, in words."""
        said = []
        for tenant, height in sorted(self.sealed_up_to.items()):
            anchored = self.anchored_up_to.get(tenant)
            if anchored is None:
                said.append(f"{tenant}: no saved head was given, so records cut off at the end would not be missed")
            elif anchored < height:
                said.append(
                    f"{tenant}: blocks after {anchored} came after the saved head; cutting them off would not be missed"
                )
        if self.unsealed:
            said.append(f"{self.unsealed} rows are not sealed yet; cutting off their end would not be missed")
        return tuple(said)


@dataclass(slots=True)
class _Work:
    source: Source
    findings: list[Finding]
    leaves: dict[WriterKey, dict[int, bytes]] = field(default_factory=dict)
    salt_keys: dict[str, bytes] = field(default_factory=dict)
    used_keys: dict[str, str] = field(default_factory=dict)
    """Data key by id that rows name, with the tenant."""

    def found(self, kind: str, message: str, **at: Any) -> None:
        self.findings.append(Finding(kind=kind, message=message, **at))


def verify(source: Source, head: Heads | None = None, *, public_key: bytes | None = None) -> Report:
    """Check everything and report; finding something is not an error.

    Args:
        source: a live store (`read_store`) or an export (`open_export`).
        head: a saved head; its key is trusted over the one of the source.
        public_key: key to trust when neither keys nor a saved head are at hand.
    """
    findings: list[Finding] = []

    def refuse(table: Table, row: Row, name: str) -> None:
        message = f"{name} of a row of {table.name} holds no value of its type"
        at = {key: row[key] for key in ("tenant", "stream", "writer") if isinstance(row.get(key), str)}
        findings.append(Finding(kind="unreadable", message=message, **at))

    source = TypedSource(source, refuse)
    work = _Work(source, findings)
    events = sum(1 for _ in _check_rows(work, "events", event_header))
    blobs = sum(1 for _ in _check_rows(work, "blobs", blob_header))
    _check_streams(work)
    trusted = source.public_key if source.provider is not None else public_key
    if trusted is None:
        trusted = head.public_key if head is not None else source.public_key
    chain = check_blocks(source.rows(tables.blocks), work.leaves, trusted, work.findings)
    anchored = _check_head(work, head, trusted, chain.heads)
    _check_data_keys(work)
    _check_bundles(work)
    work.findings.extend(compare_projections(source))
    return Report(
        events=events,
        blobs=blobs,
        blocks=chain.count,
        sealed_up_to={tenant: max(heads) for tenant, heads in chain.heads.items()},
        anchored_up_to=anchored,
        unsealed=sum(1 for place, seqs in work.leaves.items() for seq in seqs if seq > chain.covered.get(place, 0)),
        keyed=source.provider is not None,
        findings=tuple(dict.fromkeys(work.findings)),
    )


def _check_rows(work: _Work, kind: str, header_of: Callable[[Row], bytes]) -> Iterator[None]:
    """Check each row against its own leaf and salt, and each writer's sequence for gaps."""
    last: tuple[str, str] = ("", "")
    expected = 0
    for row in work.source.rows(tables.metadata.tables[kind]):
        yield
        at = {"tenant": row["tenant"], "writer": row["writer"], "writer_seq": row["writer_seq"]}
        if kind == "events":
            at |= {"stream": row["stream"], "n": row["n"]}
        if (row["tenant"], row["writer"]) != last:
            last, expected = (row["tenant"], row["writer"]), 1
        if row["writer_seq"] != expected:
            work.found("gap", f"{kind} {expected} to {row['writer_seq'] - 1} of this writer are missing", **at)
        expected = row["writer_seq"] + 1
        leaf = _check_leaf(work, row, header_of(row), at)
        work.leaves.setdefault((row["tenant"], kind, row["writer"]), {})[row["writer_seq"]] = leaf
        if row["key_id"]:
            work.used_keys[row["key_id"]] = row["tenant"]


def _check_leaf(work: _Work, row: Row, header: bytes, at: dict[str, Any]) -> bytes:
    salt = bytes(row["salt"])
    leaf = leaf_of(salt, header)
    if leaf != bytes(row["leaf"]):
        work.found("changed", "the row is not what its leaf commits to", **at)
    elif work.source.provider is not None:
        tenant = row["tenant"]
        key = work.salt_keys.get(tenant)
        if key is None:
            key = work.salt_keys[tenant] = work.source.provider.mac_key(tenant, "salt")
        if salt_of(key, header) != salt:
            work.found("forged", "the row was not written by a holder of the tenant's key", **at)
    return leaf


def _check_streams(work: _Work) -> None:
    """Check that each stream counts from 1 without a gap."""
    stream, expected = "", 0
    for row in work.source.streams():
        if row["stream"] != stream:
            stream, expected = row["stream"], 1
        if row["n"] != expected:
            message = f"events {expected} to {row['n'] - 1} of this stream are missing"
            work.found("gap", message, tenant=row["tenant"], stream=stream, n=row["n"])
        expected = row["n"] + 1


def _check_head(work: _Work, head: Heads | None, trusted: bytes, heads: dict[str, dict[int, bytes]]) -> dict[str, int]:
    anchored: dict[str, int] = {}
    if head is None:
        return anchored
    if head.public_key != trusted or not signed_by(trusted, head.message(), head.signature):
        work.found("head", "the saved head is not signed by the trusted key")
        return anchored
    for tenant, (height, saved) in sorted(head.heads.items()):
        stored = heads.get(tenant, {}).get(height)
        if stored is None:
            message = f"block {height} existed when the head was saved and is gone: records were cut off"
            work.found("truncated", message, tenant=tenant)
        elif stored != saved:
            work.found(
                "rewritten", f"block {height} is not the one that existed when the head was saved", tenant=tenant
            )
        else:
            anchored[tenant] = height
    return anchored


def _check_data_keys(work: _Work) -> None:
    """Check that keys are there unless an event says that they were destroyed, and are what was wrapped."""
    destroyed = {body.get("key") for _, body in _bodies(work.source, KeyDestroyed.type)}
    there: set[str] = set()
    for row in work.source.rows(tables.data_keys):
        there.add(row["id"])
        at = {"tenant": row["tenant"], "stream": f"data key {row['id']}"}
        if row["wrapped"] is None and row["id"] not in destroyed:
            work.found("key", "the data key is gone though no event says that it was destroyed", **at)
        elif row["wrapped"] is not None and row["id"] in destroyed:
            work.found("key", "the data key is back though an event says that it was destroyed", **at)
        if work.source.provider is not None and not _genuine(work.source.provider, row):
            work.found("key", "the data key is not what was wrapped", **at)
    for id_ in sorted(work.used_keys.keys() - there):
        work.found("key", "the data key is missing", tenant=work.used_keys[id_], stream=f"data key {id_}")


def _genuine(provider: KeyProvider, row: Row) -> bool:
    context = key_context(row["id"], row["tenant"], row["subject"], row["created_at"])
    if key_mark(provider.mac_key(row["tenant"], "key"), context) != row["mark"]:
        return False
    if row["wrapped"] is not None:
        try:
            provider.unwrap(row["tenant"], row["wrapped"], context)
        except AieError:
            return False
    return True


def _check_bundles(work: _Work) -> None:
    """Check that each release has its bundle, as it was locked."""
    stored = {
        (row["tenant"], row["release"]): digest_bytes(bytes(row["data"])) for row in work.source.rows(tables.bundles)
    }
    for row, body in _bodies(work.source, ReleaseCreated.type):
        at = {"tenant": row["tenant"], "stream": row["stream"], "n": row["n"]}
        digest = stored.get((row["tenant"], str(body.get("release"))))
        if digest is None:
            work.found("bundle", "the bundle of the release is missing", **at)
        elif body.get("bundle") and digest != body["bundle"]:
            work.found("bundle", "the bundle of the release is not the one that was locked", **at)


def _bodies(source: Source, type_: str) -> Iterator[tuple[Row, dict[str, Any]]]:
    """Yield the events of one type with their bodies; one that cannot be read was found by its leaf."""
    for row in source.streams():
        if row["type"] == type_:
            try:
                body = json.loads(row["body"])
            except (ValueError, RecursionError):
                continue
            if isinstance(body, dict):
                yield row, body
