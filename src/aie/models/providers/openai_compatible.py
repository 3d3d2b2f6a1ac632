"""Any endpoint that speaks OpenAI's chat protocol: hosted, vLLM, Ollama, a gateway."""

from typing import Any, Final, cast
from urllib.parse import urlsplit

from openai import AsyncOpenAI
from pydantic_ai.models import Model
from pydantic_ai.profiles.openai import OpenAIModelProfile
from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider

from aie.models.chat import Endpoint
from aie.models.providers.completions import ChatModel, Client, Pool
from aie.models.providers.direct import Direct, note_sent

__all__ = ["OpenAICompatible"]

_MODERN_HOSTS: Final = ("openai.com", "azure.com")
"""Hosts that want `max_completion_tokens`; everyone else understands `max_tokens`."""


class OpenAICompatible(Direct):
    """Calls endpoints that speak OpenAI's chat protocol."""

    def _new_client(self) -> Any:
        return Pool()

    def _model(self, name: str, endpoint: Endpoint, client: Any) -> Model:
        ours = Client(endpoint.url, endpoint.key or "none", client, note_sent)
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
