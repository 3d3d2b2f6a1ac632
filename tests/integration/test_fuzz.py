"""Damaged files: 300 of the 10,000 that `make fuzz` makes, and the same check on readers that misbehave."""

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.shows.fuzz import run_show
from tests.shows.making import MAKERS
from tests.shows.mutating import MUTATORS, mutate

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_damaged_files_are_read_or_refused_in_their_class():
    """No traceback, no hang, no large process."""
    # In a process of its own, as its memory is measured: this one has run other tests.
    done = subprocess.run(
        [sys.executable, "-m", "tests.shows.fuzz", "--seed", "1", "--count", "300"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=False,
        env={"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", "PATH": "/usr/bin:/bin", "HOME": str(Path.home())},
    )
    report = json.loads(done.stdout)
    assert report["missed"] == []
    assert done.returncode == 0
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
