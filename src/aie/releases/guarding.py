"""What a release is refused for by its labels: what reaches a decision, an act or a door that it must not reach."""

from collections.abc import Iterator
from typing import cast

from aie.config import (
    ActStep,
    BoolType,
    DecimalType,
    HttpLookup,
    ListType,
    MapStep,
    NullableType,
    NullType,
    ObjectType,
    Site,
    SqlLookup,
    StepSpec,
    TextType,
    Type,
    did_you_mean,
    references,
    static_paths,
    type_of,
)
from aie.core import JSON, Labels
from aie.layers import objection
from aie.models import LOCAL_COMPONENTS
from aie.releases.expected import ExpectedLabels
from aie.releases.flow import Flow, Path, flow_of
from aie.releases.grounds import is_ground
from aie.releases.plan import Node, Plan
from aie.releases.policy import Declassified, Endorsed, Policy, Unused
from aie.releases.steps import Parts

__all__ = ["policy_of"]

_VERDICT = frozenset({"passed", "outcome", "failed"})
"""Fields of a check's value that name rules and never a value."""


def policy_of(parts: Parts, plan: Plan, takes: Type) -> Policy:
    """Return the policy of a compiled workflow; everything that it forbids is reported."""
    spec = parts.workflow
    flow = flow_of(plan)
    _check_input_labels(parts, takes)
    policy = Policy(
        inputs={
            tuple(path.split(".")): Labels(
                classes=frozenset(each.classes),
                regions=None if each.regions is None else frozenset(each.regions),
                integrity=each.integrity,
            )
            for path, each in spec.labels.items()
        },
        declassified=dict(_declassified(parts, flow)),
        endorsed=dict(_endorsed(parts, flow)),
        unused=tuple(_unused(parts, flow, takes)),
    )
    expected = ExpectedLabels(flow, policy, parts.components)
    for name, node in flow.nodes.items():
        if node.layer == "act":
            _check_sensitive(parts, name, node, expected)
        _check_door(parts, name, node, expected)
    return policy


def _check_input_labels(parts: Parts, takes: Type) -> None:
    for path in parts.workflow.labels:
        parts.site(None, {"input": takes}, ("labels", path)).expression("", path)


# ---------------------------------------------------------------- declassify


def _declassified(parts: Parts, flow: Flow) -> Iterator[tuple[str, Declassified]]:
    for name, node in flow.nodes.items():
        step, site = _written(parts, name)
        if step.declassify is None:
            continue
        if not _carries_nothing(node):
            what = "its value may carry what it read: only a check's verdict, a label or true and false cannot"
            hint = "declassify at a check, a classifier, or a model that `returns` nothing but true/false and `enum`"
            site.problem("bad-declassify", "declassify", what, hint)
        yield name, Declassified(classes=frozenset(step.declassify.classes), because=step.declassify.because)


def _carries_nothing(node: Node) -> bool:
    """Whether a value can only be one of a few that the release itself names."""
    made = type_of(dict(node.output))
    if node.layer == "check":
        return isinstance(made, ObjectType) and made.fields.keys() <= _VERDICT
    scored = node.config.get("kind") in LOCAL_COMPONENTS
    return node.layer == "model" and _is_closed(made, scored=scored)


def _is_closed(made: Type, *, scored: bool) -> bool:
    match made:
        case BoolType() | NullType():
            return True
        case TextType():
            return bool(made.values)
        case DecimalType():
            return scored  # how sure a classifier of the release is; a chat model could write anything there
        case NullableType():
            return _is_closed(made.of, scored=scored)
        case ListType():
            return scored and _is_closed(made.of, scored=scored)
        case ObjectType():
            return not made.open and all(_is_closed(each, scored=scored) for each in made.fields.values())
        case _:
            return False


# ---------------------------------------------------------------- forbidden attributes


def _unused(parts: Parts, flow: Flow, takes: Type) -> Iterator[Unused]:
    forbid = parts.workflow.forbid
    if forbid is None:
        return
    known = [each for at, each in enumerate(forbid.attributes) if _is_known(parts, at, each, flow, takes)]
    for at, named in enumerate(forbid.decision):
        decisions = flow.decisions(named)
        if not decisions and named not in parts.workflow.steps:
            names = [*flow.reads, "result"]
            parts.site(None, {}).problem(
                "unknown-decision", f"forbid.decision.{at}", f"nothing is named `{named}`", did_you_mean(named, names)
            )
        for decision in decisions:
            ways = [_refuse_way(parts, flow, attribute, decision) for attribute in known]
            inputs, steps = flow.reached_by(decision)
            if len(known) == len(forbid.attributes) and not any(ways):
                reached = tuple(".".join(path) for path in inputs)
                yield Unused(decision=decision, attributes=forbid.attributes, inputs=reached, steps=steps)


def _is_known(parts: Parts, at: int, attribute: str, flow: Flow, takes: Type) -> bool:
    """Whether an attribute exists: a misspelt one would be proven unused for ever."""
    root = attribute.split(".", maxsplit=1)[0]
    scope: dict[str, Type] = {"input": takes}
    if root in flow.nodes:
        scope[root] = type_of(dict(flow.nodes[root].output))
    return parts.site(None, scope).expression(f"forbid.attributes.{at}", attribute) is not None


def _refuse_way(parts: Parts, flow: Flow, attribute: str, decision: str) -> bool:
    """Report the way from an attribute to a decision; false when there is none."""
    found = flow.path(tuple(attribute.split(".")), decision)
    if found is None:
        return False
    read, names = found
    way = " → ".join((attribute, *names))
    where = names[0]
    message = f"the forbidden `{attribute}` reaches `{decision}`: {way}"
    hint = f"take `{'.'.join(read.source)}` out of `{where}`"
    if where.startswith("result."):
        parts.site(None, {}).problem("forbidden-attribute", where, message, hint)
        return True
    step, site = _written(parts, where)
    site.problem("forbidden-attribute", _key_of(step, read.source), message, hint)
    return True


# ---------------------------------------------------------------- acts and doors


def _endorsed(parts: Parts, flow: Flow) -> Iterator[tuple[str, Endorsed]]:
    for name in flow.nodes:
        step, _ = _written(parts, name)
        if isinstance(step, ActStep):
            for field, each in step.endorse.items():
                yield f"{name}.{field}", Endorsed(when=each.when, because=each.because)


def _check_sensitive(parts: Parts, name: str, node: Node, expected: ExpectedLabels) -> None:
    step, site = _written(parts, name)
    assert isinstance(step, ActStep)
    for field in cast("list[str]", node.config["sensitive"]):
        text = step.with_[field]
        ways = [way for path in static_paths(node.inputs[field]) if (way := expected.untrusted_way(path))]
        endorsed = step.endorse.get(field)
        if endorsed is not None and not is_ground(endorsed.when, text, site.workspace.settings.lookups, parts.workflow):
            what = "this does not bound the field by an amount that is written out, or by what a trusted lookup says"
            hint = f"e.g. `{text} <= money('500.00 USD')`, or compare it with the row of a lookup"
            site.problem("bad-endorsement", f"endorse.{field}.when", what, hint)
        if ways and endorsed is None:
            told = " → ".join((*ways[0], name))
            message = f"outsiders could have written `{field}`, which is sensitive to `{_named(node)}`: {told}"
            hint = (
                "let a person decide it (a `review` without `unless`), or say when it may be acted on: "
                f"`endorse: {{{field}: {{when: …, because: …}}}}` with an amount cap or a trusted lookup"
            )
            site.problem("unendorsed", f"with.{field}", message, hint)


def _check_door(parts: Parts, name: str, node: Node, expected: ExpectedLabels) -> None:
    """Refuse a receiver or a lookup that would always refuse what it is given."""
    _, site = _written(parts, name)
    settings = site.workspace.settings
    lookup = settings.lookups.get(_named(node)) if node.layer == "lookup" else None
    door = settings.receivers.get(_named(node)) if node.layer == "act" else lookup
    if door is None or not (node.layer == "act" or isinstance(door, HttpLookup | SqlLookup)):
        return
    clearance = door.clearance  # type: ignore[union-attr]
    regions = None if clearance.regions is None else list(clearance.regions)
    why = objection(expected.read_by(name), classes=list(clearance.classes), regions=regions)
    if why is not None:
        hint = f"say so under `{_named(node)}: clearance:` in aie.yaml, or declassify what does not carry it"
        site.problem("not-cleared", node.layer, f"`{_named(node)}` {why}", hint)


def _named(node: Node) -> str:
    """Return the name of the receiver or lookup of a node."""
    key: JSON = node.config.get("receiver") or node.config.get("lookup") or ""
    return str(key).partition(":")[2]


# ---------------------------------------------------------------- places


def _written(parts: Parts, name: str) -> tuple[StepSpec, Site]:
    """Return a step as it is written, and where."""
    outer, _, inner = name.partition(".")
    step = parts.workflow.steps[outer]
    if not inner:
        return step, parts.site(step, {}, ("steps", outer))
    assert isinstance(step, MapStep), "only maps have steps inside"
    return step.map.steps[inner], parts.site(step.map.steps[inner], {}, ("steps", outer, "map", "steps", inner))


def _key_of(step: StepSpec, source: Path) -> str:
    """Return the key of a step whose expression reads a path; that of the step where nothing written does."""
    for key, text in step.expressions():
        if source in static_paths(text):
            return key
    return next((key for key, text in step.expressions() if source[0] in references(text)), "")
