"""Fields that decide what is done: a person decided them, they are endorsed, or no outsider can have written them."""

from collections.abc import Mapping
from typing import Final, cast

from aie.config import ActStep, BoolType, Receiver, Site
from aie.core import JSON
from aie.errors import Failure, StepFailure
from aie.layers.port import Task

__all__ = ["ENDORSE", "check_sensitive", "endorsements"]

ENDORSE: Final = "endorse."
"""What the conditions of endorsements are called among a step's inputs, before the name of the field."""


def endorsements(step: ActStep, receiver: Receiver, site: Site) -> Mapping[str, str] | None:
    """Return the condition of each endorsement as an input; None when one is not sound."""
    sound = True
    for name, each in step.endorse.items():
        sound &= site.expression(f"endorse.{name}.when", each.when, BoolType()) is not None
        if name not in step.with_:
            site.unknown(f"endorse.{name}", name, step.with_, "field", at_key=True)
            sound = False
        elif name not in receiver.sensitive:
            hint = f"add it to `sensitive` of `{step.act}` in aie.yaml, or remove the endorsement"
            site.problem("unused-key", f"endorse.{name}", f"`{name}` is not sensitive to `{step.act}`", hint)
            sound = False
    return {ENDORSE + name: each.when for name, each in step.endorse.items()} if sound else None


def check_sensitive(task: Task) -> dict[str, JSON]:
    """Return the body.

    Raises:
        StepFailure: NOT_PERMITTED when a sensitive field has an untrusted value whose endorsement does not hold.
    """
    for name in cast("list[str]", task.config.get("sensitive") or []):
        if task.inputs[name].labels.integrity == "trusted":
            continue
        endorsed = task.inputs.get(ENDORSE + name)
        if endorsed is None or endorsed.data is not True:
            why = "nobody endorsed it" if endorsed is None else "its endorsement does not hold"
            error = StepFailure(
                Failure.NOT_PERMITTED,
                f"outsiders could have written `{name}`, which is sensitive, and {why}",
                hints=("let a person decide it in a review step before",),
            )
            error.report = {"refused": {"field": name, "why": why}}
            raise error
    return {name: value.data for name, value in sorted(task.inputs.items()) if not name.startswith(ENDORSE)}
