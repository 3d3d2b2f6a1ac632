"""What an extractor file says of learning: what is trained, on which cases, and how sure its answers are made."""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from aie.config.datasets import Target
from aie.config.scalars import DecimalText, Name, Path, Share
from aie.config.spec import Spec, StepName

__all__ = ["CalibrationSpec", "LearnsSpec", "TrainedSpec"]


def _positive(value: str) -> str:
    if Decimal(value) <= 0:
        raise PydanticCustomError(
            "form", "{expected} expected, e.g. `{example}`", {"expected": "a decimal above 0", "example": "1"}
        )
    return value


class TrainedSpec(Spec):
    """An extractor that was trained on a dataset: it ranks the places where a value may stand."""

    artefact: Path
    """File that `aie train` writes, relative to the workflow's folder."""
    kind: Literal["lines", "spans"] = "lines"
    """What is looked at for texts and names: whole lines and runs of them, as on forms and receipts; or runs of
    capitalised words, as in prose. Dates, numbers and the like are found by their form in either."""
    strength: Annotated[DecimalText, AfterValidator(_positive)] = "1"
    """Inverse of the regularisation; larger fits the training cases more closely."""
    min_count: Annotated[int, Field(ge=1, le=1000)] = 2
    """Features seen in fewer cases are left out."""


class LearnsSpec(Spec):
    """The cases whose values are known."""

    dataset: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$")]
    """Dataset of the same workflow. What is read of a case is what the step reads."""
    split: Name = "train"
    """Split to train on."""
    expected: dict[StepName, Target] = Field(default_factory=dict)
    """Where in a case a field's value stands; left out: `expected.FIELD`."""


class CalibrationSpec(Spec):
    """How confidences are made to mean what they say."""

    artefact: Path
    """File that `aie train` writes, relative to the workflow's folder; its report is put beside it."""
    split: Name = "val"
    """Split to learn it on, which training does not see."""
    error_rate: Share | None = None
    """Share of accepted values that may be wrong on the split; each field's `accept` is then chosen so."""
