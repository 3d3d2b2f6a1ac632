"""The check layer: says whether values are as they must be, and names what they break."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, cast

from aie.config import CheckKind, CheckStep, Site, StepSpec
from aie.errors import Failure
from aie.layers.check.agreement import check_agreement, prepare_agreement
from aie.layers.check.arithmetic import check_arithmetic, prepare_arithmetic
from aie.layers.check.duplicates import check_duplicates, prepare_duplicates
from aie.layers.check.grounding import check_grounding, prepare_grounding
from aie.layers.check.outcome import Findings, Prepared, conclude, output_type
from aie.layers.check.rules import check_rules, check_schema, prepare_rules, prepare_schema
from aie.layers.port import Compiled, LayerName, Result, Task, Tools

__all__ = ["CheckLayer"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """One kind of check."""

    prepare: Callable[[CheckStep, Site], Prepared | None]
    check: Callable[[Task, Tools], Findings]
    needs: Mapping[str, str]
    """Keys that a step of this kind must have, each with an example."""
    may: frozenset[str] = frozenset()
    """Keys it may have besides."""


_OF: Final = {"of": "fields"}

_KINDS: Final[Mapping[CheckKind, _Kind]] = {
    "schema": _Kind(prepare=prepare_schema, check=check_schema, needs={**_OF, "schema": "schemas/NAME.json"}),
    "rules": _Kind(
        prepare=prepare_rules, check=check_rules, needs={"rules": "{NAME: CONDITION}"}, may=frozenset({"of", "repair"})
    ),
    "grounding": _Kind(
        prepare=prepare_grounding,
        check=check_grounding,
        needs={**_OF, "against": "document"},
        may=frozenset({"by"}),
    ),
    "agreement": _Kind(
        prepare=prepare_agreement,
        check=check_agreement,
        needs={"of": "[fields.values.amount, input.amount]"},
        may=frozenset({"as", "need", "tolerance", "missing"}),
    ),
    "arithmetic": _Kind(
        prepare=prepare_arithmetic,
        check=check_arithmetic,
        needs={"of": "fields.values"},
        may=frozenset({"sums", "ordered", "tolerance", "missing", "repair"}),
    ),
    "duplicates": _Kind(
        prepare=prepare_duplicates, check=check_duplicates, needs={"key": "{number: fields.values.number}"}
    ),
}
_OWN: Final = {"schema_": "schema", "as_": "as"}
_SHARED: Final = frozenset({"check", "then", "if_", "on", "declassify"})


class CheckLayer:
    """Checks values.

    Output: `{passed, outcome: pass|repair|escalate, failed: [{rule, why}], repaired?: {field: value}}`, and what the
    kind adds (`value` of an agreement, `others` of duplicates). What is broken and not mended raises `check_failed`,
    unless the step says `then: tell`. Reasons name rules, expressions and fields, never a value.
    """

    name: LayerName = "check"
    version: int = 1
    in_fibers = False

    def compile(self, step: StepSpec, site: Site) -> Compiled | None:
        """Compile a `check` step."""
        assert isinstance(step, CheckStep)
        kind = _KINDS[step.check]
        if not _has_its_keys(step, kind, site):
            return None
        values = {"of": step.of[0]} if len(step.of) == 1 else {}
        if values and site.expression("of", step.of[0]) is None:
            return None
        prepared = kind.prepare(step, site)
        if prepared is None:
            return None
        return Compiled(
            conduct=prepared.conduct,
            inputs={**values, **prepared.inputs},
            config={"kind": step.check, "then": step.then, **prepared.config},
            components=prepared.components,
            output=output_type(step, prepared.more),
            failures=_failures(step),
        )

    def run(self, task: Task, tools: Tools) -> Result:
        """Check the value.

        Raises:
            StepFailure: CHECK_FAILED, naming what it broke; INVALID_INPUT when there is nothing to look into.
        """
        return conclude(task, _KINDS[cast("CheckKind", task.config["kind"])].check(task, tools))


def _failures(step: CheckStep) -> frozenset[Failure]:
    broken = frozenset({Failure.CHECK_FAILED}) if step.then == "fail" else frozenset()
    return broken | ({Failure.INVALID_INPUT} if step.check == "grounding" else frozenset())


def _has_its_keys(step: CheckStep, kind: _Kind, site: Site) -> bool:
    given = {_OWN.get(name, name) for name in step.model_fields_set} - {_OWN.get(each, each) for each in _SHARED}
    unused = sorted(given - kind.needs.keys() - kind.may)
    for key in unused:
        site.problem("unused-key", key, f"`check: {step.check}` does not read `{key}`", edit=site.removal(key))
    missing = [key for key in kind.needs if not getattr(step, f"{key}_" if f"{key}_" in _OWN else key)]
    for key in missing:
        site.problem("missing-key", "", f"`check: {step.check}` needs `{key}`", f"add {key}: {kind.needs[key]}")
    if step.check == "arithmetic" and not (step.sums or step.ordered):
        site.problem("missing-key", "", "`check: arithmetic` needs `sums` or `ordered`", "add sums: {total: net + tax}")
        return False
    if step.check != "agreement" and len(step.of) > 1:
        site.problem("bad-value", "of", f"`check: {step.check}` looks at one value", "write one expression")
        return False
    return not unused and not missing
