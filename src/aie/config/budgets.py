"""`budgets:` of `aie.yaml`: what a tenant and its workflows may spend in a stretch of time. Live, never pinned."""

from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from aie.config.scalars import Name, Usd
from aie.config.spec import Spec

__all__ = ["BudgetSpec", "BudgetsSpec", "OnExhausted", "Period"]

Period = Literal["day", "month", "total"]
"""How long a budget lasts before it is whole again: a day or a month of UTC, or for ever."""

OnExhausted = Literal["fail", "wait", "degrade"]
"""What becomes of a call that does not fit: the step fails with `limit_reached`; it waits until money is free or the
next stretch begins; or a cheaper candidate of its route is asked, and it fails when there is none."""


class BudgetSpec(Spec):
    """A hard cap on model calls, reserved at their worst before each leaves."""

    cost: Usd | None = None
    """The most that may be spent; none: not bounded."""
    tokens: Annotated[int, Field(ge=1, le=10**15)] | None = None
    """The most input and output tokens; none: not bounded."""
    per: Period = "total"
    """When it is whole again."""
    on_exhausted: OnExhausted = "fail"
    """What becomes of a call that does not fit."""

    @model_validator(mode="after")
    def _bounds(self) -> "BudgetSpec":
        if self.cost is None and self.tokens is None:
            raise PydanticCustomError("unused", "a budget bounds `cost`, `tokens` or both", {"path": "cost"})
        return self


class BudgetsSpec(Spec):
    """Caps above those of a single run; a run is within its workflow, a workflow within its tenant."""

    tenant: BudgetSpec | None = None
    """Of each tenant."""
    workflows: dict[Name, BudgetSpec] = Field(default_factory=dict)
    """Of each tenant's runs of a workflow, by its name."""
