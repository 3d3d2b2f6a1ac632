"""What every kind of check says: passed, repaired or for a person, with the reason of each rule in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, cast

from aie.config import BoolType, CheckStep, ListType, ObjectType, Site, TextType, Type, expression, nullable, references
from aie.core import JSON
from aie.errors import Failure, StepFailure
from aie.layers.port import Component, Conduct, Result, Task

__all__ = [
    "SCOPE",
    "Broken",
    "Findings",
    "Prepared",
    "conclude",
    "output_type",
    "prepare_repairs",
    "repair_config",
    "repaired_types",
    "roots_of",
]

Outcome = Literal["pass", "repair", "escalate"]

SCOPE: Final = "scope."
"""Prefix of the inputs that repairs are computed from."""
_TOLD_AT_MOST: Final = 20
"""Broken rules that are named in a failure's message."""

_FAILED: Final = ObjectType({"rule": TextType(), "why": TextType()}, frozenset({"rule", "why"}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What a kind of check makes of its step."""

    inputs: Mapping[str, str]
    """CEL by name."""
    config: Mapping[str, JSON]
    """What it needs besides; `rules` are the checked things in words, by name."""
    components: tuple[Component, ...] = ()
    conduct: Conduct = "pure"
    more: Mapping[str, Type] = field(default_factory=dict)
    """Fields of the value that this kind alone has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """One rule that does not hold."""

    rule: str
    why: str
    """In words, naming expressions and fields, never a value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What a kind of check found."""

    failed: Sequence[Broken] = ()
    more: Mapping[str, JSON] = field(default_factory=dict)
    """Values of the fields that this kind alone has."""
    scope: Mapping[str, JSON] = field(default_factory=dict)
    """What repairs may read."""
    report: Mapping[str, JSON] = field(default_factory=dict)
    """For `explain`; may hold values."""


def prepare_repairs(step: CheckStep, site: Site, rules: Sequence[str]) -> dict[str, dict[str, tuple[str, Type]]] | None:
    """Return the program and type of each repair by rule and field; None when one is not sound."""
    made: dict[str, dict[str, tuple[str, Type]]] = {}
    sound = True
    for rule, fields in step.repair.items():
        if rule not in rules:
            site.unknown(f"repair.{rule}", rule, rules, "rule")
            sound = False
        for name, text in fields.items():
            given = site.expression(f"repair.{rule}.{name}", text)
            sound &= given is not None
            if given is not None:
                made.setdefault(rule, {})[name] = (site.program(text), given)
    return made if sound else None


def repair_config(repairs: Mapping[str, Mapping[str, tuple[str, Type]]]) -> JSON:
    """Return the stored form of repairs: the program of each field."""
    return {rule: {name: program for name, (program, _) in fields.items()} for rule, fields in repairs.items()}


def repaired_types(repairs: Mapping[str, Mapping[str, tuple[str, Type]]]) -> dict[str, Type]:
    """Return the `repaired` field of a check's value; a field that needed no repair is null."""
    types = {name: nullable(type_) for fields in repairs.values() for name, (_, type_) in fields.items()}
    return {"repaired": ObjectType(types, frozenset(types))} if types else {}


def roots_of(repairs: Mapping[str, Mapping[str, tuple[str, Type]]]) -> dict[str, str]:
    """Return the inputs that repairs in the workflow's scope read."""
    names = {root for fields in repairs.values() for program, _ in fields.values() for root in references(program)}
    return {SCOPE + name: name for name in sorted(names)}


def output_type(step: CheckStep, more: Mapping[str, Type]) -> ObjectType:
    """Return the type of a check's value; a handler's default for a failed one needs no `outcome`."""
    fields: dict[str, Type] = {
        "passed": BoolType(),
        "outcome": TextType(("escalate", "pass", "repair")),
        "failed": ListType(_FAILED),
        **more,
    }
    told = step.then == "tell"
    return ObjectType(fields, frozenset(fields) if told else frozenset({"passed", "failed", *more}))


def conclude(task: Task, found: Findings) -> Result:
    """Return the check's value.

    Raises:
        StepFailure: CHECK_FAILED when something is broken that no repair mends, unless the step says `then: tell`.
    """
    passed = not found.failed
    failed: list[JSON] = [{"rule": each.rule, "why": each.why} for each in found.failed]
    repaired, mended = _repaired(task, found)
    outcome: Outcome = "pass" if passed else "repair" if mended else "escalate"
    if outcome == "escalate" and task.config.get("then", "fail") == "fail":
        told = "; ".join(f"{each.rule}: {each.why}" for each in found.failed[:_TOLD_AT_MOST])
        raise StepFailure(Failure.CHECK_FAILED, f"not as it must be: {told}", failed=failed)
    more = dict(found.more) | ({"repaired": repaired} if repaired is not None else {})
    return Result(
        data={"passed": passed, "outcome": outcome, "failed": failed, **more},
        report={"checked": task.config.get("rules") or {}, **found.report},
    )


def _repaired(task: Task, found: Findings) -> tuple[dict[str, JSON] | None, bool]:
    """Return the corrected values, None where the step declares none, and whether every broken rule is mended."""
    repairs = cast("Mapping[str, Mapping[str, str]]", task.config.get("repair") or {})
    if not repairs:
        return None, False
    values: dict[str, JSON] = {name: None for fields in repairs.values() for name in fields}
    mended = True
    for each in found.failed:
        fields = repairs.get(each.rule, {})
        mended &= bool(fields)
        for name, program in fields.items():
            try:
                values[name] = expression(program).evaluate(found.scope)
            except StepFailure:
                values[name] = None
            mended &= values[name] is not None
    return values, mended and bool(found.failed)
