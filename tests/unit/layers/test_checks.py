"""The kinds of check, from the workflow file to what they say."""

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from aie.config import Problems, Site, expression, load_workspace, type_of
from aie.core import Value
from aie.errors import Failure, StepFailure
from aie.layers import LAYERS, Compiled, Task

WORKFLOW = """workflow: bills
owner: bills@example.com
case: input.id
input: schemas/in.json
output: schemas/in.json
steps:
  document: {extract: text, from: input.id}
  fields: {extract: extractors/bill.yaml, from: document}
  s: STEP
result: {id: input.id}
on: {"*": fail}
"""
EXTRACTOR = """finds:
  total: {type: money}
  issued: {type: date}
  party: {type: name, many: true, required: false}
by: {rules: {total: [{pattern: 'x'}]}}
"""
TEXT = "Bill of 3 March 2024\nTotal: USD 1,250.00\nBetween Ann Oak and Bo Elm"


def schema(**properties: str) -> dict[str, Any]:
    """Return the schema of an object whose fields may be null."""
    made = {}
    for name, kind in properties.items():
        made[name] = {"type": ["integer", "null"]} if kind == "int" else {"type": ["string", "null"], "format": kind}
        if kind == "text":
            made[name] = {"type": ["string", "null"]}
    return {"type": "object", "properties": made, "required": list(made), "additionalProperties": False}


@dataclass
class Made:
    """A compiled step, or what is wrong with it."""

    compiled: Compiled | None
    problems: list[str]
    site: Site
    world: Any
    values: Mapping[str, Any]

    def run(self, **values: Any) -> Any:
        """Run the step on these values of its scope."""
        assert self.compiled is not None, self.problems
        given = {**self.values, **values}
        inputs = {
            name: Value(data=expression(self.site.programs.get(text, text)).evaluate(given), ref="r")
            for name, text in self.compiled.inputs.items()
        }
        self.world.components.update({f"{each.kind}:{each.name}": each.content for each in self.compiled.components})
        task = Task(path="s", config=self.compiled.config, inputs=inputs, workflow="bills")
        return LAYERS["check"].run(task, self.world.tools()).data


@pytest.fixture
def step(tmp_path, world) -> Callable[..., Made]:
    """Compile a check whose scope holds values of these schemas."""

    def make(written: str, values: Mapping[str, Any] | None = None, **schemas: Any) -> Made:
        folder = tmp_path / "workflows" / "bills"
        for name, text in (
            ("schemas/in.json", json.dumps({"type": "object", "properties": {"id": {"type": "string"}}})),
            ("extractors/bill.yaml", EXTRACTOR),
            ("workflow.yaml", WORKFLOW.replace("STEP", written)),
        ):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        (tmp_path / "aie.yaml").write_text("{}\n")
        workspace, problems = load_workspace(tmp_path), Problems()
        workflow = workspace.workflows["bills"]
        scope = {name: type_of(each) for name, each in schemas.items()}
        site = Site(
            workspace=workspace,
            workflow=workflow,
            step=workflow.steps["s"],
            scope=scope,
            problems=problems,
            path=("steps", "s"),
        )
        compiled = LAYERS["check"].compile(workflow.steps["s"], site)
        told = [f"{each.key}:{each.code}" for each in problems]
        return Made(compiled=compiled, problems=told, site=site, world=world, values=values or {})

    return make


def rules_of(data: Mapping[str, Any]) -> list[str]:
    return [each["rule"] for each in data["failed"]]


# ---------------------------------------------------------------- what a broken check is


def test_a_check_that_tells_goes_on_with_its_outcome(step):
    """No handler is needed, and the steps after it read what it says."""
    made = step("{check: rules, rules: {small: b.n == null || b.n < 5}, then: tell}", b=schema(n="int"))
    assert made.compiled.failures == frozenset()
    assert made.run(b={"n": 4}) == {"passed": True, "outcome": "pass", "failed": []}
    assert made.run(b={"n": 6}) == {
        "passed": False,
        "outcome": "escalate",
        "failed": [{"rule": "small", "why": "`b.n == null || b.n < 5` does not hold"}],
    }


def test_a_check_that_fails_says_which_rule_and_how_it_reads(step):
    """Not the value."""
    made = step("{check: rules, rules: {small: b.n == null || b.n < 5}}", b=schema(n="int"))
    assert made.compiled.failures == {Failure.CHECK_FAILED}
    with pytest.raises(StepFailure) as caught:
        made.run(b={"n": 987654})
    assert caught.value.message == "not as it must be: small: `b.n == null || b.n < 5` does not hold"
    assert "987654" not in str(caught.value.fields)


@pytest.mark.parametrize(
    ("written", "problems"),
    [
        ("{check: schema, of: b}", ["steps.s:missing-key"]),
        ("{check: rules, of: b}", ["steps.s:missing-key"]),
        ("{check: grounding, of: b}", ["steps.s:missing-key"]),
        ("{check: arithmetic, of: b}", ["steps.s:missing-key"]),
        ("{check: duplicates}", ["steps.s:missing-key"]),
        ("{check: rules, rules: {a: 'true'}, tolerance: 1}", ["steps.s.tolerance:unused-key"]),
        ("{check: duplicates, key: {n: b.n}, of: b}", ["steps.s.of:unused-key"]),
        ("{check: rules, rules: {a: 'true'}, repair: {b: {n: b.n}}}", ["steps.s.repair.b:unknown-rule"]),
        ("{check: arithmetic, of: b, sums: {m: n}}", ["steps.s.sums.m:unknown-field"]),
        ("{check: arithmetic, of: b, sums: {n: n + k}}", ["steps.s.sums.n:unknown-name"]),
        ("{check: arithmetic, of: b.n, sums: {n: n}}", ["steps.s.of:bad-type"]),
        ("{check: arithmetic, of: b, ordered: {x: [n, t]}}", ["steps.s.ordered.x:bad-type"]),
        ("{check: agreement, of: b.n}", ["steps.s.of:bad-value"]),
        ("{check: agreement, of: [b.n, b.t]}", ["steps.s.of:bad-type"]),
        ("{check: rules, of: [b, b], rules: {a: 'true'}}", ["steps.s.of:bad-value"]),
        ("{check: duplicates, key: {n: b}}", ["steps.s.key.n:bad-type"]),
        ("{check: grounding, of: b.n, against: b.t}", ["steps.s.of:bad-type"]),
    ],
)
def test_a_mistake_is_told_at_its_key(step, written, problems):
    """And the step is not compiled."""
    made = step(written, b=schema(n="int", t="text"))
    assert made.problems == problems
    assert made.compiled is None


# ---------------------------------------------------------------- repair


def test_a_repair_gives_the_corrected_value(step):
    """The outcome says so, and what was broken stays told."""
    made = step(
        "{check: arithmetic, of: b, sums: {total: net + tax}, repair: {total: {total: net + tax}}}",
        b=schema(total="money", net="money", tax="money"),
    )
    good = {"total": "12.00 USD", "net": "10.00 USD", "tax": "2.00 USD"}
    assert made.run(b=good) == {"passed": True, "outcome": "pass", "failed": [], "repaired": {"total": None}}
    told = made.run(b={**good, "total": "13.00 USD"})
    assert told["outcome"] == "repair"
    assert told["passed"] is False
    assert told["repaired"] == {"total": "12.00 USD"}
    assert told["failed"] == [{"rule": "total", "why": "`total` is not `net + tax`"}]


def test_what_no_repair_mends_is_for_a_person(step):
    """One broken rule without a repair outweighs the repairs of others; one that cannot be computed mends nothing."""
    made = step(
        "{check: arithmetic, of: b, then: tell, sums: {total: net + tax, net: net + tax}, "
        "repair: {total: {total: net + tax}}}",
        b=schema(total="money", net="money", tax="money"),
    )
    assert made.run(b={"total": "1.00 USD", "net": "10.00 USD", "tax": "2.00 USD"})["outcome"] == "escalate"
    lacking = made.run(b={"total": "1.00 USD", "net": None, "tax": "2.00 USD"})
    assert (lacking["outcome"], lacking["repaired"]) == ("escalate", {"total": None})


def test_a_rule_may_be_repaired_from_anywhere_in_the_workflow(step):
    """From another source, here."""
    made = step(
        "{check: rules, rules: {same: a.n == b.n}, repair: {same: {n: b.n}}}", a=schema(n="int"), b=schema(n="int")
    )
    assert made.run(a={"n": 1}, b={"n": 2})["repaired"] == {"n": 2}
    assert made.run(a={"n": 2}, b={"n": 2})["outcome"] == "pass"


# ---------------------------------------------------------------- arithmetic

SUMS = "{check: arithmetic, then: tell, of: b, sums: {total: net + tax}, ordered: {dates: [issued, due]}%s}"
BILL = {"total": "12.00 USD", "net": "10.00 USD", "tax": "2.00 USD", "issued": "2024-01-31", "due": "2024-02-01"}
SHAPE = schema(total="money", net="money", tax="money", issued="date", due="date")


@pytest.mark.parametrize(
    ("more", "changes", "broken"),
    [
        ("", {}, []),
        ("", {"total": "12.01 USD"}, ["total"]),
        ("", {"total": "12 USD"}, []),
        (", tolerance: 0.01", {"total": "12.01 USD"}, []),
        (", tolerance: 0.01", {"total": "12.02 USD"}, ["total"]),
        ("", {"total": "12.00 EUR"}, ["total"]),
        ("", {"tax": "2.00 EUR"}, ["total"]),
        ("", {"tax": None}, ["total"]),
        (", missing: skip", {"tax": None}, []),
        ("", {"due": "2024-01-30"}, ["dates"]),
        ("", {"due": "2024-01-31"}, []),
        ("", {"due": None}, ["dates"]),
        (", missing: skip", {"due": None}, []),
    ],
)
def test_sums_and_orders(step, more, changes, broken):
    """Exact to the tolerance, within one currency, and what is not there is broken unless the step skips it."""
    assert rules_of(step(SUMS % more, b=SHAPE).run(b={**BILL, **changes})) == broken


def test_lines_add_up(step):
    """Sums go over lists."""
    line = {"type": "object", "properties": {"amount": {"type": "string", "format": "money"}}, "required": ["amount"]}
    bill = schema(total="money")
    bill["properties"]["lines"] = {"type": "array", "items": line}
    bill["required"].append("lines")
    made = step("{check: arithmetic, then: tell, of: b, sums: {total: 'sum(lines.map(l, l.amount))'}}", b=bill)
    lines = [{"amount": "4.50 USD"}, {"amount": "5.50 USD"}]
    assert made.run(b={"total": "10.00 USD", "lines": lines})["passed"] is True
    assert rules_of(made.run(b={"total": "10.00 USD", "lines": lines[:1]})) == ["total"]
    assert made.run(b={"total": "10.00 USD", "lines": []})["failed"] == [
        {"rule": "total", "why": "`sum(lines.map(l, l.amount))` cannot be computed"}
    ]


# ---------------------------------------------------------------- agreement


@pytest.mark.parametrize(
    ("more", "values", "agreed", "broken"),
    [
        ("", ["5.00 USD", "5 USD", "5.00 USD"], "5.00 USD", []),
        ("", ["5.00 USD", "6.00 USD", "5.00 USD"], None, ["b.y"]),
        (", need: majority", ["6.00 USD", "5.00 USD", "5.00 USD"], "5.00 USD", []),
        (", need: majority", ["4.00 USD", "5.00 USD", "6.00 USD"], None, ["b.y", "b.z"]),
        (", tolerance: 0.5", ["5.00 USD", "5.40 USD", "4.60 USD"], "5.00 USD", []),
        ("", ["5.00 USD", "5.00 EUR", "5.00 USD"], None, ["b.y"]),
        ("", ["5.00 USD", None, "5.00 USD"], None, ["b.y"]),
        (", missing: skip", ["5.00 USD", None, "5.00 USD"], "5.00 USD", []),
        (", missing: skip", ["5.00 USD", None, None], None, ["agreement"]),
        (", need: majority", ["5.00 USD", None, None], None, ["agreement", "b.y", "b.z"]),
        (", need: majority", ["5.00 USD", None, "5.00 USD"], "5.00 USD", []),
    ],
)
def test_sources_agree(step, more, values, agreed, broken):
    """All of them or most; those that differ are named, and what they agree on is the value."""
    made = step(
        f"{{check: agreement, then: tell, of: [b.x, b.y, b.z]{more}}}", b=schema(x="money", y="money", z="money")
    )
    told = made.run(b=dict(zip("xyz", values, strict=True)))
    assert (told["value"], rules_of(told)) == (agreed, broken)
    assert told["passed"] is not bool(broken)


def test_texts_agree_once_normalised(step):
    """As they are, they need every letter."""
    pair = {"x": "  Ann   OAK", "y": "Ann Oak"}
    plain = step("{check: agreement, then: tell, of: [b.x, b.y]}", b=schema(x="text", y="text"))
    assert plain.run(b=pair)["passed"] is False
    named = step("{check: agreement, then: tell, of: [b.x, b.y], as: text}", b=schema(x="text", y="text"))
    assert named.run(b=pair)["passed"] is True
    dated = step("{check: agreement, then: tell, of: [b.x, b.y], as: date}", b=schema(x="text", y="date"))
    assert dated.run(b={"x": "3 March 2024", "y": "2024-03-03"})["value"] == "2024-03-03"


# ---------------------------------------------------------------- grounding


def found(value: Any, quote: str, start: int | None = None) -> dict[str, Any]:
    """Return a place of the fields contract."""
    at = TEXT.index(quote) if start is None else start
    return {"value": value, "quote": quote, "page": None, "start": at, "end": at + len(quote), "confidence": "0.9"}


def fields(**places: Any) -> dict[str, Any]:
    """Return a fields value."""
    values = {
        name: [each["value"] for each in place] if isinstance(place, list) else place and place["value"]
        for name, place in places.items()
    }
    return {"values": values, "found": places}


GOOD = {
    "total": found("1250.00 USD", "USD 1,250.00"),
    "issued": found("2024-03-03", "3 March 2024"),
    "party": [found("Ann Oak", "Ann Oak"), found("Bo Elm", "Bo Elm")],
}
GROUNDING = "{check: grounding, then: tell, of: fields, against: document}"
ANY = {"type": "object", "properties": {"found": {}, "values": {}}}
DOCUMENT = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}


def test_fields_that_stand_in_the_document_pass(step):
    """The extractor's own descriptions are locked with the step, without being named."""
    made = step(GROUNDING, fields=ANY, document=DOCUMENT)
    assert [f"{each.kind}:{each.name}" for each in made.compiled.components] == ["extractor:extractors/bill.yaml"]
    told = made.run(fields=fields(**GOOD), document={"text": TEXT})
    assert told == {"passed": True, "outcome": "pass", "failed": []}


@pytest.mark.parametrize(
    ("changes", "broken"),
    [
        ({"total": found("9250.00 USD", "USD 1,250.00")}, "total"),
        ({"total": found("1250.00 USD", "USD 1,250.00", 3)}, "total"),
        ({"total": {**found("1250.00 USD", "USD 1,250.00"), "quote": "USD 1250.00"}}, "total"),
        ({"total": {**found("1250.00 USD", "USD 1,250.00"), "end": -1}}, "total"),
        ({"total": {**found("1250.00 USD", "USD 1,250.00"), "quote": ""}}, "total"),
        ({"issued": found("2024-03-04", "3 March 2024")}, "issued"),
        ({"party": [found("Ann Oak", "Ann Oak"), found("Bo Elms", "Bo Elm")]}, "party"),
        ({"bonus": found("Bill", "Bill")}, "bonus"),
    ],
)
def test_a_field_that_the_document_does_not_bear_out_is_named(step, changes, broken):
    """A value of its own, a quote from elsewhere, a quote that is nowhere, a field that nobody described."""
    made = step(GROUNDING, fields=ANY, document=DOCUMENT)
    told = made.run(fields=fields(**{**GOOD, **changes}), document={"text": TEXT})
    assert rules_of(told) == [broken]
    assert "250" not in str(told["failed"])


def test_a_value_that_was_not_found_is_not_grounded(step):
    """The steps after it read `values`; the proof is in `found`."""
    data = fields(**GOOD)
    data["values"]["total"] = "9999.00 USD"
    told = step(GROUNDING, fields=ANY, document=DOCUMENT).run(fields=data, document={"text": TEXT})
    assert told["failed"] == [{"rule": "total", "why": "its value is not the one that was found"}]


@pytest.mark.parametrize("seed", range(40))
def test_no_change_of_what_was_found_goes_unnoticed(step, seed):
    """Whatever part of a found field is changed, it no longer passes."""
    draw = random.Random(seed)
    made = step(GROUNDING, fields=ANY, document=DOCUMENT)
    data = json.loads(json.dumps(fields(**GOOD)))
    name = draw.choice(["total", "issued", "party"])
    place = data["found"][name][draw.randrange(2)] if name == "party" else data["found"][name]
    part = draw.choice(["value", "quote", "start", "end"])
    before = place[part]
    place[part] = before + draw.choice([-2, -1, 1, 2]) if isinstance(before, int) else before[:-1] + draw.choice("xyz")
    if part == "value":
        data["values"][name] = [each["value"] for each in data["found"][name]] if name == "party" else place["value"]
    assert rules_of(made.run(fields=data, document={"text": TEXT})) == [name]


def test_data_of_another_form_is_broken_and_no_defect(step):
    """An answer that only looks like fields."""
    made = step(GROUNDING, fields=ANY, document=DOCUMENT)
    for data in (
        {"found": True},
        {"found": {"total": 7}, "values": {"total": 7}},
        {"found": [], "values": 1},
        [],
        None,
    ):
        assert made.run(fields=data, document={"text": TEXT})["passed"] is False


def test_what_is_not_there_claims_nothing(step):
    """Whether it must be there is another question."""
    made = step(GROUNDING, fields=ANY, document=DOCUMENT)
    assert made.run(fields=fields(total=None, issued=None, party=[]), document={"text": TEXT})["passed"] is True


@pytest.mark.parametrize(
    ("answer", "broken"),
    [
        ({"total": {"value": "1250.00 USD", "quote": "USD 1,250.00"}}, []),
        ({"total": {"value": "1250.00 USD", "quote": "USD 1,251.00"}}, ["total"]),
        ({"total": {"value": "1251.00 USD", "quote": "USD 1,250.00"}}, ["total"]),
        ({"total": {"value": "1250.00 USD", "quote": None}}, ["total"]),
        ({"total": {"value": None, "quote": None}}, []),
        ({"total": "1250.00 USD"}, ["total"]),
        ({}, ["quotes"]),
    ],
)
def test_an_answer_with_quotes_is_grounded_as_well(step, answer, broken):
    """Of a model that was asked for them; `by` locks what they must give."""
    written = "{check: grounding, then: tell, of: answer, against: document.text, by: extractors/bill.yaml}"
    made = step(written, answer={"type": "object"}, document=DOCUMENT)
    assert rules_of(made.run(answer=answer, document={"text": TEXT})) == broken


def test_quotes_alone_can_be_checked(step):
    """Where nothing says what they must give, that they stand there is all that can be said."""
    made = step("{check: grounding, then: tell, of: answer, against: document}", answer=ANY | {}, document=DOCUMENT)
    assert made.problems == ["steps.s:missing-key"], "fields with places need their descriptions"
    open_answer = {"type": "object", "properties": {"why": {}}}
    made = step("{check: grounding, then: tell, of: answer, against: document}", answer=open_answer, document=DOCUMENT)
    there = {"why": {"quote": "Bo Elm"}, "sure": True}
    assert made.run(answer=there, document={"text": TEXT})["passed"] is True
    assert rules_of(made.run(answer={"why": [{"quote": "Bo Elms"}]}, document={"text": TEXT})) == ["why"]
    assert rules_of(made.run(answer={"sure": True}, document={"text": TEXT})) == ["quotes"]


# ---------------------------------------------------------------- duplicates


@dataclass
class Ledger:
    """Keys of other runs, kept in a list."""

    others: list[str] = field(default_factory=list)
    claimed: list[Any] = field(default_factory=list)

    def claim(self, path: str, key: Any) -> list[str]:
        """Note the key."""
        self.claimed.append((path, key))
        return self.others


DUPLICATES = "{check: duplicates, then: tell, key: {supplier: b.s, amount: b.a}}"


def test_a_key_that_another_run_has_is_a_duplicate(step, world):
    """The other run is named; so that nothing changes under a run's feet, the step is journalled."""
    made = step(DUPLICATES, b=schema(s="text", a="money"))
    assert made.compiled.conduct == "slow"
    world.keys = Ledger(others=["run_1"])
    told = made.run(b={"s": "Oak  Ltd", "a": "5 USD"})
    assert told["others"] == ["run_1"]
    assert told["failed"] == [{"rule": "duplicates", "why": "run run_1 has the same supplier, amount"}]
    world.keys.others = []
    assert made.run(b={"s": "OAK ltd", "a": "5.00 USD"})["passed"] is True
    assert world.keys.claimed[0] == world.keys.claimed[1] == ("s", {"amount": "5 USD", "supplier": "oak ltd"})


def test_a_key_with_a_part_missing_tells_nothing_apart(step, world):
    """Two unknown bills are not the same bill, and not known to be two."""
    world.keys = Ledger()
    told = step(DUPLICATES, b=schema(s="text", a="money")).run(b={"s": None, "a": "5 USD"})
    assert (told["passed"], told["others"], world.keys.claimed) == (False, [], [])


def test_a_run_that_stands_for_itself_has_no_duplicates(step):
    """A trial of an evaluation, for example."""
    assert step(DUPLICATES, b=schema(s="text", a="money")).run(b={"s": "a", "a": "5 USD"})["passed"] is True
