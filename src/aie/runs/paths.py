"""Node paths: `decision`, and inside a map `lines[inv-7]/check`."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from aie.releases import MapPlan, Node, Plan

__all__ = ["Index", "Place", "index_plan", "item_path"]

_KNOWN: Final = 1_024
"""Places of a plan that are remembered: each step asks for its own half a dozen times."""


def item_path(map_path: str, key: str, name: str) -> str:
    """Return the path of a body's node for one item; brackets and slashes of the key are escaped."""
    return f"{map_path}[{_escape(key)}]/{name}"


_ESCAPES: Final = {"~": "~~", "[": "~(", "]": "~)", "/": "~-"}
_ESCAPED: Final = str.maketrans(_ESCAPES)
_PLAIN: Final = {escaped: plain for plain, escaped in _ESCAPES.items()}


def _escape(key: str) -> str:
    return key.translate(_ESCAPED)


def _unescape(text: str) -> str:
    return re.sub("~.", lambda match: _PLAIN[match[0]], text) if "~" in text else text


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a path stands in the plan."""

    node: Node
    map_path: str = ""
    """Path of the map around it; empty at the top."""
    item: str = ""
    """`lines[inv-7]` for a node inside a map; empty at the top."""
    key: str = ""
    """`inv-7`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """A plan, ready to be walked; built once per release."""

    plan: Plan
    nodes: dict[str, Node]
    """Top-level nodes by name, in topological order."""
    bodies: dict[str, dict[str, Node]]
    """Nodes of each map's body by name, in topological order."""
    needs: dict[str, tuple[str, ...]]
    """What each top-level node waits for: its own needs, and for a map those of its body outside the body."""
    followers: dict[str, tuple[str, ...]]
    """Which top-level nodes wait for each, in topological order."""
    place: Callable[[str], Place]
    """Returns the node that a path names."""


def index_plan(plan: Plan) -> Index:
    """Return the plan, ready to be walked."""
    needs = {node.name: tuple(sorted(set(node.needs) | _outer_needs(node.map))) for node in plan.nodes}
    bodies = {node.name: {each.name: each for each in node.map.nodes} for node in plan.nodes if node.map is not None}
    tops = {node.name: Place(node=node) for node in plan.nodes}

    @lru_cache(maxsize=_KNOWN)
    def place(path: str) -> Place:
        if path in tops:
            return tops[path]
        item, _, name = path.rpartition("/")
        map_path = item[: item.index("[")]
        key = _unescape(item[len(map_path) + 1 : -1])
        return Place(node=bodies[map_path][name], map_path=map_path, item=item, key=key)

    return Index(
        plan=plan,
        nodes={node.name: node for node in plan.nodes},
        bodies=bodies,
        needs=needs,
        followers={name: tuple(each for each, wanted in needs.items() if name in wanted) for name in needs},
        place=place,
    )


def _outer_needs(body: MapPlan | None) -> set[str]:
    if body is None:
        return set()
    inside = {node.name for node in body.nodes}
    return {need for node in body.nodes for need in node.needs if need not in inside}
