"""The bytes of OpenAI's chat protocol as a server writes them: whole answers, and answers piece by piece."""

import json
from collections.abc import Iterator
from typing import Any, Final

__all__ = ["CHARACTERS_A_TOKEN", "completion", "events", "head"]

CHARACTERS_A_TOKEN: Final = 4
"""How the server counts."""
_CREATED: Final = 1_790_000_000
_PIECE: Final = 8
"""Characters of a piece of a streamed answer."""


def completion(body: dict[str, Any], text: str, model: str, usage: dict[str, int] | None) -> bytes:
    """Return a whole answer.

    Args:
        body: of the request.
        text: what the model says.
        model: what the server says it used.
        usage: tokens; None leaves them out.
    """
    message = {"role": "assistant", "content": text}
    answer: dict[str, Any] = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": _CREATED,
        "model": model,
        "choices": [{"index": 0, "finish_reason": _finish(body, text), "message": message}],
    }
    return json.dumps(answer if usage is None else answer | {"usage": usage}).encode()


def events(body: dict[str, Any], text: str, model: str, usage: dict[str, int] | None) -> Iterator[bytes]:
    """Yield the server-sent events of an answer, its end mark included; arguments as those of `completion`."""
    frame: dict[str, Any] = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": _CREATED,
        "model": model,
    }
    pieces = [text[start : start + _PIECE] for start in range(0, len(text), _PIECE)] or [""]
    for number, piece in enumerate(pieces, 1):
        delta = {"content": piece} if number > 1 else {"role": "assistant", "content": piece}
        finish = _finish(body, text) if number == len(pieces) else None
        yield _event({**frame, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
    if usage is not None and (body.get("stream_options") or {}).get("include_usage"):
        yield _event({**frame, "choices": [], "usage": usage})
    yield b"data: [DONE]\n\n"


def head(status: int, headers: dict[str, str]) -> bytes:
    """Return the first lines of an HTTP answer."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status} as planned\r\n{lines}\r\n".encode()


def _event(data: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(data).encode() + b"\n\n"


def _finish(body: dict[str, Any], text: str) -> str:
    return "length" if len(text) > body.get("max_tokens", 1 << 30) * CHARACTERS_A_TOKEN else "stop"
