"""The plan: what a run executes, compiled from a workflow file and stored in the release.

Its canonical JSON stands in the lock (`release.lock["behaviour"]["plan"]`); these values are the same, typed. Reading
and writing are exact inverses: `parse_plan(plan.to_json()) == plan`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final, Literal, cast, get_args

from aie.core import JSON, Limits
from aie.errors import Failure, IntegrityError

__all__ = ["FAIL", "MAP", "Handler", "HandlerKind", "MapPlan", "Node", "NodeConduct", "Plan", "parse_plan"]

HandlerKind = Literal["fail", "dead_letter", "retry", "escalate", "default"]

NodeConduct = Literal["pure", "slow", "external", "effect", "human"]

MAP: Final = "map"
"""`layer` of a node that only repeats others for each item."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Handler:
    """What happens when a step fails with one class of failure."""

    kind: HandlerKind
    """fail: the run ends failed. dead_letter: it is set aside for people. retry: the step is tried again. escalate: a
    person decides at `desk`. default: the step's value is `value`."""
    times: int = 0
    """Tries after the first, for `retry`."""
    then: "Handler | None" = None
    """What happens when the last try fails; None is `fail`. Only for `retry`."""
    desk: str = ""
    """Who decides, for `escalate`."""
    value: JSON = None
    """The value, for `default`."""

    def to_json(self) -> dict[str, JSON]:
        """Return the stored form: only what the kind uses."""
        match self.kind:
            case "retry":
                return {
                    "kind": "retry",
                    "times": self.times,
                    "then": None if self.then is None else self.then.to_json(),
                }
            case "escalate":
                return {"kind": "escalate", "desk": self.desk}
            case "default":
                return {"kind": "default", "value": self.value}
            case _:
                return {"kind": self.kind}


FAIL: Final = Handler(kind="fail")


@dataclass(frozen=True, slots=True, kw_only=True)
class MapPlan:
    """A node's body, run once for each item of a list."""

    over: str
    """CEL of the list."""
    as_: str
    """Name of the item in the expressions of the body."""
    key: str | None
    """CEL of the item's key in node paths, over `as_`; None is the item's position."""
    at_most: int
    """Most items; more of them fail the step with `too_large`."""
    nodes: tuple["Node", ...]
    """The body, in topological order."""

    def to_json(self) -> dict[str, JSON]:
        """Return the stored form."""
        return {
            "over": self.over,
            "as": self.as_,
            "key": self.key,
            "at_most": self.at_most,
            "nodes": [node.to_json() for node in self.nodes],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One step of the plan."""

    name: str
    layer: str
    """Name of the layer that runs it, or `map`."""
    conduct: NodeConduct
    """How the engine may treat it; see `aie.layers`. A map is `pure`: its body's nodes have conducts of their own."""
    needs: tuple[str, ...] = ()
    """Names of the steps whose values it reads, sorted; inside a map's body also steps outside of it."""
    condition: str | None = None
    """CEL that must be true for the step to run; None is always."""
    inputs: Mapping[str, str] = field(default_factory=dict)
    """CEL of each input."""
    config: Mapping[str, JSON] = field(default_factory=dict)
    """Everything else the layer needs."""
    output: Mapping[str, JSON] = field(default_factory=dict)
    """JSON Schema of its value: what a person is asked for when a failure is escalated."""
    map: MapPlan | None = None
    """The body, for a map."""
    handlers: Mapping[Failure, Handler] = field(default_factory=dict)
    """Handler of every class the step can fail with: its own entry, else the workflow's, else the engine's."""

    def handler(self, failure: Failure) -> Handler:
        """Return what to do about a failure of this class; a class nobody declared ends the run."""
        return self.handlers.get(failure, FAIL)

    def to_json(self) -> dict[str, JSON]:
        """Return the stored form."""
        return {
            "name": self.name,
            "layer": self.layer,
            "conduct": self.conduct,
            "needs": list(self.needs),
            "if": self.condition,
            "inputs": dict(self.inputs),
            "config": dict(self.config),
            "output": dict(self.output),
            "map": None if self.map is None else self.map.to_json(),
            "on": {failure.value: handler.to_json() for failure, handler in self.handlers.items()},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A workflow, compiled."""

    workflow: str
    case: str
    """CEL of the business case, over `input`."""
    subject: str | None
    """CEL naming the person the run is about; None: the case stands for them."""
    search: Mapping[str, str]
    """CEL of each indexed attribute."""
    risk: str
    """`low`, `medium` or `high`."""
    limits: Limits
    """Hard bounds of one run."""
    result: Mapping[str, str]
    """CEL of each field of the output."""
    input_schema: str
    """Component with the JSON Schema of the input."""
    output_schema: str
    """Component with the JSON Schema of the output."""
    nodes: tuple[Node, ...]
    """Topological order: a node comes after everything it needs."""

    def walk(self) -> Iterator[Node]:
        """Yield every node, those inside maps right after their map."""
        return _walk(self.nodes)

    def to_json(self) -> dict[str, JSON]:
        """Return the stored form."""
        return {
            "workflow": self.workflow,
            "case": self.case,
            "subject": self.subject,
            "search": dict(self.search),
            "risk": self.risk,
            "limits": {each.name: getattr(self.limits, each.name) for each in fields(self.limits)},
            "result": dict(self.result),
            "input_schema": self.input_schema,
            "output_schema": self.output_schema,
            "nodes": [node.to_json() for node in self.nodes],
        }


def parse_plan(data: JSON) -> Plan:
    """Read the stored form.

    Raises:
        IntegrityError: not the form of a plan; a release is verified before its plan is read, so this is a release of
            a later version or a store that was tampered with.
    """
    try:
        return _plan(cast("dict[str, Any]", data))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise IntegrityError(f"the release's plan cannot be read: {error!r}", hints=("upgrade aie",)) from error


def _walk(nodes: tuple[Node, ...]) -> Iterator[Node]:
    for node in nodes:
        yield node
        if node.map is not None:
            yield from _walk(node.map.nodes)


def _plan(data: dict[str, Any]) -> Plan:
    return Plan(
        **{**data, "limits": Limits(**data["limits"]), "nodes": tuple(_node(node) for node in data["nodes"])},
    )


def _node(data: dict[str, Any]) -> Node:
    if data["conduct"] not in get_args(NodeConduct):
        raise ValueError(f"conduct {data['conduct']!r}")
    return Node(
        name=data["name"],
        layer=data["layer"],
        conduct=data["conduct"],
        needs=tuple(data["needs"]),
        condition=data["if"],
        inputs=data["inputs"],
        config=data["config"],
        output=data["output"],
        map=None if data["map"] is None else _map(data["map"]),
        handlers={Failure(failure): _handler(handler) for failure, handler in data["on"].items()},
    )


def _map(data: dict[str, Any]) -> MapPlan:
    return MapPlan(
        over=data["over"],
        as_=data["as"],
        key=data["key"],
        at_most=data["at_most"],
        nodes=tuple(_node(node) for node in data["nodes"]),
    )


def _handler(data: dict[str, Any]) -> Handler:
    if data["kind"] not in get_args(HandlerKind):
        raise ValueError(f"handler {data['kind']!r}")
    then = data.get("then")
    return Handler(
        kind=data["kind"],
        times=data.get("times", 0),
        then=None if then is None else _handler(then),
        desk=data.get("desk", ""),
        value=data.get("value"),
    )
