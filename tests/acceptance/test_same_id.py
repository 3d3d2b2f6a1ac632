"""The show of identity, short: this Python alone; `make shows` runs it under every Python that can be had."""

import sys
from pathlib import Path

import pytest

from tests.shows.same_id import run_show

pytestmark = pytest.mark.slow


def test_the_same_bytes_give_the_same_id_and_others_another(tmp_path: Path) -> None:
    """Two folders, two hash seeds, a flipped bit in every file, and a bundle that travels."""
    counts = run_show(tmp_path, seed=7, places=1, pythons=(sys.executable,))
    assert counts.failures == []
    assert counts.attempted["compile"] == 4
    assert counts.attempted["export and import"] == counts.accepted["export and import"] == 1
    assert counts.attempted["flip in a bundle"] == counts.refused["flip in a bundle"] > 0


def test_each_check_of_identity_fails_when_identity_is_broken(tmp_path: Path) -> None:
    """Negative control: a digest that depends on the hash seed, flips that flip nothing, another release."""
    counts = run_show(tmp_path, seed=7, places=1, control=True, pythons=(sys.executable,))
    assert set(counts.failed) == set(counts.attempted)
