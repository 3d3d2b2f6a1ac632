"""Steps that ask a model."""

from collections.abc import Iterator

from pydantic import Field

from aie.config.scalars import CELText, Name, Path
from aie.config.spec import StepName
from aie.config.steps.base import Step

__all__ = ["ModelStep"]


class ModelStep(Step):
    """Asks a model or a route of `models.yaml`."""

    model: Name
    """Its name there."""
    with_: dict[StepName, CELText] = Field(alias="with")
    """Inputs by name: the slots of the prompt, images and PDFs to be shown; `text` is what a classifier reads."""
    prompt: Path | None = None
    """Template of the prompt; for chat models."""
    returns: Path | None = None
    """JSON Schema of the answer; what a classifier says beyond it is left out."""

    def expressions(self) -> Iterator[tuple[str, str]]:
        yield from super().expressions()
        for slot, text in self.with_.items():
            yield f"with.{slot}", text
