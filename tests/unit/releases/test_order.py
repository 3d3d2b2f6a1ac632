"""The order of steps."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aie.releases.order import order


def test_steps_written_in_order_keep_their_order() -> None:
    """Independent steps stand as they were written."""
    assert order({"b": [], "a": [], "c": ["b"]}).names == ("b", "a", "c")


def test_a_step_written_too_early_moves_behind_what_it_needs() -> None:
    """The file's order is only a preference."""
    assert order({"last": ["first"], "first": [], "other": []}).names == ("first", "last", "other")


def test_needs_that_are_no_steps_are_not_edges() -> None:
    """`input` and the item of a map are always there."""
    assert order({"a": ["input"]}).names == ("a",)


@pytest.mark.parametrize(
    ("needs", "cycle"),
    [
        ({"a": ["a"]}, ("a",)),
        ({"a": ["b"], "b": ["a"]}, ("a", "b")),
        ({"x": [], "a": ["x"], "b": ["a", "d"], "c": ["b"], "d": ["c"]}, ("b", "d", "c")),
    ],
)
def test_a_cycle_is_told_from_the_reference_that_points_forward(
    needs: dict[str, list[str]], cycle: tuple[str, ...]
) -> None:
    """The first step of the told cycle holds the reference to doubt."""
    ordered = order(needs)
    assert ordered.cycles == (cycle,)


def test_two_cycles_are_both_told_and_what_is_behind_them_is_left_out() -> None:
    """Mistakes are reported together; what cannot be ordered is not guessed."""
    ordered = order({"ok": [], "a": ["b"], "b": ["a"], "after": ["a"], "c": ["d"], "d": ["c"]})
    assert ordered.names == ("ok",)
    assert ordered.cycles == (("a", "b"), ("c", "d"))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32))
def test_every_step_of_a_random_graph_comes_after_its_needs_or_is_on_or_behind_a_cycle(seed: int) -> None:
    """Sorted steps are sorted, and steps are missing only where there is a cycle."""
    random = Random(seed)
    names = [f"s{i}" for i in range(random.randint(1, 8))]
    needs = {name: random.sample(names, random.randint(0, min(2, len(names)))) for name in names}
    ordered = order(needs)
    for i, name in enumerate(ordered.names):
        assert set(needs[name]) <= set(ordered.names[:i])
    assert (len(ordered.names) == len(names)) == (not ordered.cycles)
    for cycle in ordered.cycles:
        for here, there in zip(cycle, (*cycle[1:], cycle[0]), strict=True):
            assert there in needs[here]
