"""What a changed recipe would have shown a model, told on the recorded values of one run."""

import json
from pathlib import Path

import pytest

from aie.app import Given, diff_contexts, lock_release, open_app, runner
from aie.errors import InputError, NotFound

WORKFLOW = """\
workflow: letters
owner: desk@larkfield.example
case: input.id
input: schemas/in.json
output: schemas/out.json
steps:
  document: {extract: text, from: input.text}
  chosen: {context: recipes/loss.yaml, from: document, fit: 40 tokens}
result: {text: chosen.text}
on: {"*": fail}
"""
RECIPE = "select: {size: 70}\nrank: {queries: [{any: [WORDS]}]}\n"
TEXT = """\
The house stands at the river and the weather was mild.

Our policy number is NG-4711 and the loss date was the second of May.

The neighbours were kind; the dog was not hurt.

The repair costs an amount of 430.00 USD, as the bill says."""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "workflows" / "letters"
    for place in ("schemas", "recipes"):
        (folder / place).mkdir(parents=True)
    (tmp_path / "aie.yaml").write_text("store: sqlite:///.aie/aie.db\nenvironments: [production]\n")
    (folder / "workflow.yaml").write_text(WORKFLOW)
    (folder / "recipes" / "loss.yaml").write_text(RECIPE.replace("WORDS", "policy number"))
    for name, fields in (("in", ["id", "text"]), ("out", ["text"])):
        schema = {"type": "object", "required": fields, "properties": {each: {"type": "string"} for each in fields}}
        (folder / "schemas" / f"{name}.json").write_text(json.dumps(schema | {"additionalProperties": False}))
    return tmp_path


def test_a_changed_recipe_shows_what_the_model_would_have_read(root):
    """The old passage is dropped, the new one added, each verbatim with its place; nothing is recorded of it."""
    with open_app(root) as app:
        before = lock_release(app, "letters").release.id
        with runner(app) as here:
            run = here.submit(Given(name="l", folder=root, data={"id": "l-1", "text": TEXT}), before).run
            here.wait(run, timeout=60)
        (root / "workflows/letters/recipes/loss.yaml").write_text(RECIPE.replace("WORDS", "amount, bill"))
        after = lock_release(app, "letters").release.id
        assert before != after
        count = len(app.store.read(run))
        (same,) = diff_contexts(app, before, before, run)
        (change,) = diff_contexts(app, before, after, run)
        assert len(app.store.read(run)) == count
        with pytest.raises(NotFound):
            diff_contexts(app, before, after, "run_none")
    assert not same.dropped
    assert not same.added
    assert same.kept > 0
    assert any("NG-4711" in each.text for each in change.dropped)
    assert any("430.00 USD" in each.text for each in change.added)
    assert all(TEXT[each.start : each.end] == each.text for each in (*change.dropped, *change.added))


def test_a_release_of_another_workflow_is_refused(root):
    """Its steps read other values."""
    with open_app(root) as app:
        mine = lock_release(app, "letters").release.id
        with runner(app) as here:
            run = here.submit(Given(name="l", folder=root, data={"id": "l-1", "text": TEXT}), mine).run
            here.wait(run, timeout=60)
        folder = root / "workflows" / "letters"
        folder.rename(root / "workflows" / "notes")
        path = root / "workflows" / "notes" / "workflow.yaml"
        path.write_text(path.read_text().replace("workflow: letters", "workflow: notes"))
        with pytest.raises(InputError, match="release of notes"):
            diff_contexts(app, mine, lock_release(app, "notes").release.id, run)
