"""The steps of a workflow file, one class a layer, each in a file of its own."""

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag

from aie.config.scalars import CELText, Count
from aie.config.spec import Spec, StepName
from aie.config.steps.act import ActStep
from aie.config.steps.agent import AgentLimits, AgentStep, ArgumentSpec, ToolSpec
from aie.config.steps.base import Step
from aie.config.steps.check import CheckKind, CheckStep
from aie.config.steps.context import CONTEXTS, ContextStep
from aie.config.steps.extract import DOCUMENTS, MERGED, ExtractStep
from aie.config.steps.lookup import LookupStep
from aie.config.steps.model import ModelStep
from aie.config.steps.review import ReviewStep

__all__ = [
    "CONTEXTS",
    "DOCUMENTS",
    "LAYER_KEYS",
    "MERGED",
    "ActStep",
    "AgentLimits",
    "AgentStep",
    "ArgumentSpec",
    "CheckKind",
    "CheckStep",
    "ContextStep",
    "ExtractStep",
    "LookupStep",
    "MapSpec",
    "MapStep",
    "ModelStep",
    "ReviewStep",
    "Step",
    "StepSpec",
    "Steps",
    "ToolSpec",
    "step_tag",
]


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


LAYER_KEYS = ("extract", "context", "lookup", "model", "agent", "check", "review", "act", "map")
"""Each step has exactly one of these keys; it says which class the step is."""


def step_tag(value: Any) -> str:
    """Return the tag of the class that a written step belongs to."""
    if isinstance(value, Step):
        return f"<{type(value).__name__.removesuffix('Step').lower()}>"
    keys = [key for key in LAYER_KEYS if isinstance(value, dict) and key in value]
    return f"<{keys[0]}>" if keys else "<none>"


StepSpec = ExtractStep | ContextStep | LookupStep | ModelStep | AgentStep | CheckStep | ReviewStep | ActStep | MapStep
"""One step of a workflow file."""

# Tags are written in angle brackets: pydantic puts them into the path of an error, where a bare `model` could be a key.
_Tagged = Annotated[
    Annotated[ExtractStep, Tag("<extract>")]
    | Annotated[ContextStep, Tag("<context>")]
    | Annotated[LookupStep, Tag("<lookup>")]
    | Annotated[ModelStep, Tag("<model>")]
    | Annotated[AgentStep, Tag("<agent>")]
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
