"""What of each value an expression reads, and whether a condition bounds a value."""

import pytest

from aie.config import is_capped, static_paths

TOTAL = {("decision", "total")}


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("input.a.b", ["input.a.b"]),
        ("input['a'].b", ["input.a.b"]),
        ("(input.a).b", ["input.a.b"]),
        ("input.list[0].b", ["input.list"]),
        ("m[input.k]", ["input.k", "m"]),
        ("l.all(x, x.y > input.n)", ["input.n", "l"]),
        ("(has(input.a) ? input.a : null)", ["input.a"]),
        ("input.text.contains('x')", ["input.text"]),
        ("1 + 1", []),
        ("not an expression (", []),
    ],
)
def test_paths_go_as_far_as_is_known_before_the_run(text, paths):
    assert [".".join(path) for path in static_paths(text)] == paths


@pytest.mark.parametrize(
    "text",
    [
        "decision.total <= money('500.00 USD')",
        "money('500.00 USD') > decision.total",
        "decision.total <= supplier.row.most",
        "input.ok && decision.total < 5",
        "decision.total == 1 || decision.total == 2",
    ],
)
def test_a_cap_is_a_literal_or_a_value_that_holds(text):
    assert is_capped(text, TOTAL, {"supplier"})


@pytest.mark.parametrize(
    "text",
    [
        "decision.total >= money('500.00 USD')",
        "decision.total <= decision.limit",
        "decision.total <= input.most",
        "input.ok || decision.total < 5",
        "!(decision.total <= 5)",
        "decision.number <= 5",
        "decision.total != null",
        "true",
    ],
)
def test_what_can_be_true_of_any_value_is_no_cap(text):
    assert not is_capped(text, TOTAL, {"supplier"})
