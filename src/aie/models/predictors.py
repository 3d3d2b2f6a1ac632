"""Predictors that were made elsewhere: whatever runs their graph, what they say is checked and put in our form.

A graph is a stranger: it may answer anything, take any time, or answer otherwise on another machine. So its numbers
must be chances, one for each declared label, within a time; and before it may answer at all it must answer a golden
sample as the tool did that made it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from importlib import import_module
from math import exp, isfinite
from typing import Any, Final, Literal, Protocol, cast

from aie.core import JSON, canonical, install_line, read_json
from aie.errors import Failure, InputError, StepFailure, Unavailable
from aie.models.decisions import CERTAIN, Prediction, ten_thousandths

__all__ = ["Graph", "Kind", "Predictor", "PredictorLoader", "Signature", "load_graph", "load_predictor"]

Kind = Literal["number", "integer", "truth", "text"]
"""What the elements of a graph's input are."""

_ALTERNATIVES: Final = 3
_SUM: Final = 1e-3
"""How far from 1 chances may sum: single precision over thousands of labels."""
_GOLDEN_AT_MOST: Final = 1_000
_GOLDEN_TIME: Final = 10_000_000
_EDGE: Final = 1
"""Ten-thousandths by which a confidence may differ from the golden one: its rounding has an edge somewhere."""
_DIGITS: Final = 300
"""Of a number before its point: beyond that double precision has none."""
_HINT: Final = "make both files again from the same model"


class Graph(Protocol):
    """A loaded graph; safe to share between threads."""

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """What each of its inputs takes."""
        ...

    def scores(self, rows: Mapping[str, list[Any]], output: str, *, timeout: int) -> list[float]:
        """Return the numbers of one output for one row of each input.

        Args:
            rows: by input.
            output: its name.
            timeout: microseconds.

        Raises:
            StepFailure: TIMEOUT, or INVALID_OUTPUT where the graph fails or has no such row of numbers.
        """
        ...


def load_graph(content: bytes) -> Graph:
    """Load an ONNX graph.

    Raises:
        Unavailable: its library is not installed.
        InputError: not a graph that can be run here.
    """
    try:
        adapter = import_module("aie.models.providers.onnx_graph")
    except ImportError as error:
        raise Unavailable(
            "models of kind onnx need a library that is not installed",
            hints=(install_line("onnx"),),
        ) from error
    return cast("Graph", adapter.OnnxGraph(content))


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """What goes into a graph and what comes out, as `models.yaml` declares it."""

    inputs: tuple[tuple[str, tuple[str, ...]], ...]
    """Names of the values in each input's row."""
    scores: str
    scale: Literal["chances", "logits"]
    labels: tuple[str, ...]
    reject: str | None

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Signature":
        """Read the pinned form of an entry."""
        return cls(
            inputs=tuple((name, tuple(data["inputs"][name])) for name in sorted(data["inputs"])),
            scores=data["scores"],
            scale=data["scale"],
            labels=tuple(data["labels"]),
            reject=data["reject"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictor:
    """A graph with what it is declared to be."""

    graph: Graph
    signature: Signature

    def predict(self, values: Mapping[str, JSON], threshold: int | None = None, *, timeout: int) -> Prediction:
        """Return the decision on one case.

        Args:
            values: by name.
            threshold: ten-thousandths of confidence from which a decision is accepted; None: every one is.
            timeout: microseconds.

        Raises:
            StepFailure: INVALID_INPUT where a value is no number, TIMEOUT, or INVALID_OUTPUT where the numbers are not
                the chances of the labels.
        """
        signature, kinds = self.signature, self.graph.kinds
        rows = {
            tensor: [_element(name, values[name], kinds[tensor]) for name in names]
            for tensor, names in signature.inputs
        }
        chances = _chances(self.graph.scores(rows, signature.scores, timeout=timeout), signature)
        order = sorted(range(len(chances)), key=lambda index: (-chances[index], index))[: 1 + _ALTERNATIVES]
        scores = {signature.labels[index]: round(CERTAIN * chances[index]) for index in order}
        label = signature.labels[order[0]]
        accepted = scores[label] >= (threshold or 0) and label != signature.reject
        return Prediction(task="single", labels=(label,), confidence=scores[label], accepted=accepted, scores=scores)


def load_predictor(content: bytes, signature: Signature, golden: bytes) -> Predictor:
    """Load a graph and let it answer its golden sample.

    Raises:
        Unavailable: its library is not installed.
        InputError: not a graph, another one than declared, or it answers the sample otherwise here.
    """
    graph = load_graph(content)
    declared = {tensor for tensor, _ in signature.inputs}
    if declared != set(graph.kinds):
        raise InputError(
            f"the graph's inputs are {', '.join(sorted(graph.kinds))}, not {', '.join(sorted(declared))}",
            hints=("name each of them under `inputs`",),
        )
    predictor = Predictor(graph=graph, signature=signature)
    lines = [line for line in golden.split(b"\n") if line.strip()]
    if not 1 <= len(lines) <= _GOLDEN_AT_MOST:
        raise InputError(f"the golden sample has {len(lines)} lines, 1 to {_GOLDEN_AT_MOST} are wanted")
    differing = [number for number, line in enumerate(lines, 1) if not _as_golden(predictor, line, number)]
    if differing:
        named = ", ".join(str(each) for each in differing[:5])
        raise InputError(
            f"the graph answers {len(differing)} of {len(lines)} golden lines otherwise, e.g. line {named}",
            hints=(_HINT,),
        )
    return predictor


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictorLoader:
    """Loads a predictor; equal loaders of equal graphs load the same, so that a process loads each once."""

    signature: Signature
    golden: bytes

    def __call__(self, content: bytes) -> Predictor:
        """Load it; see `load_predictor`."""
        return load_predictor(content, self.signature, self.golden)


def _as_golden(predictor: Predictor, line: bytes, number: int) -> bool:
    try:
        expected = cast("dict[str, Any]", read_json(line.decode()))
        confidence = ten_thousandths(expected["confidence"])
        label, values = expected["label"], expected["input"]
        canonical(values)
        made = predictor.predict(values, timeout=_GOLDEN_TIME)
    except (InputError, ValueError, KeyError, TypeError, InvalidOperation) as error:
        wanted = 'a line is {"input": {…}, "label": "…", "confidence": "0.9312"}'
        raise InputError(f"line {number} of the golden sample cannot be used", hints=(wanted,)) from error
    except StepFailure as error:
        raise InputError(f"line {number} of the golden sample: {error.message}", hints=(_HINT,)) from error
    return made.labels == (label,) and abs(made.confidence - confidence) <= _EDGE


def _element(name: str, value: JSON, kind: Kind) -> Any:
    if kind == "text":
        if isinstance(value, str):
            return value
        raise StepFailure(Failure.INVALID_INPUT, f"`{name}` is not a text")
    read: Callable[[Any], Any] = {"number": float, "integer": int, "truth": bool}[kind]
    try:
        number = Decimal(value) if isinstance(value, int | str) else None
    except InvalidOperation:
        number = None
    if (
        number is None
        or not number.is_finite()
        or number.adjusted() > _DIGITS
        or (kind != "number" and number != number.to_integral_value())
    ):
        raise StepFailure(Failure.INVALID_INPUT, f"`{name}` is not {'a number' if kind == 'number' else 'whole'}")
    return read(number)


def _chances(scores: list[float], signature: Signature) -> list[float]:
    if len(scores) != len(signature.labels):
        why = f"{len(scores)} numbers for {len(signature.labels)} labels"
        raise StepFailure(Failure.INVALID_OUTPUT, f"the graph gives {why}")
    if not all(isfinite(each) for each in scores):
        raise StepFailure(Failure.INVALID_OUTPUT, "the graph gives something that is no number")
    if signature.scale == "logits":
        weights = [exp(each - max(scores)) for each in scores]
        return [each / sum(weights) for each in weights]
    if min(scores) < -_SUM or abs(sum(scores) - 1) > _SUM:
        raise StepFailure(
            Failure.INVALID_OUTPUT,
            "the graph's numbers are no chances: they are negative or do not sum to 1",
            hints=("say `scale: logits`, or name another output under `scores`",),
        )
    return [min(max(each, 0.0), 1.0) for each in scores]
