"""What may be done with values: what an input holds, what may lower a label, what must not reach a decision."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from aie.config.scalars import CELText, Name
from aie.config.spec import Spec

__all__ = ["Attribute", "Clearance", "DeclassifySpec", "EndorseSpec", "ForbidSpec", "InputLabels", "InputPath"]

InputPath = Annotated[str, Field(pattern=r"^input(\.[A-Za-z_][A-Za-z0-9_]*)*$", max_length=400)]
"""A part of the input, e.g. `input.claimant`; `input` is all of it."""
Attribute = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)+$", max_length=400)]
"""A part of the input or of a step's value, e.g. `input.sex`, `fields.values.sex`."""
_Because = Annotated[str, Field(min_length=10, max_length=400)]


class _InputLabels(Spec):
    """The labels of a part of the input."""

    classes: tuple[Name, ...] = Field(default=(), strict=False)
    """Data classes that it holds, e.g. `personal`, `health`."""
    regions: tuple[Name, ...] | None = Field(default=None, strict=False)
    """Regions in which it may be processed; none: everywhere."""
    integrity: Literal["trusted", "untrusted"] = "untrusted"
    """`trusted` where nobody outside can have written it, e.g. a number that your own system gave."""


def _classes(value: object) -> object:
    return {"classes": value} if isinstance(value, list | tuple) else value


InputLabels = Annotated[
    _InputLabels,
    BeforeValidator(_classes),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "array", "items": {"type": "string"}, "description": "Data classes"},
                {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {
                        "classes": {"type": "array", "items": {"type": "string"}},
                        "regions": {"type": ["array", "null"], "items": {"type": "string"}},
                        "integrity": {"enum": ["trusted", "untrusted"]},
                    },
                },
            ]
        }
    ),
]
"""Labels of a part of the input: its data classes as a list, or an object that also says regions and integrity."""


class DeclassifySpec(Spec):
    """Says that a step's value does not hold data that it was made from."""

    classes: tuple[Name, ...] = Field(strict=False, min_length=1)
    """Data classes that its value does not carry."""
    because: _Because
    """Why not, for the record."""


class EndorseSpec(Spec):
    """Says when a value that outsiders could have written may be acted on all the same."""

    when: CELText
    """A condition on the argument: an amount cap, `decision.total <= money('500.00 USD')`, or what a trusted lookup
    says of it, `decision.total <= supplier.row.most`."""
    because: _Because
    """Why that is enough, for the record."""


class ForbidSpec(Spec):
    """Attributes that must not have a part in a decision: a release is refused while any path leads there."""

    attributes: tuple[Attribute, ...] = Field(strict=False, min_length=1)
    """Parts of the input or of steps' values, e.g. `input.sex`."""
    decision: tuple[Annotated[str, Field(pattern=r"^(result(\.[a-z][a-z0-9_]*)?|[a-z][a-z0-9_.]*)$")], ...] = Field(
        strict=False, min_length=1
    )
    """What they must not reach: `result.NAME`, `result` for all of it, or names of steps."""


class Clearance(Spec):
    """What of labelled values may be handed to something outside; unlabelled values always may. Live."""

    classes: tuple[Name, ...] = Field(default=(), strict=False)
    """Data classes that it may get."""
    regions: tuple[Name, ...] | None = Field(default=None, strict=False)
    """Regions in which it keeps and processes what it gets; none: unknown, so it gets nothing that is bound to
    regions."""
