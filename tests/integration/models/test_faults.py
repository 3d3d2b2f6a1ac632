"""The shows of faults and of rates at their small size, and what must make them fail."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.shows import faults

ROOT = Path(__file__).parents[3]

pytestmark = pytest.mark.slow


def rates(*arguments: str) -> tuple[int, dict[str, Any]]:
    """Run the show of rates, whose minute is four seconds long."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.shows.rates", "--seconds", "4", *arguments],
        cwd=ROOT, stdout=subprocess.PIPE, check=False, timeout=300,
        env={"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", "PATH": "/usr/bin:/bin", "HOME": str(Path.home())},
    )  # fmt: skip
    report: dict[str, Any] = json.loads(done.stdout)
    return done.returncode, report


def test_a_hundred_runs_among_faults_end_and_are_recorded_at_what_they_cost() -> None:
    """Every request is an attempt, no broken answer is free, and the caps hold."""
    found = faults.show(100, seed=1)
    assert found["broken"] == {}
    assert found["broken_answers"] > 10


@pytest.mark.parametrize("kind", ["free", "hidden"])
def test_what_is_free_or_hidden_is_found(kind: str) -> None:
    """The negative controls."""
    with faults.control(kind):
        assert faults.show(40, seed=1)["broken"]


@pytest.mark.postgres
def test_rates_hold_over_all_workers() -> None:
    """Four processes on Postgres, one on SQLite."""
    code, report = rates("--minutes", "2")
    assert code == 0, report["broken"]
    assert report["postgres"]["held"] > 0


@pytest.mark.postgres
def test_workers_that_count_for_themselves_pass_the_rates() -> None:
    """The negative control."""
    code, report = rates("--minutes", "2", "--store", "postgres", "--control")
    assert code == 1
    assert any("rpm" in each for each in report["broken"]), report["broken"]
