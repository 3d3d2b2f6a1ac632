"""Comparing values exactly: numbers, amounts of money and days, within a tolerance."""

from decimal import Decimal, InvalidOperation
from typing import Literal

from aie.config import DateType, DecimalType, IntType, MoneyType, NullableType, TextType, Type
from aie.core import JSON, Money
from aie.errors import InputError

__all__ = ["Kind", "Unreadable", "equal", "kind_of", "plain", "read"]

Kind = Literal["money", "number", "date", "text", "other"]
"""How values are compared: money within one currency, numbers by size, the rest as they are written."""


class Unreadable(ValueError):
    """A value is not of its type; the message does not hold it."""


def plain(type_: Type) -> Type:
    """Return a type without its null."""
    return type_.of if isinstance(type_, NullableType) else type_


def kind_of(type_: Type) -> Kind:
    """Return how values of a type are compared."""
    match plain(type_):
        case MoneyType():
            return "money"
        case DecimalType() | IntType():
            return "number"
        case DateType():
            return "date"
        case TextType():
            return "text"
        case _:
            return "other"


def read(kind: Kind, value: JSON) -> tuple[Decimal, str]:
    """Return the size and the unit of an amount or number.

    Raises:
        Unreadable: it is none.
    """
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise Unreadable("it is no number")
    try:
        if kind == "money":
            money = Money.parse(str(value))
            return money.amount, money.currency
        number = Decimal(value)
    except (InputError, InvalidOperation) as error:
        raise Unreadable("it is no number" if kind == "number" else "it is no amount of money") from error
    if not number.is_finite():
        raise Unreadable("it is no number")
    return number, ""


def equal(kind: Kind, one: JSON, other: JSON, tolerance: Decimal = Decimal(0)) -> bool:
    """Return whether two values are the same.

    Raises:
        Unreadable: one of them is not of the kind.
    """
    if kind in ("money", "number"):
        (left, unit), (right, unit_of_right) = read(kind, one), read(kind, other)
        return unit == unit_of_right and abs(left - right) <= tolerance
    return one == other
