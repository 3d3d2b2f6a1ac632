"""A prompt's confidences, made to mean what they say from what recorded runs answered."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aie.app import Given, check_workspace, decide, lock_release, open_app, open_reviews, runner, teach
from aie.errors import InputError
from aie.records.events import StepFinished
from aie.testing.openai_server import OpenAIServer

SWAP = Path(__file__).parents[2] / "shows" / "workspaces" / "swap"
PROMPT = """\
finds:
  sender: {type: name, what: The company that writes}
  fee: {type: money, what: What is paid for a month}
by:
  prompt: {model: reader}
"""
LEARNS = """\
learns: {dataset: letters}
calibration: {artefact: learnt/sure.aie, split: train}
"""
WORKFLOW = """\
workflow: letters
owner: contracts@larkfield.example
case: input.id
risk: low
limits: {cost: 0.10 USD, model_calls: 3, time: 60 s, steps: 6}
input: schemas/letter.json
output: schemas/terms.json
steps:
  letter: {extract: text, from: input.text}
  terms: {extract: extractors/terms.yaml, from: letter}
  decided: {review: clerks, of: [terms.values], unless: terms.accepted}
result: {sender: decided.sender, fee: decided.fee}
on: {"*": dead_letter}
datasets:
  letters:
    file: letters.jsonl
    format: jsonl
    id: id
    map: {input.id: id, input.text: text, expected.sender: sender, expected.fee: fee}
    split: {by: split}
"""
OUT = {
    "type": "object",
    "required": ["sender", "fee"],
    "properties": {"sender": {"type": ["string", "null"]}, "fee": {"type": ["string", "null"], "format": "money"}},
}


def letter(number: int) -> dict[str, str]:
    """Return an invented letter; of every third one the model takes the wrong amount, as sure as of the others."""
    text = f"Larkfield Paper, Inc. offers its services, letter {number}. You pay $9{number:02}.00 a month, $40.00 once."
    return {"id": f"letter-{number}", "text": text, "sender": "Larkfield Paper, Inc.", "fee": f"9{number:02}.00 USD"}


def answer(body: dict[str, Any]) -> str:
    """Quote what stands in the letter; boast of the fee."""
    prompt = json.dumps(body["messages"])
    number = int(prompt.partition(", letter ")[2].partition(".")[0])
    fee = "$40.00" if number % 3 == 0 else f"$9{number:02}.00"
    return json.dumps({"sender": {"quote": "Larkfield Paper, Inc.", "sure": 97}, "fee": {"quote": fee, "sure": 95}})


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a workspace of letters whose model is a server of this test."""
    root = tmp_path / "swap"
    shutil.copytree(SWAP, root, ignore=shutil.ignore_patterns(".aie"))
    folder = root / "workflows" / "letters"
    (folder / "workflow.yaml").write_text(WORKFLOW)
    (folder / "schemas" / "terms.json").write_text(json.dumps(OUT))
    (folder / "extractors" / "terms.yaml").write_text(PROMPT)
    (root / "aie.yaml").write_text((root / "aie.yaml").read_text() + "desks: {clerks: {}}\n")
    cases = [{**letter(number), "split": "train" if number < 30 else "test"} for number in range(40)]
    (folder / "letters.jsonl").write_text("".join(json.dumps(each) + "\n" for each in cases))
    with OpenAIServer(answer) as server:
        monkeypatch.setenv("READER_URL", server.url)
        yield root


def run(root: Path, numbers: range, *, before: str = "") -> None:
    """Release the workflow and run letters through it."""
    with open_app(root) as app:
        release = lock_release(app, "letters").release.id
        with runner(app) as here:
            for number in numbers:
                data = {"id": before + letter(number)["id"], "text": letter(number)["text"]}
                here.wait(here.submit(Given(name=str(number), folder=root, data=data), release).run, timeout=60)


def confidences(root: Path, number: int) -> dict[str, str]:
    """Run one letter and return how sure its fields are."""
    with open_app(root) as app:
        release = lock_release(app, "letters").release.id
        with runner(app) as here:
            data = {"id": f"later-{number}", "text": letter(number)["text"]}
            made = here.submit(Given(name="later", folder=root, data=data), release).run
            here.wait(made, timeout=60)
        steps = [each.event for each in app.store.read(made) if isinstance(each.event, StepFinished)]
    output: Any = next(each.output for each in steps if each.path == "terms")
    return {name: found["confidence"] for name, found in output["found"].items()}


def teaches(root: Path) -> None:
    """Let the extractor file ask for a calibration."""
    (root / "workflows" / "letters" / "extractors" / "terms.yaml").write_text(PROMPT + LEARNS)


def test_a_prompt_is_calibrated_from_recorded_runs_of_labelled_cases(root: Path) -> None:
    """Two thirds of its fees are right, whatever it claims; the cases of the test split stay unseen."""
    run(root, range(25, 35))
    teaches(root)
    with pytest.raises(InputError, match=r"^5 cases .* in 5 recorded runs that asked the same, 20 are needed$"):
        teach(root, "letters/terms")
    assert "untrained-model" in [each.code for each in check_workspace(root)]
    (root / "workflows/letters/extractors/terms.yaml").write_text(PROMPT)
    run(root, range(25))
    teaches(root)
    taught = teach(root, "letters/terms")
    assert taught.trained is None
    fee, sender = taught.reliability["fee"], taught.reliability["sender"]
    assert (fee.cases, fee.right) == (30, 20)
    assert (sender.cases, sender.right) == (30, 30)
    assert fee.error < fee.raw_error
    sure = confidences(root, 31)
    assert "0.60" < sure["fee"] < "0.72"
    assert sure["sender"] > "0.95"
    # What the calibrated release recorded is no raw score: the same runs as before teach it again.
    assert teach(root, "letters/terms").reliability["fee"].cases == 30


def test_runs_that_asked_something_else_teach_nothing(root: Path) -> None:
    """The control: the same runs, and another question or model."""
    run(root, range(22))
    folder = root / "workflows" / "letters" / "extractors"
    (folder / "terms.yaml").write_text((PROMPT + LEARNS).replace("for a month", "for a year"))
    with pytest.raises(InputError, match="0 cases"):
        teach(root, "letters/terms")
    teaches(root)
    assert teach(root, "letters/terms").reliability["fee"].cases == 22
    models = root / "models.yaml"
    models.write_text(models.read_text().replace("max_tokens: 600", "max_tokens: 500"))
    with pytest.raises(InputError, match="0 cases"):
        teach(root, "letters/terms")
    assert "stale-artefact" in [each.code for each in check_workspace(root)]


def test_what_reviewers_decided_is_known_too(root: Path) -> None:
    """Of cases that no dataset has: the amounts that they put right were wrong."""
    strict = PROMPT.replace("for a month}", "for a month, accept: '1'}")
    path = root / "workflows" / "letters" / "extractors" / "terms.yaml"
    path.write_text(strict)
    run(root, range(21), before="new-")
    with open_app(root) as app, runner(app) as here:
        for review in open_reviews(app):
            submitted: Any = app.store.read(review.run, tenant=app.tenant)[0].event
            number = int(submitted.case_text.rpartition("-")[2])
            decide(here, review.id, "correct", values={"fee": letter(number)["fee"]})
    path.write_text(strict + LEARNS)
    fee = teach(root, "letters/terms").reliability["fee"]
    assert (fee.cases, fee.right) == (21, 14)
