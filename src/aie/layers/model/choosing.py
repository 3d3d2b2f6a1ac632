"""A step with classifiers and chat models behind one name, or a classifier under a schema of one's own.

All of them give the same form: what `returns` describes, or, without it, a choice among the classifiers' labels.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, cast

from aie.config import (
    AnyType,
    BoolType,
    ChatModel,
    Composed,
    DecimalType,
    ListType,
    ModelEntry,
    ModelStep,
    ObjectType,
    Route,
    Site,
    Template,
    TextClassifier,
    TextType,
    Type,
    fits,
    nullable,
    read_schema,
)
from aie.core import JSON
from aie.errors import Failure
from aie.layers.calling import CALL_FAILURES, Question, answer_with, call_of, planned_for, route_component, walk
from aie.layers.model.classifying import classifier_component, classifier_output, predicted
from aie.layers.model.showing import check_seen, documents, parts_of, words_of
from aie.layers.port import Compiled, Component, Result, Task, Tools
from aie.models import Candidate, Chat, Classifier, pin_model

__all__ = ["compile_choosing", "run_choosing"]

_TEXT: Final = "text"
_REFUSED: Final = frozenset({Failure.MODEL_RETIRED, Failure.NOT_PERMITTED})


def compile_choosing(step: ModelStep, chosen: TextClassifier | Route, site: Site) -> Compiled | None:
    """Compile a step whose answer may come from a classifier or from a chat model."""
    entries = chosen.entries if isinstance(chosen, Route) else (chosen,)
    types = {slot: site.expression(f"with.{slot}", text) for slot, text in step.with_.items()}
    made = _classifiers([each for each in entries if isinstance(each, TextClassifier)], site)
    sound = _text_given(step, types, site) and None not in types.values() and made is not None
    components = [_pinned(chosen), *(made or ())]
    asks = any(isinstance(each, ChatModel) for each in entries)
    shown = documents(types) if asks else []
    if asks:
        prompt = _prompt(step, types, site)
        sound = check_seen(shown, entries, site) and sound and prompt is not None
        components += [] if prompt is None else [prompt]
    outputs = _outputs(entries, made or ())
    output, schema = _contract(step, outputs, site)
    if output is None or not sound:
        return None
    components += [] if schema is None else [schema]
    return Compiled(
        conduct="external" if asks else "pure",
        inputs=dict(step.with_),
        config={
            "kind": "choice",
            "model": f"route:{chosen.name}",
            "prompt": f"prompt:{step.prompt}" if asks else None,
            "schema": None if schema is None else f"schema:{schema.name}",
            "parts": cast("JSON", shown),
            "labels": None if schema is not None else cast("JSON", _labels(outputs)),
        },
        components=tuple(components),
        output=output,
        failures=_failures(asks=asks, shown=bool(shown)),
    )


def run_choosing(task: Task, tools: Tools, connect: Callable[[str], Chat]) -> Result:
    """Ask whoever the plan says, first to last.

    Raises:
        StepFailure: nobody may be asked, or nobody answered.
    """
    prompt = _prompted(task, tools)
    question = None if prompt is None else _question(task, tools, prompt)
    call = call_of(question, tools)
    planned = planned_for(cast("str", task.config["model"]), call, tools)

    def ask(candidate: Candidate) -> tuple[JSON, JSON, str | None]:
        """Return data, report and, of an answer that is not sure enough, its confidence."""
        if candidate.kind == "text_classifier":
            return _predict(task, tools, candidate)
        assert question is not None, "a route with a chat model has a prompt"
        answer = answer_with(question, candidate, tools, connect, planned)
        data = answer.data if task.config["labels"] is None else _chosen(answer.data)
        report: dict[str, JSON] = {**answer.report(), "prompt": None if prompt is None else prompt.report()}
        return data, report, None

    walked = walk(planned, ask, tools, lambda answered: answered[2])
    data, report, _ = walked.value
    return Result(data=data, report={**cast("dict[str, JSON]", report), "route": walked.report})


# ---------------------------------------------------------------- compiling


def _failures(*, asks: bool, shown: bool) -> frozenset[Failure]:
    if not asks:
        return _REFUSED
    return CALL_FAILURES | {Failure.EXPRESSION, *([Failure.UNSUPPORTED] if shown else [])}


def _pinned(chosen: TextClassifier | Route) -> Component:
    if isinstance(chosen, TextClassifier):
        return Component(kind="route", name=chosen.name, content=pin_model(chosen))
    return route_component(chosen)


def _classifiers(entries: Sequence[TextClassifier], site: Site) -> list[Component] | None:
    made = [classifier_component(each, site) for each in entries]
    return None if None in made else [each for each in made if each is not None]


def _text_given(step: ModelStep, types: dict[str, Type | None], site: Site) -> bool:
    given = types.get(_TEXT)
    if _TEXT not in step.with_:
        site.problem("missing-key", "with", "a text classifier needs `text`", "add text: EXPRESSION, e.g. input.text")
        return False
    why = None if given is None else fits(given, TextType())
    if why is not None:
        site.problem("bad-type", f"with.{_TEXT}", why, "name a field that holds text")
    return why is None


def _prompt(step: ModelStep, types: dict[str, Type | None], site: Site) -> Component | None:
    if step.prompt is None:
        site.problem("missing-key", "", "a chat model needs `prompt`", "add prompt: prompts/NAME.md")
        return None
    shown = documents(types)
    known = {slot: type_ for slot, type_ in types.items() if type_ is not None and slot not in shown}
    content = (
        site.template("prompt", step.prompt, known, read_by_others=[_TEXT]) if None not in types.values() else None
    )
    return None if content is None else Component(kind="prompt", name=step.prompt, content=content)


def _outputs(entries: Sequence[ModelEntry], made: Sequence[Component]) -> list[ObjectType]:
    labels = {each.name: Classifier.load(each.content).labels for each in made}
    return [classifier_output(each, labels.get(each.name, ())) for each in entries if isinstance(each, TextClassifier)]


def _contract(step: ModelStep, outputs: Sequence[ObjectType], site: Site) -> tuple[Type | None, Component | None]:
    """Return the type of the step's value and, where it is written, the schema."""
    if step.returns is None:
        return _choice(outputs, site), None
    schema = site.schema("returns", step.returns)
    if schema is None:
        return None, None
    content, wanted = schema
    for offered in outputs:
        why = fits(_within(offered, wanted), wanted)
        if why is not None:
            given = ", ".join(f"`{name}`" for name in sorted(offered.fields))
            message = f"{why}; a classifier of `{step.model}` gives {given}"
            site.problem("bad-type", "returns", message, "let the schema allow what it gives, or leave `returns` out")
            return None, None
    return wanted, Component(kind="schema", name=step.returns, content=content)


def _within(offered: ObjectType, wanted: Type) -> Type:
    """Return the part of a classifier's answer that a schema speaks of."""
    if not isinstance(wanted, ObjectType):
        return offered
    kept = {name: type_ for name, type_ in offered.fields.items() if name in wanted.fields}
    return ObjectType(kept, frozenset(kept))


def _choice(outputs: Sequence[ObjectType], site: Site) -> Type | None:
    if any("label" not in each.fields for each in outputs):
        site.problem("missing-key", "", "these models answer in different forms", "add returns: schemas/NAME.json")
        return None
    labels = _labels(outputs)
    label: Type = TextType(tuple(labels)) if labels else AnyType()
    other = ObjectType({"label": label, "confidence": DecimalType()}, frozenset({"label", "confidence"}))
    types: dict[str, Type] = {
        "label": label,
        "confidence": nullable(DecimalType()),
        "accepted": BoolType(),
        "alternatives": ListType(other),
    }
    return ObjectType(types, frozenset(types))


def _labels(outputs: Sequence[ObjectType]) -> list[str]:
    known = (each.fields.get("label") for each in outputs)
    return sorted({value for each in known if isinstance(each, TextType) for value in each.values})


# ---------------------------------------------------------------- running


def _prompted(task: Task, tools: Tools) -> Composed | None:
    name = cast("str | None", task.config["prompt"])
    if name is None:
        return None
    template: Template = tools.cache(name, Template)
    return template.compose(words_of(task))


def _question(task: Task, tools: Tools, prompt: Composed) -> Question:
    return Question(
        route=cast("str", task.config["model"]),
        user=prompt.text,
        schema=_schema(task, tools),
        parts=parts_of(task, tools),
    )


def _schema(task: Task, tools: Tools) -> dict[str, JSON]:
    name = cast("str | None", task.config["schema"])
    if name is not None:
        return cast("dict[str, JSON]", tools.cache(name, read_schema))
    label: JSON = {"type": "string", "enum": task.config["labels"]}
    return {"type": "object", "properties": {"label": label}, "required": ["label"], "additionalProperties": False}


def _predict(task: Task, tools: Tools, candidate: Candidate) -> tuple[JSON, JSON, str | None]:
    text = cast("str", task.inputs[_TEXT].data)
    prediction, evidence = predicted(tools, f"classifier:{candidate.name}", text, candidate.pinned["threshold"])
    data: dict[str, Any] = prediction.to_json()
    if task.config["schema"] is not None:
        described = cast("dict[str, JSON]", _schema(task, tools).get("properties", {}))
        data = {name: value for name, value in data.items() if name in described}
    confidence = cast("str", prediction.to_json()["confidence"])
    report: dict[str, JSON] = {
        "model": candidate.name,
        "evidence": evidence,
        "confidence": confidence,
        "accepted": prediction.accepted,
    }
    return data, report, None if prediction.accepted else confidence


def _chosen(data: JSON) -> JSON:
    """Return a chat model's choice in the form of a classifier's: it does not say how sure it is."""
    label = cast("dict[str, JSON]", data)["label"]
    return {"label": label, "confidence": None, "accepted": True, "alternatives": []}
