"""What was attempted and what came of it."""

from collections import Counter
from dataclasses import dataclass, field

__all__ = ["Counts"]

_TOLD = 20


@dataclass(slots=True)
class Counts:
    """Counts of one show, by kind; a kind is one promise."""

    attempted: Counter[str] = field(default_factory=Counter)
    accepted: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    skipped: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    """The first of them, in words."""

    def expect(self, kind: str, what: str, found: object, wanted: object) -> bool:
        """Count a failure unless something is as it must be."""
        if found == wanted:
            return True
        self.failed[kind] += 1
        if len(self.failures) < _TOLD:
            self.failures.append(f"{kind}: {what} is {found!r}, not {wanted!r}")
        return False

    def to_json(self) -> dict[str, object]:
        """Return everything, by field name."""
        counters = {
            name: dict(sorted(getattr(self, name).items())) for name in ("attempted", "accepted", "refused", "failed")
        }
        return {**counters, "skipped": self.skipped, "failures": self.failures}
