"""The sealer: seals what writers appended into blocks. One at a time, whoever gets the lock; any process may try."""

import json
import logging
from itertools import groupby
from typing import Any, Final

from sqlalchemy import text

from aie.records import tables
from aie.records.chain import GENESIS, Block, Heads, Range, head_of, merkle_root
from aie.records.links import Link
from aie.records.store import Store

__all__ = ["current_heads", "seal"]

_LOCK: Final = 0x61696501
_LIMIT: Final = 20_000
"""Leaves a pass takes of each kind, so that a backlog does not hold SQLite's write lock for long."""

_NEW: Final = {
    kind: f"SELECT w.tenant, w.writer, e.writer_seq, e.leaf FROM writers AS w "
    f"JOIN {kind} AS e ON e.tenant = w.tenant AND e.writer = w.writer AND e.writer_seq > w.sealed_seq "
    f"WHERE w.kind = '{kind}' ORDER BY w.tenant, w.writer, e.writer_seq LIMIT {_LIMIT}"
    for kind in ("blobs", "events")
}
_ANY: Final = text(
    " UNION ALL ".join(
        f"SELECT * FROM ({sql.rsplit(' ORDER', 1)[0]} LIMIT 1) AS {kind}_new" for kind, sql in _NEW.items()
    )
)

_LAST: Final = (
    "SELECT coalesce(max(writer_seq), 0) FROM {} AS x WHERE (x.tenant, x.writer) = (writers.tenant, writers.writer)"
)
_DONE: Final = (
    f"DELETE FROM writers WHERE closed AND sealed_seq >= ({_LAST.format('events')}) "
    f"AND sealed_seq >= ({_LAST.format('blobs')})"
)

_log = logging.getLogger("aie.records")


def seal(store: Store) -> int:
    """Seal everything that is there; return how many leaves were sealed. 0 when another process is sealing.

    What comes meanwhile is left for the next time: a busy store would get a block for every few leaves.
    """
    total, goes_on = 0, True
    while goes_on:
        with store.connect() as connection:
            if connection.execute(_ANY).first() is None:
                return total
        with store.transaction("seal") as link:
            if store.dialect == "postgresql" and not link.fetch("SELECT pg_try_advisory_xact_lock(?)", _LOCK)[0][0]:
                return total
            sealed, is_full = _seal_pass(store, link)
        total += sealed
        goes_on = is_full and sealed > 0
    return total


def current_heads(store: Store) -> Heads:
    """Return the signed heads of all tenants' chains, to be kept away from the database."""
    sql = (
        "SELECT b.tenant, b.height, b.head FROM blocks AS b "
        "WHERE b.height = (SELECT max(height) FROM blocks WHERE tenant = b.tenant)"
    )
    with store.connect() as connection:
        heads = {tenant: (height, bytes(head)) for tenant, height, head in connection.execute(text(sql))}
    provider = store.vault.provider
    bare = Heads(at=store.clock.now(), public_key=provider.public_key(), heads=heads, signature=b"")
    return Heads(at=bare.at, public_key=bare.public_key, heads=heads, signature=provider.sign(bare.message()))


def _seal_pass(store: Store, link: Link) -> tuple[int, bool]:
    """Return how many leaves were sealed, and whether there may be more that were there before."""
    leaves: dict[str, list[tuple[Range, list[bytes]]]] = {}
    is_full = False
    for kind, sql in _NEW.items():
        rows = link.fetch(sql)
        is_full |= len(rows) == _LIMIT
        for (tenant, writer), group in groupby(rows, key=lambda row: (row[0], row[1])):
            found = _contiguous(link, (tenant, writer, kind), list(group))
            if found is not None:
                leaves.setdefault(tenant, []).append(found)
    for tenant, ranges in sorted(leaves.items()):
        _append_block(store, link, tenant, ranges)
    link.run(_DONE)
    return sum(len(each) for ranges in leaves.values() for _, each in ranges), is_full


def _contiguous(link: Link, at: tuple[str, str, Any], rows: list[tuple[Any, ...]]) -> tuple[Range, list[bytes]] | None:
    """Return the prefix without a gap and move the writer's mark; a gap is left for `verify` to name."""
    tenant, writer, kind = at
    sealed = link.fetch("SELECT sealed_seq FROM writers WHERE tenant = ? AND writer = ?", tenant, writer)[0][0]
    leaves = [bytes(row[3]) for want, row in enumerate(rows, sealed + 1) if row[2] == want]
    if not leaves:
        return None
    last = sealed + len(leaves)
    link.run("UPDATE writers SET sealed_seq = ? WHERE tenant = ? AND writer = ?", last, tenant, writer)
    return Range(kind=kind, writer=writer, first=sealed + 1, last=last), leaves


def _append_block(store: Store, link: Link, tenant: str, ranges: list[tuple[Range, list[bytes]]]) -> None:
    sql = "SELECT height, head, leaves FROM blocks WHERE tenant = ? ORDER BY height DESC LIMIT 1"
    last = link.fetch(sql, tenant)
    height, prev, before = (last[0][0] + 1, bytes(last[0][1]), last[0][2]) if last else (0, GENESIS, 0)
    leaves = [leaf for _, each in ranges for leaf in each]
    block = Block(
        tenant=tenant,
        height=height,
        prev=prev,
        root=merkle_root(leaves),
        ranges=tuple(each for each, _ in ranges),
        leaves=before + len(leaves),
        sealed_at=store.clock.now(),
    )
    head = head_of(block)
    ranges_text = json.dumps([each.to_json() for each in block.ranges], separators=(",", ":"))
    signature = store.vault.provider.sign(head)
    row = (tenant, height, prev, block.root, ranges_text, block.leaves, block.sealed_at, head, signature)
    link.insert(tables.blocks, [row])
