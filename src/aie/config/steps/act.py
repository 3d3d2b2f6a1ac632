"""Steps that change the world outside."""

from collections.abc import Iterator

from pydantic import Field

from aie.config.policy import EndorseSpec
from aie.config.scalars import CELText, Name
from aie.config.spec import StepName
from aie.config.steps.base import Step

__all__ = ["ActStep"]


class ActStep(Step):
    """Hands something to a receiver."""

    act: Name
    """Receiver of `aie.yaml`."""
    with_: dict[StepName, CELText] = Field(alias="with", min_length=1)
    """Fields of the body."""
    endorse: dict[StepName, EndorseSpec] = Field(default_factory=dict)
    """For fields that are sensitive to the receiver: when a value may be acted on though no person decided it."""

    def expressions(self) -> Iterator[tuple[str, str]]:
        yield from super().expressions()
        for slot, text in self.with_.items():
            yield f"with.{slot}", text
        for slot, each in self.endorse.items():
            yield f"endorse.{slot}.when", each.when
