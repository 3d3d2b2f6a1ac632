"""Any endpoint that speaks OpenAI's chat protocol, through `pydantic_ai.direct`.

The library is used as a wire adapter only: no retries (they would multiply spend unseen), no framing of its own, and
none of its types leaves this module. Importing this module costs two CPU-seconds; `aie.models.connect` does so on the
first call, which is why its imports may stand at the top.
"""

import asyncio
import atexit
import json
import threading
from collections.abc import Coroutine
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from aiohttp import ClientConnectorError, ConnectionTimeoutError
from openai import DefaultAioHttpClient
from pydantic_ai.direct import model_request
from pydantic_ai.exceptions import (
    ContentFilterError,
    ModelAPIError,
    ModelConnectionError,
    ModelHTTPError,
    ModelNotFoundError,
    ModelRateLimitError,
    ModelRequestRejectedError,
    ModelRequestTimeout,
    ModelTimeoutError,
    ModelUnavailableError,
    UnexpectedModelBehavior,
)
from pydantic_ai.messages import ModelRequest, ModelResponse, SystemPromptPart, TextPart, UserPromptPart
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIChatModelSettings
from pydantic_ai.output import OutputObjectDefinition
from pydantic_ai.profiles.openai import OpenAIModelProfile
from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider

from aie.errors import Failure
from aie.models.chat import CallFailed, ChatReply, ChatRequest, Endpoint

__all__ = ["OpenAICompatible"]

_T = TypeVar("_T")
_GRACE: Final = 5.0
"""Seconds beyond a call's own timeout after which the event loop itself is taken for stuck."""
_MODERN_HOSTS: Final = ("openai.com", "azure.com")
"""Hosts that want `max_completion_tokens`; everyone else understands `max_tokens`."""
_CLIENT_ERROR: Final = range(400, 500)


class OpenAICompatible:
    """Calls endpoints from any thread: one event loop for all, one connection pool an endpoint."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._clients: dict[str, Any] = {}

    def invoke(self, request: ChatRequest, endpoint: Endpoint) -> ChatReply:
        """Ask once.

        Raises:
            CallFailed: no answer.
        """
        seconds = endpoint.timeout / 1_000_000
        return self._run(self._ask(request, endpoint, seconds), seconds)

    def close(self) -> None:
        """Close every connection and end the event loop."""
        with self._lock:
            loop, self._loop = self._loop, None
        if loop is not None:
            asyncio.run_coroutine_threadsafe(self._close_clients(), loop).result(_GRACE)
            loop.call_soon_threadsafe(loop.stop)
            self._thread.join(_GRACE)

    async def _ask(self, request: ChatRequest, endpoint: Endpoint, seconds: float) -> ChatReply:
        settings: OpenAIChatModelSettings = {
            "max_tokens": request.max_tokens,
            "temperature": float(request.temperature),
            "timeout": seconds,
            "request_timeout": seconds,
            "max_retries": 0,
            "framing_announcement": "never",
        }
        if request.seed is not None:
            settings["seed"] = request.seed
        parameters = ModelRequestParameters()
        if request.schema:
            schema = OutputObjectDefinition(json_schema=json.loads(request.schema), name="answer")
            parameters = ModelRequestParameters(output_mode="native", output_object=schema)
        parts = [SystemPromptPart(content=request.system)] if request.system else []
        message = ModelRequest(parts=[*parts, UserPromptPart(content=request.user)])
        try:
            answer = await model_request(
                self._model(request.model, endpoint),
                [message],
                model_settings=settings,
                model_request_parameters=parameters,
            )
        except Exception as error:  # noqa: BLE001 - whatever a vendor's library raises becomes one of our classes
            raise _failed(error) from None
        return _reply(answer, request.model)

    def _model(self, name: str, endpoint: Endpoint) -> OpenAIChatModel:
        if endpoint.url not in self._clients:
            # The aiohttp transport: the library's default slows down with many calls in flight.
            self._clients[endpoint.url] = DefaultAioHttpClient()
        provider = OpenAICompatibleProvider(
            "openai_compatible",
            base_url=endpoint.url,
            api_key=endpoint.key or "none",
            http_client=self._clients[endpoint.url],
        )
        host = urlsplit(endpoint.url).hostname or ""
        profile = OpenAIModelProfile(openai_chat_supports_max_completion_tokens=host.endswith(_MODERN_HOSTS))
        return OpenAIChatModel(name, provider=provider, profile=profile)

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


def _turn(loop: asyncio.AbstractEventLoop) -> None:
    try:
        loop.run_forever()
    finally:
        loop.close()


def _reply(answer: ModelResponse, asked: str) -> ChatReply:
    usage = answer.usage
    counted = not usage.unmeasured_requests and usage.input_tokens > 0
    return ChatReply(
        text="".join(part.content for part in answer.parts if isinstance(part, TextPart)),
        resolved=answer.model_name or asked,
        finish=answer.finish_reason or "",
        tokens_in=usage.input_tokens if counted else None,
        tokens_out=usage.output_tokens if counted else None,
    )


def _failed(error: Exception) -> CallFailed:
    """Sort a failure by what it means for the step and for the bill; no provider's message leaves."""
    wait = error.retry_after if isinstance(error, ModelAPIError) else None
    status = error.status_code if isinstance(error, ModelHTTPError) else None
    refused = status in _CLIENT_ERROR if status is not None else False
    match error:
        case ModelRateLimitError():
            return CallFailed(
                Failure.RATE_LIMITED,
                "the provider limits the rate of calls",
                billed=False,
                retry_after=None if wait is None else int(wait * 1_000_000),
            )
        case ModelRequestTimeout():
            return CallFailed(Failure.TIMEOUT, "no answer in time", billed=True)
        case ModelConnectionError() if _caused_by(error, ClientConnectorError, ConnectionTimeoutError):
            return CallFailed(Failure.PROVIDER_DOWN, "the endpoint cannot be reached", billed=False)
        case ModelTimeoutError() if _caused_by(error, TimeoutError):
            return CallFailed(Failure.TIMEOUT, "no answer in time", billed=True)
        case ModelConnectionError():
            return CallFailed(Failure.PROVIDER_DOWN, "the connection broke before the answer was whole", billed=True)
        case ModelNotFoundError():
            return CallFailed(Failure.MODEL_RETIRED, "the provider does not know the model", billed=False)
        case ModelUnavailableError():
            return CallFailed(Failure.PROVIDER_DOWN, "the provider is not available", billed=False)
        case ModelRequestRejectedError() | ContentFilterError():
            return CallFailed(
                Failure.PROVIDER_REFUSED, _status("the provider refused the request", status), billed=not refused
            )
        case UnexpectedModelBehavior() | ModelAPIError(__cause__=ValueError()):
            return CallFailed(Failure.INVALID_OUTPUT, "the provider's answer is not of the protocol", billed=True)
        case _ if refused:
            return CallFailed(
                Failure.PROVIDER_REFUSED, _status("the provider refused the request", status), billed=False
            )
        case _:
            return CallFailed(Failure.PROVIDER_DOWN, _status("the provider failed", status), billed=True)


def _caused_by(error: BaseException, *kinds: type[BaseException]) -> bool:
    """Tell whether an error of these kinds is at the bottom.

    The transport's own error is asked: the layers above it call a server that hung up on a sent request a timeout of
    the connect phase, and such a call may be billed.
    """
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, kinds):
        cause = cause.__cause__
    return cause is not None


def _status(text: str, status: int | None) -> str:
    return text if status is None else f"{text} with HTTP status {status}"
