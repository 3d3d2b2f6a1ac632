"""The review layer: a person decides, unless the workflow says that nobody needs to."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, cast

from aie.config import BoolType, ObjectType, ReviewStep, Site, StepSpec, Type, check_expression, references, schema_of
from aie.core import JSON, Value
from aie.errors import Failure, StepFailure
from aie.layers.port import Compiled, LayerName, Result, ReviewRequest, Task, Tools
from aie.layers.review.answers import answered
from aie.layers.review.found import evidence_of, found_inputs

__all__ = ["ReviewLayer"]

_FACTS: Final = ("confidence", "accepted", "alternatives", "scores")
"""Fields of a model step that say how sure its other fields are: shown, never decided."""

_EVIDENCE: Final = "evidence."


@dataclass(frozen=True, slots=True, kw_only=True)
class _Field:
    """One field to decide on."""

    name: str
    type: Type
    text: str
    """Its expression as written."""
    part: str
    """Field of the expression's object; empty when the expression gives the value itself."""


class ReviewLayer:
    """Asks people.

    Output: the fields of `of`. An object gives all its fields; a path such as `desk.label` or `input.amount` gives one
    named by its last part. Shown, and bound by its digest to the decision: `{fields: {name: {value, step, confidence,
    why, alternatives, cites}}, show: {text: value}, evidence: [quotes of the steps these come from], answer: schema}`.
    A field that was found in a document also has `places`: each value with its verbatim quote, page and confidence.
    """

    name: LayerName = "review"
    version: int = 1
    in_fibers = False

    def compile(self, step: StepSpec, site: Site) -> Compiled | None:
        """Compile a `review` step."""
        assert isinstance(step, ReviewStep)
        desk = site.desk("review", step.review)
        fields = _fields(step, site)
        inputs = {f"of.{position}": text for position, text in enumerate(step.of)}
        inputs |= {f"show.{position}": text for position, text in enumerate(step.show)}
        known = [site.expression(f"show.{position}", text) for position, text in enumerate(step.show)]
        if step.unless is not None:
            known.append(site.expression("unless", step.unless, BoolType()))
            inputs["unless"] = step.unless
        if desk is None or fields is None or None in known:
            return None
        for position, text in enumerate(step.of):
            inputs |= {f"{fact}.{position}": path for fact, path in _facts(position, text, site)}
            inputs |= dict(found_inputs(position, text, site))
        inputs |= {_EVIDENCE + name: name for name in _sources(step, site)}
        output = ObjectType({each.name: each.type for each in fields}, frozenset(each.name for each in fields))
        return Compiled(
            conduct="human",
            inputs=inputs,
            config={
                "desk": step.review,
                "due_in": desk.answer_within,
                "fields": [
                    {"name": each.name, "of": step.of.index(each.text), "part": each.part, "text": each.text}
                    for each in fields
                ],
                "show": list(step.show),
                "answer": schema_of(output),
            },
            components=(),
            output=output,
            failures=frozenset({Failure.REVIEW_REJECTED, Failure.REVIEW_EXPIRED}),
        )

    def run(self, task: Task, tools: Tools) -> Result | ReviewRequest:
        """Take the fields as they are where `unless` holds, else ask the desk."""
        asked = cast("list[dict[str, JSON]]", task.config["fields"])
        values = {cast("str", each["name"]): _value(each, task) for each in asked}
        unless = task.inputs.get("unless")
        if unless is not None and unless.data is True:
            return Result(data=values, report={"auto": True})
        show = cast("list[str]", task.config["show"])
        return ReviewRequest(
            desk=cast("str", task.config["desk"]),
            why="always" if unless is None else "uncertain",
            shown={
                "fields": {name: _shown(each, values[name], task) for name, each in zip(values, asked, strict=True)},
                "show": {text: task.inputs[f"show.{position}"].data for position, text in enumerate(show)},
                "evidence": _evidence(task),
                "answer": task.config["answer"],
            },
            due_in=cast("int | None", task.config["due_in"]),
        )

    def resolve(self, shown: JSON, decision: str, values: JSON) -> Result:
        """Return what a person's decision makes of the step.

        Raises:
            StepFailure: REVIEW_REJECTED.
            InputError: values that the shown `answer` schema refuses, naming the fields.
        """
        if decision == "reject":
            raise StepFailure(Failure.REVIEW_REJECTED, "the reviewer rejected it")
        return Result(data=answered(shown, decision, values), report={"auto": False, "decision": decision})


def _fields(step: ReviewStep, site: Site) -> list[_Field] | None:
    found: dict[str, _Field] = {}
    whole = True
    for position, text in enumerate(step.of):
        given = site.expression(f"of.{position}", text)
        whole &= given is not None
        for each in _fields_of(text, given):
            if each.name in found:
                site.problem(
                    "duplicate-field",
                    f"of.{position}",
                    f"`{each.name}` also comes from `{found[each.name].text}`",
                    "name single fields, e.g. `desk.label`",
                )
                whole = False
            found[each.name] = each
        if given is not None and not list(_fields_of(text, given)):
            site.problem(
                "no-field", f"of.{position}", f"`{text}` has no fields and no name", "end it with a field's name"
            )
            whole = False
    return list(found.values()) if whole else None


def _fields_of(text: str, given: Type | None) -> Iterator[_Field]:
    if isinstance(given, ObjectType) and given.fields:
        facts = _FACTS if "confidence" in given.fields else ()
        for name, type_ in given.fields.items():
            if name not in facts:
                yield _Field(name=name, type=type_, text=text, part=name)
    elif given is not None:
        name = text.strip().rpartition(".")[2]
        if name.isidentifier():
            yield _Field(name=name, type=given, text=text, part="")


def _facts(position: int, text: str, site: Site) -> Iterator[tuple[str, str]]:
    """Yield the paths that say how sure a value is: beside it, or within it when it is the whole model step."""
    given = check_expression(text, site.scope).type
    owner = text if isinstance(given, ObjectType) else text.strip().rpartition(".")[0]
    beside = check_expression(owner, site.scope).type if owner else None
    if not isinstance(beside, ObjectType) or "confidence" not in beside.fields:
        return
    for fact in _FACTS:
        if fact in beside.fields and site.expression(f"of.{position}", f"{owner}.{fact}") is not None:
            yield fact, f"{owner}.{fact}"


def _sources(step: ReviewStep, site: Site) -> Iterator[str]:
    """Yield the steps whose values are decided or shown: their quotes are the evidence."""
    names = {name for text in (*step.of, *step.show) for name in references(text)}
    for name in sorted(names - {"input"}):
        if name in site.scope and site.expression("of", name) is not None:
            yield name


def _evidence(task: Task) -> list[JSON]:
    return [
        {"step": name.removeprefix(_EVIDENCE), **cite.to_json()}
        for name in sorted(task.inputs)
        if name.startswith(_EVIDENCE)
        for cite in task.inputs[name].cites
    ]


def _value(field: dict[str, JSON], task: Task) -> JSON:
    data = task.inputs[f"of.{field['of']}"].data
    if not field["part"]:
        return data
    return data.get(cast("str", field["part"])) if isinstance(data, dict) else None


def _shown(field: dict[str, JSON], value: JSON, task: Task) -> JSON:
    position = field["of"]
    source: Value = task.inputs[f"of.{position}"]
    facts = {fact: task.inputs[f"{fact}.{position}"].data for fact in _FACTS if f"{fact}.{position}" in task.inputs}
    place = f"/{field['part']}" if field["part"] else ""
    found = evidence_of(field, task.inputs)
    return {
        "value": value,
        "step": cast("str", field["text"]).strip().partition(".")[0],
        "confidence": facts.get("confidence"),
        "why": "the model is not sure enough" if facts.get("accepted") is False else "",
        "alternatives": facts.get("alternatives") or facts.get("scores") or [],
        "cites": [cite.to_json() for cite in source.cites if cite.path.startswith(place)],
        **(found or {}),
    }
