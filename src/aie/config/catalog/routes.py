"""Routes of `models.yaml`: candidates, what every one of them must fulfil, and which of them is asked first."""

from typing import Annotated, Literal

from pydantic import Field, PrivateAttr, field_validator
from pydantic_core import PydanticCustomError

from aie.config.catalog.chat import Feature, Modality
from aie.config.scalars import Count, Name, Share, Usd
from aie.config.spec import Spec
from aie.core import JSON

__all__ = ["Cascade", "Cheapest", "Constraints", "Fallback", "QualityFloor", "RouteSpec", "Strategy", "Weighted"]

_Passed = Literal["invalid_output", "model_retired", "provider_down", "provider_refused", "rate_limited", "timeout"]
_PASSED: tuple[_Passed, ...] = ("model_retired", "provider_down", "rate_limited", "timeout")


class Constraints(Spec):
    """What a candidate must fulfil to be asked; an unknown fact does not fulfil anything.

    Pinned, and live as well: what a release was made with and what stands here now must both hold, so that tightening
    applies at once and loosening needs a release.
    """

    regions: tuple[str, ...] | None = Field(default=None, strict=False)
    """It processes in these regions only."""
    retention_days: Annotated[int, Field(ge=0)] | None = None
    """Its provider keeps what it is sent no longer."""
    modalities: tuple[Modality, ...] = Field(default=(), strict=False)
    """It can be shown all of these."""
    features: tuple[Feature, ...] = Field(default=(), strict=False)
    """It can do all of these."""
    max_cost_per_call: Usd | None = None
    """One call costs no more at worst, in micro-USD."""
    approvals: Annotated[int, Field(ge=0)] = 0
    """So many people approved it."""

    def to_json(self) -> dict[str, JSON]:
        """Return the stored form."""
        return {
            "regions": None if self.regions is None else [*sorted(self.regions)],
            "retention_days": self.retention_days,
            "modalities": [*sorted(self.modalities)],
            "features": [*sorted(self.features)],
            "max_cost_per_call": self.max_cost_per_call,
            "approvals": self.approvals,
        }


class _Strategy(Spec):
    next_on: tuple[_Passed, ...] = Field(default=_PASSED, strict=False)
    """Classes of failure after which the next candidate is asked; with any other the step fails."""


class Fallback(_Strategy):
    """Candidates in the order in which they are written."""

    kind: Literal["fallback"]
    """Which strategy."""


class QualityFloor(Spec):
    """How good a candidate must have been, and on what."""

    dataset: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*(/[a-z][a-z0-9_-]*)?$")]
    """A dataset under `quality` of the models."""
    at_least: Share
    """Share of its cases that it got right."""


class Cheapest(_Strategy):
    """The cheapest first, by the worst case of the call, among those that were good enough."""

    kind: Literal["cheapest"]
    """Which strategy."""
    quality: QualityFloor
    """How good is good enough; a model that was not measured is not."""


class Weighted(_Strategy):
    """Drawn by weight; the same business case always draws the same."""

    kind: Literal["weighted"]
    """Which strategy."""
    weights: dict[Name, Count]
    """Weight of each candidate."""


class Cascade(_Strategy):
    """In order, from one that is not sure enough to the next; classifiers first, a chat model at most last."""

    kind: Literal["cascade"]
    """Which strategy."""


Strategy = Annotated[Fallback | Cheapest | Weighted | Cascade, Field(discriminator="kind")]


class RouteSpec(Spec):
    """Several models under one name."""

    owner: str = ""
    """Who answers for the choice."""
    candidates: Annotated[tuple[Name, ...], Field(min_length=1, strict=False)]
    """Models by name."""
    constraints: Constraints = Field(default_factory=Constraints)
    """What each must fulfil."""
    strategy: Strategy = Field(default_factory=lambda: Fallback(kind="fallback"))
    """Which is asked first, and when the next."""
    when_exhausted: Literal["fail", "degrade"] = "fail"
    """What a refusal by a limit or budget does: fail the step, or ask the next cheaper candidate that still fits."""
    _name: str = PrivateAttr(default="")

    @property
    def name(self) -> str:
        """The key of the route in `models.yaml`."""
        return self._name

    @field_validator("candidates")
    @classmethod
    def _once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        twice = next((each for at, each in enumerate(value) if each in value[:at]), None)
        if twice is not None:
            raise PydanticCustomError("repeated", "`{name}` stands here twice", {"name": twice})
        return value

    def pinned(self) -> dict[str, JSON]:
        """Return what changes an answer, its candidates apart."""
        strategy: dict[str, JSON] = {"kind": self.strategy.kind, "next_on": [*sorted(self.strategy.next_on)]}
        if isinstance(self.strategy, Cheapest):
            floor = self.strategy.quality
            strategy["quality"] = {"dataset": floor.dataset, "at_least": f"{floor.at_least:f}"}
        if isinstance(self.strategy, Weighted):
            strategy["weights"] = {name: self.strategy.weights[name] for name in sorted(self.strategy.weights)}
        return {
            "constraints": self.constraints.to_json(),
            "strategy": strategy,
            "when_exhausted": self.when_exhausted,
        }

    def live(self) -> dict[str, JSON]:
        """Return what permits, as it is now."""
        return {"owner": self.owner, "constraints": self.constraints.to_json()}
