"""Steps that find fields: `{extract: extractors/NAME.yaml, from: …}`, whatever finds them."""

from collections.abc import Callable
from typing import Final, cast

from aie.config import AnyType, ExtractorSpec, ExtractStep, ObjectType, Site, TextType, Type, fits
from aie.core import JSON
from aie.errors import Failure, StepFailure
from aie.fields import Extractor, Source, assemble, cites_of, fields_type
from aie.fields.rules import RuleExtractor
from aie.layers.extract.learnt import calibration_of, learnt_components, trained_extractor
from aie.layers.port import Compiled, Component, Result, Task, Tools
from aie.models import Chat

__all__ = ["FIELDS", "compile_fields", "run_fields"]

FIELDS: Final = "fields"
"""Kind of these steps in their configuration."""

_READ: Final = ObjectType({"text": TextType()}, frozenset({"text"}), open=True)
"""What a step that read a document gives, as far as finding needs it."""


def compile_fields(step: ExtractStep, site: Site) -> Compiled | None:
    """Compile a step that names an extractor file."""
    written = site.written("extract", step.extract, ExtractorSpec)
    given = _check_given(step, site)
    if written is None:
        return None
    inside = site.inside(written.source)
    own = _own(written.spec, inside)
    learnt = learnt_components(written.spec, step.extract, inside)
    if own is None or learnt is None or not given:
        return None
    extractor = Component(kind="extractor", name=step.extract, content=written.spec.pinned())
    keys: dict[str, JSON] = {key: f"{each.kind}:{each.name}" for key, each in learnt.items()}
    return Compiled(
        conduct="slow",
        inputs={"from": step.from_},
        config={"kind": FIELDS, "extractor": f"extractor:{step.extract}", **keys},
        components=(extractor, *own, *learnt.values()),
        output=fields_type(written.spec.finds),
        failures=frozenset({Failure.INVALID_INPUT}),
    )


def run_fields(task: Task, tools: Tools, connect: Callable[[str], Chat]) -> Result:
    """Find the fields.

    Raises:
        StepFailure: INVALID_INPUT when there is no text to find them in.
    """
    given = task.inputs["from"]
    source = Source.of(given.data)
    if source is None:
        raise StepFailure(Failure.INVALID_INPUT, "`from` holds no text")
    spec = tools.cache(cast("str", task.config["extractor"]), ExtractorSpec.read)
    candidates = _extractor(spec, task, tools).find(source)
    calibration = calibration_of(task, tools)
    finds = spec.finds
    if calibration is not None:
        finds, candidates = calibration.finds(finds), calibration.apply(candidates)
    fields = assemble(finds, candidates, source)
    return Result(data=fields, cites=cites_of(fields, given.ref), report={"by": _by(spec)})


def _check_given(step: ExtractStep, site: Site) -> bool:
    given = site.expression("from", step.from_)
    wanted: Type = TextType() if isinstance(given, TextType) else _READ
    why = None if given is None or isinstance(given, AnyType) else fits(given, wanted)
    if why is not None:
        site.problem("bad-type", "from", why, "name a step `{extract: document}`, or a text")
    return given is not None and why is None


def _own(spec: ExtractorSpec, site: Site) -> tuple[Component, ...] | None:
    """Return what this way of finding pins besides the file itself; `site` reports in the extractor file."""
    known = True
    for name in spec.by.rules or ():
        if name not in spec.finds:
            site.unknown(f"by.rules.{name}", name, spec.finds, "field")
            known = False
    return () if known else None


def _extractor(spec: ExtractorSpec, task: Task, tools: Tools) -> Extractor:
    if spec.by.trained is not None:
        return trained_extractor(spec, task, tools)
    assert spec.by.rules is not None
    return RuleExtractor(spec.finds, spec.by.rules)


def _by(spec: ExtractorSpec) -> str:
    return next(name for name in ("rules", "trained", "prompt") if getattr(spec.by, name) is not None)
