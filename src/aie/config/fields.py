"""What an extractor file says of the fields to find: the part that stays the same whatever finds them."""

from typing import Annotated, Literal

from pydantic import Field

from aie.config.scalars import Confidence
from aie.config.spec import Spec
from aie.config.types import DateType, DecimalType, IntType, MoneyType, TextType, Type

__all__ = ["FieldSpec", "FieldType", "Texts", "value_type"]

Texts = Annotated[tuple[Annotated[str, Field(min_length=1, max_length=400)], ...], Field(strict=False)]
"""Texts, written as a list."""

FieldType = Literal["text", "name", "choice", "date", "duration", "money", "decimal", "integer"]
"""text: as written, white space made one space. name: of a person or company. choice: one of `choices`. duration: e.g.
`2 years`. The others as in schemas."""


class FieldSpec(Spec):
    """One field to find."""

    type: FieldType = "text"
    """How its verbatim quote becomes a value."""
    many: bool = False
    """Any number of values instead of one."""
    required: bool = True
    """Without it the document's fields are not accepted."""
    what: str = ""
    """What it means: shown to reviewers, given to prompts."""
    order: Literal["dmy", "mdy", "ymd"] = "dmy"
    """Of day, month and year in dates written in figures."""
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] | None = None
    """Of amounts written without one; none: such an amount is no value."""
    choices: dict[Annotated[str, Field(min_length=1)], Texts] = Field(default_factory=dict)
    """For `choice`: each value with the other ways to write it."""
    keep: Confidence = "0"
    """Least confidence to be a value at all; what is found less surely is dropped."""
    accept: Confidence = "0.5"
    """Least confidence to accept a value."""


_TYPES: dict[str, Type] = {
    "date": DateType(),
    "money": MoneyType(),
    "decimal": DecimalType(),
    "integer": IntType(),
}


def value_type(spec: FieldSpec) -> Type:
    """Return the type of one value of the field."""
    if spec.type == "choice":
        return TextType(tuple(sorted(spec.choices)))
    return _TYPES.get(spec.type, TextType())
