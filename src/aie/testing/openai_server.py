"""A chat server on this machine: OpenAI's protocol over real HTTP, misbehaviour on order, and its own bill.

Answers come from a script or from a function of the request, so a test reads what the wire really carried; faults are
taken from a plan in order or drawn by seed. Its bill is what it would charge: what it answered, and what it was still
working on when the caller left.
"""

import asyncio
import json
import random
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Literal, Self

__all__ = ["FAULTS", "Bill", "Fault", "OpenAIServer"]

Fault = Literal[
    "none", "rate_limited", "server_error", "unavailable", "refused", "unknown_model",
    "hang", "garbage", "cut_off", "hang_up", "other_model", "no_usage",
]  # fmt: skip
"""How one request is served: well, with an error, or badly."""
FAULTS: Final[tuple[Fault, ...]] = (
    "rate_limited", "server_error", "unavailable", "refused", "hang", "garbage", "cut_off", "hang_up", "other_model",
    "no_usage",
)  # fmt: skip
"""The faults that a seed draws from."""

_STATUS: Final[dict[str, tuple[int, str]]] = {
    "rate_limited": (429, "rate_limit_exceeded"),
    "server_error": (500, "server_error"),
    "unavailable": (503, "overloaded"),
    "refused": (400, "invalid_request"),
    "unknown_model": (404, "model_not_found"),
}
_BILLED: Final = frozenset({"none", "hang", "garbage", "cut_off", "hang_up", "other_model", "no_usage"})
_CHARACTERS_A_TOKEN: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """What the server would charge for one request."""

    fault: Fault
    tokens_in: int
    tokens_out: int
    """Zero for both where the request was turned away."""


class OpenAIServer:
    """Use as a context manager; `url` is the endpoint for `models.yaml`."""

    def __init__(
        self,
        answer: str | Sequence[str] | Callable[[dict[str, Any]], str] = "ok",
        *,
        faults: Iterable[Fault] = (),
        seed: int | None = None,
        fault_rate: float = 0.0,
        retry_after: int = 1,
    ) -> None:
        self._answer = answer
        self._plan = iter(tuple(faults))
        self._random = random.Random(seed)  # noqa: S311 - faults are to be repeatable
        self._fault_rate = fault_rate if seed is not None else 0.0
        self._retry_after = retry_after
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="openai-server", daemon=True)
        self.requests: list[dict[str, Any]] = []
        """Bodies as they came over the wire."""
        self.bills: list[Bill] = []
        self.url = ""

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._main())
        self._loop.close()

    async def _main(self) -> None:
        self._stop = asyncio.Event()
        server = await asyncio.start_server(self._connection, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        self._ready.set()
        await self._stop.wait()
        server.close()
        open_connections = asyncio.all_tasks() - {asyncio.current_task()}
        for task in open_connections:
            task.cancel()
        await asyncio.gather(*open_connections, return_exceptions=True)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (body := await _request(reader)) is not None:
                if not await self._respond(body, writer):
                    break
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def _respond(self, body: dict[str, Any], writer: asyncio.StreamWriter) -> bool:
        """Serve one request; False when the connection is done with."""
        fault = self._fault()
        text = self._text(body)
        self.requests.append(body)
        tokens_in = len(json.dumps(body["messages"])) // _CHARACTERS_A_TOKEN + 1
        tokens_out = min(len(text) // _CHARACTERS_A_TOKEN + 1, body.get("max_tokens", 1 << 30))
        billed = fault in _BILLED
        self.bills.append(Bill(fault=fault, tokens_in=tokens_in * billed, tokens_out=tokens_out * billed))
        if fault == "hang":
            await self._stop.wait()
            return False
        if fault == "hang_up":
            return False
        if fault in _STATUS:
            status, code = _STATUS[fault]
            headers = {"retry-after": str(self._retry_after)} if fault == "rate_limited" else {}
            await _send(
                writer, status, json.dumps({"error": {"message": "as planned", "code": code}}).encode(), headers
            )
            return True
        content = _completion(body, text, fault, tokens_in, tokens_out)
        if fault == "garbage":
            content = b'{"id": "chatcmpl-1", "choices": "none of these'
        if fault == "cut_off":
            await _send(writer, 200, content, {}, part=len(content) // 2)
            return False
        await _send(writer, 200, content, {})
        return True

    def _fault(self) -> Fault:
        planned = next(self._plan, None)
        if planned is not None:
            return planned
        return self._random.choice(FAULTS) if self._random.random() < self._fault_rate else "none"

    def _text(self, body: dict[str, Any]) -> str:
        if callable(self._answer):
            return self._answer(body)
        if isinstance(self._answer, str):
            return self._answer
        return self._answer[min(len(self.requests), len(self._answer) - 1)]


async def _request(reader: asyncio.StreamReader) -> dict[str, Any] | None:
    """Read one request's body; None at the end of the connection."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    except asyncio.IncompleteReadError:
        return None
    length = next((int(line[15:]) for line in head.split("\r\n") if line.startswith("content-length:")), 0)
    body: dict[str, Any] = json.loads(await reader.readexactly(length))
    return body


async def _send(
    writer: asyncio.StreamWriter, status: int, content: bytes, headers: dict[str, str], *, part: int | None = None
) -> None:
    lines = {"content-type": "application/json", "content-length": str(len(content)), **headers}
    head = f"HTTP/1.1 {status} as planned\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    writer.write(head.encode() + b"\r\n" + content[:part])
    await writer.drain()


def _completion(body: dict[str, Any], text: str, fault: Fault, tokens_in: int, tokens_out: int) -> bytes:
    cut = len(text) > body.get("max_tokens", 1 << 30) * _CHARACTERS_A_TOKEN
    completion: dict[str, Any] = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_790_000_000,
        "model": "another-model" if fault == "other_model" else body["model"],
        "choices": [
            {
                "index": 0,
                "finish_reason": "length" if cut else "stop",
                "message": {"role": "assistant", "content": text},
            }
        ],
    }
    if fault != "no_usage":
        completion["usage"] = {
            "prompt_tokens": tokens_in,
            "completion_tokens": tokens_out,
            "total_tokens": tokens_in + tokens_out,
        }
    return json.dumps(completion).encode()
