"""A chat server on this machine: OpenAI's protocol over real HTTP, misbehaviour on order, and its own bill.

Answers come from a script or from a function of the request, so a test reads what the wire really carried; faults are
taken from a plan in order or drawn by seed. Its bill is what it would charge: what it answered, whole or in part, and
what it was still working on when the caller left.
"""

import asyncio
import json
import random
import socket
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Literal, Self

from aie.testing.openai_server.wire import CHARACTERS_A_TOKEN, completion, events, head

__all__ = ["FAULTS", "Bill", "Fault", "OpenAIServer", "Served"]

Fault = Literal[
    "none", "rate_limited", "server_error", "unavailable", "refused", "unknown_model",
    "hang", "drip", "garbage", "truncated", "cut_off", "reset", "hang_up", "other_model", "no_usage",
]  # fmt: skip
"""How one request is served: well, turned away with a status, or badly. `hang` never answers, `drip` answers so slowly
that it never ends, `garbage` is not JSON, `truncated` ends in the middle of it, `cut_off` and `reset` break the
connection in the middle of the answer, `hang_up` before it."""
FAULTS: Final[tuple[Fault, ...]] = (
    "rate_limited", "server_error", "unavailable", "refused", "hang", "drip", "garbage", "truncated", "cut_off",
    "reset", "hang_up", "other_model", "no_usage",
)  # fmt: skip
"""The faults that a seed draws from, unless told otherwise."""

_STATUS: Final[dict[str, tuple[int, str]]] = {
    "rate_limited": (429, "rate_limit_exceeded"),
    "server_error": (500, "server_error"),
    "unavailable": (503, "overloaded"),
    "refused": (400, "invalid_request"),
    "unknown_model": (404, "model_not_found"),
}
_BILLED: Final = frozenset({"none", *FAULTS} - set(_STATUS))
_GARBAGE: Final = b"<html><body>Bad gateway</body></html>"
_DRIP_SECONDS: Final = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """What the server would charge for one request."""

    fault: Fault
    tokens_in: int
    tokens_out: int
    """Zero for both where the request was turned away."""


@dataclass(slots=True, kw_only=True)
class Served:
    """One request in the server's log."""

    body: dict[str, Any]
    bill: Bill
    began: int
    """Microseconds of a monotonic clock."""
    ended: int | None = None
    """When it was answered or given up; None while it is worked on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """What one request is answered with, before anything goes wrong with it."""

    body: dict[str, Any]
    text: str
    model: str
    usage: dict[str, int] | None

    @property
    def stream(self) -> bool:
        return bool(self.body.get("stream"))


@dataclass(slots=True)
class _Log:
    """What came, in order; appended to on the server's thread, read from any."""

    served: list[Served] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0


class OpenAIServer:
    """Use as a context manager; `url` is the endpoint for `models.yaml`."""

    def __init__(  # noqa: PLR0913 - each way to misbehave is one
        self,
        answer: str | Sequence[str] | Callable[[dict[str, Any]], str | None] = "ok",
        *,
        faults: Iterable[Fault] = (),
        seed: int | None = None,
        fault_rate: float = 0.0,
        kinds: Sequence[Fault] = FAULTS,
        retry_after: float = 1,
        latency: float = 0.0,
        over_bill: int = 0,
        port: int = 0,
        tell: Callable[[Served], None] = lambda served: None,
    ) -> None:
        """Prepare.

        Args:
            answer: what the model says: always the same, one after the other, or by the body of the request; None
                turns the request away, as `refused`.
            faults: of the first requests, in order.
            seed: draws the faults of all others; None: they are served well.
            fault_rate: share of them that is served badly.
            kinds: faults to draw from.
            retry_after: seconds that a 429 asks to wait.
            latency: seconds before each answer.
            over_bill: tokens that it says and bills beyond those that it answered with: a server that breaks its own
                bound.
            port: of 127.0.0.1; 0 for a free one.
            tell: is called with each request once it was answered or given up, on the server's thread.
        """
        self._answer = answer
        self._plan = iter(tuple(faults))
        self._random = random.Random(seed)  # noqa: S311 - faults are to be repeatable
        self._fault_rate = fault_rate if seed is not None else 0.0
        self._kinds = tuple(kinds)
        self._retry_after = retry_after
        self._latency = latency
        self._over_bill = over_bill
        self._port = port
        self._tell = tell
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="openai-server", daemon=True)
        self._log = _Log()
        self.url = ""

    @property
    def served(self) -> list[Served]:
        """The log: every request, as it came."""
        return self._log.served

    @property
    def requests(self) -> list[dict[str, Any]]:
        """Bodies as they came over the wire."""
        return [each.body for each in self._log.served]

    @property
    def bills(self) -> list[Bill]:
        """The bill of each request."""
        return [each.bill for each in self._log.served]

    @property
    def most_at_once(self) -> int:
        """The most requests that were worked on at the same time."""
        return self._log.most_at_once

    def most_within(self, seconds: float) -> int:
        """Return the most requests that came in any stretch of so many seconds."""
        arrivals, first, most = [each.began for each in list(self._log.served)], 0, 0
        for last, arrival in enumerate(arrivals):
            while arrivals[first] <= arrival - seconds * 1_000_000:
                first += 1
            most = max(most, last - first + 1)
        return most

    def __enter__(self) -> Self:
        # Bound here: a port that is taken is the caller's error, not one of a thread that nobody hears.
        self._socket = socket.create_server(("127.0.0.1", self._port), backlog=1024)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/v1"
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _serve(self) -> None:
        with asyncio.Runner() as runner:
            self._loop = runner.get_loop()
            runner.run(self._main())

    async def _main(self) -> None:
        self._stop = asyncio.Event()
        server = await asyncio.start_server(self._connection, sock=self._socket, backlog=1024)
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
                if not await self._respond(body, reader, writer):
                    break
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            # The server may stop while a caller's connection is just being closed.
            with suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _respond(self, body: dict[str, Any], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Serve one request; False when the connection is done with."""
        fault, text = self._fault(), self._text(body)
        if text is None and fault not in _STATUS:
            fault = "refused"
        answer = self._answered(body, text or "", fault)
        log, entry = self._log, self._entered(answer, fault)
        try:
            if self._latency:
                await asyncio.sleep(self._latency)
            if fault in {"hang", "drip"}:
                await self._stall(answer if fault == "drip" else None, reader, writer)
                return False
            # Off the log before the last byte leaves: the caller may send the next request the moment it has it.
            log.at_once -= 1
            entry.ended = _now()
            return await self._write(answer, fault, writer)
        finally:
            if entry.ended is None:
                log.at_once -= 1
                entry.ended = _now()
            self._tell(entry)

    def _answered(self, body: dict[str, Any], text: str, fault: Fault) -> _Answer:
        tokens_in = len(json.dumps(body["messages"])) // CHARACTERS_A_TOKEN + 1
        tokens_out = min(len(text) // CHARACTERS_A_TOKEN + 1, body.get("max_tokens", 1 << 30)) + self._over_bill
        usage = {
            "prompt_tokens": tokens_in,
            "completion_tokens": tokens_out,
            "total_tokens": tokens_in + tokens_out,
        }
        model = "another-model" if fault == "other_model" else body["model"]
        return _Answer(body=body, text=text, model=model, usage=usage)

    def _entered(self, answer: _Answer, fault: Fault) -> Served:
        """Enter a request into the log, with what it will cost however its answer ends."""
        used = (answer.usage or {}) if fault in _BILLED else {"prompt_tokens": 0, "completion_tokens": 0}
        bill = Bill(fault=fault, tokens_in=used["prompt_tokens"], tokens_out=used["completion_tokens"])
        entry = Served(body=answer.body, bill=bill, began=_now())
        self._log.served.append(entry)
        self._log.at_once += 1
        self._log.most_at_once = max(self._log.most_at_once, self._log.at_once)
        return entry

    async def _stall(self, answer: _Answer | None, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Never come to an end: wait until the caller leaves, dripping an answer if there is one."""
        gone = asyncio.ensure_future(reader.read(1))
        stopped = asyncio.ensure_future(self._stop.wait())
        if answer is not None:
            media = "text/event-stream" if answer.stream else "application/json"
            writer.write(head(200, {"content-type": media, "content-length": str(1 << 30)}))
        beginning = iter(b"" if answer is None else _frames(answer)[0][:-2])
        try:
            while not (gone.done() or stopped.done()):
                # What drips says nothing that ends: spaces are no event and no JSON yet.
                drop = next(beginning, None)
                if answer is not None:
                    writer.write(b" " if drop is None else bytes((drop,)))
                    await writer.drain()
                await asyncio.wait((gone, stopped), timeout=_DRIP_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
            stopped.cancel()

    async def _write(self, answer: _Answer, fault: Fault, writer: asyncio.StreamWriter) -> bool:
        """Write what a request is answered with; False when the connection is done with."""
        if fault == "hang_up":
            return False
        if fault in _STATUS:
            status, code = _STATUS[fault]
            headers = {"retry-after": f"{self._retry_after:g}"} if fault == "rate_limited" else {}
            content = json.dumps({"error": {"message": "as planned", "code": code}}).encode()
            await _send(writer, status, content, headers)
            return True
        if fault == "no_usage":
            answer = _Answer(body=answer.body, text=answer.text, model=answer.model, usage=None)
        if answer.stream:
            return await _stream(answer, fault, writer)
        content = completion(answer.body, answer.text, answer.model, answer.usage)
        if fault in {"cut_off", "reset"}:
            await _send(writer, 200, content, {}, part=len(content) // 2)
            _break(writer, fault)
            return False
        content = {"garbage": _GARBAGE, "truncated": content[: len(content) // 2]}.get(fault, content)
        await _send(writer, 200, content, {})
        return True

    def _fault(self) -> Fault:
        planned = next(self._plan, None)
        if planned is not None:
            return planned
        return self._random.choice(self._kinds) if self._random.random() < self._fault_rate else "none"

    def _text(self, body: dict[str, Any]) -> str | None:
        if callable(self._answer):
            return self._answer(body)
        if isinstance(self._answer, str):
            return self._answer
        return self._answer[min(len(self._log.served), len(self._answer) - 1)]


def _frames(answer: _Answer) -> list[bytes]:
    if answer.stream:
        return list(events(answer.body, answer.text, answer.model, answer.usage))
    return [completion(answer.body, answer.text, answer.model, answer.usage)]


async def _stream(answer: _Answer, fault: Fault, writer: asyncio.StreamWriter) -> bool:
    """Write an answer piece by piece; False when the connection is done with."""
    writer.write(head(200, {"content-type": "text/event-stream", "transfer-encoding": "chunked"}))
    frames = _frames(answer)
    if fault in {"garbage", "truncated", "cut_off", "reset"}:
        # At least the first words, never the end mark.
        frames = frames[: max(len(frames) // 2, 1)]
    if fault == "garbage":
        frames.append(b"data: " + _GARBAGE + b"\n\n")
    if fault == "truncated":
        frames[-1] = frames[-1][: len(frames[-1]) // 2]
    for frame in frames:
        writer.write(f"{len(frame):x}\r\n".encode() + frame + b"\r\n")
        await writer.drain()
    if fault in {"cut_off", "reset"}:
        _break(writer, fault)
        return False
    writer.write(b"0\r\n\r\n")
    await writer.drain()
    return True


def _break(writer: asyncio.StreamWriter, fault: Fault) -> None:
    """Break the connection: `reset` without the farewell of TCP, as a crash or a firewall does."""
    if fault == "reset":
        writer.transport.abort()


async def _request(reader: asyncio.StreamReader) -> dict[str, Any] | None:
    """Read one request's body; None at the end of the connection."""
    try:
        lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    except asyncio.IncompleteReadError:
        return None
    length = next((int(line[15:]) for line in lines.split("\r\n") if line.startswith("content-length:")), 0)
    body: dict[str, Any] = json.loads(await reader.readexactly(length))
    return body


async def _send(
    writer: asyncio.StreamWriter, status: int, content: bytes, headers: dict[str, str], *, part: int | None = None
) -> None:
    lines = {"content-type": "application/json", "content-length": str(len(content)), **headers}
    writer.write(head(status, lines) + content[:part])
    await writer.drain()


def _now() -> int:
    return time.monotonic_ns() // 1000
