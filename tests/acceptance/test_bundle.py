"""A release travels as one file: the same id and the same answers in an empty store, offline."""

import shutil
from importlib.resources import as_file, files
from pathlib import Path

import pytest

from aie.app import (
    export_release,
    import_release,
    lock_release,
    open_app,
    read_input,
    runner,
    train,
)
from aie.core import JSON
from aie.records.events import RunFinished, StepFinished
from aie.releases import load_release


def answers(root: Path, examples: Path, release: str) -> dict[str, JSON]:
    """Run every example on this release; return what each step and the run made of it."""
    found: dict[str, JSON] = {}
    with open_app(root, actor="ann") as app, runner(app) as running:
        for path in sorted(examples.glob("*.json")):
            run = running.submit(read_input(path), release).run
            running.wait(run, 20)
            for each in app.store.read(run):
                if isinstance(each.event, StepFinished | RunFinished) and each.event.output is not None:
                    name = each.event.path if isinstance(each.event, StepFinished) else "run"
                    if name != "route":  # the receipt names a key of the store it was made in
                        found[f"{path.name}/{name}"] = each.event.output
    return found


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    """The triage template with its model trained."""
    root = tmp_path / "here"
    with as_file(files("aie") / "templates" / "triage") as template:
        shutil.copytree(template, root)
    train(root, "intent")
    return root


def test_an_imported_release_has_the_same_id_and_gives_the_same_answers(trained: Path, tmp_path: Path) -> None:
    """The other place has settings and nothing else: no workflow, no model, no dataset."""
    bundle, there = tmp_path / "triage.aier", tmp_path / "there"
    with open_app(trained, actor="ann") as app:
        release = lock_release(app, "triage").release
        export_release(app, release.id, bundle)
    there.mkdir()
    shutil.copy(trained / "aie.yaml", there)
    with open_app(there, actor="bob") as app:
        imported, fresh = import_release(app, bundle)
        assert (imported.id, fresh) == (release.id, True)
        assert load_release(app.store, release.id, tenant="default").files == release.files
    mine = answers(trained, trained / "examples", release.id)
    assert mine
    assert answers(there, trained / "examples", release.id) == mine


def test_another_model_gives_another_id_and_is_seen_by_the_same_comparison(trained: Path) -> None:
    """The control: were answers not compared, this would pass too."""
    with open_app(trained, actor="ann") as app:
        before = lock_release(app, "triage").release.id
    models = trained / "models.yaml"
    models.write_text(models.read_text().replace("seed: 7", "seed: 8").replace("strength: 30", "strength: 0.01"))
    train(trained, "intent")
    with open_app(trained, actor="ann") as app:
        after = lock_release(app, "triage").release.id
    assert after != before
    mine = answers(trained, trained / "examples", before)
    other = trained.parent / "other"
    shutil.copytree(trained, other, ignore=shutil.ignore_patterns(".aie", "outbox"))
    with open_app(other, actor="ann") as app:
        assert lock_release(app, "triage").release.id == after
    assert answers(other, other / "examples", after) != mine
