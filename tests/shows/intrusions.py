"""What an intruder does who can write every table but has neither the keys nor the saved head.

Each mutation makes exactly one change that matters and returns what it did; none is a change to nothing.
"""

import json
from collections.abc import Callable
from random import Random
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Boolean, LargeBinary, Table, Text

from aie.records import tables
from aie.records.chain import Block, Range, head_of, merkle_root
from aie.records.leaf import event_header, leaf_of
from aie.records.links import Link
from aie.records.rebuilding import refill

__all__ = ["MUTATIONS"]

Mutation = Callable[[Random, Link], str]
Row = dict[str, Any]


def _rows(link: Link, table: Table, where: str = "1 = 1") -> list[Row]:
    names = [column.name for column in table.columns]
    keys = ", ".join(column.name for column in table.primary_key)
    found = link.fetch(f"SELECT {', '.join(names)} FROM {table.name} WHERE {where} ORDER BY {keys}")
    return [dict(zip(names, values, strict=True)) for values in found]


def _update(link: Link, table: Table, row: Row, **changes: Any) -> None:
    keys = [column.name for column in table.primary_key]
    sets = ", ".join(f"{name} = ?" for name in changes)
    where = " AND ".join(f"{key} = ?" for key in keys)
    count = link.run(f"UPDATE {table.name} SET {sets} WHERE {where}", *changes.values(), *(row[key] for key in keys))
    assert count == 1


def _delete(link: Link, table: Table, row: Row) -> None:
    keys = [column.name for column in table.primary_key]
    where = " AND ".join(f"{key} = ?" for key in keys)
    assert link.run(f"DELETE FROM {table.name} WHERE {where}", *(row[key] for key in keys)) == 1


def _insert(link: Link, table: Table, row: Row) -> None:
    link.insert(table, [tuple(row[column.name] for column in table.columns)])


def _flip(random: Random, data: bytes) -> bytes:
    at = random.randrange(len(data) * 8)
    changed = bytearray(data)
    changed[at // 8] ^= 1 << at % 8
    return bytes(changed)


def _other(random: Random, table: Table, name: str, value: Any) -> Any:
    """Return another value of the column's type."""
    kind = table.columns[name].type
    if isinstance(kind, LargeBinary):
        return b"\x00" * 40 if value is None else _flip(random, bytes(value))
    if isinstance(kind, Boolean):
        return not value
    if isinstance(kind, Text):
        return value[:-1] + "~" if random.random() < 0.5 else value + "~"
    return (value or 0) + random.choice((1_000, 1_000_000))


def _change_column(table: Table, name: str) -> Mutation:
    def mutate(random: Random, link: Link) -> str:
        row = random.choice(_rows(link, table))
        _update(link, table, row, **{name: _other(random, table, name, row[name])})
        return f"{table.name}.{name} of {[row[key.name] for key in table.primary_key]}"

    return mutate


def _delete_row(table: Table) -> Mutation:
    def mutate(random: Random, link: Link) -> str:
        row = random.choice(_rows(link, table))
        _delete(link, table, row)
        return f"deleted {[row[key.name] for key in table.primary_key]} of {table.name}"

    return mutate


def _copy_row(table: Table, name: str) -> Mutation:
    """Insert a second row that differs in one column of its key."""

    def mutate(random: Random, link: Link) -> str:
        row = random.choice(_rows(link, table))
        copy = {**row, name: row[name] + "+"}
        if "idempotency_key" in copy:
            copy["idempotency_key"] += "+"
        _insert(link, table, copy)
        return f"copied a row of {table.name} with another {name}"

    return mutate


def _reword_event(random: Random, link: Link) -> str:
    """Change a fact inside the JSON of a body, and the projections with it."""
    row = random.choice(_rows(link, tables.events, "type = 'run.submitted'"))
    body = {**json.loads(row["body"]), "actor": "mallory", "mode": "shadow"}
    _update(link, tables.events, row, body=_text(body))
    refill(link)
    return f"reworded {row['stream']}#{row['n']}"


def _reword_with_leaf(random: Random, link: Link) -> str:
    """The same, with the leaf recomputed to fit."""
    row = random.choice(_rows(link, tables.events, "type = 'run.submitted'"))
    row["body"] = _text({**json.loads(row["body"]), "queue": "bulk"})
    _update(link, tables.events, row, body=row["body"], leaf=leaf_of(bytes(row["salt"]), event_header(row)))
    refill(link)
    return f"reworded {row['stream']}#{row['n']} with its leaf"


def _rewrite_chain(random: Random, link: Link) -> str:
    """The same, with salt, leaf, every later block and their signatures made anew under a key of the intruder's own."""
    row = random.choice(_rows(link, tables.events, "type = 'run.submitted'"))
    row["body"] = _text({**json.loads(row["body"]), "queue": "bulk"})
    salt = random.randbytes(16)
    _update(link, tables.events, row, body=row["body"], salt=salt, leaf=leaf_of(salt, event_header(row)))
    refill(link)
    _reseal(link, row["tenant"], Ed25519PrivateKey.from_private_bytes(random.randbytes(32)))
    return f"rewrote the chain of {row['tenant']} from {row['stream']}#{row['n']}"


def _reseal(link: Link, tenant: str, key: Ed25519PrivateKey) -> None:
    prev = bytes(32)
    for row in [row for row in _rows(link, tables.blocks) if row["tenant"] == tenant]:
        ranges = tuple(Range(kind=k, writer=w, first=a, last=b) for k, w, a, b in json.loads(row["ranges"]))
        leaves = []
        for each in ranges:
            where = "tenant = ? AND writer = ? AND writer_seq BETWEEN ? AND ? ORDER BY writer_seq"
            sql = f"SELECT leaf FROM {each.kind} WHERE {where}"
            leaves += [bytes(leaf) for (leaf,) in link.fetch(sql, tenant, each.writer, each.first, each.last)]
        block = Block(
            tenant=tenant,
            height=row["height"],
            prev=prev,
            root=merkle_root(leaves),
            ranges=ranges,
            leaves=row["leaves"],
            sealed_at=row["sealed_at"],
        )
        prev = head_of(block)
        _update(link, tables.blocks, row, prev=block.prev, root=block.root, head=prev, signature=key.sign(prev))


def _swap(table: Table, *names: str) -> Mutation:
    """Exchange columns between two rows of a tenant."""

    def mutate(random: Random, link: Link) -> str:
        rows = _rows(link, table)
        one = random.choice(rows)
        others = [row for row in rows if row["tenant"] == one["tenant"] and all(row[n] != one[n] for n in names)]
        two = random.choice(others)
        _update(link, table, one, **{name: two[name] for name in names})
        _update(link, table, two, **{name: one[name] for name in names})
        return f"swapped {names} in {table.name}"

    return mutate


def _reorder(random: Random, link: Link) -> str:
    """Exchange the places of two events in their stream."""
    one = random.choice(_rows(link, tables.events, "type = 'step.finished' AND n = 4"))
    two = next(row for row in _rows(link, tables.events, "n = 5") if row["stream"] == one["stream"])
    _update(link, tables.events, one, n=100_000)
    _update(link, tables.events, two, n=one["n"])
    _update(link, tables.events, {**one, "n": 100_000}, n=two["n"])
    return f"reordered {one['stream']}"


def _insert_event(random: Random, link: Link) -> str:
    """Add an event to the end of a stream and of its writer, with a leaf that fits."""
    stream = random.choice(_rows(link, tables.runs))["id"]
    rows = [row for row in _rows(link, tables.events) if row["stream"] == stream]
    last = max(rows, key=lambda row: row["n"])
    sql = "SELECT max(writer_seq) FROM events WHERE tenant = ? AND writer = ?"
    seq = link.fetch(sql, last["tenant"], last["writer"])[0][0] + 1
    row = {**last, "n": last["n"] + 1, "writer_seq": seq, "type": "run.cancel_requested", "payload": None, "key_id": ""}
    row["body"] = _text({"actor": "mallory"})
    row["salt"] = random.randbytes(16)
    row["leaf"] = leaf_of(row["salt"], event_header(row))
    _insert(link, tables.events, row)
    refill(link)
    return f"inserted {stream}#{row['n']}"


def _delete_and_close_ranks(random: Random, link: Link) -> str:
    """Take the last event of a run away and renumber its writer's later events, leaves fitting."""
    stream = random.choice(_rows(link, tables.runs))["id"]
    rows = [row for row in _rows(link, tables.events) if row["stream"] == stream]
    gone = max(rows, key=lambda row: row["n"])
    _delete(link, tables.events, gone)
    place = f"writer = '{gone['writer']}' AND tenant = '{gone['tenant']}' AND writer_seq > {gone['writer_seq']}"
    for row in sorted(_rows(link, tables.events, place), key=lambda row: row["writer_seq"]):
        row["writer_seq"] -= 1
        leaf = leaf_of(bytes(row["salt"]), event_header(row))
        _update(link, tables.events, row, writer_seq=row["writer_seq"], leaf=leaf)
    refill(link)
    return f"deleted {stream}#{gone['n']} and closed ranks"


def _truncate(random: Random, link: Link) -> str:
    """Cut a tenant's chain and everything that the cut blocks covered, and rebuild: only a saved head can tell."""
    tenant = random.choice(sorted({row["tenant"] for row in _rows(link, tables.blocks)}))
    blocks = [row for row in _rows(link, tables.blocks) if row["tenant"] == tenant]
    keep = random.randrange(len(blocks))
    for block in blocks[keep:]:
        for kind, writer, first, last in json.loads(block["ranges"]):
            sql = f"DELETE FROM {kind} WHERE tenant = ? AND writer = ? AND writer_seq BETWEEN ? AND ?"
            link.run(sql, tenant, writer, first, last)
        _delete(link, tables.blocks, block)
    refill(link)
    _hide_keys(link, tenant)
    return f"cut {tenant} to {keep} of {len(blocks)} blocks"


def _hide_keys(link: Link, tenant: str) -> None:
    """Take away data keys that nothing names any more, and say nothing of a destruction that is cut off."""
    used = {row["key_id"] for table in (tables.events, tables.blobs) for row in _rows(link, table)}
    destroyed = {json.loads(row["body"])["key"] for row in _rows(link, tables.events, "type = 'key.destroyed'")}
    for row in _rows(link, tables.data_keys):
        if row["tenant"] == tenant and row["id"] not in used | destroyed:
            _delete(link, tables.data_keys, row)


def _drop_blocks(random: Random, link: Link) -> str:
    """Cut only the blocks at the end: the rows are there, as if they had never been sealed."""
    tenant = random.choice(sorted({row["tenant"] for row in _rows(link, tables.blocks)}))
    blocks = [row for row in _rows(link, tables.blocks) if row["tenant"] == tenant]
    keep = random.randrange(len(blocks))
    for block in blocks[keep:]:
        _delete(link, tables.blocks, block)
    return f"cut the last {len(blocks) - keep} blocks of {tenant}"


def _edit_ranges(random: Random, link: Link) -> str:
    """Let a block cover one row less."""
    row = random.choice(_rows(link, tables.blocks))
    ranges = json.loads(row["ranges"])
    random.choice(ranges)[3] -= 1
    _update(link, tables.blocks, row, ranges=_text(ranges))
    return f"ranges of block {row['height']} of {row['tenant']}"


def _forge_erasure(random: Random, link: Link) -> str:
    """Take a data key away as if its subject had been erased."""
    row = random.choice(_rows(link, tables.data_keys, "wrapped IS NOT NULL"))
    _update(link, tables.data_keys, row, wrapped=None)
    return f"destroyed {row['id']}"


def _undo_erasure(random: Random, link: Link) -> str:
    """Put a wrapped key back where one was destroyed."""
    row = random.choice(_rows(link, tables.data_keys, "wrapped IS NULL"))
    _update(link, tables.data_keys, row, wrapped=random.randbytes(60))
    return f"restored {row['id']}"


def _strip_payload(random: Random, link: Link) -> str:
    """Take the private payload away."""
    row = random.choice(_rows(link, tables.events, "payload IS NOT NULL"))
    _update(link, tables.events, row, payload=None)
    return f"stripped {row['stream']}#{row['n']}"


def _text(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _columns(table: Table, *skip: str) -> dict[str, Mutation]:
    return {
        f"{table.name}.{column.name}": _change_column(table, column.name)
        for column in table.columns
        if column.name not in skip
    }


_SPECIAL: Final[dict[str, Mutation]] = {
    "event reworded": _reword_event,
    "event reworded with its leaf": _reword_with_leaf,
    "event inserted": _insert_event,
    "event deleted, ranks closed": _delete_and_close_ranks,
    "event payload stripped": _strip_payload,
    "events reordered": _reorder,
    "event payloads swapped": _swap(tables.events, "payload", "key_id"),
    "blobs swapped": _swap(tables.blobs, "data", "key_id"),
    "chain rewritten": _rewrite_chain,
    "tail truncated": _truncate,
    "blocks dropped": _drop_blocks,
    "block ranges edited": _edit_ranges,
    "erasure forged": _forge_erasure,
    "erasure undone": _undo_erasure,
}

_TAMPERED: Final = (
    tables.events,
    tables.blobs,
    tables.blocks,
    tables.bundles,
    *tables.PROJECTIONS,
)

MUTATIONS: Final[dict[str, Mutation]] = {
    **_SPECIAL,
    **{name: each for table in _TAMPERED for name, each in _columns(table).items()},
    **_columns(tables.data_keys, "wrapped"),
    **{f"{table.name} row deleted": _delete_row(table) for table in (*_TAMPERED, tables.data_keys)},
    **{f"{table.name} row added": _copy_row(table, list(table.primary_key)[-1].name) for table in tables.PROJECTIONS},
}
"""Every kind by name."""
