"""Model steps wait without a thread: as many calls are under way as the worker may make, and nobody else is held up."""

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from aie.app import Given, Runner, lock_release, open_app, runner
from aie.layers.model import ModelLayer
from aie.records.events import AttemptSettled, RunFinished, StepFinished
from aie.testing.openai_server import OpenAIServer
from tests.integration.models.catalogs import READER

ONE = {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}
MANY = {
    "type": "object",
    "properties": {"id": {"type": "string"}, "notes": {"type": "array", "items": {"type": "string"}, "maxItems": 100}},
    "required": ["id", "notes"],
}
FILES = {
    "aie.yaml": "environments: [production]\n",
    "models.yaml": READER + "    timeout: 2 s\n",
    "workflows/notes/workflow.yaml": """\
workflow: notes
owner: notes@northgate.example
case: input.id
risk: low
limits: {cost: 1.00 USD, tokens: 1000000, time: 60 s, steps: 500, model_calls: 100}
input: schemas/notes.json
output: schemas/read.json
steps:
  each:
    map:
      over: input.notes
      as: note
      at_most: 100
      steps:
        said: {model: reader, prompt: prompts/read.md, with: {note: note}}
result: {count: size(each)}
on: {"*": fail}
""",
    "workflows/notes/prompts/read.md": "What is this about?\n\n{{ note }}\n",
    "workflows/notes/schemas/notes.json": json.dumps(MANY),
    "workflows/notes/schemas/read.json": json.dumps(
        {"type": "object", "properties": {"count": {"type": "integer"}}, "required": ["count"]}
    ),
    "workflows/quick/workflow.yaml": """\
workflow: quick
owner: notes@northgate.example
case: input.id
risk: low
limits: {cost: 0.01 USD, tokens: 1000, time: 60 s, steps: 10, model_calls: 1}
input: schemas/one.json
output: schemas/one.json
steps:
  named: {check: rules, rules: {has_id: "input.id != ''"}}
result: {id: input.id}
on: {"*": fail}
""",
    "workflows/quick/schemas/one.json": json.dumps(ONE),
}
THREADS = 2
AT_ONCE = 24
NOTES = 40

pytestmark = pytest.mark.slow


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A workspace with a workflow that asks once for each note, and one that asks nobody."""
    for path, text in FILES.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    return tmp_path


@contextmanager
def working(root: Path, server: OpenAIServer, patch: pytest.MonkeyPatch) -> Iterator[tuple[Runner, dict[str, str]]]:
    """Be a worker with two threads for steps that makes many more calls at once; yield it and the releases."""
    patch.setenv("READER_URL", server.url)
    with open_app(root) as opened, ThreadPoolExecutor(THREADS) as pool:
        app = replace(opened, services=replace(opened.services, pool=pool, at_once=AT_ONCE))
        releases = {name: lock_release(app, name).release.id for name in ("notes", "quick")}
        with runner(app) as here:
            yield here, releases


def notes(here: Runner, root: Path, release: str) -> str:
    """Begin a run that asks for each of many notes."""
    texts = [f"note {number}" for number in range(NOTES)]
    return here.submit(Given(name="n", folder=root, data={"id": "n", "notes": texts}), release).run


def test_more_calls_are_under_way_than_there_are_threads(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And no more than the worker may make."""
    with OpenAIServer("a roof", latency=0.3) as server, working(root, server, monkeypatch) as (here, releases):
        run = notes(here, root, releases["notes"])
        assert here.wait(run, timeout=60).state == "completed"
        events = [each.event for each in here.app.store.read(run)]
        assert server.most_at_once == AT_ONCE
    assert sum(isinstance(each, AttemptSettled) for each in events) == NOTES
    assert [each.output for each in events if isinstance(each, RunFinished)] == [{"count": NOTES}]
    assert all(each.cpu_us < 200_000 for each in events if isinstance(each, StepFinished)), "of the others' CPU, too"


def test_with_a_thread_for_each_call_there_are_no_more(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The negative control: the same worker whose model steps block."""
    monkeypatch.setattr(ModelLayer, "in_fibers", False)
    with OpenAIServer("a roof", latency=0.05) as server, working(root, server, monkeypatch) as (here, releases):
        assert here.wait(notes(here, root, releases["notes"]), timeout=60).state == "completed"
        assert server.most_at_once == THREADS


def test_a_server_that_hangs_holds_up_nobody_else(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All calls that the worker may make hang; a run that asks nobody goes through meanwhile."""
    with (
        OpenAIServer("a roof", faults=["hang"] * NOTES) as server,
        working(root, server, monkeypatch) as (here, releases),
    ):
        slow = notes(here, root, releases["notes"])
        server_is_full(server)
        quick = here.submit(Given(name="q", folder=root, data={"id": "q"}), releases["quick"]).run
        assert here.wait(quick, timeout=1.5).state == "completed"
        kinds = Counter(type(each.event).__name__ for each in here.app.store.read(slow))
        assert kinds["AttemptIntended"] == AT_ONCE
        assert kinds["AttemptSettled"] == 0
        here.wait(slow, timeout=30)


def test_steps_that_hold_every_thread_hold_up_no_call(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What blocks on the way of a call, such as a new connection, waits for no other step's end."""
    with OpenAIServer("a roof") as server, working(root, server, monkeypatch) as (here, releases):
        ended = threading.Event()
        for _ in range(THREADS):
            here.app.services.pool.submit(ended.wait)
        try:
            assert here.wait(notes(here, root, releases["notes"]), timeout=20).state == "completed"
        finally:
            ended.set()


def server_is_full(server: OpenAIServer) -> None:
    """Wait until as many calls are under way as the worker may make."""
    until = time.monotonic() + 10
    while server.most_at_once < AT_ONCE and time.monotonic() < until:
        time.sleep(0.01)
    assert server.most_at_once == AT_ONCE
