"""The arithmetic of budgets: windows, slabs, who is admitted and what is said to whom is not."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aie.core import Spend
from aie.models import Budget, Exhausted, Slab, Window, explained, open_window, share_out, taken, window_named

BUDGET = Budget(
    tenant="acme", scope="workflow", name="claims", cost=1_000, tokens=None, per="total", on_exhausted="fail"
)
WINDOW = open_window(BUDGET, 0)
NOVEMBER_22 = 1_795_305_600_000_000
"""2026-11-22, 00:00 UTC."""
HOUR = 3_600_000_000


def spend(cost: int, tokens: int = 0) -> Spend:
    return Spend(cost=cost, tokens=tokens)


def slab(name: str, granted: int, *, spent: int = 0, reserved: int = 0, forfeited: int = 0) -> Slab:
    return Slab(
        id=name,
        granted=spend(granted),
        reserved=spend(reserved),
        spent=spend(spent),
        forfeited=spend(forfeited),
        overrun=Spend(),
    )


def shared(needed: int, *slabs: Slab, mine: str = "a", budget: Budget = BUDGET) -> object:
    outcome = share_out(budget, WINDOW, slabs, mine, spend(needed))
    return {name: amount.cost for name, amount in outcome.items()} if not isinstance(outcome, Exhausted) else outcome


@pytest.mark.parametrize(
    ("per", "at", "stretch", "ends"),
    [
        ("day", NOVEMBER_22, "2026-11-22", NOVEMBER_22 + 24 * HOUR),
        ("day", NOVEMBER_22 - 1, "2026-11-21", NOVEMBER_22),
        ("month", NOVEMBER_22 + 8 * 24 * HOUR + 23 * HOUR, "2026-11", NOVEMBER_22 + 9 * 24 * HOUR),
        ("total", NOVEMBER_22, "total", None),
    ],
)
def test_a_window_is_a_stretch_of_utc(per: str, at: int, stretch: str, ends: int | None) -> None:
    """A day and a month end at midnight; `total` never does."""
    window = open_window(replace(BUDGET, per=per), at)  # type: ignore[arg-type]
    assert window == Window(id=f"acme/workflow/claims/{per}/{stretch}", ends=ends)
    assert window_named(window.id) == ("acme", "workflow", "claims", per, stretch)


def test_december_ends_with_the_year() -> None:
    """The month after the twelfth is the first."""
    window = open_window(replace(BUDGET, per="month"), NOVEMBER_22 + 20 * 24 * HOUR)
    assert (window.id.rpartition("/")[2], window.ends) == ("2026-12", NOVEMBER_22 + 40 * 24 * HOUR)


def test_a_slab_holds_further_calls_while_there_is_plenty() -> None:
    """So that the window is not asked for every call."""
    assert shared(10) == {"a": 10 + 19 * 10}


def test_a_slab_shrinks_as_the_window_empties() -> None:
    """Half of what is left, at most."""
    assert shared(10, slab("b", 900)) == {"a": 10 + 45}
    assert shared(10, slab("b", 990)) == {"a": 10}


def test_what_lies_idle_elsewhere_is_recalled_before_a_call_is_refused() -> None:
    """The other keeps what it spent and what its calls under way reserve."""
    assert shared(10, slab("b", 1_000, spent=300, reserved=200)) == {"b": 500, "a": 10}


def test_a_call_is_refused_when_all_that_is_left_is_used() -> None:
    """It is said which budget, how much was free, how much was needed, and where the rest is."""
    refused = shared(120, slab("a", 400, spent=400), slab("b", 600, reserved=300, forfeited=200))
    assert isinstance(refused, Exhausted)
    assert (refused.free.cost, refused.needed.cost, refused.limit) == (100, 120, "cost")
    assert explained(refused) == (
        "the budget of workflow claims (0.001 USD in all) has 0.0001 USD free, and the call may need 0.00012 USD; "
        "0.0003 USD is reserved by calls under way, 0.0002 USD forfeited"
    )


def test_tokens_are_a_cap_of_their_own() -> None:
    """Money may be left when tokens are not."""
    budget = replace(BUDGET, cost=None, tokens=50, per="day")
    refused = share_out(budget, WINDOW, (), "a", spend(10, 60))
    assert isinstance(refused, Exhausted)
    assert refused.limit == "tokens"
    assert explained(refused).startswith("the budget of workflow claims (50 tokens per day) has 50 tokens free")


def test_waiting_cannot_help_a_call_that_is_dearer_than_the_whole_budget() -> None:
    """It fails at once."""
    dear, cheap = (share_out(BUDGET, WINDOW, [slab("b", 999, spent=999)], "a", spend(n)) for n in (1_001, 1_000))
    assert isinstance(dear, Exhausted)
    assert isinstance(cheap, Exhausted)
    assert (dear.hopeless, cheap.hopeless) == (True, False)


def test_a_tightened_cap_takes_back_what_was_granted_ahead() -> None:
    """A slab is filled from what was used, not from what it was granted before."""
    assert shared(10, slab("a", 1_000, spent=100), budget=replace(BUDGET, cost=110)) == {"a": 110}
    assert isinstance(shared(11, slab("a", 1_000, spent=100), budget=replace(BUDGET, cost=110)), Exhausted)


def test_what_costs_nothing_fits_into_a_budget_that_is_overspent() -> None:
    """A model on hardware of one's own is asked when no money is left; the slab has nothing beyond what it used."""
    lowered = replace(BUDGET, cost=50)
    assert shared(0, slab("a", 1_000, spent=100), budget=lowered) == {"a": 100}
    assert isinstance(shared(1, slab("a", 1_000, spent=100), budget=lowered), Exhausted)


def test_a_slab_is_filled_for_as_many_calls_as_are_under_way() -> None:
    """With many at once each would else lease for itself."""
    assert shared(1, slab("a", 100, reserved=100), mine="a") == {"a": 201}
    assert shared(1, slab("a", 100, reserved=1), mine="a") == {"a": 21}


def test_what_was_billed_beyond_a_slab_is_not_granted_again() -> None:
    """An overrun makes a slab hold more than it was granted."""
    assert isinstance(shared(10, slab("b", 100, spent=995)), Exhausted)


CALLS = st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 120), st.integers(0, 100)), max_size=60)


@given(CALLS)
@settings(max_examples=200, deadline=None)
def test_a_call_is_refused_exactly_when_the_cap_does_not_cover_it(calls: list[tuple[str, int, int]]) -> None:
    """Whoever asks, in any order: grants together never pass the cap, and nobody starves of what others hold idle."""
    slabs: dict[str, Slab] = {}
    for mine, needed, share in calls:
        before = taken(list(slabs.values())).cost
        outcome = share_out(BUDGET, WINDOW, list(slabs.values()), mine, spend(needed))
        assert isinstance(outcome, Exhausted) == (1_000 - before < needed)
        if isinstance(outcome, Exhausted):
            continue
        for name, granted in outcome.items():
            slabs[name] = replace(slabs.get(name, slab(name, 0)), granted=granted)
        own = slabs[mine]
        assert own.granted.cost - own.used.cost >= needed
        slabs[mine] = replace(own, spent=own.spent + spend(needed * share // 100))
        assert sum(each.granted.cost for each in slabs.values()) <= 1_000
        assert all(each.granted.cost >= each.used.cost for each in slabs.values())
