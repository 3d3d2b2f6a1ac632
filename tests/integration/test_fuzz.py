"""Damaged files: 300 of the 10,000 that `make fuzz` makes, and the same check on readers that misbehave."""

import random

import pytest

from tests.shows.fuzz import run_show
from tests.shows.making import MAKERS
from tests.shows.mutating import MUTATORS, mutate


@pytest.mark.slow
def test_damaged_files_are_read_or_refused_in_their_class():
    """No traceback, no hang, no large process."""
    report = run_show(seed=1, count=300)
    assert report["missed"] == []
    assert report["attempted"] == report["accepted"] + report["refused"] == 300


@pytest.mark.slow
def test_readers_that_hang_hoard_or_raise_are_noticed():
    """The control: each limit is missed by a reader made to miss it."""
    missed = run_show(seed=1, count=12, control=True)["missed"]
    assert [each.split()[0] for each in missed] == ["every", "nothing", "no"]


def test_the_same_seed_does_the_same_damage():
    """What failed can be made again."""
    made = [
        mutate(random.Random(7), MAKERS["docx"](random.Random(1)), MAKERS["pdf"](random.Random(1))) for _ in range(2)
    ]
    assert made[0] == made[1]


@pytest.mark.parametrize("damage", MUTATORS)
def test_each_kind_of_damage_is_done_to_anything(damage):
    """Also to nothing, and to one byte."""
    rng = random.Random(1)
    for content in (b"", b"x", MAKERS["docx"](rng)):
        made = [MUTATORS[damage](rng, content, MAKERS["pdf"](rng)) for _ in range(20)]
        assert all(isinstance(each, bytes) for each in made)
    assert any(each != content for each in made)
