"""Which values may flow where."""

import pytest

from aie.config import (
    AnyType,
    DecimalType,
    IntType,
    ListType,
    MoneyType,
    NullableType,
    NullType,
    ObjectType,
    TextType,
    Type,
    fits,
)

_A = frozenset({"a"})


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (TextType(), AnyType()),
        (AnyType(), MoneyType()),
        (IntType(), DecimalType()),
        (TextType(("a",)), TextType(("a", "b"))),
        (NullType(), NullableType(IntType())),
        (IntType(), NullableType(IntType())),
        (ListType(IntType()), ListType(DecimalType())),
        (ObjectType({"a": IntType()}, _A), ObjectType({"a": IntType()})),
        (ObjectType({"a": IntType(), "b": IntType()}, _A), ObjectType({"a": IntType()}, _A, open=True)),
    ],
)
def test_a_narrower_value_fits(given: Type, wanted: Type) -> None:
    """Fitting is about values, not about names."""
    assert fits(given, wanted) is None


@pytest.mark.parametrize(
    ("given", "wanted", "why"),
    [
        (TextType(), MoneyType(), "money expected"),
        (TextType(), TextType(("a",)), "one of a expected"),
        (TextType(("a", "c")), TextType(("a", "b")), "not c"),
        (NullableType(IntType()), IntType(), "may be null"),
        (DecimalType(), IntType(), "int expected"),
        (ListType(TextType()), ListType(IntType()), "at `[]`"),
        (ObjectType({"a": IntType()}), ObjectType({"a": IntType()}, _A), "may be absent"),
        (ObjectType(), ObjectType({"a": IntType()}, _A), "is missing"),
        (ObjectType({"b": IntType()}), ObjectType(), "not among"),
        (ObjectType({"a": ObjectType({"b": TextType()}, frozenset("b"))}, _A),
         ObjectType({"a": ObjectType({"b": IntType()}, frozenset("b"))}, _A), "at `a.b`"),
    ],
)  # fmt: skip
def test_a_wider_value_does_not_and_the_reason_names_the_field(given: Type, wanted: Type, why: str) -> None:
    """The words go into the message of the problem."""
    found = fits(given, wanted)
    assert found is not None
    assert why in found
