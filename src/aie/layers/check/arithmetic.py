"""Checks between the fields of one value: sums within a tolerance, and days in their order."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from typing import Any, cast

from aie.config import CheckStep, ObjectType, Site, Type, expression, references
from aie.core import JSON
from aie.errors import StepFailure
from aie.layers.check.amounts import Kind, Unreadable, equal, kind_of, plain, read
from aie.layers.check.outcome import Broken, Findings, Prepared, prepare_repairs, repair_config, repaired_types
from aie.layers.port import Task, Tools

__all__ = ["check_arithmetic", "prepare_arithmetic"]


def prepare_arithmetic(step: CheckStep, site: Site) -> Prepared | None:
    """Compile `check: arithmetic`: its expressions see the fields of `of`, and only run where all of them are there."""
    given = site.expression("of", step.of[0])
    if given is None:
        return None
    given = plain(given)
    if not isinstance(given, ObjectType) or not given.fields:
        site.problem("bad-type", "of", f"an object with known fields expected, this is {given}", "e.g. `fields.values`")
        return None
    types = {name: plain(type_) for name, type_ in given.fields.items()}
    inner = replace(site, scope=types, step=None, programs={})
    sums = {name: _sum(name, text, types, inner) for name, text in step.sums.items()}
    ordered = {rule: _order(rule, names, types, inner) for rule, names in step.ordered.items()}
    repairs = prepare_repairs(step, inner, [*step.sums, *step.ordered])
    if None in sums.values() or None in ordered.values() or repairs is None:
        return None
    config: dict[str, JSON] = {
        "sums": cast("JSON", sums),
        "ordered": cast("JSON", ordered),
        "tolerance": step.tolerance,
        "missing": step.missing,
        "rules": {
            **{name: f"{name} = {text}" for name, text in step.sums.items()},
            **{rule: " ≤ ".join(names) for rule, names in step.ordered.items()},
        },
    }
    if repairs:
        config["repair"] = repair_config(repairs)
    return Prepared(inputs={}, config=config, more=repaired_types(repairs))


def _sum(name: str, text: str, types: Mapping[str, Type], site: Site) -> JSON:
    """Return the program of a sum with the fields it needs, None when it is not sound."""
    if not _is_field(f"sums.{name}", name, types, site):
        return None
    kind = kind_of(types[name])
    if kind not in ("money", "number"):
        site.problem("bad-type", f"sums.{name}", f"a number or an amount of money expected, `{name}` is {types[name]}")
        return None
    if site.expression(f"sums.{name}", text, types[name]) is None:
        return None
    return {"program": site.program(text), "text": text, "reads": list(references(text)), "kind": kind}


def _order(rule: str, names: Sequence[str], types: Mapping[str, Type], site: Site) -> JSON:
    keys = [f"ordered.{rule}.{position}" for position in range(len(names))]
    known = [_is_field(key, name, types, site) for key, name in zip(keys, names, strict=True)]
    if not all(known):
        return None
    kinds = {kind_of(types[name]) for name in names}
    if len(kinds) > 1 or not kinds <= {"date", "number", "money"}:
        site.problem("bad-type", f"ordered.{rule}", "days, numbers or amounts of money expected, all of one type")
        return None
    return {"fields": list(names), "kind": kinds.pop()}


def _is_field(key: str, name: str, types: Mapping[str, Type], site: Site) -> bool:
    if name not in types:
        site.unknown(key, name, types, "field")
    return name in types


def check_arithmetic(task: Task, _: Tools) -> Findings:
    """Return the sums and orders that do not hold."""
    data = task.inputs["of"].data
    values = data if isinstance(data, dict) else {}
    config = cast("Mapping[str, Any]", task.config)
    broken = [
        *_sums(config, values),
        *(each for rule, order in sorted(config["ordered"].items()) for each in _orders(rule, order, config, values)),
    ]
    return Findings(failed=broken, scope=values)


def _sums(config: Mapping[str, Any], values: Mapping[str, JSON]) -> Iterator[Broken]:
    tolerance = Decimal(config["tolerance"])
    for name, each in sorted(config["sums"].items()):
        absent = [field for field in dict.fromkeys((name, *each["reads"])) if values.get(field) is None]
        if absent:
            if config["missing"] == "fail":
                yield Broken(rule=name, why=f"{_named(absent)} not there")
            continue
        try:
            if not equal(each["kind"], values[name], expression(each["program"]).evaluate(values), tolerance):
                yield Broken(rule=name, why=f"`{name}` is not `{each['text']}`{_within(config['tolerance'])}")
        except Unreadable as error:
            yield Broken(rule=name, why=f"`{name}` or `{each['text']}`: {error}")
        except StepFailure:
            yield Broken(rule=name, why=f"`{each['text']}` cannot be computed")


def _orders(
    rule: str, order: Mapping[str, Any], config: Mapping[str, Any], values: Mapping[str, JSON]
) -> Iterator[Broken]:
    absent = [name for name in order["fields"] if values.get(name) is None]
    if absent and config["missing"] == "fail":
        yield Broken(rule=rule, why=f"{_named(absent)} not there")
    for one, other in pairwise([name for name in order["fields"] if name not in absent]):
        try:
            if _is_after(order["kind"], values[one], values[other]):
                yield Broken(rule=rule, why=f"`{one}` comes after `{other}`")
        except Unreadable as error:
            yield Broken(rule=rule, why=f"`{one}` and `{other}` have no order: {error}")


def _is_after(kind: Kind, one: JSON, other: JSON) -> bool:
    if kind == "date":
        return str(one) > str(other)  # a schema's days are written YYYY-MM-DD
    (left, unit), (right, unit_of_right) = read(kind, one), read(kind, other)
    if unit != unit_of_right:
        raise Unreadable("their currencies differ")
    return left > right


def _named(names: Sequence[str]) -> str:
    return f"{' and '.join(f'`{name}`' for name in names)} {'is' if len(names) == 1 else 'are'}"


def _within(tolerance: str) -> str:
    return "" if Decimal(tolerance) == 0 else f" within {tolerance}"
