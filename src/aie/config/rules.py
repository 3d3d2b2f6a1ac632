"""How rules find a field: where to look and what to take."""

from typing import Annotated

from pydantic import Field

from aie.config.scalars import Confidence
from aie.config.spec import Spec

__all__ = ["Rule"]


class Rule(Spec):
    """One way to find a field."""

    pattern: Annotated[str, Field(min_length=1, max_length=1_000)]
    """Regular expression; its group `value`, else the whole match, is the quote."""
    confidence: Confidence = "0.8"
    """How sure a value found so is."""
