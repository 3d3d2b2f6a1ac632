"""The shows of death at their small size, and what must make each of them fail."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]

pytestmark = pytest.mark.slow


def show(*arguments: str) -> tuple[int, dict[str, Any]]:
    """Run a show in a process of its own: it forks, which a process with threads must not."""
    done = subprocess.run(
        [sys.executable, "-m", *arguments], cwd=ROOT, stdout=subprocess.PIPE, check=False, timeout=600,
        env={"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", "PATH": "/usr/bin:/bin", "HOME": str(Path.home())},
    )  # fmt: skip
    report: dict[str, Any] = json.loads(done.stdout)
    return done.returncode, report


@pytest.mark.postgres
def test_no_kill_loses_a_run_or_doubles_an_effect() -> None:
    """Forty kills and four double ones over both stores and both engines."""
    code, report = show("tests.shows.crash", "--kills", "40", "--double", "4")
    assert code == 0, report["broken"]
    assert report["killed"] >= 44
    assert report["lost_or_contradicted"] == report["stuck"] == 0
    assert report["recovered"] > 0


@pytest.mark.parametrize(
    ("sabotage", "point"),
    [
        ("calls-before-intents", "chat.after"),
        ("forfeits-for-nothing", "chat.after"),
        ("a-key-for-each-try", "post.sent"),
    ],
)
def test_a_broken_recovery_is_found(sabotage: str, point: str) -> None:
    """Negative controls: calls leave before their intent, lost calls cost nothing, each try has a key of its own."""
    ground = ("--store", "sqlite", "--engine", "local")
    code, report = show(
        "tests.shows.crash", *ground, "--kills", "6", "--double", "0", "--sabotage", sabotage, "--point", point
    )
    assert code == 1
    assert report["lost_or_contradicted"] > 0
    assert report["stuck"] == 0


@pytest.mark.postgres
def test_a_worker_that_was_stopped_past_its_lease_writes_nothing() -> None:
    """Before a flush, in the middle of a transaction, and before the outcome of a delivery."""
    points = ("flush.before", "journal.before_commit", "outcome.before")
    code, report = show("tests.shows.workers", *(part for point in points for part in ("--point", point)))
    assert code == 0, report
    assert report["stopped"]["stopped"] == len(points)
    assert report["stopped"]["stale_rows"] == 0


@pytest.mark.postgres
def test_a_worker_without_its_fence_is_found() -> None:
    """Negative control: the fence is taken out of the stopped worker."""
    code, report = show("tests.shows.workers", "--without-fence", "--point", "flush.before")
    assert code == 1
    assert report["stopped"]["stale_rows"] > 0


def test_commands_share_one_file() -> None:
    """Six commands at once, beside a worker and alone."""
    code, report = show("tests.shows.clis", "--count", "6", "--notes", "2")
    assert code == 0, report
    assert report["alone"]["completed"] == report["beside_a_worker"]["completed"] == 12


def test_commands_that_ignore_the_lock_are_found() -> None:
    """Negative control: every command believes that it holds the store's lock; few of them may miss each other."""
    code, report = show("tests.shows.clis", "--count", "8", "--notes", "3", "--without-lock")
    assert code == 1
    parts = (report["alone"], report["beside_a_worker"])
    assert sum(part["double_claims"] + part["failed"] for part in parts) > 0
