"""Steps that find fields: `{extract: extractors/NAME.yaml, from: …}`, whatever finds them."""

from collections.abc import Callable, Sequence
from typing import Final, cast

from aie.config import AnyType, ExtractorSpec, ExtractStep, ObjectType, Site, TextType, Type, fits
from aie.core import JSON
from aie.errors import Failure, StepFailure
from aie.fields import Candidate, Extractor, Source, assemble, cites_of, fields_type
from aie.fields.rules import RuleExtractor, why_unsafe
from aie.layers.extract.asked import ASKED_FAILURES, ask_for_fields, asked_components, asked_facts
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
    sound = _check_rules(written.spec, inside)
    asked = asked_components(written.spec, step.extract, inside)
    facts = asked_facts(written.spec, {key: each.content for key, each in asked.items()}) if asked else None
    learnt = learnt_components(written.spec, step.extract, inside, asked=facts)
    if learnt is None or asked is None or not (sound and given):
        return None
    extractor = Component(kind="extractor", name=step.extract, content=written.spec.pinned())
    own = {**learnt, **asked}
    keys: dict[str, JSON] = {key: f"{each.kind}:{each.name}" for key, each in own.items()}
    return Compiled(
        conduct="external" if asked else "slow",
        inputs={"from": step.from_},
        config={"kind": FIELDS, "extractor": f"extractor:{step.extract}", **keys},
        components=(extractor, *own.values()),
        output=fields_type(written.spec.finds),
        failures=frozenset({Failure.INVALID_INPUT}) | (ASKED_FAILURES if asked else frozenset()),
    )


def run_fields(task: Task, tools: Tools, connect: Callable[[str], Chat]) -> Result:
    """Find the fields.

    Raises:
        StepFailure: INVALID_INPUT when there is no text to find them in; or, of a prompt, what asking may fail with.
    """
    given = task.inputs["from"]
    source = Source.of(given.data)
    if source is None:
        raise StepFailure(Failure.INVALID_INPUT, "`from` holds no text")
    spec = tools.cache(cast("str", task.config["extractor"]), ExtractorSpec.read)
    report: dict[str, JSON] = {"by": _by(spec)}
    candidates: Sequence[Candidate]
    if spec.by.prompt is not None:
        candidates, said = ask_for_fields(spec, source, task, tools, connect)
        report |= said
    else:
        candidates = _extractor(spec, task, tools).find(source)
    calibration = calibration_of(task, tools)
    finds = spec.finds
    if calibration is not None:
        finds, candidates = calibration.finds(finds), calibration.apply(candidates)
    fields = assemble(finds, candidates, source)
    return Result(data=fields, cites=cites_of(fields, given.ref), report=report)


def _check_given(step: ExtractStep, site: Site) -> bool:
    given = site.expression("from", step.from_)
    wanted: Type = TextType() if isinstance(given, TextType) else _READ
    why = None if given is None or isinstance(given, AnyType) else fits(given, wanted)
    if why is not None:
        site.problem("bad-type", "from", why, "name a step `{extract: document}`, or a text")
    return given is not None and why is None


def _check_rules(spec: ExtractorSpec, site: Site) -> bool:
    """Report rules of unknown fields and unsafe patterns; `site` reports in the extractor file."""
    sound = True
    for name, rules in (spec.by.rules or {}).items():
        if name not in spec.finds:
            site.unknown(f"by.rules.{name}", name, spec.finds, "field", at_key=True)
            sound = False
        for position, rule in enumerate(rules):
            why = None if rule.pattern is None else why_unsafe(rule.pattern)
            if why is not None:
                site.problem("bad-pattern", f"by.rules.{name}.{position}.pattern", why, "see docs/layers/fields.md")
                sound = False
    return sound


def _extractor(spec: ExtractorSpec, task: Task, tools: Tools) -> Extractor:
    if spec.by.trained is not None:
        return trained_extractor(spec, task, tools)
    rules: Extractor = tools.cache(cast("str", task.config["extractor"]), _by_rules)
    return rules


def _by_rules(content: bytes) -> Extractor:
    spec = ExtractorSpec.read(content)
    assert spec.by.rules is not None
    return RuleExtractor(spec.finds, spec.by.rules)


def _by(spec: ExtractorSpec) -> str:
    return next(name for name in ("rules", "trained", "prompt") if getattr(spec.by, name) is not None)
