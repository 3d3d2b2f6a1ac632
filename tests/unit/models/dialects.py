"""What Google, Bedrock and Mistral say over HTTP: the same answers in three protocols."""

import json
from dataclasses import dataclass
from typing import Any, Final

from tests.unit.models.wire import Reply, events, frames

__all__ = ["BEDROCK", "DIALECTS", "GOOGLE", "MISTRAL", "Dialect", "converse", "gemini", "mistral"]

_SSE: Final = "text/event-stream"
_COUNTED: Final = {
    "google": {"promptTokenCount": 21, "candidatesTokenCount": 5, "thoughtsTokenCount": 2, "totalTokenCount": 28},
    "bedrock": {"inputTokens": 21, "outputTokens": 7, "totalTokens": 28},
    "mistral": {"prompt_tokens": 21, "completion_tokens": 7, "total_tokens": 28},
}


def gemini(*parts: dict[str, Any], finish: str | None = "STOP", counted: bool = True, **candidate: Any) -> Any:
    """Return an answer of the Gemini API, or a piece of one."""
    content = {"role": "model", "parts": list(parts)}
    body = {
        "candidates": [{"content": content, "index": 0, "finishReason": finish, **candidate}],
        "modelVersion": "small-1-002",
        "usageMetadata": _COUNTED["google"] if counted else None,
    }
    return json.loads(json.dumps(body))


def converse(*content: dict[str, Any], stop: str = "end_turn", counted: bool = True) -> Any:
    """Return an answer of Converse."""
    body: dict[str, Any] = {
        "output": {"message": {"role": "assistant", "content": list(content)}},
        "stopReason": stop,
        "metrics": {"latencyMs": 5},
    }
    return body | ({"usage": _COUNTED["bedrock"]} if counted else {})


def mistral(message: dict[str, Any], finish: str | None = "stop", *, piece: bool = False, counted: bool = True) -> Any:
    """Return an answer of Mistral's protocol, or a piece of one."""
    body: dict[str, Any] = {
        "id": "c",
        "object": "chat.completion.chunk" if piece else "chat.completion",
        "created": 1_790_000_000,
        "model": "small-1-2605",
        "choices": [{"index": 0, "finish_reason": finish, "delta" if piece else "message": message}],
    }
    return body | ({"usage": _COUNTED["mistral"]} if counted else {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """Answers of one protocol."""

    provider: str
    path: str
    stream_path: str
    whole: Any
    """`forty-two`, 21 tokens in and 7 out."""
    call: Any
    """A call of the function `answer` with `{"amount": 42}`."""
    begun: bytes
    """The first piece of a stream: `forty-`."""
    ended: bytes
    """Its last pieces: `two`, and the tokens."""
    media: str = _SSE
    resolved: str
    key: tuple[str, str]
    """Header and value that the key `secret` goes out in."""

    def reply(self, body: Any = None, **how: Any) -> Reply:
        """Return an answer in one piece: the whole one, or another."""
        return Reply(body=json.dumps(self.whole if body is None else body).encode(), **how)

    def refusal(self, status: int) -> Reply:
        """Return an error that says so in the body too, in each protocol's way."""
        body = {"error": {"code": status, "message": "as planned"}, "message": "as planned", "object": "error"}
        return Reply(body=json.dumps(body).encode(), status=status, headers={"retry-after": "7"})

    def stream(self, *, whole: bool = True, **how: Any) -> Reply:
        """Return an answer in pieces; one that is not whole ends after the first words."""
        return Reply(body=self.begun + (self.ended if whole else b""), media=self.media, **how)


_ARGUMENTS: Final = {"amount": 42}

GOOGLE: Final = Dialect(
    provider="google",
    path="/v1beta/models/small-1:generateContent",
    stream_path="/v1beta/models/small-1:streamGenerateContent?alt=sse",
    whole=gemini({"text": "forty-two"}),
    call=gemini({"functionCall": {"name": "answer", "args": _ARGUMENTS}}),
    begun=events(gemini({"text": "forty-"}, finish=None, counted=False)),
    ended=events(gemini({"text": "two"})),
    resolved="small-1-002",
    key=("x-goog-api-key", "secret"),
)
BEDROCK: Final = Dialect(
    provider="bedrock",
    path="/model/small-1/converse",
    stream_path="/model/small-1/converse-stream",
    whole=converse({"text": "forty-two"}),
    call=converse({"toolUse": {"toolUseId": "t", "name": "answer", "input": _ARGUMENTS}}, stop="tool_use"),
    begun=frames(
        ("messageStart", {"role": "assistant"}),
        ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "forty-"}}),
    ),
    ended=frames(
        ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "two"}}),
        ("contentBlockStop", {"contentBlockIndex": 0}),
        ("messageStop", {"stopReason": "end_turn"}),
        ("metadata", {"usage": _COUNTED["bedrock"], "metrics": {"latencyMs": 5}}),
    ),
    media="application/vnd.amazon.eventstream",
    resolved="small-1",
    key=("authorization", "Bearer secret"),
)
MISTRAL: Final = Dialect(
    provider="mistral",
    path="/v1/chat/completions",
    stream_path="/v1/chat/completions",
    whole=mistral({"role": "assistant", "content": "forty-two"}),
    call=mistral(
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "answer", "arguments": json.dumps(_ARGUMENTS)}}
            ],
        },
        "tool_calls",
    ),
    begun=events(mistral({"role": "assistant", "content": "forty-"}, None, piece=True, counted=False)),
    ended=events(mistral({"content": "two"}, piece=True), "[DONE]"),
    resolved="small-1-2605",
    key=("authorization", "Bearer secret"),
)
DIALECTS: Final = (GOOGLE, BEDROCK, MISTRAL)
