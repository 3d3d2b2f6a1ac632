"""Steps that choose what a model gets to read."""

from collections.abc import Iterator

from pydantic import Field

from aie.config.scalars import CELText, Name, Tokens
from aie.config.steps.base import Step

__all__ = ["ContextStep"]


class ContextStep(Step):
    """Chooses the passages that fit a budget."""

    context: Name
    """Name of the recipe: `passages`."""
    from_: CELText = Field(alias="from")
    """What to choose from, e.g. `document`."""
    query: str
    """Words to look for."""
    fit: Tokens
    """The most tokens that the passages may take together."""

    def expressions(self) -> Iterator[tuple[str, str]]:
        yield from super().expressions()
        yield "from", self.from_
