"""`workflow.yaml`: one workflow, its steps and its bounds."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, PrivateAttr, model_validator

from aie.config.datasets import DatasetSpec
from aie.config.handlers import Handlers
from aie.config.policy import ForbidSpec, InputLabels, InputPath
from aie.config.scalars import CELText, Count, Duration, Name, Path, Share, Usd
from aie.config.source import Source
from aie.config.spec import Spec, StepName
from aie.config.steps import MapStep, Steps, StepSpec
from aie.core import Limits

__all__ = ["LimitsSpec", "RateTarget", "Target", "Targets", "WorkflowSpec"]


class LimitsSpec(Spec):
    """Hard bounds of one run; what is left out is not bounded."""

    cost: Usd | None = None
    """Of all model calls."""
    tokens: Count | None = None
    """Input and output tokens of all model calls."""
    time: Duration | None = None
    """Executing time over all segments."""
    steps: Count | None = None
    """Steps started, map items and retries included."""
    model_calls: Count | None = None
    """Attempts of model calls."""

    def limits(self) -> Limits:
        """Return the bounds in the units of the core."""
        time = None if self.time is None else max(1, self.time // 1000)
        return Limits(cost=self.cost, tokens=self.tokens, time=time, steps=self.steps, model_calls=self.model_calls)


class RateTarget(Spec):
    """A share that must not be passed."""

    at_most: Share
    """The highest share."""
    confidence: Share | None = None
    """How sure the evidence must be."""


class CostTarget(Spec):
    """A price of one run that must not be passed."""

    at_most: Usd
    """The highest price."""


class LatencyTarget(Spec):
    """A time of one run that must not be passed."""

    at_most: Duration
    """The longest time."""


class Targets(Spec):
    """What the workflow is meant to reach: declared, and enforced by nothing yet."""

    error_rate: RateTarget | None = None
    """Of the results that nobody corrected."""
    cost: CostTarget | None = None
    """Of one run."""
    latency_p50: LatencyTarget | None = None
    """Median time of a run, without waiting for people."""
    latency_p95: LatencyTarget | None = None
    """Time that 95% of the runs stay below."""
    latency_p99: LatencyTarget | None = None
    """Time that 99% of the runs stay below."""


Target = RateTarget | CostTarget | LatencyTarget


class WorkflowSpec(Spec):
    """Everything in `workflow.yaml`."""

    workflow: Name
    """Its name; the folder has the same."""
    owner: Annotated[str, Field(min_length=1)]
    """Who answers for it."""
    case: CELText
    """One business case: identity for idempotency and search, e.g. `input.claim_id`."""
    subject: CELText | None = None
    """The person the run is about, for erasure; none: one subject for each case."""
    search: dict[StepName, CELText] = Field(default_factory=dict, max_length=8)
    """Attributes that runs can be found by."""
    risk: Literal["low", "medium", "high"] = "medium"
    """How much harm a wrong result may do; stated in the release."""
    targets: Targets = Field(default_factory=Targets)
    """What it is meant to reach."""
    limits: LimitsSpec = Field(default_factory=LimitsSpec)
    """What one run may use at most."""
    input: Path
    """JSON Schema of the input."""
    output: Path
    """JSON Schema of the result."""
    labels: dict[InputPath, InputLabels] = Field(default_factory=dict)
    """What parts of the input hold, e.g. `input.claimant: [personal]`; a part that is not named holds nothing
    particular, and outsiders could have written it."""
    forbid: ForbidSpec | None = None
    """Attributes that must not reach a decision."""
    steps: Steps = Field(min_length=1)
    """What is done; the order follows from what refers to what."""
    result: dict[StepName, CELText]
    """Fields of the output."""
    on: Handlers = Field(default_factory=dict)
    """Handlers for every step that has none of its own for a failure class."""
    datasets: dict[Name, DatasetSpec] = Field(default_factory=dict)
    """Labelled cases; also in `datasets.yaml` beside this file."""
    _source: Source | None = PrivateAttr(default=None)
    _folder: str = PrivateAttr(default="")

    @model_validator(mode="after")
    def _named(self) -> "WorkflowSpec":
        _name(self.steps)
        return self

    @property
    def source(self) -> Source:
        """The file it was read from."""
        assert self._source is not None, "read by load_workspace"
        return self._source

    @property
    def folder(self) -> str:
        """Its folder, relative to the workspace, e.g. `workflows/claims`."""
        return self._folder


def _name(steps: Mapping[str, StepSpec]) -> None:
    for name, step in steps.items():
        step._name = name
        if isinstance(step, MapStep):
            _name(step.map.steps)
