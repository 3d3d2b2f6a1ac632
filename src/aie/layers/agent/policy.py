"""What a model may call and with which arguments: decided here, whatever it was told or talked into.

Nothing that a model says is looked up, run or passed on before it was compared with what the workflow file lists. The
values that come out are ours where they can be: of an input the value itself, never the model's copy.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from aie.core import JSON

__all__ = ["Refusal", "checked"]

_LONGEST: Final = 200
"""Characters of an argument under a pattern."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A call that is not made."""

    reason: str
    """`unlisted_tool`, `unknown_argument`, `missing_argument`, `repeated_argument` or `argument_outside_policy`."""
    why: str
    """In words, without any value: the model is told it."""


def checked(call: Mapping[str, Any], tools: Mapping[str, Any], inputs: Mapping[str, JSON]) -> dict[str, JSON] | Refusal:
    """Return the arguments of a call that may be made, or why it may not.

    Args:
        call: `{"tool", "arguments": [{"name", "value"}]}`, as a model gave it.
        tools: as a release pins them, by name.
        inputs: of the step, by name.
    """
    tool = tools.get(call["tool"])
    if tool is None:
        return Refusal(reason="unlisted_tool", why="there is no such tool")
    takes, given = tool["takes"], call["arguments"]
    names = [each["name"] for each in given]
    if set(names) - set(takes):
        return Refusal(reason="unknown_argument", why=f"it takes {', '.join(sorted(takes))} and nothing else")
    if len(set(names)) < len(names):
        return Refusal(reason="repeated_argument", why="an argument stands there twice")
    missing = sorted(set(takes) - set(names))
    if missing:
        return Refusal(reason="missing_argument", why=f"it needs {', '.join(missing)}")
    made: dict[str, JSON] = {}
    for each in given:
        allowed = _allowed(each["value"], takes[each["name"]], inputs)
        if isinstance(allowed, Refusal):
            return Refusal(reason=allowed.reason, why=f"`{each['name']}` {allowed.why}")
        made[each["name"]] = allowed
    return made


def _allowed(value: str, policy: Mapping[str, Any], inputs: Mapping[str, JSON]) -> JSON | Refusal:
    why = ""
    if policy["from"] is not None:
        for known in _known(policy["from"], inputs):
            if _written(known) == value:
                return known
        why = f"must be the value of {' or '.join(policy['from'])}"
    elif policy["enum"] is not None:
        if value in policy["enum"]:
            return value
        why = f"must be one of {', '.join(policy['enum'])}"
    elif len(value) <= _LONGEST and _pattern(policy["pattern"]).fullmatch(value):
        return value
    else:
        why = f"must match {policy['pattern']}"
    return Refusal(reason="argument_outside_policy", why=why)


def _known(slots: Sequence[str], inputs: Mapping[str, JSON]) -> list[JSON]:
    """Return the plain values of inputs and of the lists among them; nothing is looked for within a text."""
    found: list[JSON] = []
    for slot in slots:
        value = inputs[slot]
        found += value if isinstance(value, list) else [value]
    return [each for each in found if isinstance(each, str | int)]


def _written(value: JSON) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


@cache
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text)
