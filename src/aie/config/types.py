"""Types of the values that flow between steps: structural, read from JSON Schema, written back to it.

On the wire everything is JSON without floats: decimals, money and dates are strings whose schema says
`format: decimal`, `money` or `date`; a JSON Schema `number` means a decimal.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

__all__ = [
    "AnyType",
    "BoolType",
    "DateType",
    "DecimalType",
    "DocumentType",
    "IntType",
    "ListType",
    "MoneyType",
    "NullType",
    "NullableType",
    "ObjectType",
    "TextType",
    "Type",
    "fits",
    "nullable",
]


@dataclass(frozen=True, slots=True)
class AnyType:
    """Nothing is known before the run."""

    def __str__(self) -> str:
        return "anything"


@dataclass(frozen=True, slots=True)
class NullType:
    """Only null."""

    def __str__(self) -> str:
        return "null"


@dataclass(frozen=True, slots=True)
class BoolType:
    """True or false."""

    def __str__(self) -> str:
        return "bool"


@dataclass(frozen=True, slots=True)
class IntType:
    """An integer within ±(2^53−1)."""

    def __str__(self) -> str:
        return "int"


@dataclass(frozen=True, slots=True)
class DecimalType:
    """An exact decimal, a string such as `"0.8"` on the wire."""

    def __str__(self) -> str:
        return "decimal"


@dataclass(frozen=True, slots=True)
class MoneyType:
    """An exact amount with its currency, a string such as `"500.00 USD"` on the wire."""

    def __str__(self) -> str:
        return "money"


@dataclass(frozen=True, slots=True)
class DateType:
    """A day, a string `YYYY-MM-DD` on the wire."""

    def __str__(self) -> str:
        return "date"


@dataclass(frozen=True, slots=True)
class TextType:
    """Text."""

    values: tuple[str, ...] = ()
    """The only texts possible, sorted; empty when any is."""

    def __str__(self) -> str:
        return "text"


@dataclass(frozen=True, slots=True)
class ListType:
    """A list of one type."""

    of: "Type"

    def __str__(self) -> str:
        return f"list of {self.of}"


@dataclass(frozen=True, slots=True)
class ObjectType:
    """An object with named fields."""

    fields: Mapping[str, "Type"] = field(default_factory=dict)
    required: frozenset[str] = frozenset()
    """Fields that are always there."""
    open: bool = False
    """True when it may hold fields that are not named."""

    def __str__(self) -> str:
        return "object"

    def __hash__(self) -> int:
        return hash((tuple(sorted(self.fields)), self.required, self.open))


@dataclass(frozen=True, slots=True)
class NullableType:
    """A value that may be null, e.g. of a step that may be skipped."""

    of: "Type"

    def __str__(self) -> str:
        return f"{self.of} or null"


@dataclass(frozen=True, slots=True)
class DocumentType:
    """A file given to a run: `{ref, name, media_type, size}` on the wire."""

    def __str__(self) -> str:
        return "document"


Type: TypeAlias = (
    AnyType
    | NullType
    | BoolType
    | IntType
    | DecimalType
    | MoneyType
    | DateType
    | TextType
    | ListType
    | ObjectType
    | NullableType
    | DocumentType
)


def nullable(type_: Type) -> Type:
    """Return the type that also allows null."""
    return type_ if isinstance(type_, NullableType | NullType | AnyType) else NullableType(type_)


def fits(given: Type, wanted: Type, at: str = "") -> str | None:
    """Return None when every value of `given` is one of `wanted`, else why not."""
    if isinstance(given, AnyType) or isinstance(wanted, AnyType):
        return None
    if isinstance(wanted, NullableType):
        if isinstance(given, NullType):
            return None
        return fits(given.of if isinstance(given, NullableType) else given, wanted.of, at)
    where = f" at `{at}`" if at else ""
    if isinstance(given, NullableType | NullType) and not isinstance(wanted, NullType):
        return f"{wanted} expected{where}, but it may be null"
    if isinstance(given, ListType) and isinstance(wanted, ListType):
        return fits(given.of, wanted.of, f"{at}[]")
    if isinstance(given, ObjectType) and isinstance(wanted, ObjectType):
        return _object_fits(given, wanted, at)
    if isinstance(given, TextType) and isinstance(wanted, TextType):
        extra = set(given.values) - set(wanted.values) if wanted.values else set()
        if wanted.values and (not given.values or extra):
            return f"one of {', '.join(wanted.values[:8])} expected{where}" + (f", not {min(extra)}" if extra else "")
        return None
    if type(given) is type(wanted) or (isinstance(given, IntType) and isinstance(wanted, DecimalType)):
        return None
    return f"{wanted} expected{where}, this is {given}"


def _object_fits(given: ObjectType, wanted: ObjectType, at: str) -> str | None:
    for name, type_ in wanted.fields.items():
        path = f"{at}.{name}" if at else name
        if name in given.fields:
            why = fits(given.fields[name], type_, path)
            if why is not None:
                return why
            if name in wanted.required and name not in given.required:
                return f"`{path}` is required, but may be absent"
        elif name in wanted.required and not given.open:
            return f"`{path}` is missing"
    if not wanted.open:
        for name in given.fields:
            if name not in wanted.fields:
                return f"`{at + '.' if at else ''}{name}` is not among the fields expected"
    return None
