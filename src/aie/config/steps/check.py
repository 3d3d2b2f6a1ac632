"""Steps that check a value."""

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from aie.config.scalars import CELText, Path
from aie.config.spec import StepName
from aie.config.steps.base import Step

__all__ = ["CheckStep"]


class CheckStep(Step):
    """Refuses a value that is not as it must be: `check_failed`."""

    check: Literal["schema", "rules"]
    """Against a JSON Schema, or against rules."""
    of: CELText
    """The value to check."""
    schema_: Path | None = Field(default=None, alias="schema")
    """JSON Schema; for `check: schema`."""
    rules: dict[StepName, CELText] = Field(default_factory=dict)
    """Conditions that must all be true, by name; for `check: rules`."""

    def expressions(self) -> Iterator[tuple[str, str]]:
        yield from super().expressions()
        yield "of", self.of
        for rule, text in self.rules.items():
            yield f"rules.{rule}", text
