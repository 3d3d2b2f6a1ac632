"""Checks that no other run of the workflow has the same key: an invoice that came twice, a claim told again."""

from typing import Final, cast

from aie.config import CheckStep, ListType, ObjectType, Site, TextType
from aie.core import JSON
from aie.layers.check.amounts import Kind, Unreadable, kind_of, read
from aie.layers.check.outcome import Broken, Findings, Prepared
from aie.layers.port import Task, Tools

__all__ = ["check_duplicates", "prepare_duplicates"]

_KEY: Final = "key."


def prepare_duplicates(step: CheckStep, site: Site) -> Prepared | None:
    """Compile `check: duplicates`. It is `slow`: what other runs there are changes, so the answer is journalled."""
    kinds: dict[str, JSON] = {}
    for name, text in step.key.items():
        given = site.expression(_KEY + name, text)
        if given is None:
            return None
        if isinstance(given, ObjectType | ListType):
            site.problem("bad-type", _KEY + name, f"a plain value expected, this is {given}", "name one field")
            return None
        kinds[name] = kind_of(given)
    return Prepared(
        inputs={_KEY + name: text for name, text in step.key.items()},
        config={"key": kinds, "rules": {"duplicates": f"no other run has the same {', '.join(step.key)}"}},
        conduct="slow",
        more={"others": ListType(TextType())},
    )


def check_duplicates(task: Task, tools: Tools) -> Findings:
    """Record the run's key and return the other runs that have it.

    A key with a part that is not there tells nothing apart: it is broken, and nothing is recorded.
    """
    kinds = cast("dict[str, Kind]", task.config["key"])
    values = {name: task.inputs[_KEY + name].data for name in sorted(kinds)}
    absent = [name for name, value in values.items() if value is None]
    if absent:
        why = f"{', '.join(f'`{name}`' for name in absent)} not there: nothing tells this run from others"
        return Findings(failed=[Broken(rule="duplicates", why=why)], more={"others": []})
    others = tools.keys.claim(task.path, {name: _plain(kinds[name], value) for name, value in values.items()})
    named = ", ".join(kinds)
    failed = [Broken(rule="duplicates", why=f"run {run} has the same {named}") for run in others]
    return Findings(failed=failed, more={"others": list(others)}, report={"others": list(others)})


def _plain(kind: Kind, value: JSON) -> JSON:
    """Return one form for what people write in several: `5 USD` and `5.00 USD`, ` inv-7` and `INV-7`."""
    if kind in ("money", "number"):
        try:
            size, unit = read(kind, value)
        except Unreadable:
            return value
        return f"{size.normalize():f} {unit}".rstrip()
    return " ".join(value.split()).casefold() if isinstance(value, str) else value
