"""Steps that a person decides."""

from collections.abc import Iterator

from pydantic import Field

from aie.config.scalars import CELText, Name
from aie.config.steps.base import Step

__all__ = ["ReviewStep"]


class ReviewStep(Step):
    """A person decides."""

    review: Name
    """Desk of `aie.yaml`."""
    of: tuple[CELText, ...] = Field(strict=False, min_length=1)
    """Values to decide on; their fields form the answer."""
    unless: CELText | None = None
    """No person is asked where this is true."""
    show: tuple[CELText, ...] = Field(default=(), strict=False)
    """Values shown beside, which are not decided."""

    def expressions(self) -> Iterator[tuple[str, str]]:
        yield from super().expressions()
        for i, text in enumerate(self.of):
            yield f"of.{i}", text
        if self.unless is not None:
            yield "unless", self.unless
        for i, text in enumerate(self.show):
            yield f"show.{i}", text
