"""Which adapter speaks to which provider; its libraries are imported when it is first asked for."""

import gc
import threading
from collections.abc import Mapping
from importlib import import_module
from typing import Final, cast

from aie.core import fibers, install_line
from aie.errors import Unavailable
from aie.models.chat import Chat

__all__ = ["connect"]

_ADAPTERS: Final[Mapping[str, tuple[str, str, str]]] = {
    "openai_compatible": ("aie.models.providers.openai_compatible", "OpenAICompatible", "openai"),
    "anthropic": ("aie.models.providers.anthropic", "Anthropic", "anthropic"),
    "google": ("aie.models.providers.google", "Google", "google"),
    "bedrock": ("aie.models.providers.bedrock", "Bedrock", "bedrock"),
    "mistral": ("aie.models.providers.mistral", "Mistral", "mistral"),
}
"""Module, class and extra of each provider."""


_made: dict[str, Chat] = {}
_making = threading.Lock()
"""Two threads that ask first at once must not make two adapters: one of them would never be closed."""


def connect(provider: str) -> Chat:
    """Return the process's adapter for a provider of `models.yaml`.

    Raises:
        Unavailable: its libraries are not installed.
    """
    made = _made.get(provider)
    return fibers.blocking(lambda: _make(provider)) if made is None else made


def _make(provider: str) -> Chat:
    with _making:
        made = _made.get(provider)
        if made is None:
            made = _made[provider] = _imported(provider)
        return made


def _imported(provider: str) -> Chat:
    module, name, extra = _ADAPTERS[provider]
    try:
        made = cast("Chat", getattr(import_module(module), name)())
    except ImportError as error:
        raise Unavailable(
            f"chat models of {provider} need libraries that are not installed",
            hints=(install_line(extra),),
        ) from error
    # What was imported stays: a vendor's library is a hundred thousand objects, which the collector would walk through
    # again and again, at a tenth of the CPU of a call.
    gc.freeze()
    return made
