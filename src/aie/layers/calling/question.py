"""What a layer asks, and what it is answered."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from aie.core import JSON
from aie.models import Part

__all__ = ["Answer", "Question"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked; all of it is pinned or comes from the run."""

    route: str
    """`"route:<name>"`, a component made by `route_component`."""
    user: str
    """The rendered prompt."""
    schema: dict[str, JSON] | None = None
    """JSON Schema of the answer; None for free text, which becomes `{"text": …}`."""
    parts: tuple[Part, ...] = ()
    """Images and PDFs, shown as they are to models that can see them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the model answered, as described by the question's schema."""

    data: JSON
    """Decimals are text, as nothing recorded has floats."""
    model: str
    """Catalog name of the model that answered."""
    asked: str
    """Snapshot that was asked for."""
    resolved: str
    """Model that the provider says it used."""
    repairs: int
    """Times that it was asked again."""
    sent: str = ""
    """Digest of the body of the last call, as it left."""
    facts: Mapping[str, JSON] = field(default_factory=dict)
    """Live facts that the call rested on: price, regions, retention."""
    route: JSON = None
    """Who was planned, refused and tried."""

    def routed(self, report: JSON) -> "Answer":
        """Return the answer with what its route came to."""
        return replace(self, route=report)

    def report(self) -> dict[str, JSON]:
        """Return the facts for `explain`."""
        return {
            "model": self.model,
            "asked": self.asked,
            "resolved": self.resolved,
            "repairs": self.repairs,
            "sent": self.sent,
            "facts": dict(self.facts),
            "route": self.route,
        }
