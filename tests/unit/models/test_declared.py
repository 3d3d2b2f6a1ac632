"""From models.yaml and a dataset to an artefact file."""

import json
from pathlib import Path

import pytest

from aie.config import Workspace, load_workspace
from aie.errors import InputError, NotFound
from aie.models import Classifier, train_model, write_trained

ROWS = [
    {"title": f"{word} {number}", "body": "now", "kind": kind, "split": split}
    for split in ("train", "val")
    for number in range(3)
    for kind, word in (("bill", "pay the bill"), ("move", "i moved house"))
]
WORKFLOW = """\
workflow: mail
owner: mail@northgate.example
case: input.id
risk: low
input: schemas/mail.json
output: schemas/mail.json
steps:
  kind: {model: kind, with: {text: input.title}}
result: {id: input.id}
on: {"*": fail}
datasets:
  mail:
    file: mail.jsonl
    format: jsonl
    map: {input.title: title, input.body: body, expected.kind: kind}
    split: {by: split}
    empty: unlabelled
"""
MODEL = """\
models:
  kind:
    kind: text_classifier
    train: mail/mail
    text: input.title + " " + input.body
    recipe: {min_count: 1}
    artefact: models/kind.aie
"""


@pytest.fixture
def workspace(tmp_path: Path):
    """Write a workspace with changes and read it."""

    def make(*, rows: list[dict[str, object]] = ROWS, before: str = "", after: str = "") -> Workspace:
        folder = tmp_path / "workflows" / "mail"
        (folder / "schemas").mkdir(parents=True)
        (tmp_path / "aie.yaml").write_text("environments: [production]\n")
        (tmp_path / "models.yaml").write_text(MODEL.replace(before, after))
        (folder / "workflow.yaml").write_text(WORKFLOW)
        (folder / "mail.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        (folder / "schemas" / "mail.json").write_text('{"type": "object", "properties": {"id": {"type": "string"}}}')
        return load_workspace(tmp_path)

    return make


def test_a_declared_model_is_trained_from_its_dataset_and_written_where_it_says(workspace) -> None:
    """The text is the expression's, the labels are the dataset's; nothing else is left in the folder."""
    found = workspace()
    trained = train_model(found, "kind", environ={})
    path = write_trained(found, "kind", trained)
    assert path == found.root / "models" / "kind.aie"
    assert [each.name for each in path.parent.iterdir()] == ["kind.aie"]
    classifier = Classifier.load(path.read_bytes())
    assert classifier.predict("pay the bill").labels == ("bill",)
    assert "now" in classifier.vectoriser.vocabularies[0]


def test_rows_without_a_label_are_counted_and_left_out(workspace) -> None:
    """As the dataset says what an empty value means."""
    trained = train_model(
        workspace(rows=[*ROWS, {"title": "?", "body": "", "kind": None, "split": "train"}]), "kind", environ={}
    )
    assert (trained.report.train, trained.report.unlabelled) == (6, 1)


def test_a_model_that_is_not_there_is_not_found(workspace) -> None:
    """With the name that was probably meant."""
    with pytest.raises(NotFound) as caught:
        train_model(workspace(), "kinds", environ={})
    assert "kind" in " ".join(caught.value.hints)


def test_without_validation_cases_nothing_is_trained(workspace) -> None:
    """A threshold needs cases that fitting never saw."""
    with pytest.raises(InputError, match="split 'val'") as caught:
        train_model(workspace(rows=[row for row in ROWS if row["split"] == "train"]), "kind", environ={})
    assert caught.value.hints


@pytest.mark.parametrize("text", ["input.nothing", "1 + 1"])
def test_a_text_that_cannot_be_read_from_a_case_names_the_case(workspace, text: str) -> None:
    """Not a traceback in the middle of a long training."""
    with pytest.raises(InputError, match="case "):
        train_model(workspace(before='input.title + " " + input.body', after=text), "kind", environ={})


def test_an_artefact_is_never_written_outside_the_workspace(workspace) -> None:
    """Whatever models.yaml says."""
    found = workspace(before="models/kind.aie", after="../kind.aie")
    with pytest.raises(InputError, match="outside the workspace"):
        write_trained(found, "kind", train_model(found, "kind", environ={}))
    assert not (found.root.parent / "kind.aie").exists()
