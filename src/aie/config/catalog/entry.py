"""What every model of the catalog states: who answers for it, where it works, what it may see, until when."""

from typing import Annotated

from pydantic import Field, PrivateAttr

from aie.config.catalog.forms import Day, day_start
from aie.config.scalars import Count, Duration, Name, Share
from aie.config.spec import Spec
from aie.core import JSON

__all__ = ["Approval", "Entry", "Quality", "Retirement"]

_DAYS = 86_400_000_000


class Approval(Spec):
    """Someone who may say so said that the model may be used."""

    by: Annotated[str, Field(min_length=1)]
    """Who."""
    date: Day
    """When."""


class Retirement(Spec):
    """The calendar of a model's end. Live."""

    date: Day
    """From this day on no new run starts with it; runs in flight go on while it answers."""
    replacement: Name | None = None
    """The model to use instead."""
    warn: Duration = 90 * _DAYS
    """So long before the date `aie check` and `aie models` warn."""
    refuse_releases: Duration = 30 * _DAYS
    """So long before the date no new release may name it."""


class Quality(Spec):
    """How good a model was on a named dataset. Pinned by routes that choose by it."""

    score: Share
    """Share of the cases that it got right."""
    cases: Count
    """Cases it was measured on."""
    date: Day
    """When it was measured."""


class Entry(Spec):
    """What all models have."""

    owner: str = ""
    """Who answers for the model."""
    purpose: str = ""
    """What it is meant for."""
    regions: tuple[str, ...] | None = Field(default=None, strict=False)
    """Regions that it processes in; none: unknown, or this machine for a model that runs here. Live."""
    retention_days: Annotated[int, Field(ge=0, le=36_500)] | None = None
    """Days that its provider keeps what it is sent; none: unknown, or 0 for a model that runs here. Live."""
    data_classes: tuple[str, ...] | None = Field(default=None, strict=False)
    """Data classes that it may be shown; none: unknown, so none of them, or any for a model that runs here. Live."""
    approved: bool = True
    """False stops new calls at once. Live."""
    approvals: tuple[Approval, ...] = Field(default=(), strict=False)
    """Who approved it; a route may demand a number of them. Live."""
    retirement: Retirement | None = None
    """Its end, if that is known. Live."""
    quality: dict[str, Quality] = Field(default_factory=dict)
    """How good it was, by dataset, `WORKFLOW/DATASET`."""
    _name: str = PrivateAttr(default="")

    @property
    def name(self) -> str:
        """The key of the entry in `models.yaml`."""
        return self._name

    def permits(self) -> dict[str, JSON]:
        """Return what every model has of live facts."""
        end = self.retirement
        return {
            "owner": self.owner,
            "regions": None if self.regions is None else list(self.regions),
            "retention_days": self.retention_days,
            "data_classes": None if self.data_classes is None else list(self.data_classes),
            "approved": self.approved,
            "approvals": len(self.approvals),
            "retires": None if end is None else day_start(end.date),
            "replacement": None if end is None else end.replacement,
        }
