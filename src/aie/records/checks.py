"""Checks of the chain: blocks follow each other, cover rows without gaps, and are signed."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from aie.records.chain import GENESIS, Block, Range, head_of, merkle_root, signed_by

__all__ = ["Chain", "Finding", "check_blocks"]

WriterKey = tuple[str, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that is not what was written."""

    kind: str
    """`changed`, `forged`, `gap`, `missing`, `block`, `truncated`, `rewritten`, `head`, `key`, `bundle`, `unreadable`
    or `projection`."""
    message: str
    tenant: str = ""
    stream: str = ""
    n: int | None = None
    """Position in the stream."""
    writer: str = ""
    writer_seq: int | None = None
    """Position among what the writer wrote."""

    def __str__(self) -> str:
        places = [self.tenant, self.stream + ("" if self.n is None else f"#{self.n}")]
        if self.writer:
            places.append(f"{self.writer}:{self.writer_seq}")
        return f"{' '.join(place for place in places if place)}: {self.message} [{self.kind}]"


@dataclass(slots=True)
class Chain:
    """What the blocks say."""

    count: int = 0
    heads: dict[str, dict[int, bytes]] = field(default_factory=dict)
    """Head by tenant and height."""
    covered: dict[WriterKey, int] = field(default_factory=dict)
    """Last sealed position by (tenant, kind, writer)."""


def check_blocks(
    rows: Iterator[Mapping[str, Any]],
    leaves: Mapping[WriterKey, Mapping[int, bytes]],
    public_key: bytes,
    findings: list[Finding],
) -> Chain:
    """Check all blocks against the leaves recomputed from the rows; rows come in the order (tenant, height)."""
    chain = Chain()
    for tenant, blocks in groupby(rows, key=lambda row: row["tenant"]):
        prev, total = GENESIS, 0
        for height, row in enumerate(blocks):
            chain.count += 1
            block = _block(row)
            if block is None or block.height != height:
                findings.append(_finding(tenant, f"block {height} is missing or unreadable"))
                break
            if block.prev != prev:
                findings.append(_finding(tenant, f"block {height} does not follow the one before"))
            head = head_of(block)
            if head != bytes(row["head"]) or not signed_by(public_key, head, bytes(row["signature"])):
                findings.append(_finding(tenant, f"block {height} is not signed by the trusted key"))
            total += _check_coverage(block, leaves, chain, findings)
            if block.leaves != total:
                findings.append(_finding(tenant, f"block {height} counts {block.leaves} leaves instead of {total}"))
            prev = head
            chain.heads.setdefault(tenant, {})[height] = head
    return chain


def _check_coverage(
    block: Block, leaves: Mapping[WriterKey, Mapping[int, bytes]], chain: Chain, findings: list[Finding]
) -> int:
    """Check a block's root over the rows that it names; return their number."""
    found: list[bytes] = []
    count = 0
    whole = True
    for each in block.ranges:
        place = (block.tenant, each.kind, each.writer)
        if each.first != chain.covered.get(place, 0) + 1 or each.last < each.first:
            findings.append(_finding(block.tenant, f"block {block.height} leaves out or repeats rows of {each.writer}"))
            whole = False
            continue
        rows = leaves.get(place, {})
        span = each.last - each.first + 1
        count += span
        # A range that claims more rows than there are must not keep the check counting.
        missing = span - (
            sum(seq in rows for seq in range(each.first, each.last + 1))
            if span <= len(rows)
            else sum(each.first <= seq <= each.last for seq in rows)
        )
        if missing:
            whole = False
            first = next(seq for seq in range(each.first, each.last + 1) if seq not in rows)
            message = f"{missing} of the {each.kind} sealed by block {block.height} are missing, this the first"
            findings.append(
                Finding(kind="missing", message=message, tenant=block.tenant, writer=each.writer, writer_seq=first)
            )
        else:
            found.extend(rows[seq] for seq in range(each.first, each.last + 1))
        chain.covered[place] = each.last
    if whole and merkle_root(found) != block.root:
        findings.append(_finding(block.tenant, f"the rows under block {block.height} are not those that were sealed"))
    return count


def _block(row: Mapping[str, Any]) -> Block | None:
    try:
        ranges = tuple(
            Range(kind=kind, writer=str(writer), first=int(first), last=int(last))
            for kind, writer, first, last in json.loads(row["ranges"])
        )
    except (ValueError, TypeError):
        return None
    if sum(each.last - each.first + 1 for each in ranges) > row["leaves"]:
        return None
    return Block(
        tenant=row["tenant"],
        height=row["height"],
        prev=bytes(row["prev"]),
        root=bytes(row["root"]),
        ranges=ranges,
        leaves=row["leaves"],
        sealed_at=row["sealed_at"],
    )


def _finding(tenant: str, message: str) -> Finding:
    return Finding(kind="block", message=message, tenant=tenant)
