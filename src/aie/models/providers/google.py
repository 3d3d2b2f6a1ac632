"""Any endpoint that speaks the protocol of the Gemini API."""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, Final

from google.genai.client import Client
from google.genai.errors import APIError
from google.genai.types import HttpOptions, HttpRetryOptions
from httpx2 import AsyncClient, ConnectError, ConnectTimeout
from pydantic_ai.messages import ModelMessage
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.models.google import GoogleModel, GoogleModelSettings
from pydantic_ai.profiles import ModelProfile
from pydantic_ai.providers.google import GoogleProvider

from aie.models.chat import Endpoint
from aie.models.providers.bounded import TooMuch, bounded
from aie.models.providers.direct import Direct
from aie.models.providers.failures import Transport

__all__ = ["Google"]

_ONCE: Final = HttpRetryOptions(attempts=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pool:
    connections: AsyncClient
    library: Client
    """Costs tens of milliseconds to make: it is kept with the connections, for its key."""


class _Once(GoogleModel):
    """Asks once: else the library asks for the rest of an answer that is cut off, or that breaks off, unseen."""

    async def _build_content_and_config(
        self,
        messages: list[ModelMessage],
        model_settings: GoogleModelSettings,
        model_request_parameters: ModelRequestParameters,
    ) -> Any:
        contents, config = await super()._build_content_and_config(messages, model_settings, model_request_parameters)
        return contents, {**config, "automatic_continuation": False}


class Google(Direct):
    """Calls endpoints that speak the protocol of the Gemini API, with a key."""

    transport = Transport(unreached=(ConnectError, ConnectTimeout), nonsense=(APIError, TooMuch))

    def _pool(self, endpoint: Endpoint) -> Hashable:
        return endpoint.url, endpoint.key

    def _new_client(self, endpoint: Endpoint) -> _Pool:
        connections = bounded(AsyncClient, endpoint.url)
        options = HttpOptions(base_url=endpoint.url, httpx_async_client=connections, retry_options=_ONCE)
        # Said to be no Google Cloud: else a variable of the environment decides where requests go.
        library = Client(vertexai=False, api_key=endpoint.key or "none", http_options=options)
        return _Pool(connections=connections, library=library)

    async def _close_client(self, client: _Pool) -> None:
        await client.connections.aclose()

    def _model(self, name: str, endpoint: Endpoint, client: _Pool) -> Model:
        profile = ModelProfile(supports_json_schema_output=True, supports_tools=True)
        return _Once(name, provider=GoogleProvider(client=client.library), profile=profile)
