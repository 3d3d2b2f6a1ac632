"""Teaching extractors: from the files of a workspace to pinned artefacts, and a run that uses them."""

import json
from pathlib import Path

import pytest

from aie.app import check_workspace, lock_release, open_app, runner, teach, teachable
from aie.app.inputs import Given
from aie.cli.verbs.training import train
from aie.core import JSON
from aie.errors import InputError, NotFound
from aie.records.events import RunFinished
from tests.unit.fields.receipts import example, lines

WORKFLOW = """\
workflow: receipts
owner: expenses@larkfield.example
case: input.id
limits: {cost: 0.00 USD, time: 30 s, steps: 5}
input: schemas/in.json
output: schemas/out.json
steps:
  receipt: {extract: lines, from: input.lines}
  fields: {extract: extractors/receipt.yaml, from: receipt}
result: {total: fields.values.total, company: fields.values.company, doubtful: fields.doubtful}
on: {"*": dead_letter}
datasets:
  known:
    file: known.jsonl
    format: jsonl
    id: id
    map: {input.id: id, input.lines: lines, expected.company: company, expected.sum: total}
    split: {by: split}
"""
FINDS = "finds: {company: {type: name}, total: {type: decimal}}\n"
LEARNS = "learns: {dataset: known, expected: {total: expected.sum}}\n"
CALIBRATION = "calibration: {artefact: models/sure.aie, error_rate: 5%}\n"
TRAINED = "by: {trained: {artefact: models/receipt.aie}}\n"
RULES = (
    "by: {rules: {company: [{pattern: '[A-Z]+ [A-Z]+ LTD'}], total: [{pattern: 'TOTAL\\\\s+(?P<value>[0-9.]+)'}]}}\n"
)
IN = {
    "type": "object",
    "required": ["id", "lines"],
    "properties": {
        "id": {"type": "string"},
        "lines": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["text", "box"],
                "properties": {
                    "text": {"type": "string"},
                    "box": {"type": "array", "items": {"type": "integer"}},
                    "page": {"type": "integer"},
                },
            },
        },
    },
}
OUT = {
    "type": "object",
    "required": ["total", "company", "doubtful"],
    "properties": {
        "total": {"type": ["string", "null"], "format": "decimal"},
        "company": {"type": ["string", "null"]},
        "doubtful": {"type": "array", "items": {"type": "string"}},
    },
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A workspace with an extractor file and the cases to teach it."""
    folder = tmp_path / "workflows" / "receipts"
    for name in ("schemas", "extractors"):
        (folder / name).mkdir(parents=True)
    (tmp_path / "aie.yaml").write_text("store: sqlite:///.aie/aie.db\nenvironments: [production]\n")
    (folder / "workflow.yaml").write_text(WORKFLOW)
    (folder / "schemas" / "in.json").write_text(json.dumps(IN))
    (folder / "schemas" / "out.json").write_text(json.dumps(OUT))
    write(tmp_path, FINDS + TRAINED + LEARNS + CALIBRATION)
    rows = []
    for seed in range(60):
        one = example(seed)
        known = {name: one.expected[name] for name in ("company", "total")}
        rows.append({"id": str(seed), "lines": lines(one), "split": "train" if seed < 30 else "val", **known})
    (folder / "known.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def write(root: Path, text: str) -> None:
    """Write the extractor file."""
    (root / "workflows" / "receipts" / "extractors" / "receipt.yaml").write_text(text)


def test_what_was_taught_is_locked_and_found_in_a_run(root: Path) -> None:
    """Before, a release is refused with the command that mends it."""
    assert [each.code for each in check_workspace(root)] == ["untrained-model"]
    taught = teach(root, "receipts/receipt")
    assert check_workspace(root) == ()
    assert taught.reliability["total"].cases == 30
    assert [path.name for path in taught.files] == ["receipt.aie", "sure.aie", "sure.report.json"]
    one = example(500)
    assert found(root, "500")["company"] == one.expected["company"]


def test_rules_are_calibrated_too_and_only_the_extractor_file_changes(root: Path) -> None:
    """The swap that the contract of fields promises."""
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file() and path.name != "receipt.yaml"}
    write(root, FINDS + RULES + LEARNS + CALIBRATION)
    taught = teach(root, "receipts/receipt")
    assert taught.trained is None
    assert taught.reliability["company"].right == 30
    assert found(root, "501")["company"] == example(501).expected["company"]
    assert all(path.read_bytes() == content for path, content in before.items())


def test_artefacts_of_another_file_are_stale(root: Path) -> None:
    """The trained one when what it finds changes; the calibration when the trained one changes."""
    teach(root, "receipts/receipt")
    write(root, FINDS.replace("decimal", "integer") + TRAINED + LEARNS + CALIBRATION)
    assert {each.code for each in check_workspace(root)} >= {"stale-artefact"}
    write(root, FINDS + TRAINED.replace("receipt.aie", "receipt.aie, min_count: 3") + LEARNS + CALIBRATION)
    assert [each.code for each in check_workspace(root)] == ["stale-artefact"]


def test_mistakes_of_learning_are_told_where_they_stand(root: Path) -> None:
    """Without `learns`, with an unknown dataset, field or extractor."""
    write(root, FINDS + TRAINED)
    assert "missing-key" in [each.code for each in check_workspace(root)]
    assert teachable(root) == ()
    write(root, FINDS + TRAINED + LEARNS.replace("known", "knwon").replace("total", "totl"))
    assert {each.code for each in check_workspace(root)} >= {"unknown-dataset", "unknown-field"}
    with pytest.raises(NotFound):
        teach(root, "receipts/other")


def test_a_step_that_reads_what_only_a_run_knows_cannot_be_taught(root: Path) -> None:
    """E.g. a value that a check made."""
    path = root / "workflows" / "receipts" / "workflow.yaml"
    path.write_text(
        WORKFLOW.replace("from: receipt}", "from: receipt}").replace("{extract: lines,", "{if: 'true', extract: lines,")
    )
    with pytest.raises(InputError, match="before a run"):
        teach(root, "receipts/receipt")


def test_the_command_prints_how_far_confidences_can_be_believed(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """For people as lines, for programs as one value."""
    train(["receipts/receipt"], workspace=root)
    told = capsys.readouterr().out
    assert "calibration error" in told
    assert "predicted" in told
    train(workspace=root, form="json")
    (line,) = capsys.readouterr().out.splitlines()
    report = json.loads(line)
    assert report["reliability"]["total"]["cases"] == 30
    assert sorted(report["trained"]["fields"]) == ["company", "total"]


def found(root: Path, name: str) -> dict[str, object]:
    """Return the result of a run of an example."""
    given: dict[str, JSON] = {"id": name, "lines": lines(example(int(name)))}
    with open_app(root) as app:
        release = lock_release(app, "receipts").release.id
        with runner(app) as here:
            run = here.submit(Given(name=name, folder=root, data=given), release).run
            assert here.wait(run, timeout=60).state == "completed"
        (finished,) = [each.event for each in app.store.read(run) if isinstance(each.event, RunFinished)]
    assert isinstance(finished.output, dict)
    return dict(finished.output)
