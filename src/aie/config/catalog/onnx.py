"""Predictors of `models.yaml` that were made elsewhere and come as an ONNX graph; run here, without a network."""

from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from aie.config.catalog.entry import Entry
from aie.config.scalars import Confidence, Duration, Path
from aie.config.spec import StepName
from aie.core import JSON

__all__ = ["OnnxClassifier"]

_Text = Annotated[str, Field(min_length=1, max_length=200)]


class OnnxClassifier(Entry):
    """One label of several from named inputs, by a graph that some other tool made."""

    kind: Literal["onnx"]
    """Made elsewhere, runs here; needs the extra `onnx`."""
    file: Path
    """The graph, with its weights inside, relative to the workspace. Its bytes are pinned."""
    inputs: dict[_Text, Annotated[tuple[StepName, ...], Field(min_length=1, max_length=10_000, strict=False)]] = Field(
        min_length=1, max_length=1_000
    )
    """Inputs of the graph by name: which values of a step's `with` stand in its one row, in this order."""
    scores: _Text = "probabilities"
    """Output of the graph that has one number for each label."""
    scale: Literal["chances", "logits"] = "chances"
    """chances: the numbers are between 0 and 1 and sum to 1. logits: they become so by the softmax function."""
    labels: Annotated[tuple[_Text, ...], Field(min_length=2, max_length=10_000, strict=False)]
    """What the numbers stand for, in their order."""
    golden: Path
    """JSON lines `{"input": {…}, "label": …, "confidence": …}`, as the tool that made the graph answers them; a release
    and each process that loads the graph compare."""
    threshold: Confidence | None = None
    """Least confidence to accept; none: every answer is accepted."""
    reject: str | None = None
    """Label of cases that fit no other: an answer with it is never accepted."""
    timeout: Duration = 1_000_000
    """Of one answer. Live."""

    @model_validator(mode="after")
    def _fitting(self) -> "OnnxClassifier":
        if len(set(self.labels)) < len(self.labels):
            raise PydanticCustomError("repeated", "a label stands here twice", {"path": "labels"})
        if self.reject is not None and self.reject not in self.labels:
            raise PydanticCustomError("unknown", "no label is named so", {"path": "reject"})
        return self

    def pinned(self) -> dict[str, JSON]:
        """Return what changes an answer; the graph itself is pinned by its bytes."""
        return {
            "kind": self.kind,
            "inputs": {tensor: list(names) for tensor, names in self.inputs.items()},
            "scores": self.scores,
            "scale": self.scale,
            "labels": list(self.labels),
            "reject": self.reject,
            "threshold": self.threshold,
        }

    def live(self) -> dict[str, JSON]:
        """Return what permits or costs, as it is now."""
        return {**self.permits(), "local": True, "cost": 0, "timeout": self.timeout}
