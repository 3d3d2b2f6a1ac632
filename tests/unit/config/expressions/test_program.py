"""Running expressions: exact, bounded, silent about values."""

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aie.config import (
    AnyType,
    DecimalType,
    IntType,
    ListType,
    MoneyType,
    ObjectType,
    Type,
    check_expression,
    expression,
)
from aie.core import JSON
from aie.errors import Failure, StepFailure

SCOPE: dict[str, Type] = {
    "a": DecimalType(),
    "b": DecimalType(),
    "m": MoneyType(),
    "n": IntType(),
    "xs": ListType(IntType()),
    "raw": AnyType(),
    "o": ObjectType({"x": IntType()}),
}


def run(text: str, **names: JSON) -> JSON:
    checked = check_expression(text, SCOPE)
    assert checked.findings == (), checked.findings
    return expression(checked.program).evaluate(names)


_DECIMALS = st.decimals(min_value=-(10**9), max_value=10**9, places=6, allow_nan=False)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(_DECIMALS, _DECIMALS)
def test_decimals_are_exact(one: Decimal, two: Decimal) -> None:
    """Sums, products and order are those of arithmetic."""
    names: dict[str, JSON] = {"a": str(one), "b": f"{two:f}"}
    assert Fraction(str(run("a + b", **names))) == Fraction(one) + Fraction(two)
    assert Fraction(str(run("a * b", **names))) == Fraction(one) * Fraction(two)
    assert run("a < b", **names) is (one < two)
    assert run("a == b", **names) is (one == two)


def test_a_fraction_written_in_an_expression_never_becomes_a_float() -> None:
    """0.1 + 0.2 is 0.3 here."""
    assert run("0.1 + 0.2") == "0.3"
    assert run("{'x': [0.50]}") == {"x": ["0.50"]}


def test_money_keeps_its_currency_and_its_cents() -> None:
    """Amounts are texts on the wire."""
    assert run("m + money('0.10 USD')", m="1.20 USD") == "1.30 USD"
    assert run("m * 3", m="1.20 USD") == "3.60 USD"
    assert run("m * 0.333", m="10.00 USD") == "3.33 USD"
    assert run("m > money('9.99 USD')", m="10.00 USD") is True


@pytest.mark.parametrize(
    ("text", "names", "reason"),
    [
        ("m < money('1.00 EUR')", {"m": "1.00 USD"}, "different currencies"),
        ("n / 0", {"n": 1}, "division by zero"),
        ("n * n", {"n": 2**52}, "too large"),
        ("n + n", {"n": 2**53 - 1}, "2^53"),
        ("raw.name", {"raw": {"secret": 1}}, "not there"),
        ("raw + 1", {"raw": "secret"}, "type declared"),
        ("a > b", {"a": "secret", "b": "1"}, "not a decimal"),
        ("m > m", {"m": "secret"}, "not an amount"),
        ("xs[5]", {"xs": [1]}, ""),
        ("n", {}, ""),
        ("int(a)", {"a": "1.5"}, "whole number"),
    ],
)
def test_a_value_that_cannot_be_is_a_failure_without_values(
    text: str, names: dict[str, JSON], reason: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """The class is EXPRESSION; neither the message nor the streams hold what the run read."""
    with pytest.raises(StepFailure) as caught:
        run(text, **names)
    assert caught.value.failure is Failure.EXPRESSION
    assert reason in caught.value.message
    assert "secret" not in caught.value.message
    assert capfd.readouterr() == ("", "")


def test_lists_are_bounded_by_how_deep_macros_are_nested() -> None:
    """Two nested macros over a thousand items are a million steps: no more than that."""
    assert run("xs.all(x, x > 0)", xs=[1] * 20_000) is True
    with pytest.raises(StepFailure, match="more than 20000 items"):
        run("xs.all(x, x > 0)", xs=[1] * 20_001)
    with pytest.raises(StepFailure, match="more than 1000 items"):
        run("xs.all(x, xs.exists(y, y == x))", xs=[1] * 1_001)


def test_text_is_counted_in_characters() -> None:
    """The interpreter counts bytes."""
    assert run("size('é…')") == 2
    assert run("'é…'.size()") == 2


def test_an_optional_field_reads_as_null_when_it_is_absent() -> None:
    """Not as a failure."""
    assert run("o.x == null", o={}) is True
    assert run("o.x == null ? 0 : o.x", o={"x": 3}) == 3


def test_a_program_is_compiled_once_a_thread() -> None:
    """Programs of the binding stay with their thread."""
    assert expression("1 + 1") is expression("1 + 1")
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(lambda n: expression("n + 1").evaluate({"n": n}), range(50))) == set(range(1, 51))


LEAVES = st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=5)
VALUES = st.recursive(
    LEAVES, lambda of: st.lists(of, max_size=3) | st.dictionaries(st.sampled_from("bcd"), of, max_size=3), max_leaves=12
)


@settings(deadline=None, derandomize=True)
@given(st.dictionaries(st.sampled_from("ab"), VALUES), st.sampled_from(["a.b", "a.b.c", "a.b.c.d"]))
def test_a_path_leads_where_the_interpreter_goes(names: dict[str, JSON], path: str) -> None:
    """A path is followed without it; in parentheses the interpreter is asked."""

    def come_of(program: str) -> object:
        try:
            return expression(program).evaluate(names)
        except StepFailure as error:
            return str(error).replace(program, "")

    assert come_of(path) == come_of(f"({path})")


@pytest.mark.parametrize("wrong", [2**53, 0.5, {1: "a key that is no text"}, [[0.5]]])
def test_a_path_leads_to_nothing_that_an_expression_may_not_have(wrong: Any) -> None:
    """What cannot be recorded is refused there as everywhere."""
    with pytest.raises(StepFailure):
        expression("a.b").evaluate({"a": {"b": wrong}})


def test_a_path_may_lead_to_a_tuple() -> None:
    """It is recorded as a list, and is one to the interpreter."""
    assert expression("a.b").evaluate({"a": {"b": ({"c": 1},)}}) == ({"c": 1},)  # type: ignore[dict-item]
