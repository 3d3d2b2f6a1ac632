"""`POST …/chat/completions` for a quarter of the CPU that the vendor's client takes (design/014).

pydantic-ai makes the arguments and reads the answer, as ever. What stands between is this: arguments to JSON, one
request to one address, a bounded body back. Streams go through the vendor's client, whose reader of events they need.
"""

import json
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any, Final, cast

import httpx2
from openai import APIStatusError, AsyncOpenAI, DefaultAioHttpClient, not_given, omit
from openai.types.chat import ChatCompletion, ChatCompletionStreamOptionsParam
from pydantic import ValidationError
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIChatModelSettings
from pydantic_ai.models.openai._chat_completions import LenientChatCompletion
from pydantic_ai.settings import ModelSettings
from pydantic_ai.usage import RequestUsage

from aie.errors import Failure
from aie.models.chat import CallFailed
from aie.models.providers.bounded import bounded
from aie.models.providers.direct import noted
from aie.models.providers.endpoints import proxy_for
from aie.models.providers.exchange import Broken, Exchange, Unreached
from aie.models.providers.incoming import Answered, Unreadable

__all__ = ["ChatModel", "Client", "Pool", "within"]

within: ContextVar[float] = ContextVar("within")
"""Seconds that the call under way may take."""
_ARGUMENTS: Final = frozenset({"extra_body", "extra_headers", "extra_query", "timeout"})
"""Of the vendor's client, and not of the request."""


class Pool:
    """Connections to one endpoint."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.exchanges: list[Exchange] = []
        self._vendor: Any = None

    def vendor(self) -> Any:
        """Return the vendor's own, on the loop that uses them; making them takes as long as a hundred calls."""
        if self._vendor is None:
            # The aiohttp transport: the library's default slows down with many calls in flight.
            self._vendor = bounded(DefaultAioHttpClient, self._url)
        return self._vendor

    def close(self) -> None:
        """Close ours on which nothing is under way."""
        for each in self.exchanges:
            each.close()

    async def aclose(self) -> None:
        """Close the vendor's."""
        if self._vendor is not None:
            await self._vendor.aclose()


class Client:
    """What pydantic-ai calls in place of the vendor's client: `client.chat.completions.create(…)`."""

    def __init__(self, base_url: str, key: str, pool: Pool) -> None:
        """Prepare.

        Args:
            base_url: up to and with `/v1`.
            key: the secret.
            pool: connections.
        """
        self.base_url = base_url
        self.chat = self
        self.completions = self
        self._key = key
        self._url = f"{base_url.rstrip('/')}/chat/completions"
        headers = {"Accept": "application/json", "Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        self._exchange = Exchange(self._url, {**headers, "User-Agent": "aie"}, proxy=proxy_for(self._url))
        pool.exchanges.append(self._exchange)
        self._pool = pool
        self._vendor: AsyncOpenAI | None = None

    async def create(self, *, stream: bool, **arguments: Any) -> Any:
        """Ask once; without a stream it waits for nothing but its socket.

        Raises:
            APIStatusError: the server refused or failed.
            CallFailed: no whole answer came.
        """
        if stream:
            return await self._streaming().chat.completions.create(stream=True, **arguments)
        body = json.dumps(_body(arguments), ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
        noted(body)
        answer = _posted(self._exchange, body)
        if 300 <= answer.status < 400:
            message = "the endpoint leads elsewhere: the catalog names where requests go"
            raise CallFailed(Failure.PROVIDER_REFUSED, message, billed=False)
        if not 200 <= answer.status < 300:
            raise _refusal(answer, self._url)
        return _completion(answer.content)

    def _streaming(self) -> AsyncOpenAI:
        if self._vendor is None:
            vendor = self._vendor = AsyncOpenAI(
                base_url=self.base_url, api_key=self._key, max_retries=0, http_client=self._pool.vendor()
            )
            # The library takes these from the environment, for whatever endpoint.
            vendor.organization = vendor.project = None
            vendor._custom_headers = {}  # noqa: SLF001 - there is no other way
        return self._vendor


class ChatModel(OpenAIChatModel):
    """The library's model, but that it keeps the fingerprint, and does nothing twice."""

    _prepared: tuple[ModelSettings | None, ModelRequestParameters, Any] | None = None
    """Settings and parameters that were prepared last, and what came of them."""

    def prepare_request(
        self, model_settings: ModelSettings | None, model_request_parameters: ModelRequestParameters
    ) -> tuple[ModelSettings | None, ModelRequestParameters]:
        """Return the settings and parameters as this model takes them: the library makes a dozen copies on the way."""
        known = self._prepared
        if known is None or known[1] is not model_request_parameters or known[0] != model_settings:
            made = super().prepare_request(model_settings, model_request_parameters)
            known = self._prepared = (model_settings, model_request_parameters, made)
        settings, parameters = known[2]
        return None if settings is None else cast("ModelSettings", {**settings}), parameters

    def _get_stream_options(self, model_settings: OpenAIChatModelSettings) -> ChatCompletionStreamOptionsParam:
        return {"include_usage": True}  # what not every server knows is not asked for

    def _validate_completion(self, response: ChatCompletion) -> LenientChatCompletion:
        return response if isinstance(response, LenientChatCompletion) else super()._validate_completion(response)

    def _map_usage(self, response: ChatCompletion) -> RequestUsage:
        used = response.usage  # in the library's way a table of prices is asked what each count means
        if used is None:
            return RequestUsage(unmeasured_requests=1)
        return RequestUsage(input_tokens=used.prompt_tokens, output_tokens=used.completion_tokens)

    def _process_provider_details(self, response: ChatCompletion) -> dict[str, Any] | None:
        details = super()._process_provider_details(response) or {}
        return details | {"system_fingerprint": getattr(response, "system_fingerprint", None)}


def _posted(exchange: Exchange, body: bytes) -> Answered:
    try:
        return exchange.post(body, seconds=within.get())
    except Unreached:
        raise CallFailed(Failure.PROVIDER_DOWN, "the endpoint cannot be reached", billed=False) from None
    except TimeoutError:
        raise CallFailed(Failure.TIMEOUT, "the answer was not whole in time", billed=True) from None
    except Broken:
        message = "the connection broke before the answer was whole"
        raise CallFailed(Failure.PROVIDER_DOWN, message, billed=True) from None
    except Unreadable as error:
        message = f"the provider's answer is not of the protocol: {error}"
        raise CallFailed(Failure.INVALID_OUTPUT, message, billed=True) from None


def _body(arguments: Mapping[str, Any]) -> dict[str, Any]:
    said = {
        name: value
        for name, value in arguments.items()
        if value is not omit and value is not not_given and name not in _ARGUMENTS
    }
    return {**said, "stream": False, **(arguments.get("extra_body") or {})}


def _completion(content: bytes) -> ChatCompletion | str:
    """Return the answer; as text what is none, which the library then refuses.

    What does not validate is left to the library as it came: it mends what some servers leave out.
    """
    try:
        return LenientChatCompletion.model_validate_json(content)
    except ValidationError:
        pass
    text = content.decode(errors="replace")
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return text
    choices = data.get("choices") if isinstance(data, dict) else None
    if not isinstance(choices, list) or not all(isinstance(each, dict) for each in choices):
        return text
    return ChatCompletion.construct(**data)


def _refusal(answer: Answered, url: str) -> APIStatusError:
    """Return what the vendor's client raises, with what the server said of it."""
    try:
        said = json.loads(answer.content)
    except (ValueError, RecursionError):
        said = None
    body = said.get("error", said) if isinstance(said, dict) else said
    headers = {name: value for name, value in answer.headers.items() if name != "content-encoding"}
    request = httpx2.Request("POST", url)
    response = httpx2.Response(answer.status, headers=headers, content=answer.content, request=request)
    return APIStatusError(f"HTTP status {answer.status}", response=response, body=body)
