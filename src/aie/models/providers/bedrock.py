"""Any endpoint that speaks Converse, the protocol of Amazon Bedrock."""

import math
import re
from collections.abc import Hashable
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

import boto3
from anyio.to_thread import current_default_thread_limiter
from botocore import UNSIGNED
from botocore.config import Config
from botocore.eventstream import ParserError
from botocore.exceptions import ConnectionClosedError, ConnectTimeoutError, EndpointConnectionError
from botocore.parsers import ResponseParserError
from pydantic_ai.messages import ModelResponse
from pydantic_ai.models import Model
from pydantic_ai.models.bedrock import BedrockConverseModel
from pydantic_ai.profiles import ModelProfile
from pydantic_ai.providers.bedrock import BedrockProvider

from aie.errors import Failure
from aie.models.chat import CallFailed, Endpoint
from aie.models.providers.direct import Direct, noted
from aie.models.providers.failures import Transport

__all__ = ["Bedrock"]

_REGION: Final = re.compile(r"(?:^|\.)bedrock-runtime(?:-fips)?\.([a-z]{2}(?:-[a-z]+)+-\d+)\.")
"""Hosts of AWS: public, FIPS, dual-stack, and of a VPC endpoint."""
_REACHED: Final = 10
"""Seconds within which a connection stands."""
_THREADS: Final = 256
"""Calls under way at most; each holds a thread and a connection."""
_UNCOUNTED: Final = {"inputTokens": 0, "outputTokens": 0, "totalTokens": 0}


class _Uncounted(BedrockConverseModel):
    """Takes an answer without its tokens for one whose tokens nobody knows, where the library fails."""

    async def _process_response(self, response: Any) -> ModelResponse:
        return await super()._process_response({"usage": _UNCOUNTED, **response})


class Bedrock(Direct):
    """Calls endpoints that speak Converse: with a Bedrock API key, or as whom AWS takes this process for.

    The library of AWS waits in a thread for each request. A call that has run out of time returns to its caller at
    once and leaves its thread behind: a stream's is woken by closing its connection, and any other ends when the
    server answers, hangs up, or has sent nothing for twice the call's timeout (two seconds at least). Only a server
    that goes on to drip an answer nobody waits for keeps it longer, and a process that ends waits for it.

    The protocol has no seed, so `parameters.seed` is not sent, and does not say which model answered.
    """

    transport = Transport(
        unreached=(EndpointConnectionError, ConnectTimeoutError), nonsense=(ParserError, ResponseParserError)
    )

    def _pool(self, endpoint: Endpoint) -> Hashable:
        return endpoint.url, endpoint.key, _silence(endpoint)

    def _new_client(self, endpoint: Endpoint) -> Any:
        session = boto3.Session()
        region = _region(endpoint.url) or session.region_name
        if not region and not endpoint.key:
            raise CallFailed(
                Failure.PROVIDER_REFUSED,
                "neither the endpoint's host nor the configuration of AWS tells the region to sign for",
                billed=False,
            )
        current_default_thread_limiter().total_tokens = _THREADS
        client = session.client(
            "bedrock-runtime",
            endpoint_url=endpoint.url,
            # A key signs nothing: the region then stands nowhere in a request, but the library wants one.
            region_name=region or "unsigned",
            config=Config(
                retries={"mode": "standard", "total_max_attempts": 1},
                connect_timeout=_REACHED,
                read_timeout=_silence(endpoint),
                max_pool_connections=_THREADS,
                signature_version=UNSIGNED if endpoint.key else None,
            ),
        )

        def send(request: Any, **_: Any) -> None:
            if endpoint.key:
                request.headers["Authorization"] = f"Bearer {endpoint.key}"
            noted(request.body)

        client.meta.events.register("before-send.bedrock-runtime", send)
        client.meta.events.register("before-parse.bedrock-runtime.Converse", _whole)
        client.meta.events.register("after-call.bedrock-runtime.Converse", _answered)
        return client

    async def _close_client(self, client: Any) -> None:
        client.close()

    def _model(self, name: str, endpoint: Endpoint, client: Any) -> Model:
        profile = ModelProfile(supports_json_schema_output=True, supports_tools=True)
        return _Uncounted(name, provider=BedrockProvider(bedrock_client=client), profile=profile)


def _whole(response_dict: Any, **_: Any) -> None:
    """Fail on a body that broke off: the library takes what came of it for all of it."""
    length = response_dict["headers"].get("content-length")
    if length is not None and int(length) != len(response_dict["body"]):
        raise ConnectionClosedError(endpoint_url="")


def _answered(http_response: Any, parsed: Any, **_: Any) -> None:
    """Fail on a body that is no answer: the library reads it as one that says nothing."""
    if http_response.status_code == HTTPStatus.OK and "output" not in parsed:
        raise ResponseParserError


def _region(url: str) -> str | None:
    found = _REGION.search(urlsplit(url).hostname or "")
    return found[1] if found else None


def _silence(endpoint: Endpoint) -> int:
    """Return the seconds without a byte after which a thread gives up: a power of two, for there to be few pools."""
    return 1 << math.ceil(endpoint.timeout / 1_000_000).bit_length()
