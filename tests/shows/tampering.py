"""Show: whoever writes the database without the keys is found.

A story is told into a store and sealed, and a head is saved away from it. Then, one at a time, seeded mutations are
made the way an intruder would make them, from one flipped bit to a chain rewritten and signed with another key, and
`verify` is asked twice: without the saved head and with it. Each mutation must be found, or be found with the head. One
that is missed with the head fails the show.

    python -m tests.shows.tampering --seed 1 --count 1000
    python -m tests.shows.tampering --control     # must fail: the leaf check of the verifier is patched away
"""

import argparse
import contextlib
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from aie.records import (
    Heads,
    Journal,
    MemoryKeys,
    Recorded,
    Store,
    current_heads,
    open_store,
    seal,
    verification,
    verify,
)
from aie.records.links import Link, link_on
from aie.records.sources import StoreSource
from tests.shows.intrusions import MUTATIONS
from tests.shows.story import StoryClock, tell

__all__ = ["Tally", "leaf_check_removed", "run_show"]


@dataclass(slots=True)
class Tally:
    """What became of the mutations."""

    attempted: int = 0
    found: int = 0
    """Without any saved head."""
    found_with_head: int = 0
    """Only with the saved head."""
    missed: list[str] = field(default_factory=list)
    by_kind: Counter[str] = field(default_factory=Counter)

    def to_json(self) -> dict[str, object]:
        """Return the counts."""
        return {
            "attempted": self.attempted,
            "found": self.found,
            "found_with_head": self.found_with_head,
            "missed": len(self.missed),
            "skipped": 0,
            "missed_mutations": self.missed[:20],
            "kinds": dict(sorted(self.by_kind.items())),
        }


def run_show(url: str, *, seed: int, count: int, runs: int = 11) -> Tally:
    """Tell the story into an empty store, mutate it `count` times and count what was found.

    Raises:
        AssertionError: the story itself does not verify, which would make every count worthless.
    """
    keys = MemoryKeys()
    store = open_store(url, clock=StoryClock(), keys=keys)
    heads = _told(store, runs)
    random, tally = Random(seed), Tally()
    kinds = sorted(MUTATIONS)
    intact = _verdict(store, heads)
    assert intact == (True, True), "the untouched story does not verify"
    for at in range(count):
        kind = kinds[at % len(kinds)]
        _attempt(store, heads, Random(random.getrandbits(64)), kind, tally)
    assert _verdict(store, heads) == intact, "a mutation was not undone"
    store.close()
    return tally


def _told(store: Store, runs: int) -> Heads:
    """Tell the story to two writers, sealing in between, so that chains have several blocks."""
    for part, tenants in enumerate((("acme",), ("globex",), ("initech",))):
        with Journal(store, f"writer_{part}") as journal:
            journal.on_commit(lambda recorded: _seal_sometimes(store, recorded))
            tell(store, journal, runs=runs, tenants=tenants, executor=f"ex_{part}")
        seal(store)
    store.close()
    return current_heads(store)


def _seal_sometimes(store: Store, recorded: list[Recorded]) -> None:
    if recorded[-1].n % 5 == 0:
        seal(store)


def _attempt(store: Store, heads: Heads, random: Random, kind: str, tally: Tally) -> None:
    with _undone(store) as (link, source):
        what = MUTATIONS[kind](random, link)
        tally.attempted += 1
        tally.by_kind[kind] += 1
        if not verify(source).intact:
            tally.found += 1
        elif not verify(source, heads).intact:
            tally.found_with_head += 1
        else:
            tally.missed.append(f"{kind}: {what}")


def _verdict(store: Store, heads: Heads) -> tuple[bool, bool]:
    with _undone(store) as (_, source):
        return verify(source).intact, verify(source, heads).intact


@contextmanager
def _undone(store: Store) -> Iterator[tuple[Link, StoreSource]]:
    """Yield a link and a source on one connection, in a transaction that is rolled back."""
    with store.writing.connect() as connection:
        link = link_on(connection.connection, store.dialect)
        link.begin()
        try:
            yield link, StoreSource(connection, store.vault.provider)
        finally:
            link.rollback()


def main() -> int:
    """Run the show on an empty store and print the counts."""
    parser = argparse.ArgumentParser(description="Mutate sealed records and count what verify finds.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--store", help="address of an empty Postgres database; without it, a fresh SQLite file")
    parser.add_argument("--control", action="store_true", help="without the leaf check: must miss mutations and fail")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="aie-tampering-") as folder, contextlib.ExitStack() as control:
        if given.control:
            control.enter_context(leaf_check_removed())
        url = given.store or f"sqlite:///{Path(folder) / 'aie.db'}"
        tally = run_show(url, seed=given.seed, count=given.count)
    report = {"show": "tampering", "seed": given.seed, "control": given.control, **tally.to_json()}
    sys.stdout.write(json.dumps(report, indent=1) + "\n")
    return 1 if tally.missed or tally.attempted < given.count else 0


@contextmanager
def leaf_check_removed() -> Iterator[None]:
    """Patch the verifier so that it takes every leaf for what the row says."""
    check = verification._check_leaf
    verification._check_leaf = lambda work, row, header, at: bytes(row["leaf"])
    try:
        yield
    finally:
        verification._check_leaf = check


if __name__ == "__main__":
    sys.exit(main())
