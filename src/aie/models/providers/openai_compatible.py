"""Any endpoint that speaks OpenAI's chat protocol: hosted, vLLM, Ollama, a gateway."""

from collections.abc import Coroutine
from contextlib import AbstractAsyncContextManager, nullcontext
from types import MappingProxyType
from typing import Any, Final, cast
from urllib.parse import urlsplit

from aiohttp import ClientConnectorError, ConnectionTimeoutError
from openai import AsyncOpenAI
from pydantic_ai.models import Model
from pydantic_ai.profiles.openai import OpenAIModelProfile
from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider

from aie.errors import Failure
from aie.models.chat import CallFailed, ChatReply, ChatRequest, Endpoint
from aie.models.providers.bounded import TooMuch
from aie.models.providers.completions import ChatModel, Client, Pool, within
from aie.models.providers.direct import Direct
from aie.models.providers.failures import Transport

__all__ = ["OpenAICompatible"]

_MODERN_HOSTS: Final = ("openai.com", "azure.com")
"""Hosts that want `max_completion_tokens`; everyone else understands `max_tokens`."""


class OpenAICompatible(Direct):
    """Calls endpoints that speak OpenAI's chat protocol."""

    transport = Transport(unreached=(ClientConnectorError, ConnectionTimeoutError), nonsense=(TooMuch,))
    settings = MappingProxyType({"openai_continuous_usage_stats": True})
    """Some servers tell with each piece of a stream what was used so far; it must not be added up."""

    def invoke(self, request: ChatRequest, endpoint: Endpoint) -> ChatReply:
        """Ask once and take the answer whole, in the thread that asks.

        Raises:
            CallFailed: no answer.
        """
        seconds = endpoint.timeout / 1_000_000
        within.set(seconds)
        return _at_once(self._ask(request, endpoint, seconds))

    def close(self) -> None:
        """Close every connection and end the event loop."""
        for pool in self._clients.values():
            pool.close()
        super().close()
        self._clients.clear()
        self._models.clear()

    def _deadline(self, seconds: float) -> AbstractAsyncContextManager[object]:
        return nullcontext()  # the exchange holds it

    def _new_client(self, endpoint: Endpoint) -> Any:
        return Pool(endpoint.url)

    def _model(self, name: str, endpoint: Endpoint, client: Any) -> Model:
        ours = Client(endpoint.url, endpoint.key or "none", client)
        provider = OpenAICompatibleProvider("openai_compatible", openai_client=cast("AsyncOpenAI", ours))
        host = urlsplit(endpoint.url).hostname or ""
        profile = OpenAIModelProfile(
            openai_chat_supports_max_completion_tokens=host.endswith(_MODERN_HOSTS),
            # Else an answer that ends in the middle, on a connection that closes well, is taken for a whole one.
            openai_chat_streaming_requires_finish_reason=True,
            supports_image_input=True,
            supports_document_input=True,
        )
        return ChatModel(name, provider=provider, profile=profile)


def _at_once(work: Coroutine[Any, Any, ChatReply]) -> ChatReply:
    """Return what a coroutine comes to that waits for nothing but our own exchange."""
    try:
        work.send(None)
    except StopIteration as done:
        reply: ChatReply = done.value
        return reply
    finally:
        work.close()
    raise CallFailed(Failure.INTERNAL, "the installed pydantic-ai waits for an event loop", billed=True)
