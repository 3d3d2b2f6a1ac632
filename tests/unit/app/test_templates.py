"""Templates of workspaces."""

import json
import shutil
from importlib import import_module
from importlib.resources import files
from pathlib import Path

import pytest

from aie.app import check_workspace, list_templates, start_workspace, teachable, trainable
from aie.errors import Conflict, InputError, NotFound

TEMPLATES = ["claims", "contracts", "invoices", "letters", "triage"]
TRAINED = {"claims", "triage"}


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_template_has_no_mistake_but_that_nothing_is_trained(tmp_path: Path, template: str):
    """And no line of Python."""
    made = start_workspace(tmp_path / "w", template)
    mistakes = {problem.code for problem in check_workspace(tmp_path / "w")}
    assert mistakes == ({"untrained-model"} if template in TRAINED else set())
    assert not [name for name in made if name.endswith(".py")]
    assert {"aie.yaml", "README.md", ".gitignore"} <= set(made)


@pytest.mark.parametrize("template", TEMPLATES)
def test_what_learns_in_a_template_is_listed(tmp_path: Path, template: str):
    """`aie init` names training where something learns, and `merged` is no extractor that could."""
    start_workspace(tmp_path / "w", template)
    learns = [*trainable(tmp_path / "w"), *teachable(tmp_path / "w")]
    assert bool(learns) == (template in TRAINED)


def test_the_templates_are_known():
    assert list_templates() == TEMPLATES


def test_an_unknown_template_names_the_known_ones(tmp_path: Path):
    with pytest.raises(NotFound) as caught:
        start_workspace(tmp_path / "w", "parking")
    assert caught.value.hints == ("one of: claims, contracts, invoices, letters, triage",)
    assert not (tmp_path / "w").exists()


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path):
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(Conflict):
        start_workspace(tmp_path, "claims")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("name", ["", ".", "inner/.."])
def test_an_empty_folder_that_one_stands_in_becomes_the_workspace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
):
    """It is filled, not replaced: whoever stands in it still does."""
    here = tmp_path / "w"
    here.mkdir()
    before = here.stat().st_ino
    monkeypatch.chdir(here)
    start_workspace(Path(name), "claims")
    assert Path("aie.yaml").is_file()
    assert here.stat().st_ino == before
    assert [path.name for path in tmp_path.iterdir()] == ["w"]


def test_a_copy_that_is_cut_off_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A workspace is there whole or not at all."""

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("aie.app.templates.shutil.copytree", full)
    with pytest.raises(OSError, match="No space"):
        start_workspace(tmp_path / "w", "claims")
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_is_full_is_told_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """And not once for each file."""

    def full(*_: object, **__: object) -> None:
        raise shutil.Error([("a", "b", "[Errno 28] No space left on device: 'a' -> 'b'")] * 88)

    monkeypatch.setattr("aie.app.templates.shutil.copytree", full)
    with pytest.raises(InputError, match=r"cannot be written: \[Errno 28\] No space left on device$"):
        start_workspace(tmp_path / "w", "claims")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("template", ["claims", "contracts", "invoices"])
def test_the_committed_examples_are_what_their_script_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, template: str
):
    """Every document and every input, byte for byte."""
    script = import_module(f"scripts.{template}.make_examples")
    monkeypatch.setattr(script, "EXAMPLES", tmp_path)
    script.main()
    committed = Path(str(files("aie") / "templates" / template / "examples"))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        path.name: path.read_bytes() for path in committed.iterdir()
    }


def test_there_are_forty_claims():
    committed = Path(str(files("aie") / "templates/claims/examples"))
    assert len(list(committed.glob("claim-*.json"))) == 40


@pytest.mark.parametrize(
    ("file", "label"),
    [
        ("triage/workflows/triage/datasets/messages.jsonl", "intent"),
        ("claims/workflows/claims/datasets/notices.jsonl", "desk"),
    ],
)
def test_no_text_is_in_two_splits(file: str, label: str):
    """What a classifier is judged on it has not seen."""
    rows = [json.loads(line) for line in (files("aie") / "templates" / file).read_text().splitlines()]
    texts = [row["text"] for row in rows]
    assert len(set(texts)) == len(texts)
    assert {row["split"] for row in rows} == {"train", "val", "test"}
    for split in ("train", "val", "test"):
        assert {row[label] for row in rows if row["split"] == split} == {row[label] for row in rows}
