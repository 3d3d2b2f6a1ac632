"""The show of tampering, short: each kind of mutation once on both databases; the whole thousand is its command."""

import pytest

from tests.shows.intrusions import MUTATIONS
from tests.shows.tampering import leaf_check_removed, run_show

pytestmark = pytest.mark.slow


def test_each_kind_of_mutation_is_found(store_url: str) -> None:
    """Without the saved head, or at least with it."""
    tally = run_show(store_url, seed=7, count=len(MUTATIONS), runs=5)
    assert tally.missed == []
    assert tally.attempted == len(MUTATIONS)
    assert tally.found + tally.found_with_head == tally.attempted
    assert 0 < tally.found_with_head < 10, "only cutting off the end needs the head"


def test_a_verifier_without_its_leaf_check_misses_mutations(sqlite_url: str) -> None:
    """Negative control: the show fails when the thing that it guards is broken."""
    with leaf_check_removed():
        tally = run_show(sqlite_url, seed=7, count=len(MUTATIONS), runs=5)
    assert tally.missed


def test_a_verifier_that_ignores_the_saved_head_misses_a_truncation(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control: a saved head that is not looked up anchors nothing."""
    monkeypatch.setattr("aie.records.verification._check_head", lambda work, head, trusted, heads: {})
    tally = run_show(sqlite_url, seed=7, count=len(MUTATIONS), runs=5)
    assert {each.split(":")[0] for each in tally.missed} <= {"tail truncated", "blocks dropped"}
    assert tally.missed
