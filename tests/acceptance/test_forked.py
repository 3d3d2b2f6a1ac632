"""Commands that are forked are told apart from others by nothing but their speed."""

import subprocess
from pathlib import Path

import pytest

from tests.acceptance.conftest import ENVIRONMENT, SOURCE, command, run_aie
from tests.shows.forked import Ended, forked

pytestmark = pytest.mark.slow


def _run(before: str, *, seconds: float = 60.0) -> Ended:
    return forked(SOURCE).run(["--version"], cwd=SOURCE, env=ENVIRONMENT, before=before, seconds=seconds)


@pytest.mark.parametrize("arguments", [("--help",), ("rnu",), ("check",), ("explain", "run_x", "--format", "json")])
def test_a_forked_command_says_and_returns_what_any_other_does(claims: Path, arguments: tuple[str, ...]):
    (claims / "models.yaml").write_text("models: 7\n")
    cold = subprocess.run(command(*arguments), cwd=claims, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert run_aie(*arguments, cwd=claims) == Ended(status=cold.returncode, out=cold.stdout, err=cold.stderr)


def test_it_is_a_process_of_its_own(tmp_path: Path):
    """With its folder and its environment; what it does to itself, the next one knows nothing of."""
    said = "import os; os.environ['LEFT'] = 'x'; print(os.getpid(), os.getcwd(), *sorted(os.environ))"
    environment = {"PATH": "/bin", "TZ": "UTC"}
    first, second = (
        forked(SOURCE).run(["--version"], cwd=tmp_path, env=environment, before=said).out.splitlines()[0].split()
        for _ in range(2)
    )
    assert first[0] != second[0]
    assert first[1:] == second[1:] == [str(tmp_path), "LEFT", "PATH", "TZ"]


def test_how_it_ends_is_told():
    """Its own status, an error that nobody catches, and the signal that killed it."""
    assert _run("raise SystemExit(7)").status == 7
    broken = _run("1 / 0")
    assert (broken.status, "ZeroDivisionError" in broken.err) == (1, True)
    killed = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    assert _run(killed).status == -9
    assert subprocess.run([*forked(SOURCE).words(killed), "--version"], check=False).returncode == -9
    assert _run("").status == 0


def test_what_takes_too_long_is_killed():
    with pytest.raises(TimeoutError):
        _run("import signal; signal.pause()", seconds=0.2)


def test_pipes_and_signals_reach_it():
    """Through the process that asks for it, which ends as it ends."""
    echo = "import sys; print(sys.stdin.readline().upper(), flush=True); sys.stdin.read()"
    words = [*forked(SOURCE).words(echo), "--version"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as asking:
        assert asking.stdin is not None
        assert asking.stdout is not None
        asking.stdin.write("a line\n")
        asking.stdin.flush()
        assert asking.stdout.readline() == "A LINE\n"
        asking.terminate()
        assert asking.wait(timeout=30) == -15
