"""What a run may use at most, and what it has used."""

from dataclasses import dataclass

__all__ = ["Limits", "Spend"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Hard bounds of one run; None means that the workflow sets no bound."""

    cost: int | None = None
    """Micro-USD of all model calls."""
    tokens: int | None = None
    """Input and output tokens of all model calls."""
    time: int | None = None
    """Milliseconds of executing time over all segments; queueing and human waits do not count."""
    steps: int | None = None
    """Steps started, map items and retries included."""
    model_calls: int | None = None
    """Attempts of model calls."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spend:
    """What one attempt, step or run used, or may use at worst."""

    cost: int = 0
    """Micro-USD."""
    tokens: int = 0
    """Input and output tokens."""
    calls: int = 0
    """Attempts of model calls."""

    def __add__(self, other: "Spend") -> "Spend":
        return Spend(cost=self.cost + other.cost, tokens=self.tokens + other.tokens, calls=self.calls + other.calls)

    def __sub__(self, other: "Spend") -> "Spend":
        return Spend(cost=self.cost - other.cost, tokens=self.tokens - other.tokens, calls=self.calls - other.calls)

    def to_json(self) -> dict[str, int]:
        """Return the integers by name."""
        return {"cost": self.cost, "tokens": self.tokens, "calls": self.calls}

    @classmethod
    def from_json(cls, data: dict[str, int]) -> "Spend":
        """Read what `to_json` returned."""
        return cls(**data)
