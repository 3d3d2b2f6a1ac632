"""The catalog in runs: a cascade, a name that moved, the calendar of a retirement, prices of their own time."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aie.app import App, Given, explain_run, lock_release, moved_models, open_app, runner, set_stop, show_models, train
from aie.config import day_start
from aie.core import SystemClock
from aie.errors import ConfigError, ModelRetired
from aie.records.events import AttemptSettled, RunFinished
from aie.testing.openai_server import OpenAIServer
from tests.shows.one_workflow import MODELS, answer, messages, workspace

pytestmark = pytest.mark.slow

CHAT = MODELS["server"].removeprefix("models:\n").replace("  desk:", "  reader:")
LOCAL = MODELS["local"]
CASCADE = f"""{LOCAL.replace("  desk:", "  quick:")}    threshold: "0.9999"
{CHAT}routes:
  desk:
    candidates: [quick, reader]
    strategy: {{kind: cascade}}
"""


class Calendar(SystemClock):
    """A clock whose day the test sets."""

    def __init__(self, day: str) -> None:
        self.day = day

    def now(self) -> int:
        """Return the first hour of the day, moving on."""
        return day_start(self.day) + super().monotonic() % 3_600_000_000


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A workspace without a catalog."""
    workspace(tmp_path, 1)
    return tmp_path


def run(app: App, release: str, case: str, text: str = "you charged me twice again") -> tuple[str, Any]:
    """Run a message to its end; return the run and its outcome."""
    with runner(app) as here:
        made = here.submit(Given(name=case, folder=app.root, data={"id": case, "text": text}), release).run
        here.wait(made, timeout=60)
    events = [each.event for each in app.store.read(made)]
    return made, next(each for each in events if isinstance(each, RunFinished))


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Callable[[OpenAIServer], None]:
    """Let the catalog's chat model be behind a server."""
    return lambda server: monkeypatch.setenv("ONE_WORKFLOW_URL", server.url)


def test_a_cascade_asks_the_chat_model_only_where_the_classifier_is_unsure(root: Path, served) -> None:
    """Both give the form that `returns` describes; the report tells who was unsure."""
    (root / "models.yaml").write_text(CASCADE)
    train(root, "quick")
    texts = [text for text, _ in messages(1)[:10]] + ["an entirely other matter"] * 2
    with OpenAIServer(answer) as server, open_app(root) as app:
        served(server)
        release = lock_release(app, "desks").release.id
        outcomes = [run(app, release, f"{n}", text) for n, text in enumerate(texts)]
        explained = [explain_run(app, made) for made, _ in outcomes]
    assert all(set(finished.output) == {"label"} for _, finished in outcomes)
    reports: list[Any] = [each.steps[0].report for each in explained]
    tried = [each["route"]["tried"] for each in reports]
    unsure = [[model["model"] for model in each] == ["quick", "reader"] and "unsure" in each[0] for each in tried]
    assert 0 < sum(unsure) < len(texts)
    assert sum(unsure) == len(server.requests) == sum(len(each.calls) for each in explained)
    assert {call.route for each in explained for call in each.calls} == {"desk"}


def test_an_unsure_answer_does_not_stand_while_the_chat_model_after_it_is_stopped(root: Path, served) -> None:
    """The step fails and says so; a sure answer needs nobody after it."""
    (root / "models.yaml").write_text(CASCADE)
    train(root, "quick")
    with OpenAIServer(answer) as server, open_app(root) as app:
        served(server)
        release = lock_release(app, "desks").release.id
        set_stop(app, "model", "reader", reason="wrong amounts")
        _, finished = run(app, release, "other", "an entirely other matter")
        sure = [run(app, release, f"{n}", text)[1].state for n, (text, _) in enumerate(messages(1)[:10])]
    assert (finished.state, finished.failure) == ("dead", "model_retired")
    assert finished.message.startswith("quick was not sure (0.")
    assert "and nobody after it may be asked: reader: model reader was stopped" in finished.message
    assert "completed" in sure
    assert server.requests == []


def test_a_name_that_moved_is_an_alert_once_and_marks_the_release(root: Path, served) -> None:
    """The first answer is the baseline; models, status and explain show the change."""
    (root / "models.yaml").write_text(MODELS["server"])
    with OpenAIServer(answer, faults=["none", "none", "other_model", "other_model"]) as server, open_app(root) as app:
        served(server)
        release = lock_release(app, "desks").release
        runs = [run(app, release.id, f"{n}")[0] for n in range(4)]
        moved = moved_models(app)
        assert [(each.before, each.after) for each in moved] == [("desk-2026-05", "another-model")]
        assert (moved[0].release, moved[0].run) == (release.short, runs[2])
        assert show_models(app)[0].moved == moved
        assert "another-model" in explain_run(app, runs[0]).alerts[0]


def test_a_retirement_warns_then_refuses_releases_then_starts_and_lets_runs_in_flight_end(root: Path, served) -> None:
    """By the calendar, in order, with the owner named; the last refusal is the provider's, and has its handler."""
    calendar = "{date: 2026-12-01, warn: 60 days, refuse_releases: 20 days}"
    end = f"    owner: models@northgate.example\n    retirement: {calendar}\n"
    (root / "models.yaml").write_text(MODELS["server"] + end)
    clock = Calendar("2026-09-01")
    with OpenAIServer(answer, faults=["none", "none", "none", "unknown_model"]) as server:
        served(server)
        with open_app(root, clock=clock) as app:
            release = lock_release(app, "desks").release.id
            assert show_models(app)[0].status == "active"
            clock.day = "2026-10-15"
            assert show_models(app)[0].status == "retiring"
            assert lock_release(app, "desks").release.id == release
            clock.day = "2026-11-20"
            with pytest.raises(ConfigError) as refused:
                lock_release(app, "desks")
            assert [each.code for each in refused.value.problems] == ["retiring-model"]
            assert "models@northgate.example" in refused.value.problems[0].message
            assert run(app, release, "before")[1].state == "completed"
            clock.day = "2026-12-01"
            with pytest.raises(ModelRetired) as retired:
                run(app, release, "after")
            assert "models@northgate.example" in retired.value.message
            assert show_models(app)[0].status == "retired"


def three(ends: dict[str, str]) -> str:
    """Return a route to three models, the last of them abroad, with the ends that some of them have."""
    head, _, entry = MODELS["server"].partition("  desk:\n")
    entries = ""
    for name, region in (("frankfurt", "eu"), ("dublin", "eu"), ("virginia", "us")):
        end = f"    retirement: {{date: {ends[name]}}}\n" if name in ends else ""
        entries += f"  {name}:\n{entry.replace('desk-2026-05', name)}    regions: [{region}]\n{end}"
    route = "  desk: {candidates: [frankfurt, dublin, virginia], constraints: {regions: [eu]}}\n"
    return f"{head}{entries}routes:\n{route}"


def test_a_run_that_began_after_a_models_end_asks_the_next_one(root: Path, served) -> None:
    """One that began before still asks it, and the report says why the other did not."""
    (root / "models.yaml").write_text(three({"frankfurt": "2026-12-01"}))
    clock = Calendar("2026-10-01")

    wrong = ['{"label": "nonsense"}']

    def late(body: dict[str, Any]) -> str:
        clock.day = "2026-12-02"
        return wrong.pop() if wrong else answer(body)

    with OpenAIServer(late) as server, open_app(root, clock=clock) as app:
        served(server)
        release = lock_release(app, "desks").release.id
        assert run(app, release, "before")[1].state == "completed"
        assert [each["model"] for each in server.requests] == ["frankfurt"] * 2
        made, finished = run(app, release, "after")
        (step,) = explain_run(app, made).steps
    assert finished.state == "completed"
    assert server.requests[-1]["model"] == "dublin"
    report: Any = step.report
    assert [(each["model"], each["reason"]) for each in report["route"]["refused"]] == [
        ("frankfurt", "retired"),
        ("virginia", "regions"),
    ]


def test_a_candidate_that_nobody_may_ask_keeps_no_release_alive_whose_other_models_retired(root: Path, served) -> None:
    """No new run starts; the refusal names who retired and why the other one does not count."""
    (root / "models.yaml").write_text(three({"frankfurt": "2026-12-01", "dublin": "2026-11-01"}))
    clock = Calendar("2026-09-01")
    with OpenAIServer(answer) as server, open_app(root, clock=clock) as app:
        served(server)
        release = lock_release(app, "desks").release.id
        clock.day = "2026-11-15"
        assert run(app, release, "one")[1].state == "completed"
        clock.day = "2026-12-01"
        with pytest.raises(ModelRetired) as retired:
            run(app, release, "two")
    assert retired.value.fields["models"] == ["frankfurt", "dublin"]
    assert "virginia: it processes in us; the route allows eu" in retired.value.message
    assert len(server.requests) == 1


def test_a_run_in_flight_goes_on_while_the_model_answers_and_then_follows_its_handler(root: Path, served) -> None:
    """It began before the date; on the date nothing of ours stops it."""
    end = "    retirement: {date: 2026-12-01}\n"
    (root / "models.yaml").write_text(MODELS["server"] + end)
    clock = Calendar("2026-10-01")

    def late(body: dict[str, Any]) -> str:
        clock.day = "2026-12-02"
        return answer(body)

    with OpenAIServer(late, faults=["none", "unknown_model"]) as server, open_app(root, clock=clock) as app:
        served(server)
        release = lock_release(app, "desks").release.id
        assert run(app, release, "one")[1].state == "completed"
        clock.day = "2026-10-01"
        finished = run(app, release, "two")[1]
        assert (finished.state, finished.failure) == ("dead", "model_retired")


def test_a_catalog_that_cannot_be_read_fails_a_step_with_its_place(root: Path, served) -> None:
    """A process that never read it without the mistake has nothing to hold on to; one that did goes on."""
    catalog = root / "models.yaml"
    catalog.write_text(MODELS["server"])
    with OpenAIServer(answer) as server, open_app(root) as app:
        served(server)
        release = lock_release(app, "desks").release.id
        assert run(app, release, "1")[1].state == "completed"
        catalog.write_text(MODELS["server"].replace("kind: chat", "kind: caht"))
        assert run(app, release, "2")[1].state == "completed"
        with open_app(root) as later:
            _, finished = run(later, release, "3")
    assert finished.failure == "internal"
    assert finished.message.startswith("1 problem in the workspace: models.yaml:3:")


def test_a_price_that_changes_in_mid_month_prices_each_call_at_its_own_time(root: Path, served) -> None:
    """The same call, a day apart."""
    old, new = (
        f"{{from: {day}, input_per_million: {usd} USD, output_per_million: {usd} USD}}"
        for day, usd in (("2026-01-01", "10.00"), ("2026-11-15", "20.00"))
    )
    lines = [f"    price: [{old}, {new}]" if "price:" in line else line for line in MODELS["server"].splitlines()]
    (root / "models.yaml").write_text("\n".join(lines) + "\n")
    clock = Calendar("2026-11-14")
    with OpenAIServer(answer) as server, open_app(root, clock=clock) as app:
        served(server)
        release = lock_release(app, "desks").release.id
        before = run(app, release, "case-1")[0]
        clock.day = "2026-11-15"
        after = run(app, release, "case-2")[0]
        spent = [
            each.event.spend
            for made in (before, after)
            for each in app.store.read(made)
            if isinstance(each.event, AttemptSettled)
        ]
    assert spent[0]["tokens"] == spent[1]["tokens"]
    assert spent[1]["cost"] == 2 * spent[0]["cost"] > 0


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"constraints": {"regions": ["eu"]}}, "no-candidate"),
        ({"constraints": {"features": ["tools"]}}, "no-candidate"),
        ({"candidates": ["raeder"]}, "unknown-model"),
        ({"strategy": {"kind": "weighted", "weights": {"other": 1}}}, "bad-route"),
        (
            {"strategy": {"kind": "cheapest", "quality": {"dataset": "desks/messages", "at_least": "90%"}}},
            "no-candidate",
        ),
    ],
)
def test_a_route_that_cannot_be_satisfied_is_refused_at_its_place(
    root: Path, change: dict[str, Any], code: str
) -> None:
    """Before anything runs, with file and line."""
    route = {"candidates": ["reader"]} | change
    (root / "models.yaml").write_text(f"models:\n{CHAT}routes:\n  desk: {json.dumps(route)}\n")
    with open_app(root) as app, pytest.raises(ConfigError) as caught:
        lock_release(app, "desks")
    problem = caught.value.problems[0]
    assert (problem.code, problem.file) == (code, "models.yaml")
    assert problem.line > 1


def test_a_model_without_a_known_price_is_refused_at_its_place(root: Path) -> None:
    """Nobody knows what it costs: it is not called, so it is not released."""
    text = MODELS["server"].replace(
        "price: {input_per_million: 0.15 USD, output_per_million: 0.60 USD}", "price: genai-prices"
    )
    (root / "models.yaml").write_text(text)
    with open_app(root) as app, pytest.raises(ConfigError) as caught:
        lock_release(app, "desks")
    assert [each.code for each in caught.value.problems] == ["no-candidate"]
    assert "nobody knows what it costs" in caught.value.problems[0].message


MIXED = CASCADE.replace("strategy: {kind: cascade}", "strategy: {kind: fallback}")


def test_a_classifier_that_could_say_what_the_schema_does_not_allow_is_refused(root: Path) -> None:
    """At release, at the schema's key, with the label."""
    (root / "models.yaml").write_text(LOCAL)
    train(root, "desk")
    schema = root / "workflows/desks/schemas/desk.json"
    schema.write_text(schema.read_text().replace('"payments"', '"accounts"'))
    with open_app(root) as app, pytest.raises(ConfigError) as caught:
        lock_release(app, "desks")
    assert [(each.code, each.key) for each in caught.value.problems] == [("bad-type", "steps.desk.returns")]
    message = caught.value.problems[0].message
    assert "payments" in message
    assert message.endswith("gives `accepted`, `alternatives`, `confidence`, `label`")


def test_without_a_schema_a_chat_model_chooses_among_the_labels_of_the_classifier(root: Path, served) -> None:
    """In the classifier's form; how sure it is it does not say."""
    (root / "models.yaml").write_text(CASCADE)
    train(root, "quick")
    workflow = root / "workflows/desks/workflow.yaml"
    workflow.write_text(workflow.read_text().replace(", returns: schemas/desk.json", ""))
    with OpenAIServer(answer) as server, open_app(root) as app:
        served(server)
        release = lock_release(app, "desks").release.id
        made, finished = run(app, release, "other", "an entirely other matter")
        (step,) = explain_run(app, made).steps
    assert finished.output == {"label": "claims"}
    assert step.output == {"label": "claims", "confidence": None, "accepted": True, "alternatives": []}
    enum = server.requests[0]["response_format"]["json_schema"]["schema"]["properties"]["label"]["enum"]
    assert enum == ["claims", "contracts", "payments"]


def test_a_fallback_from_a_chat_model_to_a_classifier_costs_nothing_more(root: Path, served) -> None:
    """The chat model is down, the classifier is always here."""
    text = MIXED.replace("candidates: [quick, reader]", "candidates: [reader, quick]")
    (root / "models.yaml").write_text(text)
    train(root, "quick")
    with OpenAIServer(answer, faults=["unavailable"]) as server, open_app(root) as app:
        served(server)
        release = lock_release(app, "desks").release.id
        made, finished = run(app, release, "case")
        explained = explain_run(app, made)
    assert (finished.state, finished.output, finished.spend["cost"]) == ("completed", {"label": "payments"}, 0)
    assert [call.outcome for call in explained.calls] == ["released"]


def test_a_document_is_shown_to_a_model_that_can_see_it(root: Path, served) -> None:
    """A PNG goes out as it is; a text file is refused by its type, before anything is reserved."""
    (root / "models.yaml").write_text(MODELS["server"] + "    modalities: [text, image]\n")
    folder = root / "workflows/desks"
    schema = json.loads((folder / "schemas/message.json").read_text())
    schema["properties"]["page"] = {"type": "string", "format": "document"}
    schema["required"].append("page")
    (folder / "schemas/message.json").write_text(json.dumps(schema))
    workflow = (folder / "workflow.yaml").read_text()
    (folder / "workflow.yaml").write_text(
        workflow.replace("{text: input.text}", "{text: input.text, page: input.page}")
    )
    (root / "page.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(64))
    (root / "page.txt").write_text("not a picture")
    with OpenAIServer(answer) as server, open_app(root) as app:
        served(server)
        release = lock_release(app, "desks").release.id
        outcomes = {}
        with runner(app) as here:
            for name in ("page.png", "page.txt"):
                data: dict[str, Any] = {"id": name, "text": "you charged me twice again", "page": name}
                made = here.submit(Given(name=name, folder=root, data=data), release).run
                outcomes[name] = here.wait(made, timeout=60)
    assert (outcomes["page.png"].state, outcomes["page.txt"].failure) == ("completed", "unsupported")
    assert [each["type"] for each in server.requests[0]["messages"][0]["content"]] == ["image_url", "text"]
    assert len(server.requests) == 1
