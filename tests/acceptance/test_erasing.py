"""A person asks to be forgotten: what was held of them is gone, that it happened is not."""

import shutil
from importlib.resources import as_file, files
from pathlib import Path

import pytest

from aie.app import App, erase_person, explain_run, lock_release, open_app, read_input, runner, train, verify_records
from aie.errors import Conflict, InputError, NotFound
from aie.records.events import RunSubmitted


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """The triage template, its model trained."""
    root = tmp_path / "triage"
    with as_file(files("aie") / "templates" / "triage") as template:
        shutil.copytree(template, root)
    train(root, "intent")
    return root


def run_examples(app: App) -> dict[str, str]:
    """Run every example; return each run's state."""
    release = lock_release(app, "triage").release.id
    with runner(app) as running:
        submitted = [
            running.submit(read_input(path), release).run for path in sorted((app.root / "examples").glob("*.json"))
        ]
        return {run: running.wait(run, 20).state for run in submitted}


def held(app: App, run: str) -> object:
    """Return what is still readable of a run's input."""
    first = app.store.read(run)[0].event
    assert isinstance(first, RunSubmitted)
    return first.input


def test_an_erased_person_is_gone_from_the_records_and_the_records_verify(workspace: Path) -> None:
    """Theirs alone: every other run reads as before."""
    with open_app(workspace, actor="ann") as app:
        runs = run_examples(app)
        ended = [run for run, state in runs.items() if state == "completed"]
        gone, kept = ended[0], ended[1]
        assert held(app, gone) is not None, "the control: it was readable before"
        assert erase_person(app, gone, reason="their request") == 1
        assert held(app, gone) is None
        assert held(app, kept) is not None
        assert explain_run(app, gone).erased
        assert not verify_records(app).findings
        with pytest.raises(NotFound, match="nothing is sealed"):
            erase_person(app, gone, reason="again")


def test_a_person_whose_run_goes_on_is_not_erased_under_it(workspace: Path) -> None:
    """The run would fail on what it can no longer read; somebody ends it first."""
    with open_app(workspace, actor="ann") as app:
        waiting = [run for run, state in run_examples(app).items() if state == "waiting"]
        assert waiting, "an example must wait for a person"
        with pytest.raises(Conflict, match="have not ended"):
            erase_person(app, waiting[0], reason="their request")
        with pytest.raises(InputError, match="needs a reason"):
            erase_person(app, waiting[0], reason="")
        assert held(app, waiting[0]) is not None
