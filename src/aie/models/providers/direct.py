"""What every adapter does the same way, through `pydantic_ai.direct`.

The library is used as a wire adapter only: no retries (they would multiply spend unseen), no framing of its own, and
none of its types leaves this package. Importing it costs two CPU-seconds; `aie.models.connect` does so on the first
call, which is why its imports may stand at the top.
"""

import asyncio
import atexit
import hashlib
import json
import threading
from abc import ABC, abstractmethod
from collections.abc import Coroutine
from contextvars import ContextVar
from typing import Any, Final, TypeVar

from pydantic_ai.direct import model_request, model_request_stream
from pydantic_ai.messages import (
    BinaryContent,
    ModelRequest,
    ModelResponse,
    SystemPromptPart,
    TextPart,
    ToolCallPart,
    UserContent,
    UserPromptPart,
)
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.output import OutputObjectDefinition
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import ToolDefinition

from aie.errors import Failure
from aie.models.chat import CallFailed, ChatReply, ChatRequest, Endpoint, input_bound
from aie.models.providers.failures import call_failed

__all__ = ["Direct"]

_T = TypeVar("_T")
_GRACE: Final = 5.0
"""Seconds beyond a call's own timeout after which the event loop itself is taken for stuck."""
_ANSWER: Final = "answer"
"""Name of the format, or of the function, that an answer by a schema goes through."""

_sent: ContextVar[list[str]] = ContextVar("_sent")
"""Digests of the bodies that the call under way has sent."""


class Direct(ABC):
    """Calls endpoints from any thread: one event loop for all, one connection pool an endpoint."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._clients: dict[str, Any] = {}

    def invoke(self, request: ChatRequest, endpoint: Endpoint) -> ChatReply:
        """Ask once and take the answer whole.

        Raises:
            CallFailed: no answer.
        """
        seconds = endpoint.timeout / 1_000_000
        return self._run(self._ask(request, endpoint, seconds), seconds)

    def stream(self, request: ChatRequest, endpoint: Endpoint) -> ChatReply:
        """Ask once and take the answer piece by piece, under one deadline for the whole of it.

        Raises:
            CallFailed: no whole answer; one that broke off counts as billed.
        """
        seconds = endpoint.timeout / 1_000_000
        return self._run(self._follow(request, endpoint, seconds), seconds)

    def bound(self, request: ChatRequest, *, window: int, image: int | None) -> int:
        """Return the most tokens that the input can have, without a network."""
        return input_bound(request, window=window, image=image)

    def close(self) -> None:
        """Close every connection and end the event loop."""
        with self._lock:
            loop, self._loop = self._loop, None
        if loop is not None:
            asyncio.run_coroutine_threadsafe(self._close_clients(), loop).result(_GRACE)
            loop.call_soon_threadsafe(loop.stop)
            self._thread.join(_GRACE)

    @abstractmethod
    def _new_client(self) -> Any:
        """Return a connection pool of the vendor's library."""

    @abstractmethod
    def _model(self, name: str, endpoint: Endpoint, client: Any) -> Model:
        """Return the library's model behind an endpoint."""

    async def _ask(self, request: ChatRequest, endpoint: Endpoint, seconds: float) -> ChatReply:
        sent: list[str] = []
        _sent.set(sent)
        try:
            # A deadline of ours around the library's: no drip of bytes moves it.
            async with asyncio.timeout(seconds):
                answer = await model_request(
                    self._connected(request.model, endpoint),
                    [_message(request)],
                    model_settings=_settings(request, seconds),
                    model_request_parameters=_parameters(request),
                )
        except TimeoutError:
            raise CallFailed(Failure.TIMEOUT, "the answer was not whole in time", billed=True) from None
        except Exception as error:  # noqa: BLE001 - whatever a vendor's library raises becomes one of our classes
            raise call_failed(error) from None
        return _reply(answer, request, sent)

    async def _follow(self, request: ChatRequest, endpoint: Endpoint, seconds: float) -> ChatReply:
        sent: list[str] = []
        _sent.set(sent)
        begun = False
        try:
            async with asyncio.timeout(seconds):
                async with model_request_stream(
                    self._connected(request.model, endpoint),
                    [_message(request)],
                    model_settings=_settings(request, seconds),
                    model_request_parameters=_parameters(request),
                ) as stream:
                    async for _ in stream:
                        begun = True
                    answer = stream.get()
        except TimeoutError:
            raise CallFailed(Failure.TIMEOUT, "the answer was not whole in time", billed=True) from None
        except Exception as error:  # noqa: BLE001 - whatever a vendor's library raises becomes one of our classes
            failed = call_failed(error)
            if not begun:
                raise failed from None
            # The library then reports zero tokens, which nobody may take for the bill.
            raise CallFailed(failed.failure, failed.message, billed=True) from None
        if answer.state != "complete" or not answer.finish_reason:
            raise CallFailed(Failure.PROVIDER_DOWN, "the answer broke off before it was whole", billed=True)
        return _reply(answer, request, sent)

    def _connected(self, name: str, endpoint: Endpoint) -> Model:
        client = self._clients.get(endpoint.url)
        if client is None:
            client = self._clients[endpoint.url] = self._new_client()
            client.event_hooks = {"request": [_note], "response": []}
        return self._model(name, endpoint, client)

    async def _close_clients(self) -> None:
        for client in self._clients.values():
            await client.aclose()
        self._clients.clear()

    def _run(self, work: Coroutine[Any, Any, _T], seconds: float) -> _T:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=_turn, args=(self._loop,), name="aie-chat", daemon=True)
                self._thread.start()
                atexit.register(self.close)
            future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(seconds + _GRACE)
        except TimeoutError:
            future.cancel()
            raise CallFailed(Failure.TIMEOUT, f"no answer within {seconds:g} s", billed=True) from None
        finally:
            # It keeps the error, whose traceback keeps this frame: all of the call, until cycles are collected.
            del future


def _turn(loop: asyncio.AbstractEventLoop) -> None:
    try:
        loop.run_forever()
    finally:
        loop.close()


async def _note(request: Any) -> None:
    """Take the digest of a body on its way out, of the very bytes."""
    _sent.get([]).append(f"sha256:{hashlib.sha256(await request.aread()).hexdigest()}")


def _message(request: ChatRequest) -> ModelRequest:
    system = [SystemPromptPart(content=request.system)] if request.system else []
    content: str | list[UserContent] = request.user
    if request.parts:
        files = [BinaryContent(data=each.content, media_type=each.media_type) for each in request.parts]
        content = [*files, request.user]
    return ModelRequest(parts=[*system, UserPromptPart(content=content)])


def _settings(request: ChatRequest, seconds: float) -> ModelSettings:
    settings: ModelSettings = {
        "max_tokens": request.max_tokens,
        "temperature": float(request.temperature),
        "timeout": seconds,
        "request_timeout": seconds,
        "max_retries": 0,
        "framing_announcement": "never",
    }
    if request.seed is not None:
        settings["seed"] = request.seed
    return settings


def _parameters(request: ChatRequest) -> ModelRequestParameters:
    if not request.schema:
        return ModelRequestParameters()
    schema = json.loads(request.schema)
    if request.mode == "native":
        output = OutputObjectDefinition(json_schema=schema, name=_ANSWER)
        return ModelRequestParameters(output_mode="native", output_object=output)
    function = ToolDefinition(
        name=_ANSWER, description="Give the answer.", parameters_json_schema=schema, kind="output"
    )
    return ModelRequestParameters(output_mode="tool", output_tools=[function], allow_text_output=False)


def _reply(answer: ModelResponse, request: ChatRequest, sent: list[str]) -> ChatReply:
    usage = answer.usage
    counted = not usage.unmeasured_requests and usage.input_tokens > 0
    calls = [part.args_as_json_str() for part in answer.parts if isinstance(part, ToolCallPart)]
    text = "".join(part.content for part in answer.parts if isinstance(part, TextPart))
    return ChatReply(
        text=calls[0] if calls and request.schema and request.mode == "tool" else text,
        resolved=answer.model_name or request.model,
        finish="stop" if answer.finish_reason == "tool_call" else answer.finish_reason or "",
        tokens_in=usage.input_tokens if counted else None,
        tokens_out=usage.output_tokens if counted else None,
        fingerprint=str((answer.provider_details or {}).get("system_fingerprint") or ""),
        sent=sent[-1] if sent else "",
    )
