"""Steps that ask a model."""

from collections.abc import Iterator

from pydantic import Field

from aie.config.scalars import CELText, Name, Path
from aie.config.spec import StepName
from aie.config.steps.base import Step

__all__ = ["ModelStep"]


class ModelStep(Step):
    """Asks a model of `models.yaml`."""

    model: Name
    """Its name there."""
    with_: dict[StepName, CELText] = Field(alias="with")
    """Inputs by name: the slots of the prompt, or `text` for a classifier."""
    prompt: Path | None = None
    """Template of the prompt; chat models only."""
    returns: Path | None = None
    """JSON Schema of the answer; chat models only."""

    def expressions(self) -> Iterator[tuple[str, str]]:
        yield from super().expressions()
        for slot, text in self.with_.items():
            yield f"with.{slot}", text
