"""Differences between releases, in plain words."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aie.core import Limits, canonical
from aie.errors import Failure
from aie.releases import FAIL, Handler, Node, Plan, Release, diff, seal
from tests.unit.releases.conftest import PLAN, MakeRelease
from tests.unit.releases.test_plan import plans

FIELDS, LINES = PLAN.nodes
PROMPT = "workflows/claims/prompts/fields.md"


def _messages(make_release: MakeRelease, **change: Any) -> list[str]:
    return [change.message for change in diff(make_release(), make_release(**change))]


def test_a_release_does_not_differ_from_itself(make_release: MakeRelease) -> None:
    """No change says nothing."""
    assert diff(make_release(), make_release()) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"limits": Limits(cost=200_000, tokens=40_000, time=60_000)},
            "limit cost 0.10 USD → 0.20 USD",
        ),
        ({"limits": Limits(cost=100_000, tokens=40_000)}, "limit time removed, was 60000 ms"),
        ({"risk": "low"}, "risk high → low"),
        ({"subject": "input.person"}, "subject set to input.person"),
        ({"search": {}}, "search attribute product removed, was input.product"),
        ({"result": {"amount": "fields.total"}}, "result amount fields.amount → fields.total"),
        ({"nodes": (FIELDS,)}, "step lines removed"),
        (
            {"nodes": (FIELDS, LINES, Node(name="desk", layer="model", conduct="slow"))},
            "step desk added (model)",
        ),
        (
            {"nodes": (FIELDS, replace(LINES, condition=None))},
            "condition of step lines removed, was fields.amount > 0",
        ),
        (
            {"nodes": (replace(FIELDS, handlers={**FIELDS.handlers, Failure.PROVIDER_DOWN: FAIL}), LINES)},
            "handler of step fields provider_down retry 2 times, then dead letter → fail",
        ),
        (
            {
                "nodes": (
                    replace(
                        FIELDS, handlers={**FIELDS.handlers, Failure.INTERNAL: Handler(kind="escalate", desk="ops")}
                    ),
                    LINES,
                )
            },
            "handler of step fields internal fail → escalate to ops",
        ),
        (
            {"components": {"classifier:intent": canonical({"threshold": "0.80", "labels": ["a", "b"]})}},
            "threshold of classifier intent 0.71 → 0.80",
        ),
        ({"components": {"rules:new": b"{}"}}, "rules new added"),
        ({"runtime": {"check": 2, "model": 3}}, "layer check version 1 → 2"),
        (
            {"files": {"workflows/claims/workflow.yaml": b"workflow: claims  # ours\n"}},
            "workflows/claims/workflow.yaml changed: +1 −1 line, the compiled plan stays the same",
        ),
        (
            {"files": {"workflows/claims/workflow.yaml": b"\xff\x00"}},
            "workflows/claims/workflow.yaml changed: 17 → 2 bytes, the compiled plan stays the same",
        ),
    ],
)
def test_each_change_is_one_plain_sentence(make_release: MakeRelease, change: dict[str, Any], message: str) -> None:
    """The words are those of the files, with old and new value."""
    assert _messages(make_release, **change) == [message]


def test_a_changed_prompt_is_told_once_with_its_lines(make_release: MakeRelease) -> None:
    """A prompt is a file and a component; people are told of the prompt."""
    new = b"Read the note with care.\nQuote it.\n\n{{ note }}\nAnswer in JSON.\n"
    changes = diff(make_release(), make_release(files={PROMPT: new}, components={"prompt:prompts/fields.md": new}))
    assert [change.message for change in changes] == ["prompt prompts/fields.md changed: +2 −1 lines"]
    assert "-Read the note." in changes[0].text
    assert "+Quote it." in changes[0].text


def test_a_change_inside_a_map_names_the_map(make_release: MakeRelease) -> None:
    """Steps of a map's body are told with their path."""
    assert LINES.map is not None
    body = (replace(LINES.map.nodes[0], inputs={"line": "line.total"}),)
    nodes = (FIELDS, replace(LINES, map=replace(LINES.map, nodes=body, at_most=50)))
    assert _messages(make_release, nodes=nodes) == [
        "map at_most of step lines 20 → 50",
        "input of step lines/check line line → line.total",
    ]


def test_a_long_value_is_told_by_its_size(make_release: MakeRelease) -> None:
    """A sentence stays a sentence."""
    (message,) = _messages(make_release, case="input." + "x" * 200)
    assert message == "case input.claim_id → input.xxxxxxxxxxxxxxxxxxxxxxxx… (206 characters)"


def test_two_long_values_are_told_where_they_begin_to_differ(make_release: MakeRelease) -> None:
    """Two abbreviations that read the same would tell nothing."""
    long = "input." + "x" * 200
    (change,) = diff(make_release(case=long + "1 and so on"), make_release(case=long + "2 and so on"))
    assert change.message == f"case …{'x' * 20}1 and so on → …{'x' * 20}2 and so on"


@settings(max_examples=15, deadline=None)
@given(plans, plans)
def test_no_change_is_silent_and_none_is_invented(one: Plan, other: Plan) -> None:
    """Two releases differ in words exactly where they differ in id."""
    before, after = (seal(replace(plan, workflow="w"), components={}, files={}, runtime={}) for plan in (one, other))
    assert bool(diff(before, after)) == (before.id != after.id)


@settings(max_examples=15, deadline=None)
@given(plans.filter(lambda plan: plan.nodes), st.data())
def test_a_change_of_any_one_part_of_a_step_is_told(plan: Plan, data: st.DataObject) -> None:
    """Also of parts that people do not write: conduct, needs, the form of the value."""
    part = data.draw(st.sampled_from(["layer", "conduct", "needs", "condition", "inputs", "config", "output", "map"]))
    donor = data.draw(plans.filter(lambda other: other.nodes))
    changed = replace(plan.nodes[0], **{part: getattr(donor.nodes[0], part)})
    before = seal(plan, components={}, files={}, runtime={})
    after = seal(replace(plan, nodes=(changed, *plan.nodes[1:])), components={}, files={}, runtime={})
    assert bool(diff(before, after)) == (before.id != after.id)


@pytest.mark.parametrize(
    "content", [b'{"threshold": "0.71", "labels": ["a", "b"]}', b'{"labels":["a","b"],"threshold":"0.71","x":null}']
)
def test_other_bytes_of_the_same_component_are_told_too(make_release: MakeRelease, content: bytes) -> None:
    """A changed digest without a sentence would be a riddle."""
    (message,) = _messages(make_release, components={"classifier:intent": content})
    assert message.startswith("classifier intent changed")


def test_what_was_added_one_way_is_removed_the_other_way(make_release: MakeRelease) -> None:
    """The order of the arguments is the direction of time."""
    one, other = make_release(), make_release(nodes=(FIELDS,))
    assert [change.kind for change in diff(one, other)] == ["removed"]
    assert [change.kind for change in diff(other, one)] == ["added"]


def test_lists_of_objects_are_told_one_by_one(make_release: MakeRelease) -> None:
    """A rule among many: which one changed, and what was added, not the whole list twice."""
    key, rules = "extractor:extractors/terms.yaml", [{"find": "date", "confidence": "0.5"}, {"find": "line"}]
    before = make_release(components={key: canonical({"rules": {"day": rules}})})
    changed = [{"find": "date", "confidence": "0.7"}, {"find": "line"}, {"find": "code"}]
    after = make_release(components={key: canonical({"rules": {"day": changed}})})
    assert [change.message for change in diff(before, after)] == [
        "rules.day.1.confidence of extractor extractors/terms.yaml 0.5 → 0.7",
        'rules.day.3 of extractor extractors/terms.yaml set to {"find": "code"}',
    ]


def pinned(*candidates: str, alone: bool = False, cap: int | None = None) -> dict[str, bytes]:
    """Return a route as a release pins it."""
    made: Any = {
        "name": "reader",
        "alone": alone,
        "candidates": [{"name": each, "kind": "text_classifier"} for each in candidates],
        "constraints": {} if alone else {"max_cost_per_call": cap, "modalities": []},
        "strategy": {"kind": "fallback", "next_on": []},
        "when_exhausted": "fail",
    }
    return {"route:reader": canonical(made)}


def test_a_model_that_becomes_a_route_is_one_change_and_called_so(make_release: MakeRelease) -> None:
    """How the two are stored is nothing to people; a step that names a model has no route in their eyes."""
    model = make_release(components=pinned("reader", alone=True))
    route = make_release(components=pinned("frankfurt", "dublin"))
    assert [each.message for each in diff(model, route)] == ["reader was a model and is a route now: frankfurt, dublin"]
    assert [each.message for each in diff(route, model)] == ["reader was a route and is a model now: reader"]
    assert [each.message for each in diff(make_release(), model)] == ["model reader added"]
    assert [each.message for each in diff(make_release(), route)] == ["route reader added"]


def test_the_bounds_of_an_agent_are_told_with_their_units(make_release: MakeRelease) -> None:
    """As people write them, and as a run's own limits are told."""

    def bounded(cost: int, time: int) -> Release:
        return make_release(nodes=(replace(FIELDS, config={"limits": {"calls": 6, "cost": cost, "time": time}}),))

    told = [each.message for each in diff(bounded(20_000, 30_000_000), bounded(100, 500_000))]
    assert told == ["limits.cost of step fields 0.02 USD → 0.0001 USD", "limits.time of step fields 30 s → 0.5 s"]


def test_a_candidate_that_changes_is_told_by_its_name(make_release: MakeRelease) -> None:
    """A number would have to be counted out; where another one takes its place there is no name to tell both by."""
    one, measured, other = pinned("a", "b"), pinned("a", "b"), pinned("a", "c")
    measured["route:reader"] = measured["route:reader"].replace(b'"name":"b"', b'"name":"b","quality":"0.9"')
    before = make_release(components=one)
    told = [each.message for each in diff(before, make_release(components=measured))]
    assert told == ["candidates.b.quality of route reader set to 0.9"]
    told = [each.message for each in diff(before, make_release(components=other))]
    assert told == ["candidates.2.name of route reader b → c"]


def test_what_a_call_may_cost_is_told_as_money(make_release: MakeRelease) -> None:
    """Not in the integers that it is counted in."""
    none, some, less = (make_release(components=pinned("a", cap=cap)) for cap in (None, 50_000, 20_000))
    told = "constraints.max_cost_per_call of route reader"
    assert [each.message for each in diff(none, some)] == [f"{told} set to 0.05 USD"]
    assert [each.message for each in diff(some, less)] == [f"{told} 0.05 USD → 0.02 USD"]
    assert [each.message for each in diff(some, none)] == [f"{told} removed, was 0.05 USD"]
