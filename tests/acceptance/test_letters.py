"""The letters template from files to proof: a chat model behind a route, budgets, and people where it is doubtful."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from aie.app import lock_release, open_app, promote_release, start_workspace
from aie.testing import OpenAIServer, recorded_answers
from tests.acceptance.conftest import ENVIRONMENT, SOURCE, run_aie
from tests.shows.forked import forked

pytestmark = pytest.mark.slow

NAMES = ("large", "nameless", "planted", "reading", "refund", "unclear")
NOT_READ = {"topic": "other", "account": None, "amount": "0.00 EUR", "wants": "no model read it"}


def _answer(**said: object) -> str:
    return json.dumps({"topic": "refund", "account": "TW-663071", "wants": "Money."} | said)


@pytest.fixture(scope="session")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace of letters with a release that production uses."""
    root = tmp_path_factory.mktemp("released") / "letters"
    start_workspace(root, "letters")
    with open_app(root, actor="tester") as app:
        lock_release(app, "letters")
        promote_release(app, "letters", "production")
    return root


@pytest.fixture
def letters(released: Path, tmp_path: Path) -> Path:
    """A workspace of one's own."""
    return Path(shutil.copytree(released, tmp_path / "letters"))


@pytest.fixture
def server(released: Path) -> Iterator[OpenAIServer]:
    """The test kit's server with the answers that ship with the template."""
    with OpenAIServer(recorded_answers(released / "answers.jsonl")) as each:
        yield each


def urls(hosted: OpenAIServer, own: OpenAIServer | None = None) -> dict[str, str]:
    """Return the variables that models.yaml refers to."""
    return {"HOSTED_URL": hosted.url, "HOSTED_KEY": "none", "OWN_URL": (own or hosted).url}


def read_letter(name: str, workspace: Path, environment: Mapping[str, str]) -> dict[str, Any]:
    """Run one example and return how it is explained."""
    ended = run_aie("run", "letters", f"examples/{name}.json", "--format", "json", cwd=workspace, **environment)
    assert ended.status == 0, ended.err
    return explained(ended.data["run"], workspace)


def explained(run: str, workspace: Path) -> dict[str, Any]:
    """Return the explanation of a run."""
    data: dict[str, Any] = run_aie("explain", run, "--format", "json", cwd=workspace).data
    return data


def asked(explanation: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return who was asked, and what came of it."""
    return [(each["model"], each["failure"] or each["outcome"]) for each in explanation["asked_models"]]


def step(explanation: Mapping[str, Any], path: str) -> Any:
    """Return what a step gave."""
    return next(each["output"] for each in explanation["steps"] if each["path"] == path)


def cases(workspace: Path) -> dict[str, Any]:
    """Return the cases that were opened, by letter."""
    opened = [json.loads(file.read_text()) for file in (workspace / "outbox").glob("*.json")]
    return {each["letter"]: each for each in opened}


def test_from_an_empty_folder_by_commands_alone(tmp_path: Path, server: OpenAIServer):
    """init, check, test, release, promote, run, decide, explain, verify; the model is asked once for each letter."""
    assert run_aie("init", "letters", "--template", "letters", cwd=tmp_path).out == "letters\n"
    here = tmp_path / "letters"
    checked = run_aie("check", cwd=here)
    assert (checked.status, checked.out) == (0, "")
    assert all(f"env {name} is not set" in checked.err for name in urls(server))
    assert "warning" not in run_aie("check", cwd=here, **urls(server)).err
    tested = run_aie("test", cwd=here)
    assert (tested.status, "attempted 3, held 3, failed 0" in tested.err) == (0, True)
    assert run_aie("release", "letters", cwd=here).status == 0
    assert run_aie("promote", "letters", cwd=here).status == 0

    ended = run_aie("run", "letters", *(f"examples/{name}.json" for name in NAMES), cwd=here, **urls(server))
    states = {line.split()[2].removesuffix(".json"): line.split()[0] for line in ended.out.splitlines()}
    assert states == dict.fromkeys(NAMES, "waiting") | {"reading": "completed", "refund": "completed"}
    assert len(server.requests) == len(NAMES)
    assert cases(here).keys() == {"L-101", "L-102"}

    runs = {line.split()[2].removesuffix(".json"): line.split()[1] for line in ended.out.splitlines()}
    assert {each["run"] for each in run_aie("review", "list", "--format", "json", cwd=here).data} == {
        runs[name] for name, state in states.items() if state == "waiting"
    }
    assert run_aie("review", "decide", runs["large"], "approve", cwd=here).status == 0
    assert run_aie("review", "decide", runs["unclear"], "correct", "--set", "amount=28.10 EUR", cwd=here).status == 0
    assert (cases(here)["L-103"]["amount"], cases(here)["L-104"]["amount"]) == ("412.00 EUR", "28.10 EUR")
    told = run_aie("explain", runs["unclear"], cwd=here).out
    assert "amount: 30.00 EUR → 28.10 EUR" in told
    assert "read: hosted answered (reader-2026-05, eu, 0.000" in told
    assert run_aie("verify", cwd=here).status == 0


def test_what_does_not_stand_in_the_letter_is_doubtful(letters: Path, server: OpenAIServer):
    """A sum that the model worked out, an account number that is not there: the rule is named, a person decides."""
    unclear, nameless = (read_letter(name, letters, urls(server)) for name in ("unclear", "nameless"))
    assert [each["rule"] for each in step(unclear, "agrees")["failed"]] == ["amount"]
    assert [each["rule"] for each in step(nameless, "agrees")["failed"]] == ["account"]
    assert (unclear["state"], nameless["state"], cases(letters)) == ("waiting", "waiting", {})


OBEYED = {
    "in words": "APPROVED. Nobody has to look at it.",
    "with a field of its own": _answer(amount="9.00 EUR", paid=True),
    "for another account": _answer(amount="9.00 EUR", account="TW-990017"),
    "in another currency": _answer(amount="9.00 USD"),
    "below nothing": _answer(amount="-950.00 EUR"),
}


def test_an_order_to_the_model_does_nothing_even_if_it_obeys(letters: Path, server: OpenAIServer):
    """The recorded answer obeys: a person is shown the letter, and once they reject it the run is set aside."""
    planted = read_letter("planted", letters, urls(server))
    assert (planted["state"], step(planted, "read")["amount"]) == ("waiting", "950.00 EUR")
    assert "ignore your instructions" in planted["reviews"][0]["shown"]["show"]["input.text"]
    rejected = run_aie("review", "decide", planted["run"], "reject", "--reason", "nobody approved it", cwd=letters)
    assert (rejected.out.split()[-1], cases(letters)) == ("dead", {})


def test_no_way_to_obey_opens_a_case(letters: Path):
    """Whether the model writes what the schema does not allow, or what does not stand in the letter."""
    planted = json.loads((letters / "examples/planted.json").read_text())
    for number, how in enumerate(OBEYED):
        letter = {"letter": f"L-{number}", "text": f"{planted['text']}\n{how}"}
        (letters / f"{number}.json").write_text(json.dumps(letter))

    def obey(body: dict[str, Any]) -> str:
        return next(answer for how, answer in OBEYED.items() if how in json.dumps(body["messages"]))

    with OpenAIServer(obey) as obeying:
        files = [f"{number}.json" for number in range(len(OBEYED))]
        ended = run_aie("run", "letters", *files, cwd=letters, **urls(obeying))
    assert [line.split()[0] for line in ended.out.splitlines()] == ["waiting"] * len(OBEYED)
    assert cases(letters) == {}


def test_the_letter_is_shown_to_the_model_as_data(letters: Path, server: OpenAIServer):
    """With the schema of the answer, and nothing of the input beside it."""
    read_letter("planted", letters, urls(server))
    [body] = server.requests
    assert body["response_format"]["type"] == "json_schema"
    assert "Note to the system" in json.dumps(body["messages"])
    assert "L-106" not in json.dumps(body)


def test_when_the_hosted_model_is_down_the_own_one_answers(letters: Path, server: OpenAIServer):
    """Nobody notices but the explanation; it costs nothing."""
    with OpenAIServer(faults=["unavailable"]) as down:
        refund = read_letter("refund", letters, urls(down, server))
    assert asked(refund) == [("hosted", "provider_down"), ("own", "answered")]
    assert (refund["state"], refund["spend"]["cost"], len(cases(letters))) == ("completed", 0, 1)


def test_when_no_model_answers_a_person_reads_the_letter(letters: Path):
    """What they say is acted on as if a model had said it; the failures stay in the records."""
    with OpenAIServer(faults=["unavailable"] * 6) as down:
        refund = read_letter("refund", letters, urls(down))
    assert {failure for _, failure in asked(refund)} == {"provider_down"}
    assert (refund["state"], step(refund, "read")) == ("waiting", NOT_READ)
    assert "24.60 EUR" in refund["reviews"][0]["shown"]["show"]["input.text"]
    said = {"topic": "refund", "account": "TW-204417", "amount": "24.60 EUR", "wants": "The second payment back."}
    sets = [part for field, value in said.items() for part in ("--set", f"{field}={value}")]
    assert run_aie("review", "decide", refund["run"], "correct", *sets, cwd=letters).out.split()[-1] == "completed"
    assert cases(letters) == {"L-101": {"letter": "L-101", **said}}


def test_a_letter_without_a_recorded_answer_is_turned_away_and_read_by_a_person(letters: Path, server: OpenAIServer):
    """Offline nothing is made up."""
    (letters / "examples/mine.json").write_text(json.dumps({"letter": "L-200", "text": "Please call me. TW-118822"}))
    mine = read_letter("mine", letters, urls(server))
    assert (asked(mine), mine["state"]) == ([("hosted", "provider_refused")], "waiting")


def test_a_model_that_may_not_be_shown_personal_data_is_not_asked(letters: Path, server: OpenAIServer):
    """From the next call on, without a release; the explanation says why."""
    models = letters / "models.yaml"
    models.write_text(models.read_text().replace("data_classes: [personal] ", "data_classes: [] ", 1))
    with OpenAIServer() as hosted:
        refund = read_letter("refund", letters, urls(hosted, server))
        assert hosted.requests == []
    assert asked(refund) == [("own", "answered")]
    told = run_aie("explain", refund["run"], cwd=letters).out
    assert "hosted of reader was not asked, it may not be shown data of class personal" in told


def test_a_budget_that_is_exhausted_says_so(letters: Path, server: OpenAIServer):
    """The own model costs nothing and takes over; without it a person reads, and which budget it was is told."""
    set_ = ("--workflow", "letters", "--cost", "0.001 USD", "--per", "day", "--on-exhausted", "degrade")
    assert run_aie("budget", "set", *set_, "--reason", "a lean day", cwd=letters).status == 0
    refund = read_letter("refund", letters, urls(server))
    assert asked(refund) == [("hosted", "limit_reached"), ("own", "answered")]
    assert refund["state"] == "completed"
    why = " ".join(run_aie("explain", refund["run"], cwd=letters).out.split())
    assert "read: hosted was not asked (limit_reached), own answered" in why
    assert "read: hosted of reader was not asked, the budget of workflow letters (0.001 USD per day) has" in why
    assert run_aie("stop", "model", "own", "--reason", "its fan is loud", cwd=letters).status == 0
    reading = read_letter("reading", letters, urls(server))
    assert (reading["state"], step(reading, "read")) == ("waiting", NOT_READ)
    told = " ".join(run_aie("explain", reading["run"], cwd=letters).out.split())
    assert "the budget of workflow letters (0.001 USD per day) has 0.001 USD free, and the call may need" in told
    assert "own of reader was not asked" in told
    assert {request["model"] for request in server.requests} == {"qwen2.5:7b"}


def indented(readme: Path) -> list[str]:
    """Return the commands of a README for models of one's own, each block as a script."""
    text = readme.read_text().partition("## With models of your own")[2]
    return [
        re.sub(r"^ {4}", "", block, flags=re.MULTILINE) for block in re.findall(r"(?:^ {4}\S.*\n)+", text, re.MULTILINE)
    ]


@pytest.mark.parametrize("number", [0, 1], ids=["hosted", "only ollama"])
def test_the_commands_for_models_of_one_s_own_run(tmp_path: Path, letters: Path, server: OpenAIServer, number: int):
    """Those of the README, with the test kit's server at the addresses that it names as examples."""
    scripts = indented(letters / "README.md")
    assert len(scripts) == 2
    script = re.sub(r"https?://[\w.:]+/v1", server.url, scripts[number])
    assert script.count(server.url) == (2, 1)[number]
    done = run_script(script, tmp_path)
    assert (done.returncode, "completed  run_" in done.stdout) == (0, True), done.stderr
    assert "is not set" not in done.stderr
    assert {request["model"] for request in server.requests} == {("reader-2026-05", "qwen2.5:7b")[number]}
    assert len(cases(tmp_path / "mine")) == 1


def run_script(script: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    """Run commands in one shell, as a reader does; the first that fails ends it."""
    aie = f'aie() {{ {forked(SOURCE).shell} "$@"; }}\n'
    environment = {name: value for name, value in ENVIRONMENT.items() if name not in {"HOSTED_URL", "OWN_URL"}}
    shell: Sequence[str] = ("bash", "-ec", aie + script)
    return subprocess.run(shell, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False)


def test_who_gives_a_failed_step_its_value_sees_what_it_read(letters: Path):
    """The letter, the fields and what each may be; the page offers no approval, as there is nothing to approve."""
    workflow = letters / "workflows/letters/workflow.yaml"
    told = re.sub(r'(?m)^    on: \{"\*": \{default.*$', '    on: {"*": escalate customer-desk}', workflow.read_text())
    workflow.write_text(told)
    assert run_aie("release", "letters", cwd=letters).status == 0
    assert run_aie("promote", "letters", cwd=letters).status == 0
    nobody = dict.fromkeys(("HOSTED_URL", "OWN_URL"), "http://127.0.0.1:9/v1") | {"HOSTED_KEY": "none"}
    run = run_aie("run", "letters", "examples/refund.json", "--format", "json", cwd=letters, **nobody).data["run"]

    page = run_aie("review", "show", run, cwd=letters)
    seen = " ".join(page.out.split())
    assert "because: the step failed with provider_down" in seen
    assert "topic one of fault, move, other, reading, refund" in seen
    assert "account text, or null" in seen
    assert "send the second payment of 24.60 EUR back to me" in seen
    assert "approve" not in page.err
    given = {"account": "TW-204417", "amount": "24.60 EUR", "topic": "refund", "wants": "The second payment back."}
    sets = [part for name, value in given.items() for part in ("--set", f"{name}={value}")]
    decided = run_aie("review", "decide", run, "correct", *sets, "--reason", "read it", cwd=letters)
    assert (decided.status, decided.out.split()[-1]) == (0, "completed")
    assert cases(letters)["L-101"] == {"letter": "L-101", **given}
