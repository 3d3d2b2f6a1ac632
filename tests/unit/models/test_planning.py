"""Who may be asked: constraints are hard, what is unknown fulfils none, and every refusal says why."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aie.core import Labels
from aie.models import Call, Candidate, ChatRequest, Part, PinnedRoute, plan

PRICE = {"input_per_million": 1_000_000, "output_per_million": 4_000_000}
KNOWN = {
    "approved": True,
    "approvals": 1,
    "regions": ["eu"],
    "retention_days": 0,
    "data_classes": ["personal"],
    "modalities": ["text"],
    "price": PRICE,
}
HERE = {"approved": True, "approvals": 0, "regions": None, "retention_days": None, "data_classes": None}
REQUEST = ChatRequest(model="", user="How much is it?", max_tokens=0)
CALL = Call(request=REQUEST)


def chat(name: str = "reader", **pinned: Any) -> Candidate:
    """Return a chat model."""
    given = {
        "parameters": {"max_tokens": 100},
        "max_output": None,
        "context_window": 4000,
        "features": ["json_schema"],
    }
    return Candidate(name=name, kind="chat", pinned={**given, **pinned})


def local(name: str = "local") -> Candidate:
    """Return a classifier that runs here."""
    return Candidate(name=name, kind="text_classifier", pinned={})


def route(*candidates: Candidate, kind: str = "fallback", **changes: Any) -> PinnedRoute:
    """Return a route; `changes` are its constraints, but for what a strategy needs."""
    strategy = {
        "kind": kind,
        "next_on": [],
        **{name: changes.pop(name) for name in ("quality", "weights") if name in changes},
    }
    return PinnedRoute(
        name="r", alone=False, candidates=candidates, constraints=changes, strategy=strategy, when_exhausted="fail"
    )


def reasons(planned: Any) -> dict[str, str]:
    """Return the refusals of a plan."""
    return {each.model: each.reason for each in planned.refused}


@pytest.mark.parametrize(
    ("constraints", "facts", "reason"),
    [
        ({}, {"approved": False}, "not_approved"),
        ({}, {"approved": None}, "not_approved"),
        ({}, {"blocked": "the kill switch of its model is on"}, "blocked"),
        ({}, {"price": None}, "price"),
        ({"regions": ["eu"]}, {"regions": ["us"]}, "regions"),
        ({"regions": ["eu"]}, {"regions": ["eu", "us"]}, "regions"),
        ({"regions": ["eu"]}, {"regions": None}, "regions"),
        ({"regions": ["eu"]}, {"regions": []}, "regions"),
        ({"retention_days": 0}, {"retention_days": 30}, "retention"),
        ({"retention_days": 0}, {"retention_days": None}, "retention"),
        ({"approvals": 2}, {}, "approvals"),
        ({"modalities": ["image"]}, {}, "modalities"),
        ({"features": ["tools"]}, {}, "features"),
        ({"max_cost_per_call": 100}, {}, "max_cost"),
    ],
)
def test_a_constraint_refuses_a_candidate_with_its_reason(
    constraints: dict[str, Any], facts: dict[str, Any], reason: str
) -> None:
    """The other one, which fulfils it, is asked."""
    wrong = {**KNOWN, **facts}
    right = {**KNOWN, "approvals": 2, "modalities": ["text", "image"], "price": {**PRICE, "output_per_million": 0}}
    good = chat("good", features=["json_schema", "tools"], parameters={"max_tokens": 1})
    planned = plan(
        route(chat("bad"), good, **constraints),
        CALL,
        {"bad": wrong, "good": right | {"price": dict.fromkeys(PRICE, 0)}},
    )
    assert reasons(planned) == {"bad": reason}
    assert [each.name for each in planned.order] == ["good"]
    assert planned.refused[0].why


def test_a_model_that_the_catalog_no_longer_names_is_not_asked() -> None:
    """Nothing known permits nothing."""
    assert reasons(plan(route(chat()), CALL, {})) == {"reader": "unknown"}


def test_what_stands_in_the_catalog_now_tightens_at_once_and_never_loosens() -> None:
    """Both the pinned constraints and those of now must hold."""
    facts = {"reader": {**KNOWN, "regions": ["us"]}}
    assert reasons(plan(route(chat()), CALL, facts, {"regions": ["eu"]})) == {"reader": "regions"}
    assert reasons(plan(route(chat(), regions=["eu"]), CALL, facts, {"regions": ["eu", "us"]})) == {"reader": "regions"}


def test_the_values_themselves_say_where_they_may_go_whatever_the_route_allows() -> None:
    """Regions and classes travel with values."""
    abroad = Call(request=REQUEST, labels=Labels(regions=frozenset({"ch"})))
    secret = Call(request=REQUEST, labels=Labels(classes=frozenset({"health"})))
    assert reasons(plan(route(chat()), abroad, {"reader": KNOWN})) == {"reader": "regions"}
    assert reasons(plan(route(chat()), secret, {"reader": KNOWN})) == {"reader": "data_classes"}
    assert reasons(plan(route(chat()), secret, {"reader": {**KNOWN, "data_classes": None}})) == {
        "reader": "data_classes"
    }
    assert plan(route(chat()), secret, {"reader": {**KNOWN, "data_classes": ["health"]}}).order


def test_a_classifier_in_this_process_may_see_everything_unless_the_catalog_says_otherwise() -> None:
    """Nothing leaves; what is said of it still holds."""
    labels = Labels(classes=frozenset({"health"}), regions=frozenset({"ch"}))
    call = Call(request=None, labels=labels)
    assert plan(route(local(), regions=["eu"], retention_days=0), call, {"local": HERE}).order
    assert reasons(plan(route(local()), call, {"local": {**HERE, "data_classes": []}})) == {"local": "data_classes"}


def test_what_cannot_fit_or_cannot_be_seen_is_not_asked() -> None:
    """By the context window and by what the model can be shown."""
    long = Call(request=ChatRequest(model="", user="x" * 40_000, max_tokens=0))
    shown = Call(
        request=ChatRequest(model="", user="", max_tokens=0, parts=(Part(media_type="image/png", content=b""),))
    )
    small, large = chat("small"), chat("large", context_window=20_000)
    facts = {"small": KNOWN, "large": {**KNOWN, "modalities": ["text", "image"]}}
    assert reasons(plan(route(small, large), long, facts)) == {"small": "context"}
    assert reasons(plan(route(small, large), shown, facts)) == {"small": "modalities"}


def test_the_cheapest_that_was_good_enough_comes_first() -> None:
    """Measured on the named dataset; unmeasured is not good enough."""
    candidates = [chat("dear", quality="0.97"), chat("cheap", quality="0.91"), chat("bad", quality="0.5"), chat("new")]
    facts = {each.name: KNOWN for each in candidates} | {"cheap": {**KNOWN, "price": dict.fromkeys(PRICE, 1)}}
    floor = {"dataset": "claims/golden", "at_least": "0.9"}
    planned = plan(route(*candidates, kind="cheapest", quality=floor), CALL, facts)
    assert [each.name for each in planned.order] == ["cheap", "dear"]
    assert reasons(planned) == {"bad": "quality", "new": "quality"}


def test_a_model_that_retired_before_the_run_began_is_not_asked() -> None:
    """A run from before goes on; who is refused for its calendar could be asked but for that."""
    made, facts = route(chat("old"), chat("new")), {"old": {**KNOWN, "retires": 50, "owner": "ann"}, "new": KNOWN}
    assert [each.name for each in plan(made, CALL, facts).order] == ["old", "new"]
    assert [each.name for each in plan(made, replace(CALL, began=49), facts).order] == ["old", "new"]
    planned = plan(made, replace(CALL, began=50), facts)
    assert (reasons(planned), [each.name for each in planned.order]) == ({"old": "retired"}, ["new"])
    abroad = {**facts, "old": {**facts["old"], "approved": False}}
    assert reasons(plan(made, replace(CALL, began=50), abroad)) == {"old": "not_approved"}


def test_a_case_always_draws_the_same_in_proportion_to_the_weights() -> None:
    """Two thousand cases, three to one; taking the loser's rival away moves nobody else."""
    names = {"a": 3, "b": 1, "c": 1}
    made = route(*(chat(name) for name in names), kind="weighted", weights=names)
    facts = dict.fromkeys(names, KNOWN)

    def first(case: str, known: dict[str, Any]) -> str:
        return plan(made, Call(request=REQUEST, case=case), known).order[0].name

    drawn = {f"case-{n}": first(f"case-{n}", facts) for n in range(2000)}
    assert drawn == {case: first(case, facts) for case in drawn}
    assert 1100 < sum(each == "a" for each in drawn.values()) < 1300
    without = {name: known for name, known in facts.items() if name != "c"}
    assert all(first(case, without) == name for case, name in drawn.items() if name != "c")


known = st.fixed_dictionaries(
    {
        "approved": st.sampled_from([True, False, None]),
        "regions": st.sampled_from([None, [], ["eu"], ["us"], ["eu", "us"]]),
        "retention_days": st.sampled_from([None, 0, 30]),
        "data_classes": st.sampled_from([None, [], ["personal"]]),
        "price": st.sampled_from([None, PRICE]),
    }
)


@given(st.lists(known, min_size=1, max_size=4), st.sampled_from([None, ["eu"]]), st.sampled_from([None, 0]))
def test_whoever_may_be_asked_fulfils_everything(
    facts: list[dict[str, Any]], regions: list[str] | None, retention: int | None
) -> None:
    """Each candidate is either in the order or refused, and nothing unlawful is ever in the order."""
    names = [f"m{at}" for at in range(len(facts))]
    made = route(*(chat(name) for name in names), regions=regions, retention_days=retention)
    labels = Labels(classes=frozenset({"personal"}))
    by_name = dict(zip(names, facts, strict=True))
    planned = plan(made, Call(request=REQUEST, labels=labels), by_name)
    assert sorted([each.name for each in planned.order] + [each.model for each in planned.refused]) == names
    for each in planned.order:
        fact = by_name[each.name]
        assert fact["approved"] is True
        assert fact["price"] is not None
        assert "personal" in (fact["data_classes"] or [])
        assert regions is None or (fact["regions"] and set(fact["regions"]) <= set(regions))
        assert retention is None or fact["retention_days"] == 0


@given(st.lists(st.tuples(*(st.integers(0, 2) for _ in range(4))), min_size=2, max_size=12))
def test_what_was_found_for_one_call_is_never_said_of_another(asked: list[tuple[int, int, int, int]]) -> None:
    """One route, asked again and again under facts, constraints, labels and questions that come and go."""
    facts = [
        {"reader": KNOWN, "second": KNOWN},
        {"reader": {**KNOWN, "regions": ["us"]}, "second": {**KNOWN, "data_classes": []}},
        {"reader": {**KNOWN, "blocked": "a switch"}},
    ]
    constraints = [{}, {"regions": ["eu"]}, {"approvals": 2}]
    labels = [Labels(), Labels(classes=frozenset({"personal"})), Labels(regions=frozenset({"eu"}))]
    requests = [
        REQUEST,
        replace(REQUEST, parts=(Part(media_type="image/png", content=b"1"),)),
        None,
    ]
    kept = route(chat("reader"), chat("second"), max_cost_per_call=1_000_000)
    for a, b, c, d in asked:
        call = Call(request=requests[d], labels=labels[c])
        fresh = route(chat("reader"), chat("second"), max_cost_per_call=1_000_000)
        said, right = (plan(each, call, facts[a], constraints[b]) for each in (kept, fresh))
        assert said.to_json() == right.to_json()
