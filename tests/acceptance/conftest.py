"""The command as a process, and workspaces of both templates that are trained, locked and promoted once."""

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from aie.app import lock_release, open_app, promote_release, start_workspace, train
from tests.shows.forked import Ended, forked

SOURCE = Path(__file__).parents[2] / "src"
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith("AIE_")},
    "PYTHONPATH": str(SOURCE),
    "AIE_ACTOR": "tester",
    "COLUMNS": "100",
}


Aie = Callable[..., Ended]


def command(*arguments: object) -> list[str]:
    """Return the command line of a process of its own."""
    return [sys.executable, "-m", "aie.cli", *map(str, arguments)]


def run_aie(*arguments: object, cwd: Path, **more: str) -> Ended:
    """Run the command and return how it ended."""
    return forked(SOURCE).run([*map(str, arguments)], cwd=cwd, env=ENVIRONMENT | more)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both templates, ready to run; made in this process, as starting one costs more than the work."""
    folder = tmp_path_factory.mktemp("made")
    for name, model in (("claims", "desk"), ("triage", "intent")):
        start_workspace(folder / name, name)
        train(folder / name, model)
        with open_app(folder / name, actor="tester") as app:
            lock_release(app, name)
            promote_release(app, name, "production")
    return folder


@pytest.fixture
def claims(made: Path, tmp_path: Path) -> Path:
    """A workspace of claims of one's own."""
    return Path(shutil.copytree(made / "claims", tmp_path / "claims"))


@pytest.fixture
def triage(made: Path, tmp_path: Path) -> Path:
    """A workspace of triage of one's own."""
    return Path(shutil.copytree(made / "triage", tmp_path / "triage"))
