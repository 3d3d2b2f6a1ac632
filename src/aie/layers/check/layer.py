"""The check layer: a value passes, or the step fails with the names of what it broke."""

from collections.abc import Iterator
from itertools import islice
from typing import Final, cast

from aie.config import BoolType, CheckStep, ListType, ObjectType, Site, StepSpec, TextType, mismatches, read_schema
from aie.core import JSON
from aie.errors import Failure, StepFailure
from aie.layers.port import Compiled, Component, LayerName, Result, Task, Tools

__all__ = ["CheckLayer"]

_RULE: Final = "rules."
_TOLD_AT_MOST: Final = 20
"""Places of a schema check that are named."""

_FAILED: Final = ObjectType({"rule": TextType(), "why": TextType()}, frozenset({"rule", "why"}))
_OUTPUT: Final = ObjectType({"passed": BoolType(), "failed": ListType(_FAILED)}, frozenset({"passed", "failed"}))


class CheckLayer:
    """Checks values.

    Output: `{passed: true, failed: []}`. A value that breaks something raises `check_failed`; its message and its
    fields name the rules or places, never the value. A handler's default, or the person it is escalated to, may still
    say `passed: false`.
    """

    name: LayerName = "check"
    version: int = 1

    def compile(self, step: StepSpec, site: Site) -> Compiled | None:
        """Compile a `check` step."""
        assert isinstance(step, CheckStep)
        known = site.expression("of", step.of) is not None
        inputs = {"of": step.of}
        config: dict[str, JSON] = {"kind": step.check}
        components: tuple[Component, ...] = ()
        if step.check == "rules":
            known &= _rules(step, site)
            inputs |= {_RULE + name: text for name, text in step.rules.items()}
        else:
            component = _schema(step, site)
            if component is None:
                return None
            config["schema"] = f"{component.kind}:{component.name}"
            components = (component,)
        if not known:
            return None
        return Compiled(
            conduct="pure",
            inputs=inputs,
            config=config,
            components=components,
            output=_OUTPUT,
            failures=frozenset({Failure.CHECK_FAILED}),
        )

    def run(self, task: Task, tools: Tools) -> Result:
        """Check the value.

        Raises:
            StepFailure: CHECK_FAILED, naming what it broke.
        """
        failed = list(_broken_rules(task) if task.config["kind"] == "rules" else _broken_schema(task, tools))
        if failed:
            names = [each["rule"] for each in failed]
            raise StepFailure(Failure.CHECK_FAILED, f"not as it must be: {', '.join(names)}", failed=failed)
        checked = [name.removeprefix(_RULE) for name in sorted(task.inputs) if name.startswith(_RULE)]
        return Result(data={"passed": True, "failed": []}, report={"checked": cast("JSON", checked or ["schema"])})


def _rules(step: CheckStep, site: Site) -> bool:
    if step.schema_ is not None:
        site.problem("unused-key", "schema", "only `check: schema` has a schema", edit=site.removal("schema"))
    if not step.rules:
        site.problem("missing-key", "", "`check: rules` needs `rules`", "add rules: {NAME: CONDITION}")
    types = [site.expression(_RULE + name, text, BoolType()) for name, text in step.rules.items()]
    return bool(types) and None not in types and step.schema_ is None


def _schema(step: CheckStep, site: Site) -> Component | None:
    if step.rules:
        site.problem("unused-key", "rules", "only `check: rules` has rules", edit=site.removal("rules"))
    if step.schema_ is None:
        site.problem("missing-key", "", "`check: schema` needs `schema`", "add schema: schemas/NAME.json")
        return None
    found = site.schema("schema", step.schema_)
    if found is None or step.rules:
        return None
    return Component(kind="schema", name=step.schema_, content=found[0])


def _broken_rules(task: Task) -> Iterator[dict[str, str]]:
    for name in sorted(task.inputs):
        if name.startswith(_RULE) and task.inputs[name].data is not True:
            yield {"rule": name.removeprefix(_RULE), "why": "its condition does not hold"}


def _broken_schema(task: Task, tools: Tools) -> Iterator[dict[str, str]]:
    schema = tools.cache(cast("str", task.config["schema"]), read_schema)
    for each in islice(mismatches(schema, task.inputs["of"].data), _TOLD_AT_MOST):
        yield {"rule": each.path or "/", "why": each.why}
