"""The steps of a workflow file, one class a layer, and what all of them share."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, PrivateAttr, Tag

from aie.config.handlers import Handlers
from aie.config.scalars import CELText, Count, Name, Path, Tokens
from aie.config.spec import Spec, StepName

__all__ = [
    "LAYER_KEYS",
    "ActStep",
    "CheckStep",
    "ContextStep",
    "ExtractStep",
    "MapSpec",
    "MapStep",
    "ModelStep",
    "ReviewStep",
    "Step",
    "StepSpec",
    "Steps",
    "step_tag",
]


class Step(Spec):
    """What every step may have."""

    if_: CELText | None = Field(default=None, alias="if")
    """The step is skipped, and its value is null, where this is false."""
    on: Handlers = Field(default_factory=dict)
    """Handlers by failure class; the workflow's own `on` serves what is missing here."""
    _name: str = PrivateAttr(default="")

    @property
    def name(self) -> str:
        """The key of the step."""
        return self._name

    def expressions(self) -> Iterator[tuple[str, str]]:
        """Yield every expression of the step with its key: what it references are its edges."""
        if self.if_ is not None:
            yield "if", self.if_


class ExtractStep(Step):
    """Reads a file or a text."""

    extract: Literal["document", "text"]
    """`document` reads a file with its pages; `text` only the characters."""
    from_: CELText = Field(alias="from")
    """The file or text, e.g. `input.file`."""

    def expressions(self) -> Iterator[tuple[str, str]]:
        yield from super().expressions()
        yield "from", self.from_


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


class ReviewStep(Step):
    """A person decides."""

    review: Name
    """Desk of `aie.yaml`."""
    of: tuple[CELText, ...] = Field(strict=False, min_length=1)
    """Values to decide on; their fields form the answer."""
    unless: CELText | None = None
    """No person is asked where this is true."""
    show: tuple[CELText, ...] = Field(default=(), strict=False)
    """Values shown beside, which are not decided."""

    def expressions(self) -> Iterator[tuple[str, str]]:
        yield from super().expressions()
        for i, text in enumerate(self.of):
            yield f"of.{i}", text
        if self.unless is not None:
            yield "unless", self.unless
        for i, text in enumerate(self.show):
            yield f"show.{i}", text


class ActStep(Step):
    """Hands something to a receiver."""

    act: Name
    """Receiver of `aie.yaml`."""
    with_: dict[StepName, CELText] = Field(alias="with", min_length=1)
    """Fields of the body."""

    def expressions(self) -> Iterator[tuple[str, str]]:
        yield from super().expressions()
        for slot, text in self.with_.items():
            yield f"with.{slot}", text


class MapSpec(Spec):
    """The same steps for every item of a list."""

    over: CELText
    """The list."""
    as_: StepName = Field(default="item", alias="as")
    """Name of the item in the steps."""
    key: CELText | None = None
    """Identity of an item among the others, e.g. `item.id`; none: its position."""
    steps: "Steps" = Field(min_length=1)
    """Steps of one item; they see `as`, `input` and the steps before the map."""
    at_most: Count = 100
    """More items than this are refused."""


class MapStep(Step):
    """Runs steps for every item of a list; its value is the list of their values by step name."""

    map: MapSpec
    """The list and the steps."""

    def expressions(self) -> Iterator[tuple[str, str]]:
        yield from super().expressions()
        yield "map.over", self.map.over
        if self.map.key is not None:
            yield "map.key", self.map.key
        for name, step in self.map.steps.items():
            for key, text in step.expressions():
                yield f"map.steps.{name}.{key}", text


LAYER_KEYS = ("extract", "context", "model", "check", "review", "act", "map")
"""Each step has exactly one of these keys; it says which class the step is."""


def step_tag(value: Any) -> str:
    """Return the tag of the class that a written step belongs to."""
    if isinstance(value, Step):
        return f"<{type(value).__name__.removesuffix('Step').lower()}>"
    keys = [key for key in LAYER_KEYS if isinstance(value, dict) and key in value]
    return f"<{keys[0]}>" if keys else "<none>"


StepSpec = ExtractStep | ContextStep | ModelStep | CheckStep | ReviewStep | ActStep | MapStep
"""One step of a workflow file."""

# Tags are written in angle brackets: pydantic puts them into the path of an error, where a bare `model` could be a key.
_Tagged = Annotated[
    Annotated[ExtractStep, Tag("<extract>")]
    | Annotated[ContextStep, Tag("<context>")]
    | Annotated[ModelStep, Tag("<model>")]
    | Annotated[CheckStep, Tag("<check>")]
    | Annotated[ReviewStep, Tag("<review>")]
    | Annotated[ActStep, Tag("<act>")]
    | Annotated[MapStep, Tag("<map>")],
    Discriminator(
        step_tag,
        custom_error_type="no_layer",
        custom_error_message="a step has one of the keys {keys}",
        custom_error_context={"keys": ", ".join(LAYER_KEYS)},
    ),
]
Steps = dict[StepName, _Tagged]
"""Steps by name."""

MapSpec.model_rebuild()
MapStep.model_rebuild()
