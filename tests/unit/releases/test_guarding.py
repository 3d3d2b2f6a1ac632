"""What a release is refused for by its labels, and what its policy then says."""

from pathlib import Path

import pytest

from aie.config import load_workspace
from aie.core import UNTRUSTED, Labels
from aie.errors import Problem
from aie.releases import POLICY, Policy, check, compile_release, policy_in_words, read_policy
from aie.releases.policy import Unused
from tests.unit.releases.workspaces import write

SETTINGS = """\
desks: {people: {}}
lookups:
  suppliers:
    kind: table
    file: suppliers.csv
    by: [id]
    row: row.json
receivers:
  payments: {kind: file, folder: outbox, sensitive: [amount, iban]CLEARED}
"""
WORKFLOW = """\
workflow: bills
owner: bills@northgate.example
case: input.id
risk: low
input: in.json
output: out.json
labels:
  input.id: {integrity: trusted}
  input.patient: [personal, health]
  input.amount: {regions: [eu]}
steps:
  supplier: {lookup: suppliers, by: {id: input.supplier}}
  sound: {check: rules, of: input.patient, rules: {named: size(input.patient) > 0}, then: tell}
  decision: {review: people, of: [input.amount], unless: sound.passed}
  pay:
    act: payments
    with: {id: input.id, amount: decision.amount, iban: supplier.row.iban}
    if: supplier.row != null
    endorse:
      amount: {when: decision.amount <= supplier.row.most, because: at most what was agreed}
      iban: {when: supplier.found, because: an account that we know}
result: {id: input.id, paid: sound.passed}
on: {"*": fail}
"""
FILES = {
    "aie.yaml": SETTINGS.replace("CLEARED", ", clearance: {classes: [personal, health], regions: [eu]}"),
    "suppliers.csv": "id,iban,most\nS1,DE02,100.00 EUR\n",
    "row.json": '{"type": "object", "properties": {"iban": {"type": "string"}, "most": {"type": "string", '
    '"format": "money"}}, "required": ["iban", "most"]}',
    "workflows/bills/workflow.yaml": WORKFLOW,
    "workflows/bills/in.json": '{"type": "object", "additionalProperties": false, "required": ["id", "supplier", '
    '"patient", "amount"], "properties": {"id": {"type": "string"}, "supplier": {"type": "string"}, "patient": '
    '{"type": "string"}, "amount": {"type": "string", "format": "money"}}}',
    "workflows/bills/out.json": '{"type": "object", "additionalProperties": false, "required": ["id", "paid"], '
    '"properties": {"id": {"type": "string"}, "paid": {"type": "boolean"}}}',
}


def problems(root: Path, old: str = "", new: str = "", *, settings: str | None = None) -> tuple[Problem, ...]:
    assert old in WORKFLOW
    files = {**FILES, "workflows/bills/workflow.yaml": WORKFLOW.replace(old, new, 1)}
    return check(write(root, files if settings is None else {**files, "aie.yaml": settings}))


def one(found: tuple[Problem, ...], code: str) -> Problem:
    (each,) = found
    assert each.code == code, each.message
    return each


def policy(root: Path) -> Policy:
    return read_policy(compile_release(load_workspace(write(root, FILES)), "bills").components[POLICY])


def test_a_workflow_that_says_what_may_be_done_is_released(tmp_path: Path) -> None:
    assert problems(tmp_path) == ()


def test_an_untrusted_value_that_nobody_endorses_reaches_no_sensitive_field(tmp_path: Path) -> None:
    """The way is told from where outsiders write to where it is acted on."""
    endorsement = "      iban: {when: supplier.found, because: an account that we know}\n"
    each = one(problems(tmp_path, endorsement), "unendorsed")
    assert each.line == WORKFLOW[: WORKFLOW.index("with: {id: input.id")].count("\n") + 1
    assert "input.supplier → supplier → pay" in each.message
    assert "endorse: {iban:" in each.hint


def test_what_a_person_always_decides_needs_no_endorsement(tmp_path: Path) -> None:
    files = {**FILES, "workflows/bills/workflow.yaml": _without_amount().replace(", unless: sound.passed", "")}
    assert check(write(tmp_path, files)) == ()
    files["workflows/bills/workflow.yaml"] = _without_amount()
    assert one(check(write(tmp_path / "other", files)), "unendorsed").key == "steps.pay.with.amount"


def _without_amount() -> str:
    line = "      amount: {when: decision.amount <= supplier.row.most, because: at most what was agreed}\n"
    return WORKFLOW.replace(line, "")


@pytest.mark.parametrize("when", ["decision.amount > supplier.row.most", "sound.passed", "decision.amount != null"])
def test_an_endorsement_that_bounds_nothing_is_none(tmp_path: Path, when: str) -> None:
    found = problems(tmp_path, "decision.amount <= supplier.row.most", when)
    assert one(found, "bad-endorsement").key == "steps.pay.endorse.amount.when"


def test_a_table_that_outsiders_write_endorses_nothing(tmp_path: Path) -> None:
    settings = FILES["aie.yaml"].replace("row: row.json", "row: row.json\n    integrity: untrusted")
    assert {each.code for each in problems(tmp_path, settings=settings)} == {"bad-endorsement"}


def test_a_receiver_gets_no_class_that_it_is_not_cleared_for(tmp_path: Path) -> None:
    """What decided that it is sent counts, too: the review saw the check, the check saw the patient."""
    each = one(problems(tmp_path, settings=SETTINGS.replace("CLEARED", "")), "not-cleared")
    assert "health, personal" in each.message
    assert "clearance" in each.hint


def test_a_receiver_elsewhere_gets_nothing_that_is_bound_to_a_region(tmp_path: Path) -> None:
    cleared = ", clearance: {classes: [personal, health], regions: [eu, us]}"
    each = one(problems(tmp_path, settings=SETTINGS.replace("CLEARED", cleared)), "not-cleared")
    assert "is in us" in each.message


def test_a_verdict_may_be_declassified_and_then_needs_no_clearance(tmp_path: Path) -> None:
    said = "then: tell, declassify: {classes: [personal, health], because: only whether it is there}}"
    cleared = SETTINGS.replace("CLEARED", ", clearance: {regions: [eu]}")
    assert problems(tmp_path, "then: tell}", said, settings=cleared) == ()


def test_a_value_that_may_carry_what_it_read_is_not_declassified(tmp_path: Path) -> None:
    said = "unless: sound.passed, declassify: {classes: [personal], because: nobody would write that}}"
    each = one(problems(tmp_path, "unless: sound.passed}", said), "bad-declassify")
    assert each.key == "steps.decision.declassify"


def test_a_part_of_the_input_that_does_not_exist_is_no_part(tmp_path: Path) -> None:
    assert one(problems(tmp_path, "input.patient: [", "input.patients: ["), "unknown-field").line == 9


def test_a_forbidden_attribute_is_refused_with_its_way(tmp_path: Path) -> None:
    forbid = "forbid: {attributes: [input.patient], decision: [result.paid]}\nsteps:"
    each = one(problems(tmp_path, "steps:", forbid), "forbidden-attribute")
    assert "input.patient → sound → result.paid" in each.message
    assert each.key == "steps.sound.of"


def test_a_misspelt_attribute_is_not_proven_unused(tmp_path: Path) -> None:
    forbid = "forbid: {attributes: [input.patent], decision: [result.paid]}\nsteps:"
    assert one(problems(tmp_path, "steps:", forbid), "unknown-field").key == "forbid.attributes.0"


def test_the_proof_stands_in_the_release(tmp_path: Path) -> None:
    forbid = "forbid: {attributes: [input.supplier], decision: [result.paid]}\nsteps:"
    files = {**FILES, "workflows/bills/workflow.yaml": WORKFLOW.replace("steps:", forbid, 1)}
    release = compile_release(load_workspace(write(tmp_path, files)), "bills")
    (proof,) = read_policy(release.components[POLICY]).unused
    assert (proof.decision, proof.attributes) == ("result.paid", ("input.supplier",))
    assert "input.supplier" not in proof.inputs


def test_what_is_proven_is_one_line_whatever_the_number_of_decisions() -> None:
    """A step's name could be taken for a part of the result, if it stood behind one."""
    names = ("result.id", "desk", "result.kind", "fields.values.age", "result.desk")
    proofs = [Unused(decision=each, attributes=("input.age",), inputs=("input.id",), steps=()) for each in names]
    assert policy_in_words(Policy(unused=tuple(proofs))) == (
        "input.age: proven unused in desk, fields.values.age, result.id, kind, desk",
    )


def test_parts_of_the_input_have_their_own_labels(tmp_path: Path) -> None:
    made = policy(tmp_path)
    assert made.of_input(("input", "id"), UNTRUSTED) == Labels()
    assert made.of_input(("input", "supplier"), UNTRUSTED) == UNTRUSTED
    assert made.of_input(("input", "patient", "name"), UNTRUSTED).classes == {"personal", "health"}


def test_the_whole_input_has_the_labels_of_all_its_parts(tmp_path: Path) -> None:
    whole = policy(tmp_path).of_input(("input",), UNTRUSTED)
    assert whole == Labels(classes=frozenset({"personal", "health"}), regions=frozenset({"eu"}), integrity="untrusted")


def test_a_policy_reads_back_as_it_was_written(tmp_path: Path) -> None:
    made = policy(tmp_path)
    assert read_policy(made.content()) == made
