"""Checks that several sources say the same: all of them, or most."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, cast

from aie.config import AnyType, CheckStep, FieldSpec, Site, TextType, Type, nullable, value_type
from aie.core import JSON
from aie.fields import normalise
from aie.layers.check.amounts import Unreadable, equal, kind_of, plain
from aie.layers.check.outcome import Broken, Findings, Prepared
from aie.layers.port import Task, Tools

__all__ = ["check_agreement", "prepare_agreement"]

_SOURCE = "of."


def prepare_agreement(step: CheckStep, site: Site) -> Prepared | None:
    """Compile `check: agreement`."""
    if len(step.of) < 2:
        site.problem(
            "bad-value", "of", "at least two sources expected", "e.g. of: [fields.values.amount, input.amount]"
        )
        return None
    if step.as_ == "choice":
        site.problem("bad-value", "as", "`choice` has no meaning here", "compare the fields of an extractor")
        return None
    given = [site.expression(f"of.{position}", text) for position, text in enumerate(step.of)]
    known = [each for each in given if each is not None]
    if len(known) < len(given):
        return None
    as_type = None if step.as_ is None else value_type(FieldSpec(type=step.as_))
    types = [as_type if as_type is not None and isinstance(plain(each), TextType) else plain(each) for each in known]
    if not _are_comparable(types, step, site):
        return None
    certain = [each for each in types if not isinstance(each, AnyType)]
    return Prepared(
        inputs={f"{_SOURCE}{position}": text for position, text in enumerate(step.of)},
        config={
            "sources": list(step.of),
            "of": kind_of(certain[0]) if certain else "other",
            "as": step.as_,
            "need": step.need,
            "tolerance": step.tolerance,
            "missing": step.missing,
            "rules": {"agreement": f"{step.need} of {', '.join(step.of)}"},
        },
        more={
            "value": nullable(types[0] if len(certain) == len(types) and len(set(map(str, types))) == 1 else AnyType())
        },
    )


def _are_comparable(types: Sequence[Type], step: CheckStep, site: Site) -> bool:
    certain = [(kind_of(each), each, text) for each, text in zip(types, step.of, strict=True) if each != AnyType()]
    for kind, each, text in certain[1:]:
        first = certain[0]
        if kind != first[0]:
            message = f"`{first[2]}` is {first[1]}, `{text}` is {each}: they never agree"
            site.problem("bad-type", "of", message, "convert one, e.g. with money(…), or say `as:` for texts")
            return False
    return True


def check_agreement(task: Task, _: Tools) -> Findings:
    """Return the sources that do not say what most of them say."""
    config = cast("Mapping[str, Any]", task.config)
    names: list[str] = config["sources"]
    values = [_normal(task.inputs[f"{_SOURCE}{position}"].data, config["as"]) for position in range(len(names))]
    there = [position for position, value in enumerate(values) if value is not None]
    counted = len(names) if config["missing"] == "fail" else len(there)
    group = _largest(config, values, there)
    enough = len(group) == counted if config["need"] == "all" else 2 * len(group) > counted
    agreed = enough and len(group) > 1
    failed = [] if agreed else list(_others(names, values, group, silent=config["missing"] == "fail"))
    return Findings(
        failed=failed,
        more={"value": values[group[0]] if agreed else None},
        report={"agree": [names[each] for each in group]},
    )


def _others(names: Sequence[str], values: Sequence[JSON], group: Sequence[int], *, silent: bool) -> Iterator[Broken]:
    """Yield what keeps the sources from agreeing; there is always something."""
    if sum(value is not None for value in values) < 2:
        yield Broken(rule="agreement", why="fewer than two sources say anything")
    for position, (name, value) in enumerate(zip(names, values, strict=True)):
        if value is None and silent:
            yield Broken(rule=name, why="nothing is there")
        elif value is not None and position not in group:
            yield Broken(rule=name, why=f"differs from {names[group[0]]}")


def _normal(value: JSON, as_: str | None) -> JSON:
    if as_ is None or not isinstance(value, str):
        return value
    return normalise(FieldSpec(type=cast("Any", as_)), value)


def _largest(config: Mapping[str, Any], values: Sequence[JSON], there: Sequence[int]) -> list[int]:
    """Return the positions of the largest group that agrees with one of its members, the first of equal ones."""
    groups = [[other for other in there if _agree(config, values[one], values[other])] for one in there]
    return max(groups, key=len, default=[])


def _agree(config: Mapping[str, Any], one: JSON, other: JSON) -> bool:
    if config["of"] == "text" and config["as"] is not None:  # a text compared as it is has its letters for a reason
        return str(one).casefold() == str(other).casefold()
    try:
        return equal(config["of"], one, other, Decimal(config["tolerance"]))
    except Unreadable:
        return False
