"""Steps that decide from named features: compiled against what the model learnt, run without a network."""

import json
from pathlib import Path

import pytest

from aie.config import load_workspace
from aie.errors import ConfigError
from aie.models import TabularModel, train_model, write_trained
from aie.releases import Release, compile_release
from tests.unit.releases.workspaces import write

ROWS = "".join(
    f"{number},{colour},{number % 100},{'bad' if colour == 'red' and number % 100 > 50 else 'good'},{split}\n"
    for number in range(300)
    for colour in (("red", "blue", "green")[number % 3],)
    for split in ("val" if number % 5 == 0 else "train",)
)
WORKFLOW = """\
workflow: risks
owner: risks@northgate.example
case: input.id
risk: low
input: in.json
output: out.json
steps:
  risk: {model: risk, with: {colour: input.colour, price: input.price}}
result: {id: input.id, risk: risk.label, chance: risk.scores.bad}
on: {"*": fail}
datasets:
  past:
    file: past.csv
    format: csv
    id: id
    map: {input.colour: colour, input.price: price, expected.risk: risk}
    split: {by: split}
"""
FILES = {
    "aie.yaml": "environments: [production]\n",
    "models.yaml": """\
models:
  risk:
    kind: tabular_classifier
    train: risks/past
    artefact: models/risk.aie
    features: {colour: {category: input.colour}, price: {number: input.price}}
""",
    "workflows/risks/workflow.yaml": WORKFLOW,
    "workflows/risks/past.csv": f"id,colour,price,risk,split\n{ROWS}",
    "workflows/risks/in.json": json.dumps(
        {
            "type": "object",
            "additionalProperties": False,
            "required": ["id"],
            "properties": {
                "id": {"type": "string"},
                "colour": {"type": "string"},
                "price": {"type": "integer"},
                "on": {"type": "boolean"},
            },
        }
    ),
    "workflows/risks/out.json": json.dumps(
        {
            "type": "object",
            "required": ["id", "risk", "chance"],
            "properties": {
                "id": {"type": "string"},
                "risk": {"type": "string", "enum": ["bad", "good"]},
                "chance": {"type": "string", "format": "decimal"},
            },
        }
    ),
}


@pytest.fixture(scope="module")
def artefact(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """What `aie train risk` writes."""
    workspace = load_workspace(write(tmp_path_factory.mktemp("trained"), FILES))
    path = write_trained(workspace, "risk", train_model(workspace, "risk", environ={}))
    return path.read_bytes()


def release(
    root: Path, artefact: bytes, old: str = "", new: str = "", file: str = "workflows/risks/workflow.yaml"
) -> Release:
    assert old in FILES[file]
    files = {**FILES, file: FILES[file].replace(old, new, 1), "models/risk.aie": artefact}
    return compile_release(load_workspace(write(root, files)), "risks")


def test_a_step_names_its_features_and_gives_a_score_a_label(tmp_path: Path, artefact: bytes) -> None:
    """Parts of the input that may be missing are features as any: null is a value they know."""
    made = release(tmp_path, artefact)
    assert sorted(made.components) == ["schema:input", "schema:output", "tabular:risk"]
    assert TabularModel.load(made.components["tabular:risk"]).labels == ("bad", "good")


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (", price: input.price", "", "missing-key"),
        ("price: input.price}", "prise: input.price, price: input.price}", "unknown-feature"),
        ("price: input.price}", "price: input.on}", "bad-type"),
        ("{model: risk,", "{model: risk, prompt: p.md,", "unused-key"),
    ],
)
def test_a_step_gives_exactly_what_the_model_learnt_from(
    tmp_path: Path, artefact: bytes, old: str, new: str, code: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        release(tmp_path, artefact, old, new)
    assert [each.code for each in caught.value.problems] == [code]


def test_a_model_whose_features_changed_since_it_was_trained_is_stale(tmp_path: Path, artefact: bytes) -> None:
    with pytest.raises(ConfigError) as caught:
        release(tmp_path, artefact, "{number: input.price}", "{category: input.price}", "models.yaml")
    assert {each.code for each in caught.value.problems} == {"stale-artefact"}
