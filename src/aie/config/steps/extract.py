"""Steps that read documents."""

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from aie.config.scalars import CELText
from aie.config.steps.base import Step

__all__ = ["ExtractStep"]


class ExtractStep(Step):
    """Reads a file or a text."""

    extract: Literal["document", "text"]
    """`document` reads a file with its pages; `text` only the characters."""
    from_: CELText = Field(alias="from")
    """The file or text, e.g. `input.file`."""

    def expressions(self) -> Iterator[tuple[str, str]]:
        yield from super().expressions()
        yield "from", self.from_
