"""What the model is shown in each turn, and the one form in which it may say what it wants next.

A turn is one JSON value, a call or an answer, so that any chat model will do. What tools gave back, and what the model
itself said, stands in the prompt as data: fenced like every value from outside.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from aie.config import AgentStep, ArgumentSpec, Template
from aie.core import JSON, Labels, Value, canonical

__all__ = ["RESERVED", "TAIL", "Turn", "action_schema", "compose_turn", "load_task", "told"]

RESERVED: Final = ("agent_tools", "agent_turns", "agent_left")
"""Slots that every prompt has."""
TAIL: Final = b"""

{{ agent_tools }}
{% for turn in agent_turns %}
Call {{ loop.index }}: {{ turn.call }}
It gave: {{ turn.gave }}
{% endfor %}
Calls left: {{ agent_left }}
"""
_FORM: Final = (
    'Answer with one JSON object: {"call": {"tool": "…", "arguments": [{"name": "…", "value": "…"}]}, "answer": null} '
    'to use a tool, or {"call": null, "answer": {…}} when you are done. You have these tools and no others:'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One thing that the model wanted, and what came of it."""

    call: JSON
    """As the model gave it."""
    outcome: str
    """`answered`, `refused` or `failed`."""
    why: str = ""
    """Of a refusal its reason, of a failure its class."""
    gave: JSON = None
    """What the tool gave, or what the model is told instead."""

    def to_json(self) -> dict[str, JSON]:
        """Return the form that stands in the step's report."""
        return {"call": self.call, "outcome": self.outcome, "why": self.why, "gave": self.gave}


def told(step: AgentStep) -> str:
    """Return what a model is told of its tools."""
    lines = [_FORM]
    for name, tool in step.tools.items():
        takes = "; ".join(f"{each} ({_words(policy)})" for each, policy in tool.takes.items())
        lines.append(f"- {name}{f': {tool.about}' if tool.about else ''}. Arguments: {takes}")
    return "\n".join(lines)


def load_task(content: bytes) -> Template:
    """Load a prompt with what is added to it."""
    return Template(content + TAIL)


def compose_turn(
    template: Template, values: Mapping[str, Value], tools: str, turns: Sequence[Turn], left: int
) -> tuple[str, JSON]:
    """Return the prompt of the next turn, and where all of it comes from."""
    outside = Labels(integrity="untrusted")
    shown: list[JSON] = [{"call": _text(each.call), "gave": _text(each.gave)} for each in turns]
    own = {
        "agent_tools": Value(data=tools, ref=""),
        "agent_turns": Value(data=shown, ref="", labels=outside),
        "agent_left": Value(data=left, ref=""),
    }
    composed = template.compose({**values, **own})
    return composed.text, composed.report()


def action_schema(answer: Mapping[str, JSON]) -> dict[str, JSON]:
    """Return the schema of a turn. Which tools there are is policy, not form: what is not listed must be recorded."""
    argument = _object({"name": {"type": "string"}, "value": {"type": "string"}})
    call = _object({"tool": {"type": "string"}, "arguments": {"type": "array", "items": argument}})
    return _object({"call": {**call, "type": ["object", "null"]}, "answer": {**answer, "type": ["object", "null"]}})


def _object(properties: dict[str, JSON]) -> dict[str, JSON]:
    required: list[JSON] = [*properties]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _words(spec: ArgumentSpec) -> str:
    if spec.from_ is not None:
        return f"the value of {' or '.join(spec.from_)}"
    if spec.enum is not None:
        return f"one of {', '.join(spec.enum)}"
    return f"a text that matches {spec.pattern}"


def _text(value: JSON) -> str:
    return canonical(value).decode()
