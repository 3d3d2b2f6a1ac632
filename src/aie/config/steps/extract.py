"""Steps that read documents."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticKnownError

from aie.config.scalars import CELText
from aie.config.steps.base import Step

__all__ = ["DOCUMENTS", "ExtractStep"]

DOCUMENTS = ("document", "text")
"""What a step may read a file as; any other name is an extractor file."""


def _what(value: str) -> str:
    if value not in DOCUMENTS and not value.endswith((".yaml", ".yml")):
        known = " or ".join(f"'{each}'" for each in (*DOCUMENTS, "extractors/NAME.yaml"))
        raise PydanticKnownError("literal_error", {"expected": known})
    return value


class ExtractStep(Step):
    """Reads a file or a text, or finds fields in what was read."""

    extract: Annotated[str, AfterValidator(_what)]
    """`document` reads a file with its pages; `text` only the characters; an extractor file finds its fields."""
    from_: CELText = Field(alias="from")
    """The file or text, e.g. `input.file`; for an extractor file the step that read it, or a text."""

    def expressions(self) -> Iterator[tuple[str, str]]:
        yield from super().expressions()
        yield "from", self.from_
