"""The show of spending at its small size, and admission that must make it fail."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]

pytestmark = [pytest.mark.slow, pytest.mark.postgres]


def show(*arguments: str) -> tuple[int, dict[str, Any]]:
    """Run the show in a process of its own: it forks, which a process with threads must not."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.shows.overspend", *arguments],
        cwd=ROOT, stdout=subprocess.PIPE, check=False, timeout=600,
        env={"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", "PATH": "/usr/bin:/bin", "HOME": str(Path.home())},
    )  # fmt: skip
    report: dict[str, Any] = json.loads(done.stdout)
    return done.returncode, report


def test_no_concurrency_and_no_kill_overspends() -> None:
    """Four processes on Postgres and one on SQLite; who is admitted is measured to the call."""
    code, report = show("--processes", "4", "--runs", "12", "--kills", "6")
    assert code == 0, report["broken"]
    assert report["refused"] > 0
    assert report["killed"] > 0


def test_check_then_increment_overspends() -> None:
    """The negative control: the same processes without a reservation, judged by the same bill."""
    code, report = show("--processes", "6", "--runs", "20", "--kills", "0", "--store", "postgres", "--control")
    assert code == 1
    assert any("billed" in each for each in report["broken"]), report["broken"]
