"""Libraries that call models: the bare transport, the vendor's, pydantic-ai, LiteLLM; imported when asked for.

All of them repeat nothing, as we do, and all but LiteLLM use the aiohttp transport, as we do; LiteLLM has its own.
"""

import os
from collections.abc import Callable
from importlib import import_module
from typing import Any, Final

from benchmarks.calls.job import MOST_TOKENS, PROMPT, Caller, Job
from benchmarks.calls.server import MODEL

__all__ = ["LIBRARIES", "library"]

_TIMEOUT: Final = 60
_MESSAGES: Final = [{"role": "user", "content": PROMPT}]
_BODY: Final = {"model": MODEL, "messages": _MESSAGES, "max_tokens": MOST_TOKENS, "temperature": 0.0, "seed": 7}


class _Bare:
    """The transport alone: what a request costs at least."""

    def __init__(self, job: Job) -> None:
        self._job = job

    async def open(self) -> None:
        aiohttp = import_module("aiohttp")
        connector = aiohttp.TCPConnector(limit=self._job.clients)
        self._session = aiohttp.ClientSession(connector=connector)

    async def call(self) -> str:
        async with self._session.post(f"{self._job.base}/chat/completions", json=_BODY) as answer:
            return str((await answer.json())["choices"][0]["message"]["content"])

    async def close(self) -> None:
        await self._session.close()


class _Vendor:
    """The vendor's library."""

    def __init__(self, job: Job) -> None:
        self._job = job

    async def open(self) -> None:
        openai = import_module("openai")
        client = openai.DefaultAioHttpClient()
        self._client = openai.AsyncOpenAI(base_url=self._job.base, api_key="none", max_retries=0, http_client=client)

    async def call(self) -> str:
        answer = await self._client.chat.completions.create(**_BODY, timeout=_TIMEOUT)
        return str(answer.choices[0].message.content)

    async def close(self) -> None:
        await self._client.close()


class _Direct:
    """pydantic-ai's direct calls: one model, made once."""

    def __init__(self, job: Job) -> None:
        self._job = job

    async def open(self) -> None:
        openai = import_module("openai")
        models, providers = import_module("pydantic_ai.models.openai"), import_module("pydantic_ai.providers.openai")
        self._messages = import_module("pydantic_ai.messages")
        self._request = import_module("pydantic_ai.direct").model_request
        client = openai.DefaultAioHttpClient()
        self._client = openai.AsyncOpenAI(base_url=self._job.base, api_key="none", max_retries=0, http_client=client)
        provider = providers.OpenAIProvider(openai_client=self._client)
        self._model = models.OpenAIChatModel(MODEL, provider=provider)
        self._settings = {"max_tokens": MOST_TOKENS, "temperature": 0.0, "seed": 7, "timeout": _TIMEOUT}

    async def call(self) -> str:
        asked = [self._messages.ModelRequest(parts=[self._messages.UserPromptPart(content=PROMPT)])]
        answer = await self._request(self._model, asked, model_settings=self._settings)
        return str(answer.text)

    async def close(self) -> None:
        await self._client.close()


class _LiteLLM:
    """LiteLLM's function."""

    def __init__(self, job: Job) -> None:
        self._asked = _litellm_params(job)

    async def open(self) -> None:
        self._acompletion = _litellm().acompletion

    async def call(self) -> str:
        answer = await self._acompletion(**self._asked, messages=_MESSAGES)
        return str(answer.choices[0].message.content)

    async def close(self) -> None:
        pass


class _Router:
    """LiteLLM's router: one deployment, its limits and cooldowns as they come."""

    def __init__(self, job: Job) -> None:
        self._job = job

    async def open(self) -> None:
        deployment = {"model_name": "reader", "litellm_params": _litellm_params(self._job)}
        self._router = _litellm().Router(model_list=[deployment], num_retries=0)

    async def call(self) -> str:
        answer = await self._router.acompletion(model="reader", messages=_MESSAGES)
        return str(answer.choices[0].message.content)

    async def close(self) -> None:
        pass


def _litellm() -> Any:
    # Else it asks the internet for prices when it is imported.
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    module = import_module("litellm")
    module.suppress_debug_info = True
    return module


def _litellm_params(job: Job) -> dict[str, Any]:
    asked = {"model": f"openai/{MODEL}", "api_base": job.base, "api_key": "none", "timeout": _TIMEOUT}
    return {**asked, "max_tokens": MOST_TOKENS, "temperature": 0.0, "seed": 7, "max_retries": 0}


LIBRARIES: Final[dict[str, Callable[[Job], Caller]]] = {
    "aiohttp": _Bare,
    "openai": _Vendor,
    "pydantic-ai": _Direct,
    "litellm": _LiteLLM,
    "litellm-router": _Router,
}


def library(job: Job) -> Caller:
    """Return the way of one contender."""
    return LIBRARIES[job.contender](job)
