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
from aie.errors import Failure, InputError, StepFailure
from aie.layers.port import Compiled, Component, Result, Task, Tools
from aie.models import Classifier, read_artefact, recipe_facts, ten_thousandths, write_artefact

__all__ = ["classify", "compile_classifying"]

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
    component = _component(entry, site)
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
        output=_output(entry, () if component is None else Classifier.load(component.content).labels),
        failures=frozenset({Failure.MODEL_RETIRED}),
    )


def classify(task: Task, tools: Tools) -> Result:
    """Label the text.

    Raises:
        StepFailure: MODEL_RETIRED when the model is no longer approved.
    """
    name = cast("str", task.config["model"])
    if tools.live(name).get("approved") is False:
        raise StepFailure(Failure.MODEL_RETIRED, f"{name} is not approved any more")
    classifier: Classifier = tools.cache(name, Classifier.load)
    text = cast("str", task.inputs[_TEXT].data)
    prediction = classifier.predict(text, cast("int | None", task.config["threshold"]))
    evidence: dict[str, JSON] = {each: classifier.evidence(text, each) for each in prediction.labels}
    return Result(data=prediction.to_json(), report={"evidence": evidence})


def _component(entry: TextClassifier, site: Site) -> Component | None:
    """Return the artefact in its canonical form, whatever wrote the file."""
    train = f"run `aie train {entry.name}`"
    if isinstance(site.workspace.read(entry.artefact), str):
        site.problem("untrained-model", "model", f"`{entry.name}` has no artefact at {entry.artefact}", train)
        return None
    content = site.file("model", entry.artefact, base="workspace")
    if content is None:
        return None
    try:
        artefact = read_artefact(content)
        Classifier(artefact)
    except InputError as error:
        site.problem("bad-artefact", "model", f"{entry.artefact}: {error.message}", train)
        return None
    if artefact.parameters.get("made") != recipe_facts(entry):
        site.problem(
            "stale-artefact",
            "model",
            f"{entry.artefact} was trained by another recipe than `{entry.name}` has now",
            train,
        )
        return None
    return Component(kind=_KIND, name=entry.name, content=write_artefact(artefact), live=entry.live())


def _output(entry: TextClassifier, labels: tuple[str, ...]) -> Type:
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
