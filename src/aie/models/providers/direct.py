"""What every adapter does the same way, through `pydantic_ai.direct`.

The library is used as a wire adapter only: no retries (they would multiply spend unseen; each adapter makes its client
so, as a setting of each call copies the client for each call), no framing of its own, and none of its types leaves this
package. Importing it costs two CPU-seconds; `aie.models.connect` does so on the first
call, which is why its imports may stand at the top.
"""

import asyncio
import atexit
import hashlib
import json
import threading
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import AbstractAsyncContextManager
from contextvars import ContextVar
from functools import lru_cache
from typing import Any, ClassVar, Final, TypeVar, cast

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

from aie.core import MAX_INT, fibers
from aie.errors import Failure
from aie.models.chat import CallFailed, ChatReply, ChatRequest, Endpoint, input_bound
from aie.models.providers.endpoints import check_endpoint
from aie.models.providers.failures import Transport, call_failed
from aie.models.providers.loops import cancel_all, leaving_nothing, turn

__all__ = ["Direct", "noted", "noting"]

_T = TypeVar("_T")
_GRACE: Final = 5.0
"""Seconds beyond a call's own timeout after which the event loop itself is taken for stuck."""
_MODELS: Final = 256
"""Models that are kept: keys are changed, and what was made for an old one is of no use."""
_LONGEST_NAME: Final = 500
"""Characters of the name of a model, or of a fingerprint."""
_ANSWER: Final = "answer"
"""Name of the format, or of the function, that an answer by a schema goes through."""

_sent: ContextVar[list[str]] = ContextVar("_sent")
"""Digests of the bodies that the call under way has sent."""


class Direct(ABC):
    """Calls endpoints from any thread: one event loop for all, one connection pool an endpoint."""

    transport: ClassVar[Transport]
    """What the vendor's library lets through of its own."""
    settings: ClassVar[Mapping[str, Any]] = {}
    """What the library is told with each call, beside what every one is."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._making = threading.Lock()
        """Over what is kept of endpoints."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._clients: dict[Hashable, Any] = {}
        """Connection pools."""
        self._models: dict[Hashable, Model] = {}
        """The library's models by pool, key and name: making one takes a tenth of a call."""

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
        """End the calls under way, close every connection and end the event loop."""
        with self._lock:
            loop, self._loop = self._loop, None
        if loop is not None:
            asyncio.run_coroutine_threadsafe(self._close_clients(), loop).result(_GRACE)
            loop.call_soon_threadsafe(loop.stop)
            self._thread.join(_GRACE)

    @abstractmethod
    def _new_client(self, endpoint: Endpoint) -> Any:
        """Return a connection pool of the vendor's library, which notes the body of each request."""

    @abstractmethod
    def _model(self, name: str, endpoint: Endpoint, client: Any) -> Model:
        """Return the library's model behind an endpoint."""

    def _pool(self, endpoint: Endpoint) -> Hashable:
        """Return what endpoints have in common that share connections."""
        return endpoint.url

    async def _close_client(self, client: Any) -> None:
        await client.aclose()

    @leaving_nothing
    async def _ask(self, request: ChatRequest, endpoint: Endpoint, seconds: float) -> ChatReply:
        sent: list[str] = []
        _sent.set(sent)
        try:
            model = self._connected(request.model, endpoint)
            async with self._deadline(seconds):
                answer = await model_request(
                    model,
                    [_message(request)],
                    model_settings=cast("ModelSettings", {**_settings(request, seconds, model), **self.settings}),
                    model_request_parameters=_parameters(request.schema, request.mode),
                )
            if not answer.parts and not answer.finish_reason:
                raise CallFailed(Failure.INVALID_OUTPUT, "the provider's answer is empty", billed=True)
            return _reply(answer, request, sent)
        except Exception as error:  # noqa: BLE001 - whatever a vendor's library raises becomes one of our classes
            raise call_failed(error, self.transport, left=bool(sent)) from None

    def _deadline(self, seconds: float) -> AbstractAsyncContextManager[object]:
        """Return a deadline of ours around the library's: no drip of bytes moves it."""
        return asyncio.timeout(seconds)

    @leaving_nothing
    async def _follow(self, request: ChatRequest, endpoint: Endpoint, seconds: float) -> ChatReply:
        sent: list[str] = []
        _sent.set(sent)
        begun = False
        try:
            model = self._connected(request.model, endpoint)
            async with asyncio.timeout(seconds):
                async with model_request_stream(
                    model,
                    [_message(request)],
                    model_settings=cast("ModelSettings", {**_settings(request, seconds, model), **self.settings}),
                    model_request_parameters=_parameters(request.schema, request.mode),
                ) as stream:
                    async for _ in stream:
                        begun = True
                    answer = stream.get()
        except Exception as error:  # noqa: BLE001 - whatever a vendor's library raises becomes one of our classes
            # Without a name: a failure whose traceback keeps this frame would keep itself, until cycles are collected.
            raise _broken_off(call_failed(error, self.transport, left=bool(sent)), begun=begun) from None
        if answer.state != "complete" or not answer.finish_reason:
            raise CallFailed(Failure.PROVIDER_DOWN, "the answer broke off before it was whole", billed=True)
        return _reply(answer, request, sent)

    def _connected(self, name: str, endpoint: Endpoint) -> Model:
        check_endpoint(endpoint)
        pool = self._pool(endpoint)
        place = (pool, endpoint.key, name)
        known = self._models.get(place)
        if known is not None:
            return known
        with self._making:
            client = self._clients.get(pool)
            if client is None:
                client = self._clients[pool] = self._new_client(endpoint)
            if len(self._models) >= _MODELS:
                self._models.clear()
            made = self._models[place] = self._model(name, endpoint, client)
        return made

    async def _close_clients(self) -> None:
        await cancel_all()
        for client in self._clients.values():
            await self._close_client(client)
        self._clients.clear()
        self._models.clear()

    def _run(self, work: Coroutine[Any, Any, _T], seconds: float) -> _T:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=turn, args=(self._loop,), name="aie-chat", daemon=True)
                self._thread.start()
                atexit.register(self.close)
            future = asyncio.run_coroutine_threadsafe(work, self._loop)
        come: fibers.Answer[None] = fibers.Answer()
        future.add_done_callback(lambda _: come(None))
        try:
            come.wait(seconds + _GRACE)
            return future.result(0)
        except TimeoutError:
            future.cancel()
            raise CallFailed(Failure.TIMEOUT, f"no answer within {seconds:g} s", billed=True) from None
        except CancelledError:
            message = "the adapter was closed before the answer was whole"
            raise CallFailed(Failure.PROVIDER_DOWN, message, billed=True) from None
        finally:
            # It keeps the error, whose traceback keeps this frame: all of the call, until cycles are collected.
            del future


def _broken_off(failed: CallFailed, *, begun: bool) -> CallFailed:
    """Return the failure of a stream; of one that had begun the library reports zero tokens, which are not the bill."""
    return CallFailed(failed.failure, failed.message, billed=True) if begun else failed


def noted(body: bytes) -> None:
    """Take the digest of a body on its way out, of the very bytes."""
    _sent.get([]).append(f"sha256:{hashlib.sha256(body).hexdigest()}")


def noting(client: Any, then: Sequence[Callable[[Any], Awaitable[None]]] = ()) -> Any:
    """Return a client of the kind of httpx that notes the body of each request; `then` is done with each response."""
    client.event_hooks = {"request": [_note], "response": [*then]}
    return client


async def _note(request: Any) -> None:
    noted(await request.aread())


def _message(request: ChatRequest) -> ModelRequest:
    system = [SystemPromptPart(content=request.system)] if request.system else []
    content: str | list[UserContent] = request.user
    if request.parts:
        files = [BinaryContent(data=each.content, media_type=each.media_type) for each in request.parts]
        content = [*files, request.user]
    return ModelRequest(parts=[*system, UserPromptPart(content=content)])


def _settings(request: ChatRequest, seconds: float, model: Model) -> ModelSettings:
    settings: ModelSettings = {
        "max_tokens": request.max_tokens,
        "temperature": float(request.temperature),
        "timeout": seconds,
        "framing_announcement": "never",
    }
    if request.seed is not None:
        settings["seed"] = request.seed
    # What a protocol does not have is left out here: the library warns of some of it at each call.
    had = {name: value for name, value in settings.items() if name not in model.unsupported_settings}
    return cast("ModelSettings", had)


@lru_cache(maxsize=256)
def _parameters(text: str, mode: str) -> ModelRequestParameters:
    """Return what asks for an answer by a schema; the same object each time, for whoever has prepared it before."""
    if not text:
        return ModelRequestParameters()
    schema = json.loads(text)
    if mode == "native":
        output = OutputObjectDefinition(json_schema=schema, name=_ANSWER)
        return ModelRequestParameters(output_mode="native", output_object=output)
    function = ToolDefinition(
        name=_ANSWER, description="Give the answer.", parameters_json_schema=schema, kind="output"
    )
    return ModelRequestParameters(output_mode="tool", output_tools=[function], allow_text_output=False)


def _reply(answer: ModelResponse, request: ChatRequest, sent: list[str]) -> ChatReply:
    """Return the answer in words of our own.

    Raises:
        CallFailed: INVALID_OUTPUT: nothing of the protocol says so, or it cannot be kept.
    """
    usage = answer.usage
    calls = [part.args_as_json_str() for part in answer.parts if isinstance(part, ToolCallPart)]
    text = "".join(part.content for part in answer.parts if isinstance(part, TextPart))
    said = calls[0] if calls and request.schema and request.mode == "tool" else text
    # Words that cost nothing were not counted.
    counted = not usage.unmeasured_requests and usage.input_tokens > 0 and (usage.output_tokens > 0 or not said)
    reply = ChatReply(
        text=said,
        resolved=answer.model_name or request.model,
        finish="stop" if answer.finish_reason == "tool_call" else answer.finish_reason or "",
        tokens_in=usage.input_tokens if counted else None,
        tokens_out=usage.output_tokens if counted else None,
        fingerprint=str((answer.provider_details or {}).get("system_fingerprint") or ""),
        sent=sent[-1] if sent else "",
    )
    if not _can_be_kept(reply):
        raise CallFailed(Failure.INVALID_OUTPUT, "the provider's answer is not of the protocol", billed=True)
    return reply


def _can_be_kept(reply: ChatReply) -> bool:
    """Tell whether records can hold an answer: what a server says of itself is short, and texts are Unicode."""
    names: tuple[object, ...] = (reply.resolved, reply.finish, reply.fingerprint)  # whatever a library let through
    short = all(isinstance(each, str) and len(each) <= _LONGEST_NAME and each.isprintable() for each in names)
    counts = all(each is None or 0 <= each <= MAX_INT for each in (reply.tokens_in, reply.tokens_out))
    try:
        f"{reply.text}{names}".encode()
    except UnicodeEncodeError:
        return False
    return short and counts
