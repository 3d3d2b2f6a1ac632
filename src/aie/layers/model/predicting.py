"""A step that decides by a graph that was made elsewhere: the same bytes, the same inputs, no network."""

from collections.abc import Mapping
from typing import Any, Final, cast

from aie.config import (
    BoolType,
    DecimalType,
    IntType,
    ListType,
    ModelStep,
    ObjectType,
    OnnxClassifier,
    Site,
    TextType,
    Type,
    fits,
)
from aie.errors import Failure, InputError, StepFailure, Unavailable
from aie.layers.model.learnt import allowed_facts
from aie.layers.port import Compiled, Component, Result, Task, Tools
from aie.models import (
    Predictor,
    PredictorKind,
    PredictorLoader,
    Signature,
    load_predictor,
    ten_thousandths,
)

__all__ = ["compile_predicting", "predict"]

_KIND: Final = "onnx"
_GOLDEN: Final = "golden"
_TAKES: Final[Mapping[PredictorKind, tuple[Type, ...]]] = {
    "number": (IntType(), DecimalType(), BoolType()),
    "integer": (IntType(), BoolType()),
    "truth": (BoolType(),),
    "text": (TextType(),),
}
"""Types of the values that may stand in an input of the graph."""


def compile_predicting(step: ModelStep, entry: OnnxClassifier, site: Site) -> Compiled | None:
    """Compile a step whose model is an ONNX graph; the graph must answer its golden sample."""
    whole = True
    for key, value in (("prompt", step.prompt), ("returns", step.returns)):
        if value is not None:
            site.problem("unused-key", key, f"a model of kind onnx has no `{key}`", edit=site.removal(key))
            whole = False
    names = [name for tensor in entry.inputs.values() for name in tensor]
    for slot in step.with_:
        if slot not in names:
            site.unknown(f"with.{slot}", slot, names, "input")
            whole = False
    for name in sorted(set(names) - set(step.with_)):
        site.problem("missing-key", "with", f"`{entry.name}` takes `{name}`, too", f"add {name}: EXPRESSION")
        whole = False
    types = {slot: site.expression(f"with.{slot}", text) for slot, text in step.with_.items()}
    graph = site.file("model", entry.file, base="workspace")
    golden = site.file("model", entry.golden, base="workspace")
    if graph is None or golden is None or not whole or None in types.values():
        return None
    pinned = entry.pinned()
    try:
        predictor = load_predictor(graph, Signature.from_json(pinned), golden)
    except (InputError, Unavailable) as error:
        code = "missing-extra" if isinstance(error, Unavailable) else "bad-artefact"
        site.problem(code, "model", f"{entry.file}: {error.message}", "; ".join(error.hints))
        return None
    if not _given(types, entry, predictor, site):
        return None
    literal = entry.threshold
    return Compiled(
        conduct="pure",
        inputs=dict(step.with_),
        config={
            "kind": _KIND,
            "model": f"{_KIND}:{entry.name}",
            "golden": f"{_GOLDEN}:{entry.name}",
            "signature": pinned,
            "threshold": None if literal is None else ten_thousandths(literal),
        },
        components=(
            Component(kind=_KIND, name=entry.name, content=graph, live=entry.live()),
            Component(kind=_GOLDEN, name=entry.name, content=golden),
        ),
        output=_output(entry),
        failures=frozenset(
            {
                Failure.INVALID_INPUT,
                Failure.INVALID_OUTPUT,
                Failure.MODEL_RETIRED,
                Failure.NOT_PERMITTED,
                Failure.PROVIDER_REFUSED,
                Failure.TIMEOUT,
            }
        ),
    )


def predict(task: Task, tools: Tools) -> Result:
    """Decide.

    Raises:
        StepFailure: MODEL_RETIRED when the model is no longer approved, NOT_PERMITTED when it may not see the values,
            INVALID_INPUT when one is no number, TIMEOUT, INVALID_OUTPUT when what the graph says is no answer,
            PROVIDER_REFUSED when it cannot be loaded here, or answers its golden sample otherwise here.
    """
    name = cast("str", task.config["model"])
    facts = allowed_facts(tools, name, "onnx")
    signature = Signature.from_json(cast("dict[str, Any]", task.config["signature"]))
    loader = PredictorLoader(signature=signature, golden=tools.components(cast("str", task.config["golden"])))
    try:
        predictor: Predictor = tools.cache(name, loader)
    except InputError as error:
        raise StepFailure(Failure.PROVIDER_REFUSED, error.message, hints=error.hints) from error
    values = {slot: value.data for slot, value in task.inputs.items()}
    prediction = predictor.predict(values, cast("int | None", task.config["threshold"]), timeout=_time(task, facts))
    return Result(data=prediction.to_json(), report={"golden": "answered alike"})


def _time(task: Task, facts: Mapping[str, Any]) -> int:
    own = cast("int", facts.get("timeout", 1_000_000))
    return own if task.time_left_ms is None else max(1_000, min(own, task.time_left_ms * 1000))


def _given(types: Mapping[str, Type | None], entry: OnnxClassifier, predictor: Predictor, site: Site) -> bool:
    sound = True
    for tensor, names in entry.inputs.items():
        kind = predictor.graph.kinds[tensor]
        for name in names:
            given = types[name]
            if given is None or any(fits(given, each) is None for each in _TAKES[kind]):
                continue
            site.problem("bad-type", f"with.{name}", f"a {kind} expected, this is {given}", "name a field that is one")
            sound = False
    return sound


def _output(entry: OnnxClassifier) -> ObjectType:
    label = TextType(tuple(sorted(entry.labels)))
    other = ObjectType({"label": label, "confidence": DecimalType()}, frozenset({"label", "confidence"}))
    fields: dict[str, Type] = {
        "label": label,
        "confidence": DecimalType(),
        "accepted": BoolType(),
        "alternatives": ListType(other),
    }
    return ObjectType(fields, frozenset(fields))
