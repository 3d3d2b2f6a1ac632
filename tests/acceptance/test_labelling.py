"""First labels: at the terminal, in a form, from a table; the dataset's own file stays as it is."""

import json
import subprocess
from pathlib import Path

import pytest

from aie.config import load_workspace, read_dataset
from tests.acceptance.conftest import ENVIRONMENT, Ended, command, run_aie
from tests.shows.making import xlsx

pytestmark = pytest.mark.slow

ROWS = [
    {"id": "m1", "text": "My parcel has not come", "intent": "delivery"},
    {"id": "m2", "text": "Where is my parcel", "intent": "delivery"},
    {"id": "m3", "text": "The invoice is wrong", "intent": ""},
    {"id": "m4", "text": "Please <b>close</b> my account", "intent": ""},
]
DATASET = """
datasets:
  fresh:
    file: datasets/fresh.jsonl
    format: jsonl
    id: id
    map: {input.text: text, expected.intent: intent}
    empty: unlabelled
    labels: datasets/fresh.labels.jsonl
"""


@pytest.fixture
def unlabelled(triage: Path) -> Path:
    """A workspace with a dataset of four messages, two of them labelled."""
    folder = triage / "workflows" / "triage"
    (folder / "datasets").mkdir(exist_ok=True)
    (folder / "datasets" / "fresh.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    (folder / "datasets.yaml").write_text(DATASET)
    return triage


def labels(workspace: Path) -> dict[str, object]:
    """Return what the dataset expects, by case."""
    read = load_workspace(workspace)
    spec = read.workflows["triage"].datasets["fresh"]
    cases = read_dataset(spec, workspace / "workflows" / "triage", environ={})
    return {case.id: case.expected and case.expected.get("intent") for case in cases}


def at_the_terminal(workspace: Path, typed: str, *more: str) -> Ended:
    """Label with what a person types."""
    done = subprocess.run(
        command("label", "fresh", *more),
        input=typed,
        cwd=workspace,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Ended(status=done.returncode, out=done.stdout, err=done.stderr)


def test_a_person_labels_what_has_no_label_and_the_dataset_s_file_stays(unlabelled: Path):
    """An empty line skips; who said so and when is kept; the labels known so far are offered."""
    before = (unlabelled / "workflows/triage/datasets/fresh.jsonl").read_bytes()
    ended = at_the_terminal(unlabelled, "\nclosing\n", "--actor", "ann")
    assert ended.status == 0, ended.err
    assert "The invoice is wrong" in ended.err
    assert "parcel" not in ended.err
    assert "delivery" in ended.err
    assert labels(unlabelled) == {"m1": "delivery", "m2": "delivery", "m3": None, "m4": "closing"}
    [line] = (unlabelled / "workflows/triage/datasets/fresh.labels.jsonl").read_text().splitlines()
    assert json.loads(line)["by"] == "ann"
    assert (unlabelled / "workflows/triage/datasets/fresh.jsonl").read_bytes() == before


def test_what_was_given_before_the_input_ended_is_kept(unlabelled: Path):
    assert at_the_terminal(unlabelled, "billing\n").status == 0
    assert labels(unlabelled)["m3"] == "billing"


def test_a_later_label_takes_the_place_of_an_earlier_one(unlabelled: Path):
    at_the_terminal(unlabelled, "billing\n\n")
    at_the_terminal(unlabelled, "\n\ncomplaint\n\n", "--again")
    assert labels(unlabelled)["m3"] == "complaint"


def test_a_form_shows_texts_inertly_and_runs_only_its_own_script(unlabelled: Path):
    assert run_aie("label", "fresh", "--form", "form.html", cwd=unlabelled).status == 0
    page = (unlabelled / "form.html").read_text()
    assert "&lt;b&gt;close&lt;/b&gt;" in page
    assert "<b>close</b>" not in page
    assert "script-src 'sha256-" in page
    assert page.count("data-case=") == 2


def test_labels_come_from_a_saved_form_and_from_tables(unlabelled: Path):
    """A table may show the texts beside the labels."""
    saved = {"dataset": "triage/fresh", "labels": [{"id": "m3", "expected": {"intent": "billing"}}]}
    (unlabelled / "saved.json").write_text(json.dumps(saved))
    assert run_aie("label", "fresh", "--from", "saved.json", cwd=unlabelled).status == 0
    (unlabelled / "table.csv").write_text("id,text,intent\nm4,Please close,closing\nm1,,\n")
    ended = run_aie("label", "triage/fresh", "--from", "table.csv", "--format", "json", cwd=unlabelled)
    assert ended.data == {"dataset": "triage/fresh", "labelled": 1}
    assert labels(unlabelled) == {"m1": "delivery", "m2": "delivery", "m3": "billing", "m4": "closing"}
    (unlabelled / "table.xlsx").write_bytes(xlsx([["id", "text", "intent"], ["m4", "Please close", "complaint"]]))
    assert run_aie("label", "fresh", "--from", "table.xlsx", cwd=unlabelled).status == 0
    assert labels(unlabelled)["m4"] == "complaint"


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("id,intent\nm9,billing\n", "m9"),
        ("id,intend\nm3,billing\n", "intent"),
        ("case,intent\nm3,billing\n", "`id`"),
        ('id,intent\nm3,"bill\n', "CSV"),
        ('id,intent\nm3,"[1"\n', "JSON"),
    ],
)
def test_a_table_with_a_mistake_labels_nothing(unlabelled: Path, table: str, said: str):
    (unlabelled / "table.csv").write_text(table)
    ended = run_aie("label", "fresh", "--from", "table.csv", cwd=unlabelled)
    assert ended.status == 2
    assert said in ended.err
    assert not (unlabelled / "workflows/triage/datasets/fresh.labels.jsonl").exists()


def test_a_dataset_that_names_no_file_for_labels_is_told_how(triage: Path):
    known = sorted(load_workspace(triage).workflows["triage"].datasets)
    (triage / "table.csv").write_text("id,intent\nx,y\n")
    ended = run_aie("label", known[0], "--from", "table.csv", cwd=triage)
    assert ended.status == 2
    assert "labels:" in ended.err
