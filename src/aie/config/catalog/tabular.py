"""Tabular classifiers of `models.yaml`: a decision from named features of a case, trained here, run here."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from aie.config.catalog.classifier import LearntHere, positive
from aie.config.catalog.forms import form_expected
from aie.config.scalars import CELText, DecimalText
from aie.config.spec import Spec, StepName
from aie.core import JSON

__all__ = ["Boosting", "FeatureSpec", "TabularClassifier"]


class FeatureSpec(Spec):
    """One feature: what it is of a case, under exactly one key that says how it is read."""

    category: CELText | None = None
    """An expression of a case's `input` whose values are names: texts, truth values, whole numbers as codes."""
    number: CELText | None = None
    """An expression of a case's `input` whose values are numbers, or texts that hold one; it may be missing."""

    @model_validator(mode="after")
    def _one(self) -> "FeatureSpec":
        if (self.category is None) == (self.number is None):
            raise form_expected("`category` or `number`", "{number: input.age}")
        return self

    @property
    def kind(self) -> Literal["category", "number"]:
        """How its values are read."""
        return "category" if self.number is None else "number"

    @property
    def text(self) -> str:
        """The expression."""
        return self.category or self.number or ""


class Boosting(Spec):
    """How a tabular classifier is made: gradient-boosted trees; a closed list of settings."""

    trees: Annotated[int, Field(ge=1, le=2000)] = 120
    """Rounds of boosting; each adds one tree a label, or one in all for two labels."""
    depth: Annotated[int, Field(ge=1, le=6)] = 3
    """Questions that a tree asks of a case; with 1 every feature speaks for itself."""
    rate: Annotated[DecimalText, AfterValidator(positive)] = "0.1"
    """Share of each tree's correction that is taken."""
    least: Annotated[int, Field(ge=1, le=10_000)] = 20
    """Training cases that an answer of a tree needs; rarer categories are left out."""
    edges: Annotated[int, Field(ge=1, le=255)] = 32
    """Most places where a numeric feature may be cut."""


class TabularClassifier(LearntHere):
    """A label from named features, trained by `aie train`, run without a network."""

    kind: Literal["tabular_classifier"]
    """Trained here, runs here."""
    features: dict[StepName, FeatureSpec] = Field(min_length=1, max_length=500)
    """Features by name; a step gives the same under `with`."""
    recipe: Boosting = Field(default_factory=Boosting)
    """How it is made."""

    def pinned(self) -> dict[str, JSON]:
        """Return what changes an answer; the artefact itself is pinned by its bytes."""
        return {
            "kind": self.kind,
            "features": {name: {"kind": each.kind, "text": each.text} for name, each in self.features.items()},
            "recipe": self.recipe.model_dump(mode="json"),
            "seed": self.seed,
            "threshold": self.threshold_facts(),
        }
