"""What every step may have."""

from collections.abc import Iterator

from pydantic import Field, PrivateAttr

from aie.config.handlers import Handlers
from aie.config.policy import DeclassifySpec
from aie.config.scalars import CELText
from aie.config.spec import Spec

__all__ = ["Step"]


class Step(Spec):
    """What every step may have."""

    if_: CELText | None = Field(default=None, alias="if")
    """The step is skipped, and its value is null, where this is false."""
    on: Handlers = Field(default_factory=dict)
    """Handlers by failure class; the workflow's own `on` serves what is missing here."""
    declassify: DeclassifySpec | None = None
    """Data classes that the step reads and its value does not carry: only of steps whose value is a choice or a check,
    and so cannot."""
    _name: str = PrivateAttr(default="")

    @property
    def name(self) -> str:
        """The key of the step."""
        return self._name

    def expressions(self) -> Iterator[tuple[str, str]]:
        """Yield every expression of the step with its key: what it references are its edges."""
        if self.if_ is not None:
            yield "if", self.if_
