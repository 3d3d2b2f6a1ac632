"""An agent step in durable runs: tools by policy, bounds that hold, and a model that obeys whoever writes to it."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from aie.app import Given, explain_run, explain_text, lock_release, open_app, runner, train
from aie.errors import ConfigError
from aie.records.events import AttemptIntended, AttemptSettled, RunFinished, StepFailed, StepFinished
from aie.testing import OpenAIServer
from tests.shows.agent_obedience import GUARDS, show

pytestmark = pytest.mark.slow

LOOKUPS = """\
lookups:
  policies:
    kind: table
    file: tables/policies.csv
    by: [policy_number]
    row: schemas/policy.json
    classes: [CLASSES]
"""
FILES = {
    "aie.yaml": f"environments: [production]\n{LOOKUPS.replace('[CLASSES]', '[]')}",
    "tables/policies.csv": "policy_number,holder,excess\nP-1,Ada Meyer,300.00\nP-2,Ben Okoro,500.00\n",
    "schemas/policy.json": json.dumps(
        {
            "type": "object",
            "required": ["policy_number", "holder", "excess"],
            "properties": {
                "policy_number": {"type": "string"},
                "holder": {"type": "string"},
                "excess": {"type": "string", "format": "decimal"},
            },
        }
    ),
    "models.yaml": """\
models:
  reader:
    kind: chat
    provider: openai_compatible
    endpoint: env:AGENT_ENDPOINT
    model: reader-2026-05
    features: [json_schema]
    price: {input_per_million: 1.00 USD, output_per_million: 4.00 USD}
    context_window: 16000
    parameters: {max_tokens: 200}
    timeout: 5 s
""",
    "workflows/claims/workflow.yaml": """\
workflow: claims
owner: claims@northgate.example
case: input.id
risk: low
limits: {cost: 1.00 USD, model_calls: 50, steps: 10, time: 60 s}
input: schemas/claim.json
output: schemas/outcome.json
steps:
  research:
    agent: reader
    prompt: prompts/research.md
    with: {letter: input.letter, number: input.number}
    tools:
      policy: {lookup: policies, about: The policy of a number, takes: {policy_number: {from: [number]}}}
      words: {compute: size(args.text), takes: {text: {pattern: "[a-z]{1,20}"}}}
    returns: schemas/finding.json
    limits: {calls: 6, cost: 0.05 USD, time: 20 s}
result:
  complete: research.complete
  stopped: research.stopped
  calls: research.calls
  excess: "research.answer == null ? null : research.answer.excess"
on: {"*": dead_letter}
""",
    "workflows/claims/prompts/research.md": "What is the excess?\n\nLetter: {{ letter }}\nNumber: {{ number }}\n",
    "workflows/claims/schemas/claim.json": json.dumps(
        {
            "type": "object",
            "required": ["id", "letter", "number"],
            "properties": {name: {"type": "string"} for name in ("id", "letter", "number")},
        }
    ),
    "workflows/claims/schemas/finding.json": json.dumps(
        {
            "type": "object",
            "required": ["excess"],
            "properties": {"excess": {"type": "string"}},
            "additionalProperties": False,
        }
    ),
    "workflows/claims/schemas/outcome.json": json.dumps(
        {
            "type": "object",
            "required": ["complete", "stopped", "calls", "excess"],
            "properties": {
                "complete": {"type": "boolean"},
                "stopped": {"type": ["string", "null"]},
                "calls": {"type": "integer"},
                "excess": {"type": ["string", "null"]},
            },
        }
    ),
}


DESK = """\
    artefact: models/desk.aie
    recipe: {features: words, min_count: 1}
"""
DATASET = """\
datasets:
  letters:
    file: {train: ../../train.jsonl, val: ../../val.jsonl}
    format: jsonl
    id: id
    map: {input.text: text, expected.desk: desk}
"""


def call(tool: str, **arguments: str) -> str:
    """Return a turn in which the model wants a tool."""
    given = [{"name": name, "value": value} for name, value in arguments.items()]
    return json.dumps({"call": {"tool": tool, "arguments": given}, "answer": None})


def answer(excess: str = "300.00") -> str:
    """Return a turn in which the model answers."""
    return json.dumps({"call": None, "answer": {"excess": excess}})


GOOD = call("policy", policy_number="P-1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What came of a run."""

    finished: RunFinished
    report: Any
    spent: int
    intended: int
    failures: list[str]
    explained: list[str]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The workspace."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.fixture
def run(root: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Made]:
    """Run one claim against a server with these answers; the last one is repeated."""

    def made(server: OpenAIServer, *, letter: str = "Please tell me.", number: str = "P-1", case: str = "c-1") -> Made:
        monkeypatch.setenv("AGENT_ENDPOINT", server.url)
        with open_app(root) as app:
            release = lock_release(app, "claims").release.id
            with runner(app) as here:
                data = {"id": case, "letter": letter, "number": number}
                one = here.submit(Given(name="c", folder=root, data=data), release).run
                here.wait(one, timeout=60)
            events = [each.event for each in app.store.read(one)]
            explained = explain_text(explain_run(app, one))
        steps = [each for each in events if isinstance(each, StepFinished)]
        return Made(
            finished=next(each for each in events if isinstance(each, RunFinished)),
            report=steps[0].report if steps else None,
            spent=sum(each.spend["cost"] for each in events if isinstance(each, AttemptSettled)),
            intended=sum(isinstance(each, AttemptIntended) for each in events),
            failures=[each.failure for each in events if isinstance(each, StepFailed)],
            explained=explained,
        )

    return made


def outcomes(made: Made) -> list[tuple[str, str]]:
    """Return what became of each turn."""
    return [(each["outcome"], each["why"]) for each in made.report["turns"]]


def test_a_tool_is_used_and_its_result_answered_from(run: Callable[..., Made]) -> None:
    """Two calls of the model and one of the tool; what the tool gave stood in the prompt as data."""
    with OpenAIServer([GOOD, answer()]) as server:
        made = run(server)
    assert made.finished.output == {"complete": True, "stopped": None, "calls": 3, "excess": "300.00"}
    assert outcomes(made) == [("answered", "")]
    assert made.report["turns"][0]["gave"]["row"]["holder"] == "Ada Meyer"
    first, second = (each["messages"][-1]["content"] for each in server.requests)
    assert "Ada Meyer" not in first
    before, _, after = second.partition("Ada Meyer")
    assert before.rfind("<data-") > before.rfind("</data-")  # inside a fence
    assert "</data-" in after


@pytest.mark.parametrize(
    ("turn", "reason"),
    [
        (call("send_mail", to="x@evil.example"), "unlisted_tool"),
        (call("policy", policy_number="P-2"), "argument_outside_policy"),
        (call("policy", policy_number="P-1", tenant="other"), "unknown_argument"),
        (call("policy"), "missing_argument"),
        (call("words", text="A-1"), "argument_outside_policy"),
        (call("policy", policy_number=" P-1"), "argument_outside_policy"),
        (json.dumps({"call": None, "answer": None}), "no_action"),
        (
            json.dumps(
                {
                    "call": {"tool": "policy", "arguments": [{"name": "policy_number", "value": "P-1"}] * 2},
                    "answer": None,
                }
            ),
            "repeated_argument",
        ),
    ],
)
def test_what_is_not_listed_is_refused_and_recorded(run: Callable[..., Made], turn: str, reason: str) -> None:
    """The model is told, and goes on."""
    with OpenAIServer([turn, GOOD, answer()]) as server:
        made = run(server)
    assert made.finished.output["complete"] is True
    assert outcomes(made) == [("refused", reason), ("answered", "")]
    assert "Ben Okoro" not in json.dumps(server.requests)


def test_explain_tells_each_turn(run: Callable[..., Made]) -> None:
    """What was done, what was refused and why."""
    with OpenAIServer([call("send_mail", to="x@evil.example"), GOOD, answer()]) as server:
        lines = [line.strip() for line in run(server).explained]
    at = lines.index("Tools")
    assert lines[at + 1 : at + 3] == [
        "research: send_mail(to: x@evil.example): refused (unlisted_tool)",
        "research: policy(policy_number: P-1): answered",
    ]


def test_calls_are_bounded(run: Callable[..., Made]) -> None:
    """A model that never answers stops at the sixth call, and says what it did."""
    with OpenAIServer(GOOD) as server:
        made = run(server)
    assert made.finished.output == {"complete": False, "stopped": "calls", "calls": 6, "excess": None}
    assert len(server.requests) == made.intended == 3
    assert outcomes(made) == [("answered", "")] * 3


def test_repairs_count_as_calls(run: Callable[..., Made], root: Path) -> None:
    """An answer out of form is asked for again within the same bound."""
    flow = root / "workflows/claims/workflow.yaml"
    flow.write_text(flow.read_text().replace("calls: 6", "calls: 2"))
    raised = json.dumps({"call": None, "answer": {"excess": "1"}, "limits": {"calls": 99}})
    with OpenAIServer(raised) as server:
        made = run(server)
    assert made.finished.output == {"complete": False, "stopped": "calls", "calls": 2, "excess": None}
    assert len(server.requests) == 2


def test_cost_is_bounded_before_a_call_leaves(run: Callable[..., Made], root: Path) -> None:
    """The worst case of the next call must fit what is left."""
    flow = root / "workflows/claims/workflow.yaml"
    flow.write_text(flow.read_text().replace("calls: 6, cost: 0.05 USD", "calls: 50, cost: 0.006 USD"))
    with OpenAIServer(GOOD) as server:
        made = run(server)
    assert (made.finished.output["complete"], made.finished.output["stopped"]) == (False, "cost")
    assert 0 < made.spent <= 6_000
    assert len(server.requests) == made.intended


def test_time_is_bounded_within_a_call(run: Callable[..., Made], root: Path) -> None:
    """A call that hangs is given up when the step's time is over."""
    flow = root / "workflows/claims/workflow.yaml"
    flow.write_text(flow.read_text().replace("time: 20 s", "time: 500 ms"))
    with OpenAIServer(GOOD, faults=("none", "hang")) as server:
        made = run(server)
    assert (made.finished.output["complete"], made.finished.output["stopped"]) == (False, "time")
    assert outcomes(made) == [("answered", "")]


AGAIN = "timeout: 5 s\n    retry: {provider_down: 10, rate_limited: 10}\n    breaker: {failures: 99}"
"""Of a model that is asked again for as long as the step may."""


def test_bounds_hold_over_a_durable_wait(run: Callable[..., Made], root: Path) -> None:
    """What brought no answer before the wait counts, and the answer of before it is neither paid for nor lost."""
    models = root / "models.yaml"
    models.write_text(models.read_text().replace("timeout: 5 s", AGAIN))
    faults = ("none", "server_error", "rate_limited", *["server_error"] * 20)
    with OpenAIServer(GOOD, faults=faults, retry_after=3) as server:
        made = run(server)
    assert made.finished.output == {"complete": False, "stopped": "calls", "calls": 6, "excess": None}
    assert len(server.requests) == made.intended == 5
    assert outcomes(made) == [("answered", "")]


def test_time_runs_on_while_the_step_waits(run: Callable[..., Made], root: Path) -> None:
    """From the first call on, in whichever process: nothing more is asked once it is over."""
    models, flow = root / "models.yaml", root / "workflows/claims/workflow.yaml"
    models.write_text(models.read_text().replace("timeout: 5 s", AGAIN))
    flow.write_text(flow.read_text().replace("time: 20 s", "time: 2 s"))
    with OpenAIServer(GOOD, faults=("none", *["rate_limited"] * 20), retry_after=3) as server:
        made = run(server)
    assert made.finished.output == {"complete": False, "stopped": "time", "calls": 3, "excess": None}
    assert len(server.requests) == made.intended == 2
    assert outcomes(made) == [("answered", "")]


def test_a_failure_of_the_model_follows_the_handler(run: Callable[..., Made]) -> None:
    """It is no bound: the step fails."""
    with OpenAIServer(GOOD, faults=("none", "refused")) as server:
        made = run(server)
    assert (made.finished.state, made.failures) == ("dead", ["provider_refused"])


def test_what_a_tool_gave_is_not_shown_to_a_model_that_may_not_see_it(run: Callable[..., Made], root: Path) -> None:
    """The labels of a row hold from the next call on."""
    site = root / "aie.yaml"
    site.write_text(site.read_text().replace("classes: []", "classes: [personal]"))
    with OpenAIServer([GOOD, answer()]) as server:
        made = run(server)
    assert made.failures == ["not_permitted"]
    assert len(server.requests) == 1
    assert "Ada Meyer" not in json.dumps(server.requests)


def test_mistakes_have_their_place(root: Path) -> None:
    """Each is reported where it stands."""
    flow = root / "workflows/claims/workflow.yaml"
    flow.write_text(
        flow.read_text()
        .replace("from: [number]", "from: [numbr]")
        .replace('"[a-z]{1,20}"', '"(a+)+b"')
        .replace("agent: reader", "agent: readr")
    )
    with open_app(root) as app, pytest.raises(ConfigError) as caught:
        lock_release(app, "claims")
    assert {(each.code, each.key) for each in caught.value.problems} >= {
        ("unknown-input", "steps.research.tools.policy.takes.policy_number.from"),
        ("unsafe-pattern", "steps.research.tools.words.takes.text.pattern"),
        ("unknown-model", "steps.research.agent"),
    }


@pytest.mark.parametrize(
    ("old", "new", "key", "message"),
    [
        (
            "{from: [number]}",
            "{}",
            "policy.takes.policy_number",
            "exactly one of `from`, `enum` and `pattern` expected",
        ),
        (
            "{lookup: policies,",
            "{lookup: policies, model: reader,",
            "policy",
            "exactly one of `lookup`, `model` and `compute` expected",
        ),
        ("{lookup: policies,", "{model: reader,", "policy.model", "`reader` is no classifier"),
    ],
)
def test_what_is_no_tool_is_told_so(root: Path, old: str, new: str, key: str, message: str) -> None:
    """Once, where it stands."""
    flow = root / "workflows/claims/workflow.yaml"
    assert old in flow.read_text()
    flow.write_text(flow.read_text().replace(old, new, 1))
    with open_app(root) as app, pytest.raises(ConfigError) as caught:
        lock_release(app, "claims")
    told = [(each.key, each.message) for each in caught.value.problems]
    assert told == [(f"steps.research.tools.{key}", message)]


def test_a_model_that_obeys_strangers_gets_nothing() -> None:
    """The show in short."""
    shown = show(15, 2)
    assert shown.holds(), shown.to_json()


@pytest.mark.parametrize("guard", [each for each in GUARDS if each])
def test_without_a_guard_something_gets_through(guard: str) -> None:
    """Its controls in short: what is counted is there to be counted."""
    with GUARDS[guard]():
        assert show(15, 2).through


def test_a_classifier_is_a_tool_and_its_kill_switch_holds(run: Callable[..., Made], root: Path) -> None:
    """It labels an input to the letter; not approved any more, the model is told that the tool failed."""
    models, flow = root / "models.yaml", root / "workflows/claims/workflow.yaml"
    models.write_text(f"{models.read_text()}  desk:\n    kind: text_classifier\n    train: claims/letters\n{DESK}")
    flow.write_text(
        flow.read_text().replace(
            "      words:",
            "      desk: {model: desk, about: Whose it is, takes: {text: {from: [letter]}}}\n      words:",
        )
        + DATASET
    )
    rows = [("the car was hit", "motor"), ("water in the cellar", "home")] * 6
    for split in ("train", "val"):
        lines = [json.dumps({"id": f"{split}-{n}", "text": t, "desk": desk}) for n, (t, desk) in enumerate(rows)]
        (root / f"{split}.jsonl").write_text("\n".join(lines))
    train(root, "desk")
    letter = "somebody hit the car"
    with OpenAIServer([call("desk", text=letter), answer()]) as server:
        made = run(server, letter=letter)
    assert outcomes(made) == [("answered", "")]
    assert made.report["turns"][0]["gave"]["label"] == "motor"
    models.write_text(f"{models.read_text()}    approved: false\n")
    with OpenAIServer([call("desk", text=letter), answer()]) as server:
        made = run(server, letter=letter, case="c-2")
    assert outcomes(made) == [("failed", "model_retired")]
    assert made.finished.output["complete"] is True


def test_a_chat_model_is_no_tool(root: Path) -> None:
    """A tool costs nothing and asks nobody."""
    flow = root / "workflows/claims/workflow.yaml"
    flow.write_text(
        flow.read_text().replace("      words:", "      desk: {model: reader, takes: {a: {enum: [x]}}}\n      words:")
    )
    with open_app(root) as app, pytest.raises(ConfigError) as caught:
        lock_release(app, "claims")
    assert {each.key.partition(".tools.")[2].partition(".")[0] for each in caught.value.problems} == {"desk"}
