"""From a letter to a payment by files alone: fields, a table of policies, four checks, a person only where they say so.

Everything here is invented.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aie.app import Given, decide, explain_run, explain_text, lock_release, open_app, runner
from aie.app.auditing import rebuild_projections
from aie.app.running import Runner

SETTINGS = """\
store: sqlite:///.aie/aie.db
environments: [production]
desks: {accounts: {}}
receivers:
  bank: {kind: file, folder: outbox, clearance: {classes: [personal]}}
lookups:
  suppliers: {kind: table, file: tables/suppliers.csv, by: [name], row: tables/supplier.json, classes: [personal]}
"""
SUPPLIERS = "name,account,most\nOak Bindery Ltd,DE-1,2000.00 EUR\nElm Press Ltd,DE-2,50.00 EUR\n"
SUPPLIER = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "account": {"type": "string"},
        "most": {"type": "string", "format": "money"},
    },
    "required": ["name", "account", "most"],
}
WORKFLOW = """\
workflow: bills
owner: accounts@example.com
case: input.id
input: schemas/in.json
output: schemas/out.json
limits: {time: 60 s, steps: 100}
steps:
  document: {extract: text, from: input.text}
  fields: {extract: extractors/bill.yaml, from: document}
  supplier:
    if: fields.values.supplier != null
    lookup: suppliers
    by: {name: fields.values.supplier}
  grounded: {check: grounding, of: fields, against: document, then: tell}
  adds_up:
    check: arithmetic
    of: fields.values
    sums: {total: net + tax}
    ordered: {dates: [issued, due]}
    repair: {total: {total: net + tax}}
    then: tell
  same: {check: agreement, of: [fields.values.total, input.total], tolerance: 0.01, then: tell}
  known:
    check: rules
    of: supplier
    rules: {listed: supplier != null && supplier.row != null}
    then: tell
  once:
    check: duplicates
    key: {supplier: fields.values.supplier, number: fields.values.number}
    then: tell
  decision:
    review: accounts
    of: [input.total]
    show: [grounded, adds_up, same, once.others]
    unless: grounded.passed && adds_up.passed && same.passed && known.passed && once.passed
  pay:
    act: bank
    with:
      bill: input.id
      total: decision.total
      account: "supplier != null && supplier.row != null ? supplier.row.account : ''"
result: {total: decision.total, asked: "!(grounded.passed && adds_up.passed && same.passed && once.passed)"}
on: {"*": fail}
"""
EXTRACTOR = """\
finds:
  supplier: {type: name}
  number: {type: text}
  issued: {type: date}
  due: {type: date}
  net: {type: money}
  tax: {type: money}
  total: {type: money}
by:
  rules:
    supplier: [{pattern: 'From: (?P<value>[^\\n]+)'}]
    number: [{pattern: 'Bill no\\. (?P<value>\\S+)'}]
    issued: [{pattern: 'Issued: (?P<value>[^\\n]+)'}]
    due: [{pattern: 'Due: (?P<value>[^\\n]+)'}]
    net: [{pattern: 'Net: (?P<value>[^\\n]+)'}]
    tax: [{pattern: 'Tax: (?P<value>[^\\n]+)'}]
    total: [{pattern: 'Total: (?P<value>[^\\n]+)'}]
"""
IN = {
    "type": "object",
    "required": ["id", "text", "total"],
    "additionalProperties": False,
    "properties": {
        "id": {"type": "string"},
        "text": {"type": "string"},
        "total": {"type": "string", "format": "money"},
    },
}
OUT = {
    "type": "object",
    "required": ["total", "asked"],
    "properties": {"total": {"type": "string", "format": "money"}, "asked": {"type": "boolean"}},
}


def bill(number: str = "B-17", **changes: str) -> str:
    """Return the text of a bill; `changes` replace its lines."""
    lines = {
        "From": "Oak Bindery Ltd",
        "Issued": "2 March 2026",
        "Due": "1 April 2026",
        "Net": "EUR 100.00",
        "Tax": "EUR 19.00",
        "Total": "EUR 119.00",
        **changes,
    }
    return f"Bill no. {number}\n" + "\n".join(f"{name}: {value}" for name, value in lines.items()) + "\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The workspace's files."""
    flow = tmp_path / "workflows" / "bills"
    for path, text in {
        tmp_path / "aie.yaml": SETTINGS,
        tmp_path / "tables" / "suppliers.csv": SUPPLIERS,
        tmp_path / "tables" / "supplier.json": json.dumps(SUPPLIER),
        flow / "workflow.yaml": WORKFLOW,
        flow / "extractors" / "bill.yaml": EXTRACTOR,
        flow / "schemas" / "in.json": json.dumps(IN),
        flow / "schemas" / "out.json": json.dumps(OUT),
    }.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


@pytest.fixture
def desk(root: Path) -> Iterator["Desk"]:
    """The workspace, open and executing."""
    with open_app(root, actor="tester") as app:
        release = lock_release(app, "bills").release.id
        with runner(app) as running:
            yield Desk(running, release, root)


class Desk:
    """Where bills come in."""

    def __init__(self, running: Runner, release: str, root: Path) -> None:
        self.running = running
        self.release = release
        self.outbox = root / "outbox"

    def send(self, case: str, text: str, total: str = "119.00 EUR", **more: Any) -> str:
        """Send a bill in and return its run, at rest."""
        given = Given(data={"id": case, "text": text, "total": total}, name="a test", folder=self.outbox.parent)
        run = self.running.submit(given, self.release, **more).run
        self.running.wait(run, 20)
        return run

    def step(self, run: str, name: str) -> Any:
        """Return the value of a step."""
        return next(each.output for each in explain_run(self.running.app, run).steps if each.path == name)

    def state(self, run: str) -> str:
        """Return where a run stands."""
        return explain_run(self.running.app, run).state

    def told(self, run: str) -> str:
        """Return the explanation as people read it."""
        return " ".join(" ".join(explain_text(explain_run(self.running.app, run))).split())


def test_a_sound_bill_is_paid_without_anybody(desk):
    """The account comes from the table, and the explanation holds every rule as it is written."""
    run = desk.send("1", bill())
    assert desk.state(run) == "completed"
    [paid] = desk.outbox.glob("*.json")
    assert json.loads(paid.read_text()) == {"account": "DE-1", "bill": "1", "total": "119.00 EUR"}
    found = desk.step(run, "supplier")
    assert (found["found"], found["source"], found["row"]["account"]) == (True, "suppliers", "DE-1")
    told = desk.told(run)
    assert "adds_up passed: dates: issued ≤ due; total: total = net + tax" in told
    assert "supplier, tax, total: stands in document and gives its value" in told
    assert "listed: supplier != null && supplier.row != null" in told
    labels = next(each.labels for each in explain_run(desk.running.app, run).steps if each.path == "supplier")
    assert labels == ("personal", "untrusted"), "the letter chose the row"


@pytest.mark.parametrize(
    ("text", "total", "step", "why"),
    [
        (bill(Total="EUR 120.00"), "120.00 EUR", "adds_up", "`total` is not `net + tax`"),
        (bill(Due="1 January 2026"), "119.00 EUR", "adds_up", "`issued` comes after `due`"),
        (bill(), "118.00 EUR", "same", "differs from fields.values.total"),
        (bill(From="Ash Ink Ltd"), "119.00 EUR", "known", "does not hold"),
    ],
)
def test_a_bill_that_breaks_a_rule_is_for_a_person(desk, text, total, step, why):
    """Who then reads why."""
    run = desk.send("1", text, total)
    assert desk.state(run) == "waiting"
    assert why in str(desk.step(run, step)["failed"])
    assert why in desk.told(run)
    assert not list(desk.outbox.glob("*.json"))
    decide(desk.running, run, "approve")
    assert desk.running.wait(run, 20).state == "completed"


def test_a_repair_is_told_with_its_value(desk):
    """What the parts add up to."""
    run = desk.send("1", bill(Total="EUR 120.00"), "120.00 EUR")
    assert desk.step(run, "adds_up")["repaired"] == {"total": "119.00 EUR"}
    assert "repair: total: `total` is not `net + tax`; repaired: total 119.00 EUR" in desk.told(run)


def test_a_bill_that_comes_twice_is_found_by_what_it_says(desk):
    """Under another case, written otherwise, still being decided or paid already; also after the books were rebuilt."""
    first = desk.send("1", bill())
    second = desk.send("2", bill(From="OAK  Bindery Ltd"))
    assert (desk.state(second), desk.step(second, "once")["others"]) == ("waiting", [first])
    assert desk.step(first, "once")["others"] == []
    third = desk.send("3", bill(number="B-18"))
    assert desk.state(third) == "completed"
    rebuild_projections(desk.running.app)
    fourth = desk.send("4", bill())
    assert desk.step(fourth, "once")["others"] == [second, first]
    assert f"run {first} has the same number, supplier" in desk.told(fourth)
    assert len(list(desk.outbox.glob("*.json"))) == 2


def test_a_run_that_supersedes_another_is_not_its_duplicate(desk):
    """Runs of one case were told apart when they were submitted."""
    desk.send("1", bill())
    again = desk.send("1", bill(Tax="EUR 20.00", Total="EUR 120.00"), "120.00 EUR", relation="supersede")
    assert (desk.state(again), desk.step(again, "once")["passed"]) == ("completed", True)


def test_what_a_run_was_told_is_what_it_keeps(desk):
    """A run that waits while another with its key comes in goes on with the answer it had."""
    waiting = desk.send("1", bill(), "1.00 EUR")
    desk.send("2", bill())
    decide(desk.running, waiting, "approve")
    assert desk.running.wait(waiting, 20).state == "completed"
    assert desk.step(waiting, "once") == {"passed": True, "outcome": "pass", "failed": [], "others": []}
