"""What the operators mean for each pair of types, and which exact function stands for them."""

from collections.abc import Iterable
from typing import Final

from aie.config.types import (
    AnyType,
    DateType,
    DecimalType,
    IntType,
    ListType,
    MoneyType,
    NullableType,
    NullType,
    ObjectType,
    TextType,
    Type,
)

__all__ = ["bare", "comparable", "compute", "join", "order"]

_NAMES: Final = {
    "<": "lt",
    "<=": "le",
    ">": "gt",
    ">=": "ge",
    "==": "eq",
    "!=": "ne",
    "+": "add",
    "-": "sub",
    "*": "mul",
}


def order(op: str, left: Type, right: Type) -> str | None:
    """Return the exact function for an ordering, `""` where the interpreter has it, None where there is no order."""
    found = _order(op, left, right)
    return _order(op, right, left) if found is None and _either_any(left, right) else found


def _order(op: str, left: Type, right: Type) -> str | None:
    match left, right:
        case (MoneyType(), MoneyType() | AnyType()):
            return f"money_{_NAMES[op]}"
        case (DecimalType(), DecimalType() | IntType() | AnyType()) | (IntType(), DecimalType()):
            return f"decimal_{_NAMES[op]}"
        case (IntType(), IntType()) | (TextType(), TextType()) | (DateType(), DateType()):
            return ""
        case (AnyType(), AnyType() | IntType() | TextType() | DateType()):
            return ""
        case _:
            return None


def _either_any(left: Type, right: Type) -> bool:
    return isinstance(left, AnyType) or isinstance(right, AnyType)


def comparable(op: str, left: Type, right: Type) -> str | None:
    """Return the same for `==` and `!=`; null may be compared with everything."""
    one, two = bare(left), bare(right)
    if isinstance(one, NullType) or isinstance(two, NullType):
        return ""
    if isinstance(one, MoneyType) or isinstance(two, MoneyType):
        other = two if isinstance(one, MoneyType) else one
        return f"money_{_NAMES[op]}" if isinstance(other, MoneyType | AnyType) else None
    if isinstance(one, DecimalType) or isinstance(two, DecimalType):
        other = two if isinstance(one, DecimalType) else one
        return f"decimal_{_NAMES[op]}" if isinstance(other, DecimalType | IntType | AnyType) else None
    if _either_any(one, two) or type(one) is type(two):
        return ""
    return None


def compute(op: str, left: Type, right: Type) -> tuple[Type, str] | None:
    """Return the type of `left op right` and its exact function, or None where it means nothing."""
    match op, left, right:
        case ("+" | "-" | "*" | "/" | "%", IntType(), IntType()):
            return IntType(), ""
        case ("+" | "-" | "*", DecimalType(), DecimalType() | IntType() | AnyType()):
            return DecimalType(), f"decimal_{_NAMES[op]}"
        case ("+" | "-" | "*", IntType() | AnyType(), DecimalType()):
            return DecimalType(), f"decimal_{_NAMES[op]}"
        case ("+" | "-", MoneyType(), MoneyType() | AnyType()) | ("+" | "-", AnyType(), MoneyType()):
            return MoneyType(), f"money_{_NAMES[op]}"
        case ("*", MoneyType(), DecimalType() | IntType()):
            return MoneyType(), "money_mul"
        case ("+", TextType(), TextType() | AnyType()) | ("+", AnyType(), TextType()):
            return TextType(), ""
        case ("+", ListType(one), ListType(two)):
            return ListType(join([one, two])), ""
        case (_, AnyType(), AnyType() | IntType()) | (_, IntType(), AnyType()):
            return AnyType(), ""
        case _:
            return None


def join(types: Iterable[Type]) -> Type:
    """Return one type for values of any of these."""
    found: Type | None = None
    for each in types:
        found = each if found is None else _joined(found, each)
    return AnyType() if found is None else found


def _joined(one: Type, two: Type) -> Type:
    if one == two:
        return one
    if isinstance(one, NullType):
        return two if isinstance(two, NullableType | AnyType) else NullableType(two)
    if isinstance(two, NullType):
        return one if isinstance(one, NullableType | AnyType) else NullableType(one)
    if isinstance(one, NullableType) or isinstance(two, NullableType):
        inner = _joined(bare(one), bare(two))
        return inner if isinstance(inner, AnyType) else NullableType(inner)
    if isinstance(one, TextType) and isinstance(two, TextType):
        return TextType(tuple(sorted({*one.values, *two.values}))) if one.values and two.values else TextType()
    if isinstance(one, ListType) and isinstance(two, ListType):
        return ListType(_joined(one.of, two.of))
    if isinstance(one, ObjectType) and isinstance(two, ObjectType):
        names = one.fields.keys() | two.fields.keys()
        fields = {
            name: join([each.fields[name] for each in (one, two) if name in each.fields]) for name in sorted(names)
        }
        return ObjectType(fields, one.required & two.required, one.open or two.open)
    if {type(one), type(two)} == {IntType, DecimalType}:
        return DecimalType()
    return AnyType()


def bare(type_: Type) -> Type:
    """Return the type without null."""
    return type_.of if isinstance(type_, NullableType) else type_
