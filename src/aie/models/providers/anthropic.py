"""Any endpoint that speaks Anthropic's Messages protocol."""

from typing import Any

from aiohttp import ClientConnectorError, ConnectionTimeoutError
from anthropic import AsyncAnthropic, DefaultAioHttpClient
from pydantic_ai.models import Model
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.providers.anthropic import AnthropicProvider

from aie.models.chat import Endpoint
from aie.models.providers.bounded import TooMuch, bounded
from aie.models.providers.direct import Direct
from aie.models.providers.failures import Transport

__all__ = ["Anthropic"]


class Anthropic(Direct):
    """Calls endpoints that speak the Messages protocol. It has no seed: `parameters.seed` is not sent."""

    transport = Transport(unreached=(ClientConnectorError, ConnectionTimeoutError), nonsense=(TooMuch,))

    def _new_client(self, endpoint: Endpoint) -> Any:
        # The aiohttp transport: the library's default slows down with many calls in flight.
        return bounded(DefaultAioHttpClient, endpoint.url)

    def _model(self, name: str, endpoint: Endpoint, client: Any) -> Model:
        vendor = AsyncAnthropic(
            base_url=endpoint.url, api_key=endpoint.key or "none", max_retries=0, http_client=client
        )
        vendor._custom_headers = {}  # noqa: SLF001 - the library takes headers from the environment
        return AnthropicModel(name, provider=AnthropicProvider(anthropic_client=vendor))
