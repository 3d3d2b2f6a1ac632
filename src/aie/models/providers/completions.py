"""`POST …/chat/completions` for a quarter of the CPU that the vendor's client takes (design/014).

pydantic-ai makes the arguments and reads the answer, as ever. What stands between is this: arguments to JSON, one
request to one address, a bounded body back. Streams go through the vendor's client, whose reader of events they need.
"""

import hashlib
import json
import ssl
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final
from urllib.request import getproxies, proxy_bypass

import aiohttp
import httpx2
from openai import APIConnectionError, APIStatusError, AsyncOpenAI, DefaultAioHttpClient, not_given, omit
from openai.types.chat import ChatCompletion
from pydantic import ValidationError
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.models.openai._chat_completions import LenientChatCompletion
from yarl import URL

__all__ = ["ChatModel", "Client", "Pool"]

_LONGEST: Final = 32_000_000
"""Bytes of an answer; longer ones are not of the protocol."""
_CHUNK: Final = 65_536
_CONNECTING: Final = aiohttp.ClientTimeout(total=None, sock_connect=10)
"""The whole call has its deadline elsewhere; a connection that does not stand by then was surely not billed."""
_ARGUMENTS: Final = frozenset({"extra_body", "extra_headers", "extra_query", "timeout"})
"""Of the vendor's client, and not of the request."""


class Pool:
    """Connections to one endpoint; neither redirects nor cookies are followed. Make it on the loop that uses it."""

    def __init__(self) -> None:
        self.event_hooks: dict[str, Any] = {}
        """Of the vendor's client."""
        self._session: aiohttp.ClientSession | None = None
        self._vendor: DefaultAioHttpClient | None = None

    def session(self, url: URL) -> aiohttp.ClientSession:
        """Return our own connections."""
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=0, ssl=_trusted() if url.scheme == "https" else True)
            self._session = aiohttp.ClientSession(
                connector=connector, cookie_jar=aiohttp.DummyCookieJar(), timeout=_CONNECTING
            )
        return self._session

    def vendor(self) -> DefaultAioHttpClient:
        """Return those of the vendor's client; making it takes as long as a hundred calls."""
        if self._vendor is None:
            self._vendor = DefaultAioHttpClient(follow_redirects=False, event_hooks=self.event_hooks)
        return self._vendor

    async def aclose(self) -> None:
        """Close all of them."""
        if self._session is not None:
            await self._session.close()
        if self._vendor is not None:
            await self._vendor.aclose()


class Client:
    """What pydantic-ai calls in place of the vendor's client: `client.chat.completions.create(…)`."""

    def __init__(self, base_url: str, key: str, pool: Pool, note: Callable[[str], None]) -> None:
        """Prepare.

        Args:
            base_url: up to and with `/v1`.
            key: the secret.
            pool: connections.
            note: told the digest of each body that leaves.
        """
        self.base_url = base_url
        self.chat = self
        self.completions = self
        self._key = key
        self._pool = pool
        self._vendor: AsyncOpenAI | None = None
        self._url = URL(f"{base_url.rstrip('/')}/chat/completions")
        self._proxy = _proxy_for(self._url)
        self._headers = {
            "accept": "application/json",
            "authorization": f"Bearer {key}",
            "content-type": "application/json",
            "user-agent": "aie",
        }
        self._note = note

    async def create(self, *, stream: bool, **arguments: Any) -> Any:
        """Ask once.

        Raises:
            APIStatusError: the server refused or failed.
            APIConnectionError: no answer, or no whole one.
        """
        if stream:
            return await self._streaming().chat.completions.create(stream=True, **arguments)
        body = json.dumps(_body(arguments), ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
        self._note(f"sha256:{hashlib.sha256(body).hexdigest()}")
        try:
            async with self._pool.session(self._url).post(
                self._url, data=body, headers=self._headers, proxy=self._proxy, allow_redirects=False
            ) as answer:
                content = await _bounded(answer)
        except aiohttp.ClientError as error:
            raise APIConnectionError(request=httpx2.Request("POST", str(self._url))) from error
        if not 200 <= answer.status < 300:
            raise _refusal(answer.status, answer.headers, content, str(self._url))
        return _completion(content)

    def _streaming(self) -> AsyncOpenAI:
        if self._vendor is None:
            self._vendor = AsyncOpenAI(
                base_url=self.base_url, api_key=self._key, max_retries=0, http_client=self._pool.vendor()
            )
        return self._vendor


class ChatModel(OpenAIChatModel):
    """The library's model, but that it keeps the fingerprint and validates nothing twice."""

    def _validate_completion(self, response: ChatCompletion) -> LenientChatCompletion:
        return response if isinstance(response, LenientChatCompletion) else super()._validate_completion(response)

    def _process_provider_details(self, response: ChatCompletion) -> dict[str, Any] | None:
        details = super()._process_provider_details(response) or {}
        return details | {"system_fingerprint": getattr(response, "system_fingerprint", None)}


def _body(arguments: Mapping[str, Any]) -> dict[str, Any]:
    said = {
        name: value
        for name, value in arguments.items()
        if value is not omit and value is not not_given and name not in _ARGUMENTS
    }
    return {**said, "stream": False, **(arguments.get("extra_body") or {})}


async def _bounded(answer: aiohttp.ClientResponse) -> bytes:
    """Return the body, unpacked; of one that is too long what is surely not of the protocol."""
    content = bytearray()
    async for chunk in answer.content.iter_chunked(_CHUNK):
        content += chunk
        if len(content) > _LONGEST:
            return b"too long"
    return bytes(content)


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


def _refusal(status: int, headers: Mapping[str, str], content: bytes, url: str) -> APIStatusError:
    """Return what the vendor's client raises, with what the server said of it."""
    try:
        said = json.loads(content)
    except (ValueError, RecursionError):
        said = None
    body = said.get("error", said) if isinstance(said, dict) else said
    plain = {name: value for name, value in headers.items() if name.lower() != "content-encoding"}
    response = httpx2.Response(status, headers=plain, content=content, request=httpx2.Request("POST", url))
    return APIStatusError(f"HTTP status {status}", response=response, body=body)


@cache
def _trusted() -> ssl.SSLContext:
    """Return whom to trust, as the vendor's clients do."""
    return httpx2.create_ssl_context()


def _proxy_for(url: URL) -> str | None:
    """Return the proxy that the environment names for an address, as the vendor's clients understand it."""
    if url.host is None or proxy_bypass(url.host):
        return None
    proxies = getproxies()
    return proxies.get(url.scheme) or proxies.get("all")
