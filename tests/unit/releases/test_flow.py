"""What can reach what in a plan: read off its expressions, before anything runs."""

from aie.core import Limits
from aie.errors import Failure
from aie.releases.flow import flow_of, overlap
from aie.releases.plan import MAP, Handler, MapPlan, Node, Plan

SEX = ("input", "sex")


def node(name: str, layer: str = "model", **own) -> Node:
    return Node(name=name, layer=layer, conduct="pure", **own)


def plan(*nodes: Node, **result: str) -> Plan:
    return Plan(
        workflow="w",
        case="input.id",
        subject=None,
        search={},
        risk="low",
        limits=Limits(),
        result=result,
        input_schema="schema:input",
        output_schema="schema:output",
        nodes=nodes,
    )


def way(made: Plan, attribute=SEX, decision="result.fraud"):
    found = flow_of(made).path(attribute, decision)
    return None if found is None else (".".join(found[0].source), *found[1])


def test_a_way_leads_through_every_step_that_reads_the_one_before():
    features = node("features", inputs={"text": "input.sex + input.make"})
    fraud = node("fraud", inputs={"text": "features.text"})
    assert way(plan(features, fraud, fraud="fraud.label")) == ("input.sex", "features", "fraud", "result.fraud")


def test_a_condition_is_a_way():
    fraud = node("fraud", inputs={"text": "input.make"}, condition="input.sex == 'f'")
    assert way(plan(fraud, fraud="fraud.label")) == ("input.sex", "fraud", "result.fraud")


def test_other_parts_of_the_same_object_are_no_way():
    fraud = node("fraud", inputs={"text": "input.person.name"})
    made = plan(fraud, fraud="fraud.label")
    assert way(made, ("input", "person", "sex")) is None
    assert way(made, ("input", "person")) is not None


def test_the_whole_object_is_a_way_to_each_of_its_parts():
    for text in ("input", "input.person", "input[input.key]", "input.person.map(p, p)"):
        made = plan(node("fraud", inputs={"text": text}), fraud="fraud.label")
        assert way(made, ("input", "person", "sex")) is not None


def test_a_step_beside_the_decision_is_no_way():
    letter = node("letter", inputs={"text": "input.sex"})
    fraud = node("fraud", inputs={"text": "input.make"})
    assert way(plan(letter, fraud, fraud="fraud.label", letter="letter.text")) is None


def test_a_check_that_may_end_the_run_is_a_way_although_nothing_reads_it():
    """Nobody of one sex would ever get a decision."""
    gate = node(
        "gate", "check", inputs={"rules.a": "input.sex == 'm'"}, handlers={Failure.CHECK_FAILED: Handler(kind="fail")}
    )
    fraud = node("fraud", inputs={"text": "input.make"})
    assert way(plan(gate, fraud, fraud="fraud.label")) == ("input.sex", "gate", "result.fraud")
    told = node(
        "gate",
        "check",
        inputs={"rules.a": "input.sex == 'm'"},
        handlers={Failure.CHECK_FAILED: Handler(kind="default")},
    )
    assert way(plan(told, fraud, fraud="fraud.label")) is None


def test_a_step_of_a_map_reads_of_the_list_what_it_reads_of_the_item():
    body = MapPlan(
        over="input.people", as_="person", key=None, at_most=9, nodes=(node("age", inputs={"text": "person.age"}),)
    )
    people = node("people", MAP, map=body)
    made = plan(people, fraud="people")
    assert way(made, ("input", "people", "sex")) is None
    assert way(made, ("input", "people", "age")) == ("input.people.age", "people.age", "people", "result.fraud")


def test_an_attribute_may_be_a_part_of_what_a_step_found():
    fraud = node("fraud", inputs={"text": "fields.values.amount"})
    made = plan(node("fields", "extract", inputs={"from": "input.file"}), fraud, fraud="fraud.label")
    assert way(made, ("fields", "values", "sex")) is None
    assert way(made, ("fields", "values", "amount")) is not None


def test_the_proof_names_everything_that_has_a_part():
    features = node("features", inputs={"text": "input.make"})
    fraud = node("fraud", inputs={"text": "features.text + input.price"})
    inputs, steps = flow_of(plan(features, fraud, fraud="fraud.label")).reached_by("result.fraud")
    assert inputs == (("input", "make"), ("input", "price"))
    assert steps == ("features", "fraud")


def test_paths_overlap_where_one_holds_the_other():
    assert overlap(("input",), SEX)
    assert not overlap(("input", "sexes"), SEX)
