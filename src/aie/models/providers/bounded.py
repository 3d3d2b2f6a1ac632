"""Vendors' HTTP clients, held to what a call may do: ask the one endpoint, and read no more than an answer can be."""

from collections.abc import AsyncIterator
from typing import Any, Final

import httpx2

from aie.models.providers.direct import noting
from aie.models.providers.endpoints import proxy_for

__all__ = ["TooMuch", "bounded"]

_LONGEST: Final = 32_000_000
"""Bytes of a body."""


class TooMuch(httpx2.DecodingError):
    """The answer is longer than any of the protocol, or packed though nobody asked for that."""


def bounded(kind: Any, url: str) -> Any:
    """Return a client of a vendor's kind for one endpoint.

    It follows no redirect, takes nothing from the environment but the proxy of `https` addresses, and asks for bodies
    that are not packed: forty kilobytes may hold forty megabytes.

    Args:
        kind: a class of the kind of httpx.
        url: the endpoint.
    """
    headers = {"Accept-Encoding": "identity"}
    client = kind(follow_redirects=False, trust_env=False, proxy=proxy_for(url), headers=headers)
    return noting(client, [_bound])


async def _bound(response: httpx2.Response) -> None:
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        await response.aclose()
        raise TooMuch("the answer is packed", request=response.request)
    response.stream = _Bounded(response)


class _Bounded(httpx2.AsyncByteStream):
    """A body that ends where it is too long."""

    def __init__(self, response: httpx2.Response) -> None:
        self._response = response
        self._stream: Any = response.stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        read = 0
        async for chunk in self._stream:
            read += len(chunk)
            if read > _LONGEST:
                raise TooMuch(f"the answer is longer than {_LONGEST} bytes", request=self._response.request)
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()
