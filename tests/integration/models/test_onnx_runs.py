"""A predictor from elsewhere in a workspace of files: locked by its bytes, run, refused when it answers otherwise."""

import json
import sys
from pathlib import Path

import pytest

from aie.app import App, Given, lock_release, open_app, runner
from aie.errors import ConfigError
from aie.records.events import RunFinished, StepFinished
from tests.unit.models.test_predictors import SAMPLE, golden, graph

pytestmark = pytest.mark.slow

FILES = {
    "aie.yaml": "environments: [production]\n",
    "models.yaml": """\
models:
  triage:
    kind: onnx
    owner: claims@northgate.example
    file: models/triage.onnx
    inputs: {x: [amount, days]}
    scores: p
    labels: [keep, pay]
    golden: models/triage.golden.jsonl
    threshold: "0.9"
""",
    "workflows/claims/workflow.yaml": """\
workflow: claims
owner: claims@northgate.example
case: input.id
risk: low
limits: {cost: 0.00 USD, steps: 5}
input: schemas/claim.json
output: schemas/triage.json
steps:
  triage: {model: triage, with: {amount: input.amount, days: input.days}}
result: {label: triage.label, confidence: triage.confidence, accepted: triage.accepted}
on: {"*": dead_letter}
""",
    "workflows/claims/schemas/claim.json": json.dumps(
        {
            "type": "object",
            "required": ["id", "amount", "days"],
            "properties": {
                "id": {"type": "string"},
                "amount": {"type": "string", "format": "decimal"},
                "days": {"type": "integer"},
            },
        }
    ),
    "workflows/claims/schemas/triage.json": json.dumps(
        {
            "type": "object",
            "required": ["label", "confidence", "accepted"],
            "properties": {
                "label": {"type": "string", "enum": ["keep", "pay"]},
                "confidence": {"type": "string", "format": "decimal"},
                "accepted": {"type": "boolean"},
            },
        }
    ),
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The workspace."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "models").mkdir()
    (tmp_path / "models/triage.onnx").write_bytes(graph())
    (tmp_path / "models/triage.golden.jsonl").write_bytes(SAMPLE)
    return tmp_path


def outcome(app: App, release: str, case: str) -> RunFinished:
    """Run one claim to its end."""
    with runner(app) as here:
        data = {"id": case, "amount": "0.25", "days": 1}
        run = here.submit(Given(name=case, folder=app.root, data=data), release).run
        here.wait(run, timeout=60)
    return next(each.event for each in app.store.read(run) if isinstance(each.event, RunFinished))


def test_a_run_gets_the_graphs_answer(root: Path) -> None:
    """By files alone; not approved any more, the next run is refused."""
    with open_app(root) as app:
        release = lock_release(app, "claims").release
        assert outcome(app, release.id, "c-1").output == {"label": "pay", "confidence": "0.7311", "accepted": False}
        assert release.components["onnx:triage"] == graph()
        models = root / "models.yaml"
        models.write_text(models.read_text() + "    approved: false\n")
        assert outcome(app, release.id, "c-2").failure == "model_retired"


def test_a_release_is_refused_that_answers_otherwise(root: Path) -> None:
    """The place is that of the model's name."""
    (root / "models/triage.golden.jsonl").write_bytes(golden((1, 0), (2, 2), tilt=0.01))
    with open_app(root) as app, pytest.raises(ConfigError) as caught:
        lock_release(app, "claims")
    (problem,) = caught.value.problems
    assert (problem.code, problem.key) == ("bad-artefact", "steps.triage.model")
    assert "golden lines otherwise" in problem.message


def test_a_worker_on_which_the_graph_answers_otherwise_gives_no_answer(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the release pinned is compared again where it runs."""
    with open_app(root) as app:
        release = lock_release(app, "claims").release.id
        monkeypatch.setattr("aie.models.predictors._chances", lambda scores, _: scores[::-1])
        failed = outcome(app, release, "c-3")
        assert (failed.state, failed.failure) == ("dead", "provider_refused")


def test_the_report_says_nothing_of_the_values(root: Path) -> None:
    """Only that the golden sample was answered alike."""
    with open_app(root) as app:
        release = lock_release(app, "claims").release.id
        with runner(app) as here:
            given = Given(name="c", folder=root, data={"id": "c-4", "amount": "3.00", "days": -1})
            run = here.submit(given, release).run
            here.wait(run, timeout=60)
        (step,) = [each.event for each in app.store.read(run) if isinstance(each.event, StepFinished)]
        assert step.report == {"golden": "answered alike"}


def test_without_the_extra_nothing_is_released_and_a_run_says_what_is_missing(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hint names the extra."""
    with open_app(root) as app:
        release = lock_release(app, "claims").release.id
        monkeypatch.setitem(sys.modules, "aie.models.providers.onnx_graph", None)
        with pytest.raises(ConfigError) as caught:
            lock_release(app, "claims")
        (problem,) = caught.value.problems
        assert (problem.code, problem.hint) == ("missing-extra", "pip install '.[onnx]' in a checkout of the engine")
        assert outcome(app, release, "c-5").failure == "provider_refused"
