"""What holds for every endpoint: what its address must be, and which way leads to it."""

import ipaddress
from functools import lru_cache
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from aie.errors import Failure
from aie.models.chat import CallFailed, Endpoint

__all__ = ["check_endpoint", "proxy_for"]


def check_endpoint(endpoint: Endpoint) -> None:
    """Let an endpoint pass that can be asked.

    Raises:
        CallFailed: PROVIDER_REFUSED: its address is none, or its key cannot be sent. Neither is told.
    """
    wrong = _wrong(endpoint.url)
    if not wrong and not (endpoint.key.isascii() and endpoint.key.isprintable() and " " not in endpoint.key):
        wrong = "the key holds a blank, a line break, or a character that cannot be sent"
    if wrong:
        raise CallFailed(Failure.PROVIDER_REFUSED, f"nothing was asked: {wrong}", billed=False)


@lru_cache(maxsize=256)
def _wrong(url: str) -> str:
    """Return what is wrong with an address, without a word of it: it may hold a secret."""
    try:
        parts = urlsplit(url)
        known = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        known = False
    if not known or not url.isascii() or not url.isprintable() or " " in url:
        return "the endpoint is no address like `https://models.example/v1`"
    if parts.username is not None or parts.password is not None:
        return "the endpoint's address holds credentials; `api_key` names where a key is"
    return ""


def proxy_for(url: str) -> str | None:
    """Return the proxy through which an address is reached: for `https` the one that the environment names, else none.

    It then sees the name of the host and nothing else. What goes to an `http` address would be read and might be kept
    by it, in a place that the catalog does not name; and this machine is not reached through anybody.
    """
    place = urlsplit(url)
    host = place.hostname or ""
    if place.scheme != "https" or _is_here(host) or proxy_bypass(host):
        return None
    proxies = getproxies()
    named = proxies.get("https") or proxies.get("all")
    if not named:
        return None
    return named if "://" in named else f"http://{named}"


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
