"""What one process of one contender has to do, and what it must be able to."""

from dataclasses import dataclass
from typing import Final, Protocol

__all__ = ["MOST_TOKENS", "PROMPT", "Caller", "Job"]

MOST_TOKENS: Final = 256

PROMPT: Final = (
    f"Read the letter, and name the amount and the desk.\n\n{'The repair of the roof was paid by card. ' * 21}"
)
"""About 900 bytes, as long as what our workflow sends of a note of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One cell."""

    contender: str
    base: str
    """Base URL of the server, up to and with `/v1`."""
    clients: int
    """Calls in flight."""
    seconds: float
    """How long calls are begun; those under way then are awaited and count."""
    store: str = ""
    """Of ours: `sqlite:///…` or `postgresql://…`."""


class Caller(Protocol):
    """One way to call a model."""

    async def open(self) -> None:
        """Make what all calls share."""
        ...

    async def call(self) -> str:
        """Ask once and return the answer's text."""
        ...

    async def close(self) -> None:
        """End."""
        ...
