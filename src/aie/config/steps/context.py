"""Steps that choose what a model gets to read."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticKnownError

from aie.config.scalars import CELText, Count, Tokens
from aie.config.steps.base import Step

__all__ = ["CONTEXTS", "ContextStep"]

CONTEXTS = ("passages", "sections")
"""What a step may make of a text; any other name is a recipe file."""


def _what(value: str) -> str:
    if value not in CONTEXTS and not value.endswith((".yaml", ".yml")):
        known = " or ".join(f"'{each}'" for each in (*CONTEXTS, "recipes/NAME.yaml"))
        raise PydanticKnownError("literal_error", {"expected": known})
    return value


def _listed(value: object) -> object:
    return value if isinstance(value, list | tuple) else (value,)


Sources = Annotated[
    tuple[CELText, ...],
    BeforeValidator(_listed),
    Field(strict=False, min_length=1, max_length=20),
    WithJsonSchema(
        {
            "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}],
            "description": "A CEL expression, or a list of them",
        }
    ),
]
"""One source, or several as a list."""


class ContextStep(Step):
    """Chooses the passages that fit a budget, or cuts a text into sections."""

    context: Annotated[str, AfterValidator(_what)]
    """`passages` ranks by the words of `query`; `sections` gives all of a text in parts; else a recipe file."""
    from_: Sources = Field(alias="from")
    """What to choose from, e.g. `document`; a recipe may take several: `[document, message]`."""
    query: str | None = None
    """Words to look for; only of `passages`."""
    fit: Tokens | None = None
    """The most tokens that the passages may take together; not of `sections`."""
    size: Annotated[int, Field(ge=200, le=200_000)] | None = None
    """Characters of a section at most; only of `sections`."""
    at_most: Count | None = None
    """More sections than this are refused; only of `sections`."""

    def expressions(self) -> Iterator[tuple[str, str]]:
        yield from super().expressions()
        if len(self.from_) == 1:
            yield "from", self.from_[0]
            return
        for position, text in enumerate(self.from_):
            yield f"from.{position}", text
