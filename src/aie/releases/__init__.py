"""From what people write to what runs are pinned to: compile, lock, compare and carry releases."""

from aie.releases.bundle import MAX_BUNDLE, read_bundle, write_bundle
from aie.releases.catalog import Retiring, catalog_problems, retiring
from aie.releases.compile import check, compile_release
from aie.releases.diff import Change, ChangeKind, Part, diff
from aie.releases.plan import FAIL, MAP, Handler, HandlerKind, MapPlan, Node, NodeConduct, Plan, parse_plan
from aie.releases.policy import POLICY, Policy, policy_in_words, read_policy
from aie.releases.release import Lock, Release, open_release, seal, short
from aie.releases.report import PlanReport, plan_release
from aie.releases.stored import find_release, load_release, save_release
from aie.releases.warning import warnings

__all__ = [
    "FAIL",
    "MAP",
    "MAX_BUNDLE",
    "POLICY",
    "Change",
    "ChangeKind",
    "Handler",
    "HandlerKind",
    "Lock",
    "MapPlan",
    "Node",
    "NodeConduct",
    "Part",
    "Plan",
    "PlanReport",
    "Policy",
    "Release",
    "Retiring",
    "catalog_problems",
    "check",
    "compile_release",
    "diff",
    "find_release",
    "load_release",
    "open_release",
    "parse_plan",
    "plan_release",
    "policy_in_words",
    "read_bundle",
    "read_policy",
    "retiring",
    "save_release",
    "seal",
    "short",
    "warnings",
    "write_bundle",
]
