"""Steps that find fields: `{extract: extractors/NAME.yaml, from: …}`, whatever finds them."""

from collections.abc import Callable
from typing import Final, cast

from aie.config import AnyType, ExtractorSpec, ExtractStep, ObjectType, Site, TextType, Type, fits
from aie.errors import Failure, StepFailure
from aie.fields import Extractor, Source, assemble, cites_of, fields_type
from aie.fields.rules import RuleExtractor
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
    own = _own(written.spec, site.inside(written.source))
    if own is None or not given:
        return None
    extractor = Component(kind="extractor", name=step.extract, content=written.spec.pinned())
    return Compiled(
        conduct="slow",
        inputs={"from": step.from_},
        config={"kind": FIELDS, "extractor": f"extractor:{step.extract}"},
        components=(extractor, *own),
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
    fields = assemble(spec.finds, _extractor(spec, task, tools).find(source), source)
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
    assert spec.by.rules is not None
    return RuleExtractor(spec.finds, spec.by.rules)


def _by(spec: ExtractorSpec) -> str:
    return next(name for name in ("rules", "trained", "prompt") if getattr(spec.by, name) is not None)
