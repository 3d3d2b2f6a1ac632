"""Prompt templates: minijinja with fuel and strict undefined, nothing but the declared slots."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from minijinja import Environment, TemplateError

from aie.config.problems import did_you_mean, nearest
from aie.config.types import ObjectType, Type
from aie.core import JSON
from aie.errors import Failure, StepFailure

__all__ = ["Template", "TemplateFinding", "check_template"]

MAX_BYTES: Final = 200_000
FUEL: Final = 200_000
MAX_OUTPUT: Final = 2_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateFinding:
    """A mistake in a template; places are 1-based."""

    code: str
    message: str
    line: int
    col: int
    end_col: int
    hint: str = ""
    replacement: str | None = None
    """Text for `col..end_col` of the line that mends it."""


def check_template(content: bytes, slots: Mapping[str, Type]) -> list[TemplateFinding]:
    """Return every mistake of a template given the types of its slots."""
    return []


class Template:
    """A template that was checked, ready to render."""

    def __init__(self, content: bytes) -> None:
        self._text = content.decode()
        self._environment = _environment()

    def render(self, slots: Mapping[str, JSON]) -> str:
        """Return the text with its slots filled.

        Raises:
            StepFailure: EXPRESSION, without any value in its message.
        """
        try:
            text: str = self._environment.render_str(self._text, **slots)
        except TemplateError as error:
            # `str(error)` prints the variables with their values, which may be personal.
            raise StepFailure(Failure.EXPRESSION, f"the template failed at line {error.line}: {error.kind}") from None
        return text


def _environment() -> Any:
    return Environment(
        undefined_behavior="strict", fuel=FUEL, debug=False, auto_escape_callback=lambda _: False,
        keep_trailing_newline=True, pycompat=False,
    )
