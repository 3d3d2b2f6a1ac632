"""The plan's stored form."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aie.core import JSON, Limits, canonical
from aie.errors import Failure, IntegrityError
from aie.releases import FAIL, Handler, MapPlan, Node, Plan, parse_plan
from tests.unit.releases.conftest import PLAN

names = st.from_regex(r"[a-z][a-z0-9_]{0,5}", fullmatch=True)
cel = st.text("abc.[]'é", max_size=8)
values: st.SearchStrategy[JSON] = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(names, inner, max_size=2),
    max_leaves=4,
)
handlers = st.recursive(
    st.sampled_from([FAIL, Handler(kind="dead_letter")])
    | st.builds(Handler, kind=st.just("escalate"), desk=names)
    | st.builds(Handler, kind=st.just("default"), value=values),
    lambda inner: st.builds(Handler, kind=st.just("retry"), times=st.integers(1, 5), then=inner),
    max_leaves=3,
)


def _nodes(depth: int) -> st.SearchStrategy[Node]:
    body = _maps(depth - 1) if depth else st.none()
    return st.builds(
        Node,
        name=names,
        layer=st.sampled_from(["check", "model", "act"]),
        conduct=st.sampled_from(["pure", "slow", "external", "effect", "human"]),
        needs=st.lists(names, max_size=2).map(tuple),
        condition=st.none() | cel,
        inputs=st.dictionaries(names, cel, max_size=2),
        config=st.dictionaries(names, values, max_size=2),
        map=body,
        handlers=st.dictionaries(st.sampled_from(list(Failure)), handlers, max_size=2),
    )


def _maps(depth: int) -> st.SearchStrategy[MapPlan | None]:
    nodes = st.lists(_nodes(depth), max_size=2, unique_by=lambda node: node.name).map(tuple)
    whole = st.builds(MapPlan, over=cel, as_=names, key=st.none() | cel, at_most=st.integers(1, 99), nodes=nodes)
    return st.none() | whole


plans = st.builds(
    Plan,
    workflow=names,
    case=cel,
    subject=st.none() | cel,
    search=st.dictionaries(names, cel, max_size=2),
    risk=st.sampled_from(["low", "medium", "high"]),
    limits=st.builds(Limits, cost=st.none() | st.integers(0, 10**9), steps=st.none() | st.integers(1, 99)),
    result=st.dictionaries(names, cel, max_size=2),
    input_schema=names,
    output_schema=names,
    nodes=st.lists(_nodes(1), max_size=2, unique_by=lambda node: node.name).map(tuple),
)


@settings(max_examples=25, deadline=None)
@given(plans)
def test_a_plan_reads_back_the_same_through_its_stored_bytes(plan: Plan) -> None:
    """Writing and reading are inverses, through canonical bytes."""
    assert parse_plan(json.loads(canonical(plan.to_json()))) == plan


def test_walking_a_plan_meets_the_nodes_inside_maps() -> None:
    """A map's body comes right after its map."""
    assert [node.name for node in PLAN.walk()] == ["fields", "lines", "check"]


def test_a_failure_nobody_declared_ends_the_run() -> None:
    """The engine is total over failure classes even for a release it did not compile."""
    node = PLAN.nodes[0]
    assert node.handler(Failure.PROVIDER_DOWN).kind == "retry"
    assert node.handler(Failure.BLANK) == FAIL


@pytest.mark.parametrize(
    "broken",
    [
        {"nodes": None},
        {"nodes": [{"name": "x"}]},
        {"limits": {"gold": 1}},
        {"unknown": 1},
        {"nodes": [{**PLAN.nodes[0].to_json(), "conduct": "wild"}]},
        {"nodes": [{**PLAN.nodes[0].to_json(), "on": {"no_such_class": {"kind": "fail"}}}]},
        {"nodes": [{**PLAN.nodes[0].to_json(), "on": {"blank": {"kind": "pray"}}}]},
    ],
)
def test_what_is_not_a_plan_is_refused_with_a_typed_error(broken: dict[str, Any]) -> None:
    """A release of a later version, or a damaged one, is named as such."""
    with pytest.raises(IntegrityError):
        parse_plan({**PLAN.to_json(), **broken})


def test_two_plans_that_differ_in_one_field_have_two_stored_forms() -> None:
    """Nothing that a run depends on is left out of the stored form."""
    other = replace(PLAN, nodes=(replace(PLAN.nodes[0], condition="true"), *PLAN.nodes[1:]))
    assert canonical(other.to_json()) != canonical(PLAN.to_json())
