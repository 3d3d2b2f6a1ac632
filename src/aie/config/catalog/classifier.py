"""What the classifiers of `models.yaml` that are trained here have in common, and those of texts."""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from aie.config.catalog.entry import Entry
from aie.config.catalog.forms import form_expected
from aie.config.scalars import CELText, DecimalText, Name, Path, Share
from aie.config.spec import Spec
from aie.core import JSON

__all__ = ["ChosenThreshold", "LearntHere", "Recipe", "TextClassifier", "positive"]


def positive(value: str) -> str:
    """Return a decimal text above 0; refuse any other."""
    if Decimal(value) <= 0:
        raise form_expected("a decimal above 0", "1")
    return value


def _confidence(value: str) -> str:
    if not 0 <= Decimal(value) <= 1:
        raise form_expected("a decimal from 0 to 1", "0.8")
    return value


class Recipe(Spec):
    """How a text classifier is made; a closed list, so that a recipe means the same in every release."""

    features: Literal["words", "words+bigrams", "words+chars"] = "words+chars"
    """What of the text is counted: words, also pairs of them, also runs of 2 to 4 characters inside them."""
    min_count: Annotated[int, Field(ge=1, le=1000)] = 2
    """Features seen in fewer texts are left out."""
    max_features: Annotated[int, Field(ge=10, le=1_000_000)] = 60_000
    """The most frequent features are kept."""
    strength: Annotated[DecimalText, AfterValidator(positive)] = "1"
    """Inverse of the regularisation; larger fits the training texts more closely."""


class ChosenThreshold(Spec):
    """A threshold that training chooses on held-out cases."""

    error_rate: Share
    """The share of accepted answers that may be wrong on the split."""
    on: Name = "val"
    """Split of the training dataset to choose it on."""


# Told apart by shape, so that a mistake in one form is not also reported as a mistake in the other.
_Threshold = Annotated[
    Annotated[ChosenThreshold, Tag("<chosen>")] | Annotated[DecimalText, AfterValidator(_confidence), Tag("<literal>")],
    Discriminator(lambda value: "<chosen>" if isinstance(value, dict | ChosenThreshold) else "<literal>"),
]


class LearntHere(Entry):
    """A classifier that `aie train` makes from a dataset, run without a network."""

    train: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*(/[a-z][a-z0-9_-]*)?$")]
    """Dataset to learn from: `WORKFLOW/DATASET`, or `DATASET` where the name is unique."""
    split: Name = "train"
    """Split to learn from."""
    label: Annotated[str, Field(pattern=r"^expected(\.[a-z][a-z0-9_]*)+$")] | None = None
    """Where a case has its label or list of labels; none: its only expected value."""
    artefact: Path
    """File that `aie train` writes, relative to the workspace."""
    seed: Annotated[int, Field(ge=0, le=2**31)] = 0
    """Makes training repeatable."""
    threshold: _Threshold | None = None
    """Least confidence to accept: chosen by training, or a literal; none: every answer is accepted."""

    def live(self) -> dict[str, JSON]:
        """Return what permits or costs, as it is now."""
        return {**self.permits(), "local": True, "cost": 0}

    def threshold_facts(self) -> JSON:
        """Return the threshold as it is written."""
        if isinstance(self.threshold, ChosenThreshold):
            return {"error_rate": str(self.threshold.error_rate), "on": self.threshold.on}
        return self.threshold


class TextClassifier(LearntHere):
    """Labels for a text, trained by `aie train`, run without a network."""

    kind: Literal["text_classifier"]
    """Trained here, runs here."""
    task: Literal["single", "multi"] = "single"
    """One label for a text, or any number."""
    recipe: Recipe = Field(default_factory=Recipe)
    """How it is made."""
    text: CELText = "input.text"
    """The text of a case, e.g. `input.title + " " + input.summary`; a step gives the same under `with.text`."""

    reject: Annotated[str, Field(min_length=1)] | None = None
    """Label of texts that fit no other: an answer with it is never accepted."""

    @field_validator("reject")
    @classmethod
    def _rejects_one(cls, value: str | None, found: ValidationInfo) -> str | None:
        if value is not None and found.data.get("task") == "multi":
            raise PydanticCustomError(
                "unused", "only `task: single` has a label to reject; `multi` gives no label then"
            )
        return value

    def pinned(self) -> dict[str, JSON]:
        """Return what changes an answer; the artefact itself is pinned by its bytes."""
        return {
            "kind": self.kind,
            "task": self.task,
            "recipe": self.recipe.model_dump(mode="json"),
            "seed": self.seed,
            "reject": self.reject,
            "threshold": self.threshold_facts(),
        }
