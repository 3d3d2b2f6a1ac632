"""What a chat model is asked and what it answers, in words of our own: no vendor's type leaves its adapter."""

import json
from dataclasses import asdict, dataclass
from typing import Any, Final, Protocol, cast

from aie.core import JSON, Spend
from aie.errors import Failure, StepFailure

__all__ = ["CallFailed", "Chat", "ChatReply", "ChatRequest", "Endpoint", "Price", "worst_case"]

_FRAME: Final = 256
"""Tokens that a chat template, role names and a schema's wrapping may add at most."""
_MILLION: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """One question to a chat model; all of it changes the answer."""

    model: str
    """Identifier of the snapshot, as the provider names it."""
    user: str
    """The rendered prompt."""
    system: str = ""
    schema: str = ""
    """JSON Schema of the answer as canonical text; empty for free text."""
    max_tokens: int
    """The most tokens of the answer, thinking included."""
    temperature: str = "0.0"
    """A decimal."""
    seed: int | None = None

    def to_json(self) -> dict[str, JSON]:
        """Return the form whose hash is recorded."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatReply:
    """What came back."""

    text: str
    resolved: str
    """Model that the provider says it used."""
    finish: str
    """Why it stopped: `stop`, `length`, `content_filter`, or empty when the provider does not say."""
    tokens_in: int | None
    """None when the provider did not count: the call then costs its reservation."""
    tokens_out: int | None

    def to_json(self) -> dict[str, JSON]:
        """Return the form that is recorded."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, JSON]) -> "ChatReply":
        """Read what `to_json` returned."""
        return cls(**cast("dict[str, Any]", data))


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a model is reached, now; live facts, never part of a release."""

    url: str
    """Base URL, up to and with `/v1`."""
    key: str = ""
    """The secret itself; empty when none is needed. Never recorded, never shown."""
    timeout: int = 60_000_000
    """Microseconds that one call may take."""

    def __repr__(self) -> str:
        return f"Endpoint(url={self.url!r})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What tokens cost, as it is now, in integers."""

    input_per_million: int
    """Micro-USD for a million input tokens."""
    output_per_million: int
    """Micro-USD for a million output tokens."""

    def of(self, tokens_in: int, tokens_out: int) -> int:
        """Return the micro-USD of one call, rounded up once."""
        return -(-(tokens_in * self.input_per_million + tokens_out * self.output_per_million) // _MILLION)


class Chat(Protocol):
    """A chat model behind an endpoint."""

    def invoke(self, request: ChatRequest, endpoint: Endpoint) -> ChatReply:
        """Ask once; nothing is repeated behind the caller's back.

        Raises:
            CallFailed: no answer.
        """
        ...


class CallFailed(StepFailure):
    """A call brought no answer."""

    code = "call-failed"

    def __init__(self, failure: Failure, message: str, *, billed: bool, retry_after: int | None = None) -> None:
        super().__init__(failure, message, billed=billed, retry_after=retry_after)
        self.billed = billed
        """False when the provider surely did not bill the call; anything doubtful is True."""
        self.retry_after = retry_after
        """Microseconds that the provider asks to wait; None when it does not say."""


def worst_case(request: ChatRequest, price: Price, window: int) -> Spend:
    """Return the most that a call can use.

    A token is at least one byte, so the bytes of the input bound its tokens without the model's tokenizer; the provider
    refuses more input than the context window.
    """
    schema = len(json.dumps(request.schema)) if request.schema else 0
    tokens_in = min(len(request.system.encode()) + len(request.user.encode()) + schema + _FRAME, window)
    return Spend(cost=price.of(tokens_in, request.max_tokens), tokens=tokens_in + request.max_tokens, calls=1)
