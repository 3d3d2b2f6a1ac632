"""The chain's arithmetic: the tree of RFC 9162 and what a head commits to."""

import hashlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aie.records.chain import GENESIS, Block, Range, head_of, merkle_root


def _defined(leaves: list[bytes]) -> bytes:
    """The definition of RFC 9162, section 2.1.1, by recursion; leaves are hashed already."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return hashlib.sha256(b"\x01" + _defined(leaves[:split]) + _defined(leaves[split:])).digest()


@given(st.lists(st.binary(min_size=32, max_size=32), max_size=70))
def test_the_root_is_the_one_that_the_standard_defines(leaves: list[bytes]) -> None:
    """Built from below it is the tree that is defined from above, for every number of leaves."""
    assert merkle_root(leaves) == _defined(leaves)


def test_the_root_of_known_leaves_is_the_published_one() -> None:
    """The eight inputs of the test data of Certificate Transparency."""
    inputs = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
    leaves = [hashlib.sha256(b"\x00" + bytes.fromhex(each)).digest() for each in inputs]
    assert merkle_root(leaves).hex() == "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"


BLOCK = Block(
    tenant="acme",
    height=0,
    prev=GENESIS,
    root=b"r" * 32,
    ranges=(Range(kind="events", writer="w1", first=1, last=2),),
    leaves=2,
    sealed_at=5,
)


@pytest.mark.parametrize(
    "other",
    [
        replace(BLOCK, tenant="globex"),
        replace(BLOCK, height=1),
        replace(BLOCK, prev=b"p" * 32),
        replace(BLOCK, root=b"s" * 32),
        replace(BLOCK, ranges=(Range(kind="events", writer="w1", first=1, last=1),)),
        replace(BLOCK, ranges=(Range(kind="blobs", writer="w1", first=1, last=2),)),
        replace(BLOCK, leaves=3),
        replace(BLOCK, sealed_at=6),
    ],
)
def test_a_head_commits_to_every_field(other: Block) -> None:
    """No two blocks share a head."""
    assert head_of(other) != head_of(BLOCK)
