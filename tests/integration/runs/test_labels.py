"""Labels in durable runs: they follow every value, and decide what may leave and what may be acted on."""

from pathlib import Path
from typing import Any

import pytest

from aie.app import Given, decide, explain_run, explain_text, lock_release, open_app, runner
from aie.core import Labels
from aie.records.events import StepFailed, StepFinished
from tests.unit.releases.workspaces import write

SETTINGS = """\
store: sqlite:///.aie/aie.db
environments: [production]
desks: {people: {}}
lookups:
  suppliers: {kind: table, file: suppliers.csv, by: [id], row: row.json}
receivers:
  payments: {kind: file, folder: outbox, sensitive: [amount], clearance: {classes: [health]}}
"""
WORKFLOW = """\
workflow: bills
owner: bills@northgate.example
case: input.id
risk: low
input: in.json
output: out.json
labels:
  input.patient: [personal]
  input.diagnosis: [health]
steps:
  supplier: {lookup: suppliers, by: {id: input.supplier}}
  named:
    check: rules
    of: input.patient
    rules: {some: size(input.patient) > 0}
    then: tell
    declassify: {classes: [personal], because: only whether a name is there}
  cured: {check: rules, of: input.diagnosis, rules: {well: input.diagnosis == 'well'}, then: tell}
  decision: {review: people, of: [input.amount], unless: named.passed}
  note: {check: rules, of: input.id, rules: {some: size(input.id) > 0}, then: tell, if: cured.passed}
  pay:
    act: payments
    with: {amount: decision.amount, well: cured.passed, noted: note != null}
    endorse:
      amount: {when: decision.amount <= supplier.row.most, because: at most what was agreed}
    if: supplier.row != null
result: {id: input.id, paid: pay != null}
on: {"*": fail}
"""
FILES = {
    "aie.yaml": SETTINGS,
    "suppliers.csv": "id,most\nS1,100.00 EUR\n",
    "row.json": '{"type": "object", "properties": {"most": {"type": "string", "format": "money"}}, '
    '"required": ["most"]}',
    "workflows/bills/workflow.yaml": WORKFLOW,
    "workflows/bills/in.json": '{"type": "object", "additionalProperties": false, "required": ["id", "supplier", '
    '"patient", "diagnosis", "amount"], "properties": {"id": {"type": "string"}, "supplier": {"type": "string"}, '
    '"patient": {"type": "string"}, "diagnosis": {"type": "string"}, "amount": {"type": "string", "format": "money"}}}',
    "workflows/bills/out.json": '{"type": "object", "additionalProperties": false, "required": ["id", "paid"], '
    '"properties": {"id": {"type": "string"}, "paid": {"type": "boolean"}}}',
}


def bill(**own: str) -> dict[str, Any]:
    return {"id": "B1", "supplier": "S1", "patient": "Ada Quill", "diagnosis": "gout", "amount": "90.00 EUR", **own}


class Here:
    """One workspace whose runs are looked at event by event."""

    def __init__(self, root: Path) -> None:
        self.root = write(root, FILES)
        with open_app(self.root) as app:
            self.release = lock_release(app, "bills").release.id

    def run(self, given: dict[str, Any]) -> str:
        with open_app(self.root) as app, runner(app) as here:
            run = here.submit(Given(name="bill", folder=self.root, data=given), self.release, queue="bulk").run
            here.wait(run, timeout=60)
        return run

    def state(self, run: str) -> str:
        with open_app(self.root) as app:
            return explain_run(app, run).state

    def labels(self, run: str, path: str) -> Labels:
        with open_app(self.root) as app:
            events = [each.event for each in app.store.read(run)]
        (found,) = [each for each in events if isinstance(each, StepFinished) and each.path == path]
        return Labels.from_json(found.labels)

    def failures(self, run: str) -> list[StepFailed]:
        with open_app(self.root) as app:
            return [each.event for each in app.store.read(run) if isinstance(each.event, StepFailed)]


@pytest.fixture
def here(tmp_path: Path) -> Here:
    return Here(tmp_path)


def test_a_step_has_the_labels_of_the_parts_that_it_read(here: Here) -> None:
    run = here.run(bill())
    assert here.labels(run, "cured").classes == {"health"}
    assert here.labels(run, "supplier").classes == frozenset()


def test_a_declassified_verdict_has_lost_the_class_and_stays_untrusted(here: Here) -> None:
    assert here.labels(here.run(bill()), "named") == Labels(integrity="untrusted")


def test_a_condition_labels_what_it_lets_happen_and_what_it_skips(here: Here) -> None:
    """That `note` is null tells the diagnosis: `pay`, which reads it, has its class."""
    assert here.labels(here.run(bill(id="B1", diagnosis="well")), "note").classes == {"health"}
    skipped = here.run(bill(id="B2"))
    assert here.labels(skipped, "pay").classes == {"health"}


def test_an_endorsed_amount_is_paid_and_one_beyond_its_cap_is_not(here: Here) -> None:
    assert here.state(here.run(bill(id="B1"))) == "completed"
    run = here.run(bill(id="B2", amount="101.00 EUR"))
    (failed,) = here.failures(run)
    assert (failed.path, failed.failure) == ("pay", "not_permitted")
    assert "101" not in (failed.message or "")
    assert not [each for each in (here.root / "outbox").iterdir() if "101.00" in each.read_text()]


def test_what_a_person_decided_is_paid_beyond_the_cap(here: Here) -> None:
    run = here.run(bill(patient="", amount="500.00 EUR"))
    with open_app(here.root) as app, runner(app) as engine:
        (review,) = explain_run(app, run).reviews
        decide(engine, review.review, "approve", reason="seen the bill")
        engine.wait(run, timeout=60)
    assert here.state(run) == "completed"
    assert here.labels(run, "decision").integrity == "trusted"


def test_a_door_that_is_shut_is_shut_for_releases_that_exist(here: Here) -> None:
    """Clearance is live: nothing of the class leaves any more, and the failure says which door and why."""
    (here.root / "aie.yaml").write_text(SETTINGS.replace("classes: [health]", "classes: []"))
    (failed,) = here.failures(here.run(bill()))
    assert (failed.path, failed.failure) == ("pay", "not_permitted")
    assert "health" in (failed.message or "")
    assert not (here.root / "outbox").exists()


def test_explanations_tell_the_policy(here: Here) -> None:
    run = here.run(bill())
    with open_app(here.root) as app:
        text = "\n".join(explain_text(explain_run(app, run), width=200))
    assert "named does not carry personal: only whether a name is there" in text
    assert "pay.amount may be acted on when decision.amount <= supplier.row.most" in text
