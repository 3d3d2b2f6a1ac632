"""Steps in which a model may use tools, within bounds that it cannot move."""

import re
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from aie.config.scalars import CELText, Count, Duration, Name, Path, Usd
from aie.config.spec import Spec, StepName
from aie.config.steps.base import Step

__all__ = ["AgentLimits", "AgentStep", "ArgumentSpec", "ToolSpec"]

_Text = Annotated[str, Field(min_length=1, max_length=1_000)]


def _one_expected(keys: str, example: str) -> PydanticCustomError:
    return PydanticCustomError(
        "form", "{expected} expected, e.g. `{example}`", {"expected": f"exactly one of {keys}", "example": example}
    )


class ArgumentSpec(Spec):
    """What an argument of a tool may be, under exactly one key; anything else is refused, whoever asks for it."""

    from_: Annotated[tuple[StepName, ...], Field(min_length=1, max_length=20, strict=False)] | None = Field(
        default=None, alias="from"
    )
    """The value of one of these inputs of the step, or an item of one that is a list, to the letter."""
    enum: Annotated[tuple[_Text, ...], Field(min_length=1, max_length=1_000, strict=False)] | None = None
    """One of these texts."""
    pattern: _Text | None = None
    """A text of at most 200 characters that matches this regular expression as a whole."""

    @model_validator(mode="after")
    def _one(self) -> "ArgumentSpec":
        if sum(each is not None for each in (self.from_, self.enum, self.pattern)) != 1:
            raise _one_expected("`from`, `enum` and `pattern`", "{from: [number]}")
        return self

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, value: str | None) -> str | None:
        try:
            re.compile(value or "")
        except re.error as error:
            raise PydanticCustomError("pattern", "not a regular expression: {why}", {"why": str(error)}) from None
        return value


class ToolSpec(Spec):
    """A tool: it reads or computes, and changes nothing."""

    lookup: Name | None = None
    """Lookup of `aie.yaml`."""
    model: Name | None = None
    """Classifier of `models.yaml`."""
    compute: CELText | None = None
    """Expression over `args`, e.g. `size(args.text)`."""
    about: str = ""
    """What it is good for, in words for the model."""
    takes: dict[StepName, ArgumentSpec] = Field(min_length=1, max_length=20)
    """Its arguments: what a lookup is asked `by`, what a classifier is given `with`."""

    @model_validator(mode="after")
    def _one(self) -> "ToolSpec":
        if sum(each is not None for each in (self.lookup, self.model, self.compute)) != 1:
            raise _one_expected("`lookup`, `model` and `compute`", "{lookup: NAME, takes: {…}}")
        return self

    @property
    def kind(self) -> Literal["lookup", "model", "compute"]:
        """What it is."""
        if self.lookup is not None:
            return "lookup"
        return "model" if self.model is not None else "compute"


class AgentLimits(Spec):
    """How far it may go; at the first of them it stops with what it has."""

    calls: Count
    """Calls of models and of tools together, repeated and refused ones included."""
    cost: Usd
    """What its calls of models may cost together at worst."""
    time: Duration
    """From its first call on."""


class AgentStep(Step):
    """Asks a chat model that may use the listed tools before it answers."""

    agent: Name
    """Chat model of `models.yaml`, or a route to chat models."""
    prompt: Path
    """Template of the task; its values are fenced, as everywhere."""
    with_: dict[StepName, CELText] = Field(alias="with", min_length=1)
    """Slots of the prompt, and what arguments may be taken from."""
    tools: dict[StepName, ToolSpec] = Field(min_length=1, max_length=20)
    """What it may use, and nothing else."""
    returns: Path
    """JSON Schema of the answer: an object."""
    limits: AgentLimits
    """Its bounds; those of the run hold as well."""

    def expressions(self) -> Iterator[tuple[str, str]]:
        yield from super().expressions()
        for slot, text in self.with_.items():
            yield f"with.{slot}", text
