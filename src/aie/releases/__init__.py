"""From what people write to what runs are pinned to: compile, lock, compare and carry releases."""

from aie.releases.plan import FAIL, MAP, Handler, HandlerKind, MapPlan, Node, NodeConduct, Plan, parse_plan

__all__ = [
    "FAIL",
    "MAP",
    "Handler",
    "HandlerKind",
    "MapPlan",
    "Node",
    "NodeConduct",
    "Plan",
    "parse_plan",
]
