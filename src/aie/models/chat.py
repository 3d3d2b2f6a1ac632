"""What a chat model is asked and what it answers, in words of our own: no vendor's type leaves its adapter."""

import json
from dataclasses import dataclass, field, fields
from typing import Any, Final, Literal, Protocol, cast

from aie.core import JSON, digest_bytes
from aie.errors import Failure, StepFailure

__all__ = ["CallFailed", "Chat", "ChatReply", "ChatRequest", "Endpoint", "Mode", "Part", "input_bound"]

_FRAME: Final = 256
"""Tokens that a chat template, role names and a schema's wrapping may add at most."""
_FUNCTION: Final = 1024
"""Tokens of the instructions that a provider adds for the call of a function."""

Mode = Literal["native", "tool"]
"""How an answer by a schema is asked for: as the format of the answer, or as the call of a function that takes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A file that is shown as it is."""

    media_type: str
    """`image/…` or `application/pdf`."""
    content: bytes = field(repr=False)

    @property
    def modality(self) -> Literal["image", "pdf"]:
        """What a model must be able to see for it."""
        return "pdf" if self.media_type == "application/pdf" else "image"

    def to_json(self) -> dict[str, JSON]:
        """Return the form whose hash is recorded."""
        return {"media_type": self.media_type, "digest": digest_bytes(self.content), "size": len(self.content)}


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """One question to a chat model; all of it changes the answer."""

    model: str
    """Identifier of the snapshot, as the provider names it."""
    user: str
    """The rendered prompt."""
    system: str = ""
    schema: str = ""
    """JSON Schema of the answer as canonical text; empty for free text, and where the prompt's words ask for it."""
    mode: Mode = "native"
    """How the schema is asked for; without one it means nothing."""
    parts: tuple[Part, ...] = ()
    """Images and PDFs, shown before the prompt."""
    max_tokens: int
    """The most tokens of the answer, thinking included."""
    temperature: str = "0.0"
    """A decimal."""
    seed: int | None = None

    def to_json(self) -> dict[str, JSON]:
        """Return the form whose hash is recorded: of files their digests."""
        own = {name: getattr(self, name) for name in _REQUEST}
        return own | {"parts": [each.to_json() for each in self.parts]}


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
    fingerprint: str = ""
    """Of the system that answered, where the provider tells one."""
    sent: str = ""
    """Digest of the body as it left, whatever a vendor's library made of the request."""

    def to_json(self) -> dict[str, JSON]:
        """Return the form that is recorded."""
        return {name: getattr(self, name) for name in _REPLY}

    @classmethod
    def from_json(cls, data: dict[str, JSON]) -> "ChatReply":
        """Read what `to_json` returned."""
        return cls(**cast("dict[str, Any]", data))


_REQUEST: Final = tuple(each.name for each in fields(ChatRequest))
_REPLY: Final = tuple(each.name for each in fields(ChatReply))


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a model is reached, now; live facts, never part of a release."""

    url: str
    """Base URL; up to and with `/v1` for an OpenAI-compatible one, else without a version."""
    key: str = ""
    """The secret itself; empty when none is needed. Never recorded, never shown."""
    timeout: int = 60_000_000
    """Microseconds that one call may take."""

    def __repr__(self) -> str:
        return f"Endpoint(url={self.url!r})"


class Chat(Protocol):
    """A chat model behind an endpoint."""

    def invoke(self, request: ChatRequest, endpoint: Endpoint) -> ChatReply:
        """Ask once and take the answer whole; nothing is repeated behind the caller's back.

        Raises:
            CallFailed: no answer.
        """
        ...

    def stream(self, request: ChatRequest, endpoint: Endpoint) -> ChatReply:
        """Ask once and take the answer piece by piece, under one deadline for the whole of it.

        Raises:
            CallFailed: no whole answer; one that broke off counts as billed.
        """
        ...

    def bound(self, request: ChatRequest, *, window: int, image: int | None) -> int:
        """Return the most tokens that the input can have, without a network; see `input_bound`."""
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


def input_bound(request: ChatRequest, *, window: int, image: int | None) -> int:
    """Return the most tokens that a request's input can have.

    A token is at least one byte, so the bytes of the text bound its tokens without the model's tokenizer. What a file
    takes is a fact of the catalog; unknown, it may fill the window, and of a PDF it is never known. The provider
    refuses more than the window.

    Args:
        request: what is asked.
        window: tokens of input and output together.
        image: the most tokens of an image; None when unknown.
    """
    known = all(each.modality == "image" for each in request.parts) and image is not None
    if request.parts and not known:
        return window
    schema = len(json.dumps(request.schema)) if request.schema else 0
    text = len(request.system.encode()) + len(request.user.encode()) + schema + _FRAME
    text += _FUNCTION if request.schema and request.mode == "tool" else 0
    return min(text + len(request.parts) * (image or 0), window)
