"""A step that labels a text: recomputed at will, as the same artefact gives the same answer everywhere."""

from typing import Final, cast

from aie.config import (
    AnyType,
    BoolType,
    DecimalType,
    ListType,
    ModelStep,
    ObjectType,
    Site,
    TextClassifier,
    TextType,
    Type,
)
from aie.core import JSON
from aie.errors import Failure
from aie.layers.model.learnt import allowed_facts, learnt_component
from aie.layers.port import Compiled, Component, Result, Task, Tools
from aie.models import Classifier, Prediction, recipe_facts, ten_thousandths

__all__ = ["classifier_component", "classifier_output", "classify", "compile_classifying", "predicted"]

_TEXT: Final = "text"
_KIND: Final = "classifier"


def compile_classifying(step: ModelStep, entry: TextClassifier, site: Site) -> Compiled | None:
    """Compile a step whose model is a text classifier."""
    whole = True
    for key, value in (("prompt", step.prompt), ("returns", step.returns)):
        if value is not None:
            site.problem("unused-key", key, f"a text classifier has no `{key}`", edit=site.removal(key))
            whole = False
    for slot in step.with_:
        if slot != _TEXT:
            site.unknown(f"with.{slot}", slot, [_TEXT], "input")
            whole = False
    if _TEXT not in step.with_:
        site.problem("missing-key", "with", "a text classifier needs `text`", "add text: EXPRESSION, e.g. input.text")
        return None
    whole &= site.expression(f"with.{_TEXT}", step.with_[_TEXT], TextType()) is not None
    component = classifier_component(entry, site)
    if not whole:
        return None
    literal = entry.threshold if isinstance(entry.threshold, str) else None
    return Compiled(
        conduct="pure",
        inputs={_TEXT: step.with_[_TEXT]},
        config={
            "kind": _KIND,
            "model": f"{_KIND}:{entry.name}",
            "threshold": None if literal is None else ten_thousandths(literal),
        },
        components=() if component is None else (component,),
        # Without an artefact the problem is told once, and what the other steps read of this one is still checked.
        output=classifier_output(entry, () if component is None else Classifier.load(component.content).labels),
        failures=frozenset({Failure.MODEL_RETIRED, Failure.NOT_PERMITTED}),
    )


def classify(task: Task, tools: Tools) -> Result:
    """Label the text.

    Raises:
        StepFailure: MODEL_RETIRED when the model is no longer approved, NOT_PERMITTED when it may not see the text.
    """
    name = cast("str", task.config["model"])
    threshold = cast("int | None", task.config["threshold"])
    allowed_facts(tools, name)
    prediction, evidence = predicted(tools, name, cast("str", task.inputs[_TEXT].data), threshold)
    return Result(data=prediction.to_json(), report={"evidence": evidence})


def predicted(tools: Tools, name: str, text: str, threshold: int | None) -> tuple[Prediction, dict[str, JSON]]:
    """Return what a pinned classifier says of a text, and the words that spoke for it, by label."""
    classifier: Classifier = tools.cache(name, Classifier.load)
    prediction = classifier.predict(text, threshold)
    return prediction, {each: classifier.evidence(text, each) for each in prediction.labels}


def classifier_component(entry: TextClassifier, site: Site) -> Component | None:
    """Return the artefact in its canonical form, whatever wrote the file."""
    made = recipe_facts(entry)
    return learnt_component(entry, site, kind=_KIND, load=Classifier, made=made, stale="by another recipe")


def classifier_output(entry: TextClassifier, labels: tuple[str, ...]) -> ObjectType:
    """Return the type of an answer; of any labels when they are not known."""
    label: Type = TextType(tuple(sorted(labels))) if labels else AnyType()
    fields: dict[str, Type] = {"confidence": DecimalType(), "accepted": BoolType()}
    if entry.task == "single":
        other = ObjectType({"label": label, "confidence": DecimalType()}, frozenset({"label", "confidence"}))
        fields |= {"label": label, "alternatives": ListType(other)}
    else:
        scores = ObjectType(dict.fromkeys(labels, DecimalType()), frozenset(labels)) if labels else AnyType()
        fields |= {"labels": ListType(label), "scores": scores}
    return ObjectType(fields, frozenset(fields))
