"""Checks that what was found in a text stands there, and means what it is said to mean.

Two equations, computed again with the field descriptions that the release locks: the quote is the text between its
offsets, and its normalised form is the value. Neither asks the model or the rule that found it.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, cast

from aie.config import AnyType, CheckStep, ExtractorSpec, ExtractStep, MapStep, ObjectType, Site, StepSpec, references
from aie.errors import Failure, StepFailure
from aie.fields import FieldSpec, Source, normalise
from aie.layers.check.outcome import Broken, Findings, Prepared
from aie.layers.port import Component, Task, Tools

__all__ = ["check_grounding", "prepare_grounding"]

_NOT_THERE: Final = "its quote does not stand in the text"
_NOT_AT: Final = "its quote is not what stands at its place in the text"
_NOT_MEANT: Final = "its quote does not give its value"
_NO_QUOTE: Final = "it has no quote"
_NOT_FOUND: Final = "its value is not the one that was found"


def prepare_grounding(step: CheckStep, site: Site) -> Prepared | None:
    """Compile `check: grounding`."""
    given = site.expression("of", step.of[0])
    text = site.expression("against", str(step.against))
    by = step.by or _found_by(step.of[0], site.workflow.steps)
    if given is None or text is None:
        return None
    if not isinstance(given, ObjectType | AnyType):
        site.problem("bad-type", "of", f"fields with quotes expected, this is {given}", "name the step that found them")
        return None
    if by is None:
        if isinstance(given, ObjectType) and "found" in given.fields:
            hint = "add by: extractors/NAME.yaml"
            site.problem("missing-key", "", "nothing says what these fields' quotes must give", hint)
            return None
        return Prepared(inputs={"against": str(step.against)}, config={"rules": {"quotes": f"stand in {step.against}"}})
    written = site.written("by" if step.by else "of", by, ExtractorSpec)
    if written is None:
        return None
    component = Component(kind="extractor", name=by, content=written.spec.pinned())
    told = f"stands in {step.against} and gives its value"
    return Prepared(
        inputs={"against": str(step.against)},
        config={"extractor": f"extractor:{by}", "rules": dict.fromkeys(written.spec.finds, told)},
        components=(component,),
    )


def check_grounding(task: Task, tools: Tools) -> Findings:
    """Return the fields that the text does not bear out.

    Raises:
        StepFailure: INVALID_INPUT when there is no text to look into.
    """
    source = Source.of(task.inputs["against"].data)
    if source is None:
        raise StepFailure(Failure.INVALID_INPUT, "`against` holds no text")
    key = task.config.get("extractor")
    finds = tools.cache(cast("str", key), ExtractorSpec.read).finds if key is not None else {}
    data = task.inputs["of"].data
    if not isinstance(data, dict):
        return Findings(failed=[Broken(rule="quotes", why="there are no fields")])
    is_contract = isinstance(data.get("found"), dict) and isinstance(data.get("values"), dict)
    checked = list(_contract(data, finds, source) if is_contract else _answer(data, finds, source))
    failed = [Broken(rule=name, why=why) for name, why in checked if why]
    return Findings(failed=failed, report={"grounded": [name for name, why in checked if not why]})


def _contract(data: dict[str, Any], finds: Mapping[str, FieldSpec], source: Source) -> Iterator[tuple[str, str]]:
    """Yield each field of a fields value that has one, with what is wrong with it; empty for nothing."""
    values, found = data["values"], data["found"]
    for name in sorted({*values, *found}):
        places = _listed(found.get(name))
        claimed = _listed(values.get(name))
        if not places and not claimed:
            continue
        if not all(isinstance(each, dict) for each in places):
            yield name, _NO_QUOTE
        elif [each.get("value") for each in places] != claimed:
            yield name, _NOT_FOUND
        elif name not in finds:
            yield name, "the locked extractor knows no such field"
        else:
            yield name, next(filter(None, (_place(each, finds[name], source) for each in places)), "")


def _place(place: Mapping[str, Any], spec: FieldSpec, source: Source) -> str:
    start, end, quote = place.get("start"), place.get("end"), place.get("quote")
    if not isinstance(quote, str) or not quote:
        return _NO_QUOTE
    if not isinstance(start, int) or not isinstance(end, int) or not 0 <= start < end:
        return _NOT_AT
    if source.text[start:end] != quote:
        return _NOT_AT
    return "" if normalise(spec, quote) == place.get("value") else _NOT_MEANT


def _answer(data: dict[str, Any], finds: Mapping[str, FieldSpec], source: Source) -> Iterator[tuple[str, str]]:
    """Yield the fields of a model's answer that come with quotes, `{amount: {value, quote}}`, as above.

    A field of the locked description must have one; where nothing is locked, at least one field must.
    """
    asked = [name for name in data if name in finds or (not finds and _has_quote(data[name]))]
    if not asked:
        yield "quotes", _NO_QUOTE
    for name in asked:
        for each in _listed(data[name]):
            yield name, _said(each, finds.get(name), source)


def _said(answer: Any, spec: FieldSpec | None, source: Source) -> str:
    quote = answer.get("quote") if isinstance(answer, dict) else None
    if isinstance(answer, dict) and quote is None and answer.get("value") is None:
        return ""  # it says that there is nothing
    if not isinstance(quote, str) or not quote.strip():
        return _NO_QUOTE
    if quote not in source.text:
        return _NOT_THERE
    return "" if spec is None or normalise(spec, quote) == answer.get("value") else _NOT_MEANT


def _has_quote(value: Any) -> bool:
    return any(isinstance(each, dict) and "quote" in each for each in _listed(value))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _found_by(text: str, steps: Mapping[str, StepSpec]) -> str | None:
    """Return the extractor file of the step that an expression names, None when that step names none."""
    roots: Sequence[str] = references(text)
    return _extractor(roots[0], steps) if len(roots) == 1 else None


def _extractor(name: str, steps: Mapping[str, StepSpec]) -> str | None:
    for key, step in steps.items():
        if key == name and isinstance(step, ExtractStep) and step.extract.endswith((".yaml", ".yml")):
            return step.extract
        inner = _extractor(name, step.map.steps) if isinstance(step, MapStep) else None
        if inner is not None:
            return inner
    return None
