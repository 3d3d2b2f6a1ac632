"""`models.yaml`: every model that workflows may name, what of it is pinned by a release and what stays live."""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    Discriminator,
    Field,
    PrivateAttr,
    Tag,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from aie.config.scalars import CELText, Count, DecimalText, Duration, Name, Path, Share, Usd
from aie.config.spec import Spec
from aie.core import JSON

__all__ = [
    "ChatModel",
    "ChosenThreshold",
    "ModelEntry",
    "ModelsSpec",
    "Parameters",
    "Price",
    "Recipe",
    "TextClassifier",
]


def _form(expected: str, example: str) -> PydanticCustomError:
    return PydanticCustomError(
        "form", "{expected} expected, e.g. `{example}`", {"expected": expected, "example": example}
    )


def _positive(value: str) -> str:
    if Decimal(value) <= 0:
        raise _form("a decimal above 0", "1")
    return value


def _confidence(value: str) -> str:
    if not 0 <= Decimal(value) <= 1:
        raise _form("a decimal from 0 to 1", "0.8")
    return value


class Recipe(Spec):
    """How a text classifier is made; a closed list, so that a recipe means the same in every release."""

    features: Literal["words", "words+bigrams", "words+chars"] = "words+chars"
    """What of the text is counted: words, also pairs of them, also runs of 2 to 4 characters inside them."""
    min_count: Annotated[int, Field(ge=1, le=1000)] = 2
    """Features seen in fewer texts are left out."""
    max_features: Annotated[int, Field(ge=10, le=1_000_000)] = 60_000
    """The most frequent features are kept."""
    strength: Annotated[DecimalText, AfterValidator(_positive)] = "1"
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


class _Entry(Spec):
    """What all models have."""

    owner: str = ""
    """Who answers for the model."""
    regions: tuple[str, ...] | None = Field(default=None, strict=False)
    """Regions it processes in; none: this machine or unstated."""
    approved: bool = True
    """False stops new calls at once. Live."""
    _name: str = PrivateAttr(default="")

    @property
    def name(self) -> str:
        """The key of the entry in `models.yaml`."""
        return self._name


class TextClassifier(_Entry):
    """Labels for a text, trained by `aie train`, run without a network."""

    kind: Literal["text_classifier"]
    """Trained here, runs here."""
    task: Literal["single", "multi"] = "single"
    """One label for a text, or any number."""
    recipe: Recipe = Field(default_factory=Recipe)
    """How it is made."""
    train: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*(/[a-z][a-z0-9_-]*)?$")]
    """Dataset to learn from: `WORKFLOW/DATASET`, or `DATASET` where the name is unique."""
    split: Name = "train"
    """Split to learn from."""
    text: CELText = "input.text"
    """The text of a case, e.g. `input.title + " " + input.summary`; a step gives the same under `with.text`."""
    label: Annotated[str, Field(pattern=r"^expected(\.[a-z][a-z0-9_]*)+$")] | None = None
    """Where a case has its label or list of labels; none: its only expected value."""
    reject: Annotated[str, Field(min_length=1)] | None = None
    """Label of texts that fit no other: an answer with it is never accepted."""
    artefact: Path
    """File that `aie train` writes, relative to the workspace."""
    seed: Annotated[int, Field(ge=0, le=2**31)] = 0
    """Makes training repeatable."""
    threshold: _Threshold | None = None
    """Least confidence to accept: chosen by training, or a literal; none: every answer is accepted."""

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
        threshold: JSON = self.threshold if isinstance(self.threshold, str) else None
        if isinstance(self.threshold, ChosenThreshold):
            threshold = {"error_rate": str(self.threshold.error_rate), "on": self.threshold.on}
        return {
            "kind": self.kind,
            "task": self.task,
            "recipe": self.recipe.model_dump(mode="json"),
            "seed": self.seed,
            "reject": self.reject,
            "threshold": threshold,
        }

    def live(self) -> dict[str, JSON]:
        """Return what permits or costs, as it is now."""
        return {
            "owner": self.owner,
            "regions": None if self.regions is None else list(self.regions),
            "approved": self.approved,
            "cost": 0,
        }


class Parameters(Spec):
    """Sampling parameters; they change answers and are pinned."""

    max_tokens: Count = 1024
    """The most tokens of one answer."""
    temperature: DecimalText = "0.0"
    """0 for the likeliest answer; larger varies more."""
    seed: Annotated[int, Field(ge=0, le=2**53 - 1)] | None = None
    """Makes sampling repeatable where the provider promises it."""


class Price(Spec):
    """What a hosted model costs. Live: each call is priced at its own time."""

    input_per_million: Usd
    """Micro-USD for a million input tokens."""
    output_per_million: Usd
    """Micro-USD for a million output tokens."""


class ChatModel(_Entry):
    """A hosted or local chat model."""

    kind: Literal["chat"]
    """Asked with a prompt."""
    provider: Literal["openai_compatible"]
    """The protocol that the endpoint speaks."""
    endpoint: Annotated[str, Field(pattern=r"^https?://\S+$|^env:[A-Z][A-Z0-9_]*$")]
    """Base URL, or a reference `env:NAME`. Live."""
    model: Annotated[str, Field(min_length=1)]
    """Identifier of the snapshot, as the provider names it."""
    api_key: Annotated[str, Field(pattern=r"^env:[A-Z][A-Z0-9_]*$")] | None = None
    """Reference of the key, `env:NAME`; never the key itself. Live."""
    parameters: Parameters = Field(default_factory=Parameters)
    """How it samples."""
    price: Price | None = None
    """None only with `local: true`."""
    local: bool = False
    """True for a model on hardware of one's own: it costs 0 USD."""
    context_window: Count
    """Tokens of input and output together."""
    max_output: Count | None = None
    """The most tokens the model can answer with; none: `parameters.max_tokens`."""
    timeout: Duration = 60_000_000
    """Of one call. Live."""

    @model_validator(mode="after")
    def _priced(self) -> "ChatModel":
        if (self.price is None) != self.local:
            raise PydanticCustomError(
                "price", "a chat model has a `price`, or `local: true` for one of your own", {"path": "price"}
            )
        return self

    def pinned(self) -> dict[str, JSON]:
        """Return what changes an answer."""
        return {
            "kind": self.kind,
            "provider": self.provider,
            "model": self.model,
            "parameters": self.parameters.model_dump(mode="json"),
            "context_window": self.context_window,
            "max_output": self.max_output,
        }

    def live(self) -> dict[str, JSON]:
        """Return what permits or costs, as it is now."""
        price = self.price
        return {
            "owner": self.owner,
            "regions": None if self.regions is None else list(self.regions),
            "approved": self.approved,
            "endpoint": self.endpoint,
            "api_key": self.api_key,
            "timeout": self.timeout,
            "input_per_million": price.input_per_million if price else 0,
            "output_per_million": price.output_per_million if price else 0,
        }


ModelEntry = Annotated[TextClassifier | ChatModel, Field(discriminator="kind")]


class ModelsSpec(Spec):
    """Everything in `models.yaml`."""

    models: dict[Name, ModelEntry] = Field(default_factory=dict)
    """Models by the name that steps use."""

    @model_validator(mode="after")
    def _named(self) -> "ModelsSpec":
        for name, entry in self.models.items():
            entry._name = name
        return self
