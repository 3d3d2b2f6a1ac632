"""A step that decides from named features: recomputed at will, the same artefact gives the same answer everywhere."""

from typing import Final, cast

from aie.config import (
    AnyType,
    BoolType,
    DecimalType,
    IntType,
    ModelStep,
    NullableType,
    ObjectType,
    Site,
    TabularClassifier,
    TextType,
    Type,
    fits,
)
from aie.core import JSON
from aie.errors import Failure, InputError, StepFailure
from aie.layers.model.learnt import allowed_facts, learnt_component
from aie.layers.port import Compiled, Component, Result, Task, Tools
from aie.models import TabularModel, table_facts, ten_thousandths

__all__ = ["compile_scoring", "score", "tabular_component", "tabular_output"]

_KIND: Final = "tabular"


def compile_scoring(step: ModelStep, entry: TabularClassifier, site: Site) -> Compiled | None:
    """Compile a step whose model is a tabular classifier."""
    whole = _unused("prompt", step.prompt, site) & _unused("returns", step.returns, site)
    for slot in step.with_:
        if slot not in entry.features:
            site.unknown(f"with.{slot}", slot, list(entry.features), "feature")
            whole = False
    missing = [name for name in entry.features if name not in step.with_]
    if missing:
        named = ", ".join(f"`{name}`" for name in missing)
        hint = f"add {missing[0]}: {entry.features[missing[0]].text}"
        site.problem("missing-key", "with", f"`{entry.name}` learnt from {named}, which the step does not give", hint)
        whole = False
    for name, text in step.with_.items():
        whole &= name not in entry.features or _given(name, text, entry, site)
    component = tabular_component(entry, site)
    if not whole:
        return None
    literal = entry.threshold if isinstance(entry.threshold, str) else None
    return Compiled(
        conduct="pure",
        inputs=dict(step.with_),
        config={
            "kind": _KIND,
            "model": f"{_KIND}:{entry.name}",
            "threshold": None if literal is None else ten_thousandths(literal),
        },
        components=() if component is None else (component,),
        output=tabular_output(() if component is None else TabularModel.load(component.content).labels),
        failures=frozenset({Failure.MODEL_RETIRED, Failure.NOT_PERMITTED, Failure.INVALID_INPUT}),
    )


def score(task: Task, tools: Tools) -> Result:
    """Decide from the features.

    Raises:
        StepFailure: MODEL_RETIRED when the model is no longer approved, NOT_PERMITTED when it may not see the features,
            INVALID_INPUT when a feature is no category or no number.
    """
    name = cast("str", task.config["model"])
    allowed_facts(tools, name, "tabular_classifier")
    model: TabularModel = tools.cache(name, TabularModel.load)
    row = {feature: value.data for feature, value in task.inputs.items()}
    try:
        scored = model.score(row, cast("int | None", task.config["threshold"]))
    except InputError as error:
        raise StepFailure(Failure.INVALID_INPUT, error.message, hints=error.hints) from error
    return Result(data=scored.to_json(), report={"evidence": {scored.label: model.evidence(row, scored.label)}})


def tabular_component(entry: TabularClassifier, site: Site) -> Component | None:
    """Return the artefact in its canonical form, whatever wrote the file."""
    made, stale = table_facts(entry), "from other features or by another recipe"
    return learnt_component(entry, site, kind=_KIND, load=TabularModel, made=made, stale=stale)


def tabular_output(labels: tuple[str, ...]) -> ObjectType:
    """Return the type of an answer; of any labels when they are not known."""
    label: Type = TextType(tuple(sorted(labels))) if labels else AnyType()
    scores: Type = ObjectType(dict.fromkeys(labels, DecimalType()), frozenset(labels)) if labels else AnyType()
    fields: dict[str, Type] = {
        "label": label,
        "confidence": DecimalType(),
        "accepted": BoolType(),
        "scores": scores,
    }
    return ObjectType(fields, frozenset(fields))


def _unused(key: str, value: JSON, site: Site) -> bool:
    if value is not None:
        site.problem("unused-key", key, f"a tabular classifier has no `{key}`", edit=site.removal(key))
    return value is None


def _given(name: str, text: str, entry: TabularClassifier, site: Site) -> bool:
    given = site.expression(f"with.{name}", text)
    if given is None:
        return False
    kind = entry.features[name].kind
    inner = given.of if isinstance(given, NullableType) else given
    taken: tuple[Type, ...] = (TextType(), IntType(), *((BoolType(),) if kind == "category" else (DecimalType(),)))
    if any(fits(inner, each) is None for each in taken):
        return True
    site.problem("bad-type", f"with.{name}", f"a {kind} expected, this is {given}", "name a field that holds one")
    return False
