"""Everything a life needs, imported and used once before anything is forked: a life then costs what its work costs."""

import threading

from aie.models import ChatRequest, Endpoint
from aie.models.providers.openai_compatible import OpenAICompatible
from aie.runs.engines import dbos

__all__ = ["warm_up"]


def warm_up(provider: str) -> None:
    """Make one call on this thread, so that no library is imported by lives.

    Raises:
        RuntimeError: a thread was left behind, which would not survive a fork.
    """
    request = ChatRequest(
        model="warm", user="Order none: warm", schema='{"type": "object"}', max_tokens=9, temperature="0", seed=None
    )
    endpoint = Endpoint(url=provider, key="", timeout=10_000_000)
    adapter = OpenAICompatible()
    adapter.invoke(request, endpoint)
    adapter.close()
    if threading.active_count() > 1 or dbos.ABI == "":
        raise RuntimeError(f"threads were left behind: {threading.enumerate()}")
