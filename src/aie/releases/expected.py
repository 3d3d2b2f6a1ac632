"""The labels that values of a plan may have, before anything runs: never fewer than they will have."""

import json
from collections.abc import Mapping
from typing import Any, cast

from aie.config import static_paths
from aie.core import UNTRUSTED, Labels, join
from aie.releases.flow import Flow, Path
from aie.releases.plan import MAP, Node
from aie.releases.policy import Policy

__all__ = ["ExpectedLabels"]


class ExpectedLabels:
    """Labels by what is read, each worked out once."""

    def __init__(self, flow: Flow, policy: Policy, components: Mapping[str, bytes]) -> None:
        self._flow = flow
        self._policy = policy
        self._components = components
        self._known: dict[str, Labels] = {}

    def of(self, source: Path) -> Labels:
        """Return the labels of a part of the input or of a step's value."""
        step = self._flow.step(source)
        if step is None:
            return self._policy.of_input(source, UNTRUSTED) if source[0] == "input" else Labels()
        if step not in self._known:
            self._known[step] = self._policy.lowered(step, self._made(step, self._flow.nodes[step]))
        return self._known[step]

    def read_by(self, step: str) -> Labels:
        """Return the joined labels of everything that a step reads."""
        return join(self.of(read.source) for read in self._flow.reads[step])

    def untrusted_way(self, source: Path) -> tuple[str, ...]:
        """Return how an untrusted value comes to a place, origin first; empty for a trusted one."""
        if self.of(source).integrity == "trusted":
            return ()
        step = self._flow.step(source)
        if step is None:
            return (".".join(source),)
        for read in self._flow.reads[step]:
            if self.of(read.source).integrity == "untrusted":
                return (*self.untrusted_way(read.source), step)
        return (step,)

    def _made(self, step: str, node: Node) -> Labels:
        read = self.read_by(step)
        match node.layer:
            case "extract":
                return join((read, UNTRUSTED))
            case "lookup":
                return join((read, self._row(str(node.config["lookup"]))))
            case "agent":  # whether it uses a tool is the model's choice: its value may hold what each of them gives
                tools = cast("dict[str, Any]", node.config["tools"]).values()
                rows = [self._row(each["config"]["lookup"]) for each in tools if each["kind"] == "lookup"]
                return join((read, *rows))
            case "review" if "unless" not in node.inputs:
                return Labels(classes=read.classes, regions=read.regions, integrity="trusted")
            case "act":
                return join((read, UNTRUSTED))
            case _:
                return read if node.layer != MAP else join((read, *self._listed(node)))

    def _row(self, lookup: str) -> Labels:
        """Return the labels of the rows of a lookup, a component."""
        pinned = json.loads(self._components[lookup])
        regions = pinned["regions"]
        return Labels(
            classes=frozenset(pinned["classes"]),
            regions=None if regions is None else frozenset(regions),
            integrity=pinned["integrity"],
        )

    def _listed(self, node: Node) -> list[Labels]:
        """Return the labels of what a map goes over: that there are so many items is told by its value."""
        return [] if node.map is None else [self.of(path) for path in static_paths(node.map.over)]
