"""The table of verbs and how commands end."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import typer

from aie.cli.failing import problem_json, tell
from aie.cli.main import VERBS, main
from aie.errors import ConfigError, Conflict, Edit, NotFound, Problem

SOURCE = Path(__file__).parents[3] / "src"


def ending(*arguments: str) -> int | str | None:
    """Run the command in this process and return its status."""
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    return caught.value.code


def test_help_names_every_verb_in_order(capsys: pytest.CaptureFixture[str]):
    """And is printed without loading any of them."""
    assert ending("--help") == 0
    out = capsys.readouterr().out
    places = [out.index(f"\n  {name} ") for name in VERBS]
    assert places == sorted(places)


@pytest.mark.parametrize("name", VERBS)
def test_every_verb_has_its_function_and_its_help(name: str, capsys: pytest.CaptureFixture[str]):
    """The table and the modules agree."""
    verb = VERBS[name]
    assert hasattr(import_module(f"aie.cli.verbs.{verb.module}"), verb.name)
    assert ending(name, "--help") == 0
    assert f"aie {name}" in capsys.readouterr().out


@pytest.mark.parametrize("name", [name for name, verb in VERBS.items() if name not in {"review", "budget"}])
def test_every_verb_speaks_json(name: str, capsys: pytest.CaptureFixture[str]):
    assert ending(name, "--help") == 0
    assert "--format" in capsys.readouterr().out


@pytest.mark.slow
def test_help_imports_none_of_the_floors_below():
    """A typo is answered at once: only typer, the errors and the table are loaded."""
    code = (
        "import sys\nfrom aie.cli import main\ntry:\n main(['--help'])\nexcept SystemExit:\n pass\n"
        "below = {name.split('.')[1] for name in sys.modules if name.startswith('aie.')}\n"
        "print(sorted(below - {'cli', 'core', 'errors'}), 'rich' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(SOURCE)}, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[] False"


def test_no_arguments_print_the_help_and_fail(capsys: pytest.CaptureFixture[str]):
    assert ending() == 2
    assert "Commands:" in capsys.readouterr().err


def test_an_error_is_told_with_its_hints(capsys: pytest.CaptureFixture[str]):
    """Each hint on a line of its own; the status is that of the class."""
    status = tell(NotFound("there is no run x", hints=("look at the list", "or not")), as_json=False)
    assert status == 3
    assert capsys.readouterr().err == "error: there is no run x\nhint: look at the list\nhint: or not\n"


def test_every_problem_of_a_workspace_is_told(capsys: pytest.CaptureFixture[str]):
    """File, line, column, key, message, code, and the hint below."""
    problem = Problem(
        code="unknown-key", file="aie.yaml", line=3, col=1, key="desk", message="no such key", hint="`desks`?"
    )
    assert tell(ConfigError([problem]), as_json=False) == 2
    assert capsys.readouterr().err == (
        "aie.yaml:3:1: desk: no such key [unknown-key]\n  hint: `desks`?\nerror: 1 problem in the workspace\n"
    )


def test_a_change_that_mends_is_part_of_the_json():
    """An editor can apply it."""
    edit = Edit(file="aie.yaml", line=3, end_line=3, lines=("desks: {}",))
    problem = Problem(code="c", file="aie.yaml", line=3, col=1, key="desk", message="m", edit=edit)
    assert problem_json(problem)["edit"] == {"file": "aie.yaml", "line": 3, "end_line": 3, "lines": ["desks: {}"]}


def test_json_errors_carry_their_facts(capsys: pytest.CaptureFixture[str]):
    """Code, message, hints and structured fields in one object."""
    tell(Conflict("done before", run="run_1"), as_json=True)
    assert '"code": "conflict"' in (err := capsys.readouterr().err)
    assert '"run": "run_1"' in err


def test_a_system_error_names_its_file(capsys: pytest.CaptureFixture[str]):
    assert tell(FileNotFoundError(2, "No such file or directory", "x.json"), as_json=False) == 1
    assert capsys.readouterr().err == "error: x.json: No such file or directory\n"


def test_a_field_is_decided_once(capsys: pytest.CaptureFixture[str]):
    """Which of two answers counts is not for us to choose."""
    assert ending("review", "decide", "rev_1", "correct", "--set", "a=1", "--set", "a=2") == 2
    assert "'a' twice" in capsys.readouterr().err


def test_an_argument_that_no_store_can_hold_is_refused(capsys: pytest.CaptureFixture[str]):
    """Bytes that are not UTF-8 arrive as halves of surrogate pairs."""
    assert ending("explain", "run_\udcff") == 2
    assert "is not UTF-8" in capsys.readouterr().err


def test_a_defect_is_told_by_kind_and_place_and_never_by_its_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """What failed may be a value; whoever mends it asks for the whole."""

    def break_(*_: object) -> None:
        raise KeyError("Hannah Berger")

    monkeypatch.setattr("aie.cli.verbs.workspace.check_workspace", break_)
    monkeypatch.setattr("aie.cli.verbs.workspace.find_workspace", lambda _: Path())
    assert ending("check") == 1
    told = capsys.readouterr().err
    assert told.startswith("error: this is a defect of aie: KeyError at test_main.py:")
    assert "Hannah" not in told
    monkeypatch.setenv("AIE_TRACEBACK", "1")
    with pytest.raises(KeyError):
        main(["check"])


@pytest.mark.parametrize("signal", [KeyboardInterrupt, typer.Abort])
def test_an_interrupt_ends_with_130(monkeypatch: pytest.MonkeyPatch, signal: type[BaseException]):
    """Without a word: the person knows what they pressed."""

    def stop(*_: object, **__: object) -> None:
        raise signal

    monkeypatch.setattr("aie.cli.verbs.workspace.check_workspace", stop)
    monkeypatch.setattr("aie.cli.verbs.workspace.find_workspace", lambda _: Path())
    assert ending("check") == 130
