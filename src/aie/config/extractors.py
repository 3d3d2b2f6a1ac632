"""`extractors/NAME.yaml`: the fields that are read of a document, and what finds them."""

from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError, PydanticKnownError

from aie.config.fields import FieldSpec
from aie.config.rules import Rule
from aie.config.scalars import Name, Path
from aie.config.spec import Spec, StepName
from aie.config.trained import CalibrationSpec, LearnsSpec, TrainedSpec
from aie.core import canonical

__all__ = ["By", "ExtractorSpec", "PromptSpec"]


class PromptSpec(Spec):
    """A chat model that is asked for every field with its verbatim quote."""

    model: Name
    """Chat model of `models.yaml`."""
    template: Path | None = None
    """Prompt, relative to the workflow's folder; none: one is made of the fields."""


def _some(value: tuple[Rule, ...]) -> tuple[Rule, ...]:
    # As a bound of the field it would also be reported wherever one of the rules has a mistake.
    if not value:
        raise PydanticKnownError("too_short", {"field_type": "Tuple", "min_length": 1, "actual_length": 0})
    return value


class By(Spec):
    """What finds the fields: exactly one of these."""

    rules: dict[StepName, Annotated[tuple[Rule, ...], Field(strict=False), AfterValidator(_some)]] | None = None
    """Rules by field."""
    trained: TrainedSpec | None = None
    """An extractor that was trained on a dataset."""
    prompt: PromptSpec | None = None
    """A chat model."""

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if sum(each is not None for each in (self.rules, self.trained, self.prompt)) != 1:
            raise PydanticCustomError("one_of", "exactly one of `rules`, `trained` and `prompt` expected")
        return self


class ExtractorSpec(Spec):
    """An extractor file."""

    finds: dict[StepName, FieldSpec] = Field(min_length=1)
    """Fields by name."""
    by: By
    """What finds them; changing it changes nothing downstream."""
    learns: LearnsSpec | None = None
    """Cases with known values, for training and for calibration."""
    calibration: CalibrationSpec | None = None
    """How sure a value is, learnt from cases; none: as sure as what finds it says."""

    def pinned(self) -> bytes:
        """Return the canonical form that a release pins: every default written out, without what is for training."""
        return canonical(self.model_dump(mode="json", exclude_none=True, exclude={"learns", "calibration"}))

    @classmethod
    def read(cls, content: bytes) -> "ExtractorSpec":
        """Read the canonical form."""
        return cls.model_validate_json(content)
