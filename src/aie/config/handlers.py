"""What happens when a step fails: `on: {provider_down: retry 3 then escalate claims-desk}`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError, core_schema

from aie.config.problems import nearest
from aie.core import JSON
from aie.errors import Failure

__all__ = ["FailureName", "Handler", "Handlers"]

_FORM: Final = re.compile(
    r"(?:retry (?P<retries>[1-9]\d?))?(?(retries)(?: then |$))"
    r"(?:(?P<end>fail|dead_letter)|escalate (?P<desk>[a-z][a-z0-9_-]*))?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Handler:
    """How a failure of one class is handled: retries first, then one ending."""

    action: Literal["fail", "dead_letter", "escalate", "default"]
    """What happens once the retries are used up."""
    retries: int = 0
    """Further attempts before `action`."""
    desk: str = ""
    """Who decides, for `escalate`."""
    value: JSON = None
    """What the step yields instead, for `default`."""

    @classmethod
    def parse(cls, written: object) -> "Handler":
        """Read `fail`, `dead_letter`, `retry 3`, `retry 3 then escalate DESK`, `escalate DESK` or `{default: value}`.

        Raises:
            ValueError: another form.
        """
        if isinstance(written, dict) and set(written) == {"default"}:
            return cls(action="default", value=written["default"])
        match = _FORM.fullmatch(written) if isinstance(written, str) and written else None
        if match is None or written.endswith(" then "):  # type: ignore[attr-defined]
            raise ValueError("not a handler")
        retries = int(match["retries"] or 0)
        if match["desk"]:
            return cls(action="escalate", retries=retries, desk=match["desk"])
        return cls(action="dead_letter" if match["end"] == "dead_letter" else "fail", retries=retries)

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: object, _handler: object) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(_read)

    @classmethod
    def __get_pydantic_json_schema__(cls, _schema: object, _handler: object) -> dict[str, object]:
        text = {"type": "string", "pattern": r"^(retry \d+( then )?)?(fail|dead_letter|escalate .+)?$"}
        value = {
            "type": "object",
            "properties": {"default": {}},
            "required": ["default"],
            "additionalProperties": False,
        }
        return {"description": "What happens when the step fails", "anyOf": [text, value]}

    def to_json(self) -> dict[str, JSON]:
        """Return the form that stands in a plan."""
        return {"action": self.action, "retries": self.retries, "desk": self.desk, "value": self.value}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Handler":
        """Read what `to_json` returned."""
        return cls(**data)


def _read(value: object) -> Handler:
    if isinstance(value, Handler):
        return value
    try:
        return Handler.parse(value)
    except ValueError as error:
        raise PydanticCustomError(
            "form",
            "{expected} expected, e.g. `{example}`",
            {
                "expected": "`fail`, `dead_letter`, `retry N`, `escalate DESK`, `retry N then …` or `{default: value}`",
                "example": "retry 3",
            },
        ) from error


def corrected(written: str) -> str | None:
    """Return the handler that was probably meant, or None when no correction of its words is one."""
    known = ("retry", "then", "escalate", "fail", "dead_letter")
    words = written.split(" ")
    meant: list[str] = []
    for each in words:
        is_name = bool(meant) and meant[-1] == "escalate"
        meant.append(each if is_name or each.isdigit() else nearest(each, known) or each)
    text = " ".join(meant)
    try:
        Handler.parse(text)
    except ValueError:
        return None
    return text


def _failure(value: object) -> str:
    known = ["*", *Failure]
    if value not in known:
        raise PydanticCustomError(
            "unknown_name", "no failure class is named `{given}`", {"given": str(value), "known": known}
        )
    return str(value)


FailureName = Annotated[str, BeforeValidator(_failure), WithJsonSchema({"enum": ["*", *Failure]})]
"""A class of the failure taxonomy, or `*` for every other one."""

Handlers = dict[FailureName, Handler]
"""Handlers by failure class."""
