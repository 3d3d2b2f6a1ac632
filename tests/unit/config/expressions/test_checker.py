"""Types, names and places of expressions."""

import pytest

from aie.config import (
    AnyType,
    BoolType,
    Checked,
    DateType,
    DecimalType,
    DocumentType,
    IntType,
    ListType,
    MoneyType,
    NullableType,
    ObjectType,
    TextType,
    Type,
    check_expression,
    references,
)

_LINE = ObjectType({"total": MoneyType(), "count": IntType()}, frozenset({"total", "count"}))
_INPUT = ObjectType(
    {
        "id": TextType(),
        "amount": MoneyType(),
        "share": DecimalType(),
        "day": DateType(),
        "count": IntType(),
        "urgent": BoolType(),
        "note": TextType(),
        "file": DocumentType(),
        "lines": ListType(_LINE),
    },
    frozenset({"id", "amount", "share", "day", "count", "urgent", "file", "lines"}),
)
SCOPE: dict[str, Type] = {
    "input": _INPUT,
    "policy": NullableType(ObjectType({"in_force": BoolType()}, frozenset({"in_force"}))),
    "desk": ObjectType({"label": TextType(("motor", "travel"))}, frozenset({"label"})),
    "raw": AnyType(),
}


def check(text: str, expects: Type | None = None) -> Checked:
    return check_expression(text, SCOPE, expects)


@pytest.mark.parametrize(
    ("text", "type_"),
    [
        ("input.amount", MoneyType()),
        ("input.amount < money('500.00 USD')", BoolType()),
        ("input.share >= 0.8 || input.count % 2 == 0", BoolType()),
        ("input.lines.map(l, l.total)", ListType(MoneyType())),
        ("sum(input.lines.map(l, l.total))", MoneyType()),
        ("input.lines.filter(l, l.count > 1).exists(l, l.count == 2)", BoolType()),
        ("input.urgent ? 1 : null", NullableType(IntType())),
        ("input.note", NullableType(TextType())),
        ("input.file.size", IntType()),
        ("raw.anything['x'][0]", AnyType()),
        ("size(input.id) + input.lines.size()", IntType()),
        ("days(input.day, date('2026-01-31')) > 30", BoolType()),
        ("1.5 * input.count", DecimalType()),
        ("string(input.amount) + 'x'", TextType()),
        ("amount(input.amount)", DecimalType()),
        ("'x' in [input.id]", BoolType()),
    ],
)
def test_each_form_has_its_type(text: str, type_: Type) -> None:
    """The types that steps promise one another."""
    checked = check(text)
    assert checked.findings == ()
    assert checked.type == type_


@pytest.mark.parametrize(
    ("text", "code", "blamed", "replacement"),
    [
        ("inptu.id", "unknown-name", "inptu", "input"),
        ("input.amuont", "unknown-field", "amuont", "amount"),
        ("input['amuont']", "unknown-field", "amuont", None),
        ("input.id.sized", "unknown-field", "sized", None),
        ("lowr(input.id)", "unknown-function", "lowr", "lower"),
        ("input.id.contians('x')", "unknown-function", "contians", "contains"),
        ("input.id.lower()", "unknown-function", "input.id.lower()", "lower(input.id)"),
        ("input.amount < 500", "cel-type", "500", "money('500 USD')"),
        ("input.amount < '500.00 USD'", "cel-type", "'500.00 USD'", "money('500.00 USD')"),
        ("input.share > '0.5'", "cel-type", "'0.5'", "decimal('0.5')"),
        ("input.id + input.count", "cel-type", "input.count", "string(input.count)"),
        ("input.count == '3'", "cel-type", "'3'", "3"),
        ("desk.label == 'moter'", "cel-type", "'moter'", "'motor'"),
        ("desk.label in ['moter']", "cel-type", "'moter'", "'motor'"),
        ("money('500 usd')", "cel-literal", "'500 usd'", "'500 USD'"),
        ("date('31.01.2026')", "cel-literal", "'31.01.2026'", None),
        ("policy.in_force", "cel-null", "policy", None),
        ("input.note.contains('x')", "cel-null", "input.note", None),
        ("input.count && true", "cel-type", "input.count", None),
        ("input.id.matches('[')", "cel-literal", "'['", None),
        ("input.lines.all(a, input.lines.all(b, input.lines.all(c, true)))", "cel-too-deep", None, None),
        ("input.lines.all(input, true)", "cel-type", "input", None),
        ("{'a': 1, 'a': 2}", "cel-type", "'a'", None),
        ("9007199254740993", "cel-type", "9007199254740993", None),
    ],
)
def test_each_mistake_is_told_at_its_place(text: str, code: str, blamed: str | None, replacement: str | None) -> None:
    """The code, the characters blamed, and the text that mends it."""
    checked = check(text)
    assert checked.type is None
    finding = checked.findings[0]
    assert finding.code == code
    assert blamed is None or text[finding.start : finding.end] == blamed
    assert finding.replacement == replacement


@pytest.mark.parametrize(
    "text",
    [
        "policy != null && policy.in_force",
        "policy == null || policy.in_force",
        "policy == null ? false : policy.in_force",
        "!(policy == null) && policy.in_force",
        "has(input.note) && input.note.contains('x')",
        "input.note != null && input.note.size() > 2",
    ],
)
def test_a_null_that_was_asked_about_is_no_null(text: str) -> None:
    """The usual ways to ask are understood."""
    assert check(text).findings == ()


def test_the_condition_of_a_step_counts_for_its_other_expressions() -> None:
    """With `if: policy != null`, the step's values may read the policy."""
    given = ["policy != null"]
    assert check_expression("policy.in_force", SCOPE, given=given).findings == ()
    assert check_expression("policy.in_force", SCOPE, given=["raw"]).findings != ()


@pytest.mark.parametrize(
    ("text", "expects", "replacement"),
    [
        ("input.count", TextType(), "string(input.count)"),
        ("'1.00 USD'", MoneyType(), "money('1.00 USD')"),
        ("'moter'", TextType(("motor",)), "'motor'"),
        ("input.note", TextType(), None),
        ("desk", TextType(), "desk.label"),
    ],
)
def test_a_value_of_another_type_than_wanted_is_refused(text: str, expects: Type, replacement: str | None) -> None:
    """What a step needs is said where it is given."""
    finding = check(text, expects).findings[0]
    assert finding.code == "cel-type"
    assert finding.replacement == replacement


def test_money_and_decimals_are_computed_by_exact_functions() -> None:
    """The interpreter knows neither: text would be compared letter by letter."""
    assert check("input.amount < money('1.00 USD')").program == 'money_lt(input.amount, "1.00 USD")'
    assert check("!(input.share > 0.50)").program == '!(decimal_gt(input.share, "0.50"))'
    assert check("input.count > 1").program == "input.count > 1"


def test_an_absent_field_reads_as_null() -> None:
    """There is one meaning for what is not there."""
    assert check("input.note == null").program == "(has(input.note) ? input.note : null) == null"


def test_references_leave_out_the_variables_of_macros() -> None:
    """Edges of the workflow follow from them."""
    assert references("a.b && c.all(x, x.y == d) && x") == ("a", "c", "d", "x")
    assert references("a ==") == ()
