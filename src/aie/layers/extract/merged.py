"""Steps that put the fields of the parts of a document together: `{extract: merged, of: parts, fields: …, from: …}`."""

from collections.abc import Iterator, Mapping
from typing import Any, cast

from aie.config import MERGED, AnyType, ExtractorSpec, ExtractStep, ListType, NullableType, ObjectType, Site, Type, fits
from aie.core import JSON
from aie.errors import Failure, StepFailure
from aie.fields import cites_of, fields_type, merge
from aie.layers.extract.asked import asked_components, asked_facts
from aie.layers.extract.learnt import calibration_of, learnt_components
from aie.layers.port import Compiled, Component, Result, Task, Tools

__all__ = ["compile_merged", "run_merged"]


def compile_merged(step: ExtractStep, site: Site) -> Compiled | None:
    """Compile a step that merges the fields of parts."""
    for key in ("of", "fields"):
        if getattr(step, key) is None:
            example = "of: parts" if key == "of" else "fields: extractors/NAME.yaml"
            site.problem("missing-key", "", f"`merged` needs `{key}`", f"add {example}")
    if step.of is None or step.fields is None:
        return None
    document = site.expression("from", step.from_)
    given = site.expression("of", step.of)
    written = site.written("fields", step.fields, ExtractorSpec)
    if written is None or given is None or document is None:
        return None
    inside = site.inside(written.source)
    asked = asked_components(written.spec, step.fields, inside)
    if asked is None:
        return None
    # The parts were asked the same question: a calibration that was made for another one is stale here as well.
    facts = asked_facts(written.spec, {key: each.content for key, each in asked.items()}) if asked else None
    learnt = learnt_components(written.spec, step.fields, inside, asked=facts)
    wanted = fields_type(written.spec.finds)
    name = _name_of(given, wanted)
    if name is None:
        hint = f"name a map whose steps read with {step.fields}, or a list of what they gave"
        site.problem("bad-type", "of", f"no fields of {step.fields} in it: {given}", hint)
    if learnt is None or name is None:
        return None
    extractor = Component(kind="extractor", name=step.fields, content=written.spec.pinned())
    keys: dict[str, JSON] = {key: f"{each.kind}:{each.name}" for key, each in learnt.items()}
    return Compiled(
        conduct="pure",
        inputs={"of": step.of, "from": step.from_},
        config={"kind": MERGED, "extractor": f"extractor:{step.fields}", "step": name, **keys},
        components=(extractor, *learnt.values()),
        output=wanted,
        failures=frozenset({Failure.INVALID_INPUT}),
    )


def run_merged(task: Task, tools: Tools) -> Result:
    """Merge; of a field with different values in several parts all are kept and the field is named in `conflicts`.

    Raises:
        StepFailure: INVALID_INPUT when what is merged is not a list.
    """
    of, document = task.inputs["of"].data, task.inputs["from"]
    if not isinstance(of, list):
        raise StepFailure(Failure.INVALID_INPUT, "`of` is not a list")
    spec: ExtractorSpec = tools.cache(cast("str", task.config["extractor"]), ExtractorSpec.read)
    calibration = calibration_of(task, tools)
    finds = spec.finds if calibration is None else calibration.finds(spec.finds)
    parts = list(_parts(of, cast("str", task.config["step"])))
    merged = merge(finds, parts)
    report: JSON = {"parts": len(of), "without_fields": len(of) - len(parts)}
    return Result(data=merged, cites=cites_of(merged, document.ref), report=report)


def _name_of(given: Type, wanted: ObjectType) -> str | None:
    """Return the step of a map's items that holds such fields; empty where the items are the fields themselves."""
    item = given.of if isinstance(given, ListType) else given
    if isinstance(item, AnyType) or _is(item, wanted):
        return ""
    if not isinstance(item, ObjectType):
        return None
    return next((name for name, type_ in item.fields.items() if _is(type_, wanted)), None)


def _is(type_: Type, wanted: ObjectType) -> bool:
    plain = type_.of if isinstance(type_, NullableType) else type_
    return isinstance(plain, ObjectType) and fits(plain, wanted) is None


def _parts(items: list[JSON], step: str) -> Iterator[Mapping[str, Any]]:
    """Yield the fields of each item; one that was skipped, or whose failure has a default of null, has none."""
    for item in items:
        fields = item.get(step) if step and isinstance(item, dict) else item
        if isinstance(fields, dict) and "found" in fields:
            yield fields
