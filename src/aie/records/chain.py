"""The chain: Merkle blocks per tenant, each committing to the one before, each head signed.

A block covers ranges of writers' sequences: its leaves are those of the rows, in the order of the ranges. The tree is
that of RFC 9162; leaves arrive hashed with their 0x00 prefix.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from aie.core import JSON, canonical, read_file, written_whole
from aie.errors import InputError

__all__ = ["GENESIS", "Block", "Heads", "Kind", "Range", "head_of", "merkle_root", "read_heads", "signed_by"]

GENESIS: Final = bytes(32)
_MAX_HEADS: Final = 16_000_000
"""Bytes of a file of saved heads: one line for each tenant."""
"""What the first block commits to as its predecessor."""

Kind: TypeAlias = Literal["events", "blobs"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Consecutive rows of one writer."""

    kind: Kind
    writer: str
    first: int
    last: int

    def to_json(self) -> list[JSON]:
        """Return the stored form."""
        return [self.kind, self.writer, self.first, self.last]


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One sealed block."""

    tenant: str
    height: int
    """From 0."""
    prev: bytes
    """Head of the block before."""
    root: bytes
    """Merkle root over the leaves."""
    ranges: tuple[Range, ...]
    leaves: int
    """Leaves of this block and all before."""
    sealed_at: int
    """Microseconds since the epoch."""


def head_of(block: Block) -> bytes:
    """Return the hash that the next block and the signature are over."""
    body = {
        "format": 1,
        "height": block.height,
        "leaves": block.leaves,
        "prev": block.prev.hex(),
        "ranges": [each.to_json() for each in block.ranges],
        "root": block.root.hex(),
        "sealed_at": block.sealed_at,
        "tenant": block.tenant,
    }
    return hashlib.sha256(b"\x02" + canonical(body)).digest()


def merkle_root(leaves: Sequence[bytes]) -> bytes:
    """Return the root of RFC 9162: the left subtree has the largest power of two of leaves below their number.

    An odd node at the end of a level is carried up as it is, which builds the same tree bottom-up.
    """
    if not leaves:
        return hashlib.sha256(b"").digest()
    level = list(leaves)
    while len(level) > 1:
        paired = [hashlib.sha256(b"\x01" + level[at] + level[at + 1]).digest() for at in range(0, len(level) - 1, 2)]
        level = paired + level[len(paired) * 2 :]
    return level[0]


def signed_by(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Tell whether the key's holder signed the message."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Heads:
    """A saved head of each tenant's chain, kept away from the database: what anchors everything before it."""

    at: int
    """When it was saved, microseconds since the epoch."""
    public_key: bytes
    heads: dict[str, tuple[int, bytes]]
    """(height, head) of the last block by tenant."""
    signature: bytes

    def message(self) -> bytes:
        """Return what the signature is over."""
        return b"\x03" + canonical(self._body())

    def _body(self) -> dict[str, JSON]:
        heads: list[JSON] = [[tenant, height, head.hex()] for tenant, (height, head) in sorted(self.heads.items())]
        return {"at": self.at, "format": 1, "heads": heads, "public_key": self.public_key.hex()}

    def write(self, path: Path) -> None:
        """Write the file."""
        with written_whole(path) as draft:
            draft.write_text(json.dumps({**self._body(), "signature": self.signature.hex()}, indent=1) + "\n")


def read_heads(path: Path) -> Heads:
    """Read a saved head.

    Raises:
        InputError: the file is not one, or its signature does not fit.
    """
    try:
        data = json.loads(read_file(path, at_most=_MAX_HEADS))
        saved = Heads(
            at=data["at"],
            public_key=bytes.fromhex(data["public_key"]),
            heads={tenant: (height, bytes.fromhex(head)) for tenant, height, head in data["heads"]},
            signature=bytes.fromhex(data["signature"]),
        )
        genuine = data["format"] == 1 and signed_by(saved.public_key, saved.message(), saved.signature)
    except OSError as error:
        raise InputError(f"the saved head {path} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is not a saved head", hints=("save one with `aie verify --save-head`",)) from error
    if not genuine:
        raise InputError(f"the saved head {path} was changed: its signature does not fit")
    return saved
