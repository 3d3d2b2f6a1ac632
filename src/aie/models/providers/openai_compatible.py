"""Any endpoint that speaks OpenAI's chat protocol: hosted, vLLM, Ollama, a gateway."""

from typing import Any, Final
from urllib.parse import urlsplit

from aiohttp import ClientConnectorError, ConnectionTimeoutError
from openai import DefaultAioHttpClient
from openai.types.chat import ChatCompletion
from pydantic_ai.models import Model
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.profiles.openai import OpenAIModelProfile
from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider

from aie.models.chat import Endpoint
from aie.models.providers.direct import Direct, noting
from aie.models.providers.failures import Transport

__all__ = ["OpenAICompatible"]

_MODERN_HOSTS: Final = ("openai.com", "azure.com")
"""Hosts that want `max_completion_tokens`; everyone else understands `max_tokens`."""


class _Fingerprinted(OpenAIChatModel):
    """Keeps the fingerprint of the system that answered, which the library drops."""

    def _process_provider_details(self, response: ChatCompletion) -> dict[str, Any] | None:
        details = super()._process_provider_details(response) or {}
        return details | {"system_fingerprint": getattr(response, "system_fingerprint", None)}


class OpenAICompatible(Direct):
    """Calls endpoints that speak OpenAI's chat protocol."""

    transport = Transport(unreached=(ClientConnectorError, ConnectionTimeoutError))

    def _new_client(self, endpoint: Endpoint) -> Any:
        # The aiohttp transport: the library's default slows down with many calls in flight.
        return noting(DefaultAioHttpClient())

    def _model(self, name: str, endpoint: Endpoint, client: Any) -> Model:
        provider = OpenAICompatibleProvider(
            "openai_compatible", base_url=endpoint.url, api_key=endpoint.key or "none", http_client=client
        )
        host = urlsplit(endpoint.url).hostname or ""
        profile = OpenAIModelProfile(
            openai_chat_supports_max_completion_tokens=host.endswith(_MODERN_HOSTS),
            # Else an answer that ends in the middle, on a connection that closes well, is taken for a whole one.
            openai_chat_streaming_requires_finish_reason=True,
            supports_image_input=True,
            supports_document_input=True,
        )
        return _Fingerprinted(name, provider=provider, profile=profile)
