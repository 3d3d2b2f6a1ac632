"""The door to anything outside but models: what of labelled values may leave through it.

What is not known permits nothing. The live facts decide, so that tightening `aie.yaml` holds from the next request on.
"""

from collections.abc import Mapping
from typing import cast

from aie.config import Clearance
from aie.core import JSON, Labels
from aie.errors import Failure, StepFailure
from aie.layers.port import Tools

__all__ = ["check_clearance", "clearance_facts", "cleared", "objection"]


def clearance_facts(clearance: Clearance) -> dict[str, JSON]:
    """Return the live facts of a door."""
    return {
        "classes": list(clearance.classes),
        "regions": None if clearance.regions is None else list(clearance.regions),
    }


def check_clearance(tools: Tools, door: str) -> None:
    """Refuse to hand labelled values to what is not cleared for them.

    Args:
        tools: of the step, with the labels of everything that leaves and of what decided that it does.
        door: `receiver:NAME` or `lookup:NAME`; without `clearance` among its live facts nothing labelled leaves.

    Raises:
        StepFailure: NOT_PERMITTED.
    """
    if tools.labels.classes or tools.labels.regions is not None:
        cleared(tools, door)


def cleared(tools: Tools, door: str) -> Mapping[str, JSON]:
    """Return the live facts of a door to which what leaves may be handed, its address among them.

    Who sends takes the address from here, so that no request can be made without the check, and clearance and address
    are of one reading of the settings.

    Args:
        tools: as for `check_clearance`.
        door: as for `check_clearance`.

    Raises:
        StepFailure: NOT_PERMITTED.
    """
    live, labels, who = tools.live(door), tools.labels, door.partition(":")[2]
    known = cast("Mapping[str, JSON]", live.get("clearance") or {})
    why = objection(
        labels,
        classes=cast("list[str]", known.get("classes") or []),
        regions=cast("list[str] | None", known.get("regions")),
    )
    if why is not None:
        hint = f"say so under `{who}: clearance:` in aie.yaml, or declassify what does not carry it"
        error = StepFailure(Failure.NOT_PERMITTED, f"`{who}` {why}", hints=(hint,))
        error.report = {"refused": {"door": who, "why": why, "labels": labels.to_json()}}
        raise error
    return live


def objection(labels: Labels, *, classes: list[str], regions: list[str] | None) -> str | None:
    """Return why values with these labels may not leave through a door; None when they may."""
    hidden = sorted(labels.classes - set(classes))
    if hidden:
        return f"may not be given data of class {', '.join(hidden)}"
    if labels.regions is None:
        return None
    allowed = ", ".join(sorted(labels.regions)) or "none"
    if not regions:
        return f"is in a region that nobody states; what it would be given may be processed in {allowed}"
    outside = sorted(set(regions) - labels.regions)
    if outside:
        return f"is in {', '.join(outside)}; what it would be given may be processed in {allowed}"
    return None
