"""Any endpoint that speaks the chat protocol of Mistral."""

from collections.abc import Hashable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from httpx2 import AsyncClient, ConnectError, ConnectTimeout
from mistralai.client import Mistral as Library
from mistralai.client.chat import Chat
from mistralai.client.errors import MistralError
from mistralai.client.models import ResponseFormatTypedDict
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.models.mistral import MistralModel
from pydantic_ai.profiles import ModelProfile
from pydantic_ai.providers.mistral import MistralProvider
from pydantic_ai.settings import ModelSettings

from aie.models.chat import Endpoint
from aie.models.providers.bounded import TooMuch, bounded
from aie.models.providers.direct import Direct
from aie.models.providers.failures import Transport

__all__ = ["Mistral"]

_format: ContextVar[ResponseFormatTypedDict | None] = ContextVar("_format", default=None)
"""Format of the answer that the call under way asks for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pool:
    connections: AsyncClient
    library: Library
    """Costs tens of milliseconds to make: it is kept with the connections, for its key."""


class _Formatted(MistralModel):
    """Asks for an answer by a schema as its format, which the protocol has and the library leaves out."""

    def prepare_request(
        self, model_settings: ModelSettings | None, model_request_parameters: ModelRequestParameters
    ) -> tuple[ModelSettings | None, ModelRequestParameters]:
        settings, parameters = super().prepare_request(model_settings, model_request_parameters)
        answer = parameters.output_object
        if parameters.output_mode == "native" and answer is not None:
            schema: Any = {"name": answer.name, "schema_definition": answer.json_schema, "strict": True}
            _format.set({"type": "json_schema", "json_schema": schema})
        return settings, parameters


class _FormattedChat(Chat):
    async def complete_async(self, **asked: Any) -> Any:
        return await super().complete_async(**asked | {"response_format": _format.get()})

    async def stream_async(self, **asked: Any) -> Any:
        return await super().stream_async(**asked | {"response_format": _format.get()})


class Mistral(Direct):
    """Calls endpoints that speak the chat protocol of Mistral."""

    transport = Transport(unreached=(ConnectError, ConnectTimeout), nonsense=(MistralError, TooMuch))

    def _pool(self, endpoint: Endpoint) -> Hashable:
        return endpoint.url, endpoint.key

    def _new_client(self, endpoint: Endpoint) -> _Pool:
        connections = bounded(AsyncClient, endpoint.url)
        library = Library(
            # Never none: else the library takes one from the environment.
            api_key=endpoint.key or "none",
            async_client=connections,
            server_url=endpoint.url,
            retry_config=None,
        )
        library.chat = _FormattedChat(library.sdk_configuration, parent_ref=library)
        return _Pool(connections=connections, library=library)

    async def _close_client(self, client: _Pool) -> None:
        await client.connections.aclose()

    def _model(self, name: str, endpoint: Endpoint, client: _Pool) -> Model:
        profile = ModelProfile(supports_json_schema_output=True, supports_tools=True)
        return _Formatted(name, provider=MistralProvider(mistral_client=client.library), profile=profile)
