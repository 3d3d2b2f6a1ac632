"""Keys of runs: of runs that come at the same time, none with the same key passes unseen. The orders are invented."""

import json
from pathlib import Path

import pytest

from aie.app import Given, lock_release, open_app, runner
from aie.records import RunFilter
from aie.records.events import RunKeyed, StepFinished
from aie.runs.keys import RunKeys

WORKFLOW = """\
workflow: orders
owner: orders@example.com
case: input.id
input: schemas/in.json
output: schemas/out.json
limits: {time: 60 s, steps: 100}
steps:
  lines:
    map:
      over: input.lines
      as: line
      key: line.id
      steps: {new: {check: duplicates, key: {part: line.part}, then: tell}}
  once: {check: duplicates, key: {number: input.number}, then: tell}
result: {passed: once.passed, lines: "lines.map(l, l.new.passed)"}
on: {"*": fail}
"""
IN = {
    "type": "object",
    "required": ["id", "number", "lines"],
    "additionalProperties": False,
    "properties": {
        "id": {"type": "string"},
        "number": {"type": "string"},
        "lines": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["id", "part"],
                "properties": {"id": {"type": "string"}, "part": {"type": "string"}},
            },
        },
    },
}
OUT = {
    "type": "object",
    "properties": {"passed": {"type": "boolean"}, "lines": {"type": "array", "items": {"type": "boolean"}}},
}


@pytest.fixture
def root(tmp_path: Path, store_url: str) -> Path:
    """The workspace, on either database."""
    flow = tmp_path / "workflows" / "orders"
    (flow / "schemas").mkdir(parents=True)
    (tmp_path / "aie.yaml").write_text(f"store: {store_url}\nenvironments: [production]\n")
    (flow / "workflow.yaml").write_text(WORKFLOW)
    (flow / "schemas" / "in.json").write_text(json.dumps(IN))
    (flow / "schemas" / "out.json").write_text(json.dumps(OUT))
    return tmp_path


def order(case, number, *parts):
    """Return an order."""
    lines = [{"id": str(at), "part": part} for at, part in enumerate(parts)]
    return Given(data={"id": str(case), "number": number, "lines": lines}, name="a test", folder=Path())


def test_of_runs_that_come_together_at_most_one_passes(root):
    """Each of the others knows another one; those with keys of their own are not in the way."""
    with open_app(root, actor="tester") as app:
        release = lock_release(app, "orders").release.id
        with runner(app) as running:
            same = [order(case, "N-1") for case in range(12)]
            other = [order(100 + case, f"N-{100 + case}") for case in range(12)]
            made = running.submit_all([*same, *other], release)
            passed = []
            for each in made:
                assert running.wait(each.run, 30).state == "completed"
                passed.append(_value(app, each.run, "once")["passed"])
    assert sum(passed[:12]) <= 1
    assert passed[12:] == [True] * 12


def test_a_key_that_is_not_recorded_first_would_be_noticed(root, monkeypatch):
    """The control of the test above: without what it guards, all of them pass."""
    monkeypatch.setattr(RunKeys, "_record", lambda *_: None)
    with open_app(root, actor="tester") as app:
        release = lock_release(app, "orders").release.id
        with runner(app) as running:
            made = running.submit_all([order(case, "N-1") for case in range(4)], release)
            assert {running.wait(each.run, 30).state for each in made} == {"completed"}
            assert [_value(app, each.run, "once")["passed"] for each in made] == [True] * 4


def test_a_run_has_each_key_once_and_is_no_duplicate_of_itself(root):
    """Items of a map with one key among them; another run learns of each."""
    with open_app(root, actor="tester") as app:
        release = lock_release(app, "orders").release.id
        with runner(app) as running:
            first = running.submit(order(1, "N-1", "nut", "NUT", "bolt"), release).run
            assert running.wait(first, 30).state == "completed"
            keyed = [each.event for each in app.store.read(first) if isinstance(each.event, RunKeyed)]
            assert sorted(each.name for each in keyed) == ["key:lines/new", "key:lines/new", "key:once"]
            second = running.submit(order(2, "N-2", "bolt", "cap"), release).run
            assert running.wait(second, 30).state == "completed"
            assert [_value(app, second, f"lines[{at}]/new")["others"] for at in (0, 1)] == [[first], []]
            assert "bolt" not in str(keyed), "a key is a keyed hash"
            found = app.store.runs(RunFilter(search={keyed[-1].name: keyed[-1].key}))
            assert first in [row.id for row in found.rows]


def _value(app, run, path):
    return next(
        each.event.output
        for each in app.store.read(run, tenant=app.tenant)
        if isinstance(each.event, StepFinished) and each.event.path == path
    )
