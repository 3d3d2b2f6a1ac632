"""Steps that ask systems of record."""

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from aie.config.scalars import CELText, Name
from aie.config.spec import StepName
from aie.config.steps.base import Step

__all__ = ["LookupStep"]


class LookupStep(Step):
    """Looks a row up; nothing is changed."""

    lookup: Name
    """Lookup of `aie.yaml`."""
    by: dict[StepName, CELText] = Field(min_length=1)
    """What to look for, by the names that the lookup declares."""
    missing: Literal["tell", "fail"] = "tell"
    """No such row: a value with `found: false`, or the failure `lookup_missing`, which a handler answers."""

    def expressions(self) -> Iterator[tuple[str, str]]:
        yield from super().expressions()
        for name, text in self.by.items():
            yield f"by.{name}", text
