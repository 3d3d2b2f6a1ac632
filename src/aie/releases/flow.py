"""What can reach what in a plan: read off its expressions, before anything runs.

A step's value can depend on every path that its inputs and its `if` read; a step of a map also on the map's `if`. A
check, a lookup or a review that may end the run or call a person has a part in whether there is a decision at all: it
counts as read by all of them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from aie.config import static_paths
from aie.errors import Failure
from aie.releases.plan import MAP, Handler, MapPlan, Node, Plan

__all__ = ["CONDITION", "Flow", "Path", "Read", "flow_of", "overlap"]

Path = tuple[str, ...]
"""A part of a value: `("input", "sex")`, `("fields", "values", "amount")`; steps of a map are named `map.step`."""

CONDITION: Final = "if"
_GATES: Final = frozenset({Failure.CHECK_FAILED, Failure.LOOKUP_MISSING, Failure.REVIEW_REJECTED})
"""Failures by which a value decides whether the run goes on."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Read:
    """One thing that a step or a field of the result reads."""

    source: Path
    key: str
    """The input of the node, `if`, or what else of the step reads it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """The reads of everything in a plan."""

    reads: Mapping[str, tuple[Read, ...]]
    """By step, those of maps as `map.step`, and by field of the result as `result.NAME`."""
    nodes: Mapping[str, Node]
    gates: frozenset[str]
    """Steps that may end the run, or ask a person in place of their value, by what they read."""

    def decisions(self, name: str) -> tuple[str, ...]:
        """Return what a named decision stands for; nothing for a name that does not exist."""
        if name == "result":
            return tuple(each for each in self.reads if each.startswith("result."))
        return (name,) if name in self.reads else ()

    def path(self, attribute: Path, decision: str) -> tuple[Read, tuple[str, ...]] | None:
        """Return the first read on a shortest way from an attribute to a decision, and the names on the way."""
        came = {decision: (decision,), **{gate: (gate, decision) for gate in self._before(decision)}}
        queue = list(came)
        for name in queue:
            for read in self.reads[name]:
                if overlap(read.source, attribute):
                    return read, came[name]
            for read in self.reads[name]:
                step = self.step(read.source)
                if step is not None and step not in came:
                    came[step] = (step, *came[name])
                    queue.append(step)
        return None

    def reached_by(self, decision: str) -> tuple[tuple[Path, ...], tuple[str, ...]]:
        """Return every part of the input and every step that can reach a decision, sorted."""
        steps: list[str] = []
        inputs: set[Path] = set()
        gates = tuple(self._before(decision))
        for name in (decision, *gates, *self._behind(decision, *gates)):
            inputs |= {read.source for read in self.reads[name] if read.source[0] == "input"}
            steps.append(name)
        return tuple(sorted(inputs)), tuple(sorted(steps[1:]))

    def step(self, source: Path) -> str | None:
        """Return the step whose value a path is a part of; None for a part of the input."""
        for length in (2, 1):
            name = ".".join(source[:length])
            if name in self.nodes and len(source) >= length:
                return name
        return None

    def _before(self, decision: str) -> Iterator[str]:
        """Yield the gates that have a part in a decision: all but those which only look at it afterwards."""
        for gate in sorted(self.gates - {decision}):
            if decision.startswith("result.") or decision not in self._behind(gate):
                yield gate

    def _behind(self, *names: str) -> Iterator[str]:
        """Yield every step that some others can depend on."""
        seen = set(names)
        queue = list(names)
        for name in queue:
            for read in self.reads[name]:
                step = self.step(read.source)
                if step is not None and step not in seen:
                    seen.add(step)
                    queue.append(step)
                    yield step


def overlap(one: Path, other: Path) -> bool:
    """Whether one of two paths is a part of the other, or both are the same."""
    shared = min(len(one), len(other))
    return one[:shared] == other[:shared]


def flow_of(plan: Plan) -> Flow:
    """Return the reads of a plan."""
    nodes: dict[str, Node] = {}
    reads: dict[str, list[Read]] = {}
    for node in plan.nodes:
        nodes[node.name] = node
        reads[node.name] = list(_own(node))
        if node.map is not None:
            for inner in node.map.nodes:
                name = f"{node.name}.{inner.name}"
                nodes[name] = inner
                reads[name] = list(_inside(inner, node, node.map))
                reads[node.name].append(Read(source=(node.name, inner.name), key=inner.name))
    for field, text in plan.result.items():
        reads[f"result.{field}"] = [Read(source=path, key=field) for path in static_paths(text)]
    found = {name: tuple(sorted(set(each))) for name, each in reads.items()}
    return Flow(reads=found, nodes=nodes, gates=frozenset(name for name, node in nodes.items() if _is_gate(node)))


def _own(node: Node) -> Iterator[Read]:
    for key, text in node.inputs.items():
        yield from (Read(source=path, key=key) for path in static_paths(text))
    if node.condition is not None:
        yield from (Read(source=path, key=CONDITION) for path in static_paths(node.condition))
    if node.map is not None:
        over = static_paths(node.map.over)
        if _pure(node.map) is None:
            yield from (Read(source=path, key="map.over") for path in over)
        for path in static_paths(node.map.key or ""):
            yield from (Read(source=each, key="map.key") for each in _of_item(path, node.map))


def _inside(inner: Node, around: Node, body: MapPlan) -> Iterator[Read]:
    """Yield the reads of a step of a map: what it reads of the item is read of the list."""
    own = {each.name for each in body.nodes}
    for read in _own(inner):
        if read.source[0] in own:
            yield Read(source=(around.name, *read.source), key=read.key)
        elif read.source[0] == body.as_:
            yield from (Read(source=each, key=read.key) for each in _of_item(read.source, body))
        else:
            yield read
    yield from (read for read in _own(around) if read.key == CONDITION)


def _of_item(path: Path, body: MapPlan) -> Iterator[Path]:
    list_ = _pure(body)
    if path[0] != body.as_:
        yield path
    elif list_ is not None:
        yield (*list_, *path[1:])
    else:
        yield from static_paths(body.over)


def _pure(body: MapPlan) -> Path | None:
    """Return the path of a map's list where the list is one as it is."""
    paths = static_paths(body.over)
    return paths[0] if len(paths) == 1 and ".".join(paths[0]) == body.over else None


def _is_gate(node: Node) -> bool:
    return node.layer != MAP and any(_ends(node, failure) for failure in _GATES if failure in node.handlers)


def _ends(node: Node, failure: Failure) -> bool:
    """Whether a failure ends the run or asks a person, rather than being a value like any other."""
    handler: Handler | None = node.handlers[failure]
    while handler is not None and handler.kind == "retry":
        handler = handler.then
    return handler is None or handler.kind != "default"
