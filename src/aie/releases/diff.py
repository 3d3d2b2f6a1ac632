"""What differs between two releases, in the words of the people who wrote them."""

import difflib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Final, Literal

from aie.core import JSON, usd
from aie.models import read_route
from aie.releases.release import Release

__all__ = ["Change", "ChangeKind", "Part", "diff"]

ChangeKind = Literal["added", "removed", "changed"]

Part = Literal["plan", "component", "file", "runtime"]

_UNITS: Final = {"time": " ms", "tokens": " tokens", "steps": " steps", "model_calls": " calls", "cost": ""}
_MEASURES: Final[Mapping[str, Callable[[int], str]]] = {
    "constraints.max_cost_per_call": usd,
    "limits.cost": usd,
    "limits.time": lambda micros: f"{micros / 1_000_000:g} s",
}
"""How integers are said that people write with a unit, by their path in a step or component."""
_LONG: Final = 60
"""Longest value that stands in a sentence; the rest is told by its size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One difference between two releases."""

    part: Part
    """plan: what a run does. component: what a step uses. file: what people wrote. runtime: which layer versions were
    current; the only part that is not identity."""
    kind: ChangeKind
    subject: str
    """What changed: `step desk`, `limit cost`, `prompt fields`, `schemas/fields.json` …"""
    message: str
    """The change as a sentence without a full stop."""
    text: str = ""
    """Unified diff, for text; else empty."""

    def to_json(self) -> dict[str, JSON]:
        """Return the form for `--format json`."""
        return {
            "part": self.part,
            "kind": self.kind,
            "subject": self.subject,
            "message": self.message,
            "text": self.text,
        }


def diff(before: Release, after: Release) -> list[Change]:
    """Return every difference, what a run does first; empty for two locks of the same behaviour and runtime."""
    plans = list(_plan(before.behaviour["plan"], after.behaviour["plan"]))
    components = list(_components(before, after))
    files = list(_files(before, after, told=bool(plans or components)))
    return [*plans, *components, *files, *_runtime(before.runtime, after.runtime)]


# ---------------------------------------------------------------- plan


def _plan(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    for name in before["limits"] | after["limits"]:
        old, new = before["limits"].get(name), after["limits"].get(name)
        if old != new:
            yield _values("plan", f"limit {name}", _limit(name, old), _limit(name, new))
    for key in ("case", "subject", "risk"):
        if before[key] != after[key]:
            yield _values("plan", key, before[key], after[key])
    yield from _named("plan", "search attribute", before["search"], after["search"])
    yield from _nodes(before["nodes"], after["nodes"], "")
    yield from _named("plan", "result", before["result"], after["result"])
    for key in ("input_schema", "output_schema"):
        if before[key] != after[key]:
            yield _values("plan", key.replace("_", " "), before[key], after[key])


def _nodes(before: list[dict[str, Any]], after: list[dict[str, Any]], inside: str) -> Iterator[Change]:
    old = {node["name"]: node for node in before}
    new = {node["name"]: node for node in after}
    for name in old | new:
        label = f"step {inside}{name}"
        if name not in new:
            yield Change(part="plan", kind="removed", subject=label, message=f"{label} removed")
        elif name not in old:
            yield Change(part="plan", kind="added", subject=label, message=f"{label} added ({new[name]['layer']})")
        elif old[name] != new[name]:
            told = list(_node(label, old[name], new[name], f"{inside}{name}/"))
            # No change is silent: what the words above have no name for is still told.
            silent = Change(part="plan", kind="changed", subject=label, message=f"how {label} runs changed")
            yield from told or [silent]
    where = f" of {inside.rstrip('/')}" if inside else ""
    kept = [name for name in old if name in new]
    if kept != [name for name in new if name in old]:
        yield Change(part="plan", kind="changed", subject="order", message=f"the order of the steps{where} changed")


def _node(label: str, old: dict[str, Any], new: dict[str, Any], inside: str) -> Iterator[Change]:
    if old["layer"] != new["layer"]:
        yield _values("plan", f"layer of {label}", old["layer"], new["layer"])
    if old["conduct"] != new["conduct"]:
        yield _values("plan", f"conduct of {label}", old["conduct"], new["conduct"])
    if old["if"] != new["if"]:
        yield _values("plan", f"condition of {label}", old["if"], new["if"])
    yield from _named("plan", f"input of {label}", old["inputs"], new["inputs"])
    yield from _tree("plan", label, old["config"], new["config"])
    if old["output"] != new["output"]:
        message = f"the form of the value of {label} changed"
        yield Change(part="plan", kind="changed", subject=f"value of {label}", message=message)
    yield from _named("plan", f"handler of {label}", _handlers(old), _handlers(new))
    one, other = old["map"] or {}, new["map"] or {}
    for key in ("over", "as", "key", "at_most"):
        if one.get(key) != other.get(key):
            yield _values("plan", f"map {key} of {label}", one.get(key), other.get(key))
    yield from _nodes(one.get("nodes", []), other.get("nodes", []), inside)


def _handlers(node: dict[str, Any]) -> dict[str, str]:
    return {failure: _handler(handler) for failure, handler in node["on"].items()}


def _handler(handler: dict[str, Any]) -> str:
    match handler["kind"]:
        case "retry":
            return f"retry {handler['times']} times, then {_handler(handler['then'] or {'kind': 'fail'})}"
        case "escalate":
            return f"escalate to {handler['desk']}"
        case "default":
            return f"default {_shown(handler['value'])}"
        case kind:
            return str(kind).replace("_", " ")


def _limit(name: str, value: int | None) -> str | None:
    if value is None:
        return None
    return usd(value) if name == "cost" else f"{value}{_UNITS.get(name, '')}"


# ---------------------------------------------------------------- components, files, runtime


def _components(before: Release, after: Release) -> Iterator[Change]:
    files = {*before.files.values(), *after.files.values()}
    for key in sorted(before.components.keys() | after.components.keys()):
        old, new = before.components.get(key), after.components.get(key)
        if old == new:
            continue
        label = _label(key, old, new)
        if old is None:
            yield Change(part="component", kind="added", subject=label, message=f"{label} added")
        elif new is None:
            yield Change(part="component", kind="removed", subject=label, message=f"{label} removed")
        elif old in files and new in files:
            yield _content("component", label, old, new)
        elif key.startswith("route:") and read_route(old).alone != read_route(new).alone:
            was, now = ("model", "route") if read_route(old).alone else ("route", "model")
            message = f"{label} was a {was} and is a {now} now: {', '.join(e.name for e in read_route(new).candidates)}"
            yield Change(part="component", kind="changed", subject=label, message=message)
        else:
            yield from _component(label, old, new)


def _label(key: str, *contents: bytes | None) -> str:
    """Return what people call a component: a step that names a model itself has no route to them."""
    kind, _, name = key.partition(":")
    alone = {read_route(each).alone for each in contents if each is not None} if kind == "route" else set()
    return name if len(alone) > 1 else f"model {name}" if alone == {True} else f"{kind} {name}"


def _component(label: str, old: bytes, new: bytes) -> Iterator[Change]:
    one, other = _canonical_json(old), _canonical_json(new)
    if isinstance(one, dict) and isinstance(other, dict):
        # Other bytes of the same JSON differ in spelling only; that is told as a change of the text.
        yield from list(_tree("component", label, one, other)) or [_content("component", label, old, new)]
    else:
        yield _content("component", label, old, new)


def _files(before: Release, after: Release, *, told: bool) -> Iterator[Change]:
    """Yield changed files, but not those whose change was told as the component they are."""
    components = {*before.components.values(), *after.components.values()}
    for path in sorted(before.files.keys() | after.files.keys()):
        old, new = before.files.get(path), after.files.get(path)
        if old == new:
            continue
        if old is None:
            if new not in components:
                yield Change(part="file", kind="added", subject=path, message=f"{path} added")
        elif new is None:
            if old not in components:
                yield Change(part="file", kind="removed", subject=path, message=f"{path} removed")
        elif not (old in components and new in components):
            change = _content("file", path, old, new)
            note = "" if told else ", the compiled plan stays the same"
            yield Change(part="file", kind="changed", subject=path, message=change.message + note, text=change.text)


def _runtime(before: Mapping[str, int], after: Mapping[str, int]) -> Iterator[Change]:
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            yield _values("runtime", f"layer {name} version", before.get(name), after.get(name))


# ---------------------------------------------------------------- how a change is said


def _named(part: Part, what: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) != new.get(name):
            yield _values(part, f"{what} {name}", old.get(name), new.get(name))


def _tree(part: Part, label: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    """Yield a change for each leaf that differs: `threshold of classifier intent 0.71 → 0.80`."""
    for path, one, other in _leaves("", old, new):
        said = _MEASURES.get(path)
        read = (each if said is None or each is None else said(each) for each in (one, other))
        yield _values(part, f"{path} of {label}", *read)


def _leaves(path: str, old: Any, new: Any) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            yield from _leaves(f"{path}.{key}" if path else key, old.get(key), new.get(key))
    elif _objects(old) and _objects(new):
        for position, (one, other) in enumerate(zip_longest(old, new), 1):
            yield from _leaves(f"{path}.{_common_name(one, other) or position}", one, other)
    elif old != new:
        yield path, old, new


def _common_name(old: dict[str, Any] | None, new: dict[str, Any] | None) -> str:
    """Return the name that two objects at the same place share, such as candidates of a route; empty without one."""
    one, other = (None if each is None else each.get("name") for each in (old, new))
    return one if isinstance(one, str) and one == other else ""


def _objects(value: Any) -> bool:
    """Whether a value is a list of objects, such as rules: told one by one, by name or numbered from 1."""
    return isinstance(value, list) and bool(value) and all(isinstance(each, dict) for each in value)


def _values(part: Part, subject: str, old: Any, new: Any) -> Change:
    if old is None:
        return Change(part=part, kind="added", subject=subject, message=f"{subject} set to {_shown(new)}")
    if new is None:
        return Change(part=part, kind="removed", subject=subject, message=f"{subject} removed, was {_shown(old)}")
    return Change(part=part, kind="changed", subject=subject, message=f"{subject} {_shown_pair(old, new)}")


def _shown_pair(old: Any, new: Any) -> str:
    """Return both values; of two long texts that begin alike, what stands around their first difference."""
    one, other = _shown(old), _shown(new)
    if one == other and isinstance(old, str) and isinstance(new, str):
        alike = next((at for at, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
        start = max(0, alike - _LONG // 3)
        one, other = (f"…{text[start : start + _LONG]}" for text in (old, new))
    return f"{one} → {other}"


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
    if len(text) <= _LONG and "\n" not in text:
        return text
    return f"{text[: _LONG // 2].splitlines()[0] if text.strip() else ''}… ({len(text)} characters)"


def _content(part: Part, label: str, old: bytes, new: bytes) -> Change:
    one, other = _lines(old), _lines(new)
    if one is None or other is None:
        message = f"{label} changed: {len(old)} → {len(new)} bytes"
        return Change(part=part, kind="changed", subject=label, message=message)
    lines = list(difflib.unified_diff(one, other, f"{label} (before)", f"{label} (after)", lineterm=""))
    added = sum(line.startswith("+") for line in lines[2:])
    removed = sum(line.startswith("-") for line in lines[2:])
    count = "line" if max(added, removed) == 1 else "lines"
    message = f"{label} changed: +{added} −{removed} {count}"
    return Change(part=part, kind="changed", subject=label, message=message, text="\n".join(lines))


def _lines(content: bytes) -> list[str] | None:
    """Return the lines of text, line ends made visible where they differ; None for what is not text."""
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return None
    return None if "\x00" in text else [line.replace("\r", "␍") for line in text.split("\n")]


def _canonical_json(content: bytes) -> JSON:
    try:
        value: JSON = json.loads(content)
    except ValueError:
        return None
    return value
