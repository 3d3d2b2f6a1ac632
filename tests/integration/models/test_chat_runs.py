"""Durable runs that ask a chat model over real HTTP: what the server bills is never more than what the records say."""

import json
from collections import Counter
from pathlib import Path

import pytest

from aie.app import Given, lock_release, open_app, runner
from aie.records.events import AttemptIntended, AttemptSettled, RunFinished
from aie.testing.openai_server import FAULTS, OpenAIServer
from tests.integration.models.catalogs import READER

FILES = {
    "aie.yaml": "environments: [production]\n",
    "models.yaml": READER + "    timeout: 300 ms\n    breaker: {pause: 300 ms}\n",
    "workflows/notes/workflow.yaml": """\
workflow: notes
owner: notes@northgate.example
case: input.id
risk: low
limits: {cost: 0.01 USD, tokens: 10000, time: 60 s, steps: 10, model_calls: 4}
input: schemas/note.json
output: schemas/fields.json
steps:
  fields: {model: reader, prompt: prompts/fields.md, with: {note: input.note}, returns: schemas/fields.json}
result: {amount: fields.amount}
on: {provider_down: retry 1, rate_limited: retry 1, timeout: retry 1, "*": dead_letter}
""",
    "workflows/notes/prompts/fields.md": "Give the amount of this note.\n\n{{ note }}\n",
    "workflows/notes/schemas/note.json": json.dumps(
        {
            "type": "object",
            "properties": {"id": {"type": "string"}, "note": {"type": "string"}},
            "required": ["id", "note"],
        }
    ),
    "workflows/notes/schemas/fields.json": json.dumps(
        {"type": "object", "properties": {"amount": {"type": "string", "format": "money"}}, "required": ["amount"]}
    ),
}
GOOD = '{"amount": "12.00 USD"}'
RUNS = 40

pytestmark = pytest.mark.slow


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A workspace with one chat model."""
    for path, text in FILES.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    return tmp_path


def ask(root: Path, server: OpenAIServer, patch: pytest.MonkeyPatch, count: int) -> list[list[object]]:
    """Run `count` notes and return the events of each run."""
    patch.setenv("READER_URL", server.url)
    with open_app(root) as app:
        release = lock_release(app, "notes").release.id
        with runner(app) as here:
            runs = [
                here.submit(Given(name=f"{n}", folder=root, data={"id": f"{n}", "note": f"note {n}"}), release).run
                for n in range(count)
            ]
            for run in runs:
                here.wait(run, timeout=60)
        return [[each.event for each in app.store.read(run)] for run in runs]


def spent(events: list[object]) -> tuple[int, int]:
    """Return tokens and micro-USD of every settlement of a run."""
    settled = [each for each in events if isinstance(each, AttemptSettled)]
    return sum(each.spend["tokens"] for each in settled), sum(each.spend["cost"] for each in settled)


def test_a_run_that_asks_a_chat_model_ends_with_its_answer_and_its_price(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The price is the sheet's, in integers; the resolved model is recorded."""
    with OpenAIServer(GOOD) as server:
        (events,) = ask(root, server, monkeypatch, 1)
    finished = next(each for each in events if isinstance(each, RunFinished))
    settled = next(each for each in events if isinstance(each, AttemptSettled))
    bill = server.bills[0]
    assert (finished.state, finished.output) == ("completed", {"amount": "12.00 USD"})
    assert (settled.outcome, settled.resolved) == ("settled", "reader-2026-05")
    assert finished.spend == {
        "cost": bill.tokens_in + 4 * bill.tokens_out,
        "tokens": bill.tokens_in + bill.tokens_out,
        "calls": 1,
    }


def test_no_fault_makes_the_records_say_less_than_the_bill(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Forty runs against a server with every kind of fault: each attempt is closed, none is dearer than recorded."""
    with OpenAIServer(GOOD, faults=[*FAULTS, *FAULTS], seed=1, fault_rate=0.3) as server:
        told = ask(root, server, monkeypatch, RUNS)
    states = Counter(each.state for events in told for each in events if isinstance(each, RunFinished))
    intended = sum(isinstance(each, AttemptIntended) for events in told for each in events)
    settled = [each for events in told for each in events if isinstance(each, AttemptSettled)]
    assert sum(states.values()) == RUNS
    assert states["completed"] > 0
    assert intended == len(settled)
    # A call that ran out of time before it was put through is an attempt that the server knows nothing of.
    unreached = sum(each.failure in {"timeout", "provider_down"} for each in settled)
    assert intended - unreached <= len(server.bills) <= intended
    assert {each.outcome for each in settled} == {"settled", "released", "forfeited"}
    tokens = [spent(events)[0] for events in told]
    assert sum(tokens) >= sum(bill.tokens_in + bill.tokens_out for bill in server.bills)


def test_a_bill_for_calls_that_were_taken_for_free_would_be_seen(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The negative control: a server that bills what it turned away is dearer than the records."""
    monkeypatch.setattr("aie.testing.openai_server.server._BILLED", frozenset({*FAULTS, "none"}))
    with OpenAIServer(GOOD, faults=["rate_limited"] * 4) as server:
        told = ask(root, server, monkeypatch, 2)
    assert sum(spent(events)[0] for events in told) < sum(bill.tokens_in + bill.tokens_out for bill in server.bills)
