"""Any endpoint that speaks Anthropic's Messages protocol."""

from typing import Any

from aiohttp import ClientConnectorError, ConnectionTimeoutError
from anthropic import AsyncAnthropic, DefaultAioHttpClient
from pydantic_ai.models import Model
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.providers.anthropic import AnthropicProvider

from aie.models.chat import Endpoint
from aie.models.providers.direct import Direct, noting
from aie.models.providers.failures import Transport

__all__ = ["Anthropic"]


class Anthropic(Direct):
    """Calls endpoints that speak the Messages protocol. It has no seed: `parameters.seed` is not sent."""

    transport = Transport(unreached=(ClientConnectorError, ConnectionTimeoutError))

    def _new_client(self, endpoint: Endpoint) -> Any:
        # The aiohttp transport: the library's default slows down with many calls in flight.
        return noting(DefaultAioHttpClient(follow_redirects=False))

    def _model(self, name: str, endpoint: Endpoint, client: Any) -> Model:
        vendor = AsyncAnthropic(
            base_url=endpoint.url, api_key=endpoint.key or "none", max_retries=0, http_client=client
        )
        return AnthropicModel(name, provider=AnthropicProvider(anthropic_client=vendor))
