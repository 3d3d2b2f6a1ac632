"""The functions that expressions may call: what they take and give, and their exact arithmetic.

Decimals, money and dates travel through the interpreter as the strings of their wire form. A function never raises:
the interpreter would print the error with its values. It notes the reason in `Calls` and yields null, and the
evaluation as a whole fails.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import (
    ROUND_HALF_EVEN,
    Context,
    Decimal,
    DecimalException,
    DivisionByZero,
    Inexact,
    InvalidOperation,
    Overflow,
)
from typing import Any, Final

from aie.config.types import (
    BoolType,
    DateType,
    DecimalType,
    IntType,
    ListType,
    MoneyType,
    TextType,
    Type,
)
from aie.core import JSON, Money
from aie.errors import InputError

__all__ = ["FUNCTIONS", "METHODS", "NATIVE", "Calls", "Signature", "decimal_text"]

_EXACT: Final = Context(prec=60, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation, DivisionByZero, Overflow, Inexact])
MAX_TEXT: Final = 1_000_000


class CallError(Exception):
    """A function cannot give a value; the message holds none of the data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """One way to call a function."""

    takes: tuple[Type, ...]
    gives: Type
    program: str = ""
    """Name of the exact function that runs; empty: the interpreter's own of the same name."""


_TEXT, _INT, _DECIMAL, _MONEY, _DATE, _BOOL = TextType(), IntType(), DecimalType(), MoneyType(), DateType(), BoolType()

FUNCTIONS: Final[Mapping[str, tuple[Signature, ...]]] = {
    "string": (
        Signature(takes=(_TEXT,), gives=_TEXT, program="to_text"),
        Signature(takes=(_INT,), gives=_TEXT, program="to_text"),
        Signature(takes=(_BOOL,), gives=_TEXT, program="to_text"),
        Signature(takes=(_DECIMAL,), gives=_TEXT, program="to_text"),
        Signature(takes=(_MONEY,), gives=_TEXT, program="to_text"),
        Signature(takes=(_DATE,), gives=_TEXT, program="to_text"),
    ),
    "int": (
        Signature(takes=(_INT,), gives=_INT, program="to_int"),
        Signature(takes=(_TEXT,), gives=_INT, program="to_int"),
        Signature(takes=(_DECIMAL,), gives=_INT, program="to_int"),
    ),
    "decimal": (
        Signature(takes=(_DECIMAL,), gives=_DECIMAL, program="to_decimal"),
        Signature(takes=(_INT,), gives=_DECIMAL, program="to_decimal"),
        Signature(takes=(_TEXT,), gives=_DECIMAL, program="to_decimal"),
    ),
    "money": (
        Signature(takes=(_MONEY,), gives=_MONEY, program="to_money"),
        Signature(takes=(_TEXT,), gives=_MONEY, program="to_money"),
        Signature(takes=(_DECIMAL, _TEXT), gives=_MONEY, program="to_money_of"),
    ),
    "date": (
        Signature(takes=(_DATE,), gives=_DATE, program="to_date"),
        Signature(takes=(_TEXT,), gives=_DATE, program="to_date"),
    ),
    "amount": (Signature(takes=(_MONEY,), gives=_DECIMAL, program="money_amount"),),
    "currency": (Signature(takes=(_MONEY,), gives=_TEXT, program="money_currency"),),
    "days": (Signature(takes=(_DATE, _DATE), gives=_INT, program="days_between"),),
    "lower": (Signature(takes=(_TEXT,), gives=_TEXT, program="text_lower"),),
    "size": (Signature(takes=(_TEXT,), gives=_INT, program="text_size"), Signature(takes=(), gives=_INT)),
    "sum": (
        Signature(takes=(ListType(_INT),), gives=_INT, program="int_sum"),
        Signature(takes=(ListType(_DECIMAL),), gives=_DECIMAL, program="decimal_sum"),
        Signature(takes=(ListType(_MONEY),), gives=_MONEY, program="money_sum"),
    ),
}
"""Functions by name; `size` also takes lists and objects."""

METHODS: Final[Mapping[str, Signature]] = {
    "contains": Signature(takes=(_TEXT, _TEXT), gives=_BOOL),
    "startsWith": Signature(takes=(_TEXT, _TEXT), gives=_BOOL),
    "endsWith": Signature(takes=(_TEXT, _TEXT), gives=_BOOL),
    "matches": Signature(takes=(_TEXT, _TEXT), gives=_BOOL),
}
"""Functions called on a text, e.g. `input.text.contains('refund')`."""


def decimal_text(value: Decimal) -> str:
    """Return a decimal as it stands on the wire: no exponent, no negative zero."""
    return f"{abs(value) if value == 0 else value:f}"


class Calls:
    """The functions of one evaluation, and the first reason why one of them had no value."""

    def __init__(self) -> None:
        self.error = ""

    def functions(self, names: frozenset[str]) -> dict[str, Callable[..., JSON]]:
        """Return the named functions, guarded."""
        return {name: self._guarded(NATIVE[name]) for name in names & NATIVE.keys()}

    def _guarded(self, function: Callable[..., JSON]) -> Callable[..., JSON]:
        def call(*values: JSON) -> JSON:
            try:
                return function(*values)
            except CallError as error:
                self.error = self.error or str(error)
            except (DecimalException, ArithmeticError):
                self.error = self.error or "a number has no exact result"
            except (TypeError, ValueError, InputError):
                self.error = self.error or "a value is not of the type declared for it"
            return None

        return call


def _decimal(value: JSON) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise CallError("a decimal is not what it must be")
    try:
        found = Decimal(value)
    except DecimalException as error:
        raise CallError("a text is not a decimal") from error
    if not found.is_finite() or abs(found.adjusted()) > 30:
        raise CallError("a decimal is out of range")
    return found


def _money(value: JSON) -> Money:
    try:
        return Money.parse(value if isinstance(value, str) else "")
    except InputError as error:
        raise CallError("a text is not an amount of money") from error


def _pair(left: JSON, right: JSON) -> tuple[Money, Money]:
    one, two = _money(left), _money(right)
    if one.currency != two.currency:
        raise CallError("amounts of different currencies have no order and no sum")
    return one, two


def _date(value: JSON) -> date:
    try:
        return date.fromisoformat(value if isinstance(value, str) and len(value) == 10 else "")
    except ValueError as error:
        raise CallError("a text is not a date") from error


def _order(compare: Callable[[Decimal, Decimal], bool]) -> Callable[[JSON, JSON], JSON]:
    return lambda left, right: compare(_decimal(left), _decimal(right))


def _money_order(compare: Callable[[Decimal, Decimal], bool]) -> Callable[[JSON, JSON], JSON]:
    def call(left: JSON, right: JSON) -> JSON:
        one, two = _pair(left, right)
        return compare(one.amount, two.amount)

    return call


def _equal(left: JSON, right: JSON) -> JSON:
    return left is right if left is None or right is None else _decimal(left) == _decimal(right)


def _money_equal(left: JSON, right: JSON) -> JSON:
    if left is None or right is None:
        return left is right
    one, two = _money(left), _money(right)
    return one.currency == two.currency and one.amount == two.amount


def _money_math(compute: Callable[[Decimal, Decimal], Decimal]) -> Callable[[JSON, JSON], JSON]:
    def call(left: JSON, right: JSON) -> JSON:
        one, two = _pair(left, right)
        return str(Money.parse(f"{decimal_text(compute(one.amount, two.amount))} {one.currency}"))

    return call


def _math(compute: Callable[[Decimal, Decimal], Decimal]) -> Callable[[JSON, JSON], JSON]:
    return lambda left, right: decimal_text(compute(_decimal(left), _decimal(right)))


def _money_times(left: JSON, right: JSON) -> JSON:
    money = _money(left)
    product = _EXACT.multiply(money.amount, _decimal(right)).normalize(_EXACT)
    places = max(-int(money.amount.as_tuple().exponent), -int(product.as_tuple().exponent), 0)
    try:
        return str(Money.parse(f"{product.quantize(Decimal(1).scaleb(-places), context=_EXACT):f} {money.currency}"))
    except InputError as error:
        raise CallError("an amount of money has no exact result") from error


def _to_int(value: JSON) -> JSON:
    number = _decimal(value)
    if number != number.to_integral_value():
        raise CallError("a decimal is not a whole number")
    return int(number)


def _to_text(value: JSON) -> JSON:
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str | int):
        raise CallError("a value has no text")
    return str(value)


def _text(value: JSON) -> str:
    if not isinstance(value, str):
        raise CallError("a value is not a text")
    return value


def _listed(values: JSON) -> list[Any]:
    if not isinstance(values, list):
        raise CallError("a value is not a list")
    return values


def _int_sum(values: JSON) -> JSON:
    if any(isinstance(each, bool) or not isinstance(each, int) for each in _listed(values)):
        raise CallError("a list holds something that is not an integer")
    total: int = sum(_listed(values))
    return total


def _decimal_sum(values: JSON) -> JSON:
    total = Decimal(0)
    for each in _listed(values):
        total = _EXACT.add(total, _decimal(each))
    return decimal_text(total)


def _money_sum(values: JSON) -> JSON:
    if not _listed(values):
        raise CallError("the sum of no amounts has no currency")
    first, *rest = _listed(values)
    add = _money_math(_EXACT.add)
    total: JSON = str(_money(first))
    for each in rest:
        total = add(total, each)
    return total


NATIVE: Final[Mapping[str, Callable[..., JSON]]] = {
    "decimal_lt": _order(lambda a, b: a < b),
    "decimal_le": _order(lambda a, b: a <= b),
    "decimal_gt": _order(lambda a, b: a > b),
    "decimal_ge": _order(lambda a, b: a >= b),
    "decimal_eq": _equal,
    "decimal_ne": lambda left, right: not _equal(left, right),
    "decimal_add": _math(_EXACT.add),
    "decimal_sub": _math(_EXACT.subtract),
    "decimal_mul": _math(_EXACT.multiply),
    "decimal_neg": lambda value: decimal_text(-_decimal(value)),
    "decimal_sum": _decimal_sum,
    "money_lt": _money_order(lambda a, b: a < b),
    "money_le": _money_order(lambda a, b: a <= b),
    "money_gt": _money_order(lambda a, b: a > b),
    "money_ge": _money_order(lambda a, b: a >= b),
    "money_eq": _money_equal,
    "money_ne": lambda left, right: not _money_equal(left, right),
    "money_add": _money_math(_EXACT.add),
    "money_sub": _money_math(_EXACT.subtract),
    "money_mul": _money_times,
    "money_sum": _money_sum,
    "money_amount": lambda value: decimal_text(_money(value).amount),
    "money_currency": lambda value: _money(value).currency,
    "int_sum": _int_sum,
    "to_int": _to_int,
    "to_text": _to_text,
    "to_decimal": lambda value: decimal_text(_decimal(value)),
    "to_money": lambda value: str(_money(value)),
    "to_money_of": lambda value, unit: str(_money(f"{decimal_text(_decimal(value))} {_text(unit)}")),
    "to_date": lambda value: _date(value).isoformat(),
    "days_between": lambda start, end: (_date(end) - _date(start)).days,
    "text_lower": lambda value: _text(value).lower(),
    "text_size": lambda value: len(_text(value)),
}
"""What runs, by name. The interpreter counts a text in bytes; `text_size` counts characters."""
