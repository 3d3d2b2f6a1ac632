"""Checks that are written out: conditions, and JSON Schemas."""

from collections.abc import Iterator
from itertools import islice
from typing import Final, cast

from aie.config import BoolType, CheckStep, Site, mismatches, read_schema
from aie.core import JSON
from aie.layers.check.outcome import (
    SCOPE,
    Broken,
    Findings,
    Prepared,
    prepare_repairs,
    repair_config,
    repaired_types,
    roots_of,
)
from aie.layers.port import Component, Task, Tools

__all__ = ["check_rules", "check_schema", "prepare_rules", "prepare_schema"]

_RULE: Final = "rules."
_TOLD_AT_MOST: Final = 20
"""Places of a schema check that are named."""


def prepare_rules(step: CheckStep, site: Site) -> Prepared | None:
    """Compile `check: rules`."""
    types = [site.expression(_RULE + name, text, BoolType()) for name, text in step.rules.items()]
    repairs = prepare_repairs(step, site, list(step.rules))
    if None in types or repairs is None:
        return None
    config: dict[str, JSON] = {"rules": dict(step.rules)}
    if repairs:
        config["repair"] = repair_config(repairs)
    return Prepared(
        inputs={_RULE + name: text for name, text in step.rules.items()} | roots_of(repairs),
        config=config,
        more=repaired_types(repairs),
    )


def check_rules(task: Task, _: Tools) -> Findings:
    """Return the rules whose condition is not true."""
    texts = cast("dict[str, str]", task.config.get("rules") or {})
    broken = []
    for name in sorted(task.inputs):
        if name.startswith(_RULE) and task.inputs[name].data is not True:
            rule = name.removeprefix(_RULE)
            why = f"`{texts[rule]}` does not hold" if rule in texts else "its condition does not hold"
            broken.append(Broken(rule=rule, why=why))
    scope = {name.removeprefix(SCOPE): value.data for name, value in task.inputs.items() if name.startswith(SCOPE)}
    return Findings(failed=broken, scope=scope)


def prepare_schema(step: CheckStep, site: Site) -> Prepared | None:
    """Compile `check: schema`."""
    found = site.schema("schema", str(step.schema_))
    if found is None:
        return None
    component = Component(kind="schema", name=str(step.schema_), content=found[0])
    named = f"{component.kind}:{component.name}"
    return Prepared(inputs={}, config={"schema": named, "rules": {"schema": step.schema_}}, components=(component,))


def check_schema(task: Task, tools: Tools) -> Findings:
    """Return the places of the value that are not as the schema says."""
    return Findings(failed=tuple(_places(task, tools)))


def _places(task: Task, tools: Tools) -> Iterator[Broken]:
    schema = tools.cache(cast("str", task.config["schema"]), read_schema)
    for each in islice(mismatches(schema, task.inputs["of"].data), _TOLD_AT_MOST):
        yield Broken(rule=each.path or "/", why=each.why)
