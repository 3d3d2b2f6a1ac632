"""A builder changed a prompt and wants a real answer: `aie try --call`, on the budgets of the workflow and tenant."""

import json
from pathlib import Path

import pytest

from aie.app import App, Given, Trial, lock_release, open_app, run_fixtures, runner, save_fixture, trial
from aie.records import drawn, read_store, rebuild, verify
from aie.records.events import AttemptSettled
from aie.testing import OpenAIServer
from tests.integration.models.catalogs import READER

FILES = {
    "aie.yaml": 'environments: [production]\nbudgets: {workflows: {notes: {cost: "0.01 USD", per: total}}}\n',
    "models.yaml": READER + "    retry: {provider_down: 1}\n",
    "workflows/notes/workflow.yaml": """\
workflow: notes
owner: notes@northgate.example
case: input.id
risk: low
limits: {cost: 0.01 USD, tokens: 10000, time: 60 s, steps: 10, model_calls: 2}
input: schemas/note.json
output: schemas/words.json
steps:
  words: {model: reader, prompt: prompts/words.md, with: {note: input.note}}
result: {text: words.text}
on: {"*": dead_letter}
""",
    "workflows/notes/prompts/words.md": "Say this in other words.\n\n{{ note }}\n",
    **{
        f"workflows/notes/schemas/{name}.json": json.dumps(
            {"type": "object", "properties": {key: {"type": "string"} for key in keys}, "required": keys}
        )
        for name, keys in (("note", ["id", "note"]), ("words", ["text"]))
    },
}
WINDOW = "default/workflow/notes/total/total"

pytestmark = pytest.mark.slow


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A workspace with one chat model."""
    for path, text in FILES.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    return tmp_path


def changed(root: Path, app: App, *, call: bool) -> Trial:
    """Run a note, change the prompt, and try the step."""
    release = lock_release(app, "notes").release.id
    with runner(app) as here:
        given = Given(name="n", folder=root, data={"id": "1", "note": "a note"})
        here.wait(here.submit(given, release).run, timeout=60)
    (root / "workflows/notes/prompts/words.md").write_text("Say it in plain words.\n\n{{ note }}\n")
    return trial(app, "words", call=call)


def spent(app: App) -> int:
    """Return what is spent of the workflow's budget, in micro-USD."""
    return sum(each.spent.cost + each.forfeited.cost for each in drawn(app.store, [WINDOW]))


def test_a_fixture_of_a_chat_model_needs_neither_endpoint_nor_key(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its call is recorded; a question that changed fails with its cause, and no update expects that."""
    models = root / "models.yaml"
    models.write_text(models.read_text().replace("    model:", "    api_key: env:READER_KEY\n    model:"))
    with OpenAIServer(["as before"]) as server, open_app(root) as app:
        monkeypatch.setenv("READER_URL", server.url)
        monkeypatch.setenv("READER_KEY", "a-key")
        with runner(app) as here:
            given = Given(name="n", folder=root, data={"id": "1", "note": "a note"})
            here.wait(here.submit(given, lock_release(app, "notes").release.id).run, timeout=60)
        monkeypatch.delenv("READER_URL")
        monkeypatch.delenv("READER_KEY")
        kept = save_fixture(app, trial(app, "words"), "letter")
    assert [(each.held, each.why) for each in run_fixtures(root)] == [(True, "")]
    (root / "workflows/notes/prompts/words.md").write_text("Say it in plain words.\n\n{{ note }}\n")
    before = kept.read_bytes()
    for update in (False, True):
        (result,) = run_fixtures(root, update=update)
        assert not result.held
        assert "it failed with provider_refused (the question to reader is not the recorded one" in result.why
        assert result.why.endswith("expected: finished")
    assert kept.read_bytes() == before


def test_a_changed_prompt_is_asked_anew_and_drawn_on_the_budget(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The price is that of a run's call; the books and a rebuild agree, and the records verify."""
    with OpenAIServer(["as before", "plainly"]) as server, open_app(root) as app:
        monkeypatch.setenv("READER_URL", server.url)
        made = changed(root, app, call=True)
        bills = [each.tokens_in + 4 * each.tokens_out for each in server.bills]
        assert (made.tried.data, made.same) == ({"text": "plainly"}, False)
        assert made.spent is not None
        assert (made.spent.cost, made.spent.calls) == (bills[1], 1)
        assert spent(app) == sum(bills)
        rows = drawn(app.store, [WINDOW])
        with read_store(app.store) as source:
            assert verify(source).findings == ()
        rebuild(app.store)
        assert drawn(app.store, [WINDOW]) == rows


def test_without_leave_to_call_a_changed_question_is_refused(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing is asked."""
    with OpenAIServer() as server, open_app(root) as app:
        monkeypatch.setenv("READER_URL", server.url)
        made = changed(root, app, call=False)
        assert (made.tried.came, made.tried.failure, made.spent) == ("failed", "provider_refused", None)
        assert "--call" in made.tried.message
        assert len(server.requests) == 1


def test_a_trial_is_bounded_like_a_run(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the calls of a run: one that fails and is made again was the last."""
    with OpenAIServer(faults=["none", *["unavailable"] * 5]) as server, open_app(root) as app:
        monkeypatch.setenv("READER_URL", server.url)
        made = changed(root, app, call=True)
        assert (made.tried.failure, len(server.requests)) == ("provider_down", 3)
        assert made.spent is not None
        assert (made.spent.cost, made.spent.calls) == (0, 2)


def test_an_exhausted_budget_refuses_a_trial(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything leaves."""
    with OpenAIServer() as server, open_app(root) as app:
        monkeypatch.setenv("READER_URL", server.url)
        settings = root / "aie.yaml"
        release_first = settings.read_text()
        assert "0.01 USD" in release_first
        made = changed(root, app, call=False)
        settings.write_text(release_first.replace("0.01 USD", "0.0001 USD"))
        made = trial(app, "words", call=True)
        assert (made.tried.failure, len(server.requests)) == ("limit_reached", 1)
        assert "budget of workflow notes" in made.tried.message


def test_a_trial_whose_reservation_never_fits_ends(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever takes what the slab was filled with: nothing waits, and nothing leaves."""
    with OpenAIServer() as server, open_app(root) as app:
        monkeypatch.setenv("READER_URL", server.url)
        changed(root, app, call=False)
        monkeypatch.setattr("aie.runs.trial.fits", lambda *_: False)
        made = trial(app, "words", call=True)
        assert (made.tried.failure, len(server.requests)) == ("limit_reached", 1)
        assert "others took" in made.tried.message


def test_a_server_that_bills_beyond_the_reservation_is_stopped(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after a run's call: no bound of it holds any more."""
    with OpenAIServer() as honest, OpenAIServer(over_bill=5_000) as server, open_app(root) as app:
        monkeypatch.setenv("READER_URL", honest.url)
        changed(root, app, call=False)
        monkeypatch.setenv("READER_URL", server.url)
        assert trial(app, "words", call=True).tried.came == "finished"
        again = trial(app, "words", call=True)
        assert (again.tried.failure, len(server.requests)) == ("model_retired", 1)
        streams = app.store.read("default/stop/model/reader", tenant="default")
        assert len(streams) == 1
        assert not any(isinstance(each.event, AttemptSettled) for each in streams)
