"""The way out for requests of layers: to addresses of the catalog that were looked at, and to nowhere else.

A name is resolved once, every address it leads to is checked, and the connection is made to a checked address under
the original name (TLS, `Host`): a name server that answers otherwise the next time changes nothing (DNS rebinding). The
standard library on purpose: a cold run pays nothing for it, no proxy and no credentials of the environment apply, and
no redirect is followed.
"""

import contextlib
import http.client
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias
from urllib.parse import SplitResult, urlsplit

__all__ = ["Destination", "Forbidden", "Opened", "Resolve", "Unreached", "checked", "connected", "is_allowed"]

Resolve: TypeAlias = Callable[[str, int], Sequence[str]]
"""From host and port to addresses, as text."""
_Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
"""IPv6 addresses that stand for an IPv4 address behind a translator, RFC 6052."""


class Forbidden(Exception):
    """The address is none that may be asked: not an http(s) URL, or one that leads where nothing may go."""


class Unreached(Exception):
    """No connection came about, so nothing was sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Where a request goes, as the operator's settings say."""

    url: str
    seconds: float
    """For the whole exchange, from the first connection to the last byte."""
    allow: tuple[str, ...] = ()
    """Networks that may be asked although they are not of the public internet, e.g. `10.0.0.0/8`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A connection to a checked address."""

    http: http.client.HTTPConnection
    path: str
    """Path of the URL, at least `/`."""
    query: str
    """Query of the URL without its question mark; empty when it has none."""

    @property
    def target(self) -> str:
        """What the request line names."""
        return f"{self.path}?{self.query}" if self.query else self.path


def _system(host: str, port: int) -> Sequence[str]:
    return [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


@contextlib.contextmanager
def connected(to: Destination, resolve: Resolve = _system) -> Iterator[Opened]:
    """Connect to an address of the URL's host; after `seconds` in all the connection is cut, however slowly bytes drip.

    Raises:
        Forbidden: the URL is none, or its host leads to an address that may not be asked. Nothing was sent.
        Unreached: no connection. Nothing was sent.
    """
    parts = _parts(to.url)
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    channel = _channel(host, port, to, resolve)
    try:
        if parts.scheme == "https":
            channel = ssl.create_default_context().wrap_socket(channel, server_hostname=host)
    except OSError as error:
        channel.close()
        raise Unreached(type(error).__name__) from error
    cut = threading.Timer(to.seconds, _cut, (channel,))
    cut.daemon = True
    cut.start()
    connection = http.client.HTTPConnection(parts.netloc, timeout=to.seconds)
    connection.sock = channel
    try:
        yield Opened(http=connection, path=parts.path or "/", query=parts.query)
    finally:
        cut.cancel()
        connection.close()
        channel.close()


def checked(host: str, port: int, allow: Sequence[str] = (), resolve: Resolve = _system) -> Sequence[str]:
    """Return the addresses of a host, at least one; connect to these and do not look the name up again.

    Raises:
        Forbidden: one of them may not be asked.
        Unreached: it has none.
    """
    try:
        addresses = list(dict.fromkeys(resolve(host, port)))
    except (OSError, UnicodeError) as error:  # a label that no name can have is a UnicodeError
        raise Unreached(type(error).__name__) from error
    allow = (*allow, *_written(host))
    if not all(is_allowed(each, allow) for each in addresses):
        raise Forbidden("the name leads to an address outside the public internet that `network.allow` does not list")
    if not addresses:
        raise Unreached("no address")
    return addresses


def is_allowed(address: str, allow: Sequence[str] = ()) -> bool:
    """Return whether an address is of the public internet or in a network that the operator allows.

    An IPv6 address that stands for an IPv4 one (mapped, NAT64, 6to4, Teredo) counts as both.
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    networks = [ipaddress.ip_network(each) for each in allow]
    return all(_is_public(each) or any(each in network for network in networks) for each in _meant(ip))


def _is_public(ip: _Address) -> bool:
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or ip.is_unspecified)


def _meant(ip: _Address) -> Iterator[_Address]:
    """Yield the addresses that one leads to: an IPv4 address within it, else itself."""
    if isinstance(ip, ipaddress.IPv4Address):
        yield ip
        return
    if ip.ipv4_mapped is not None:
        yield ip.ipv4_mapped
    elif ip in _NAT64:
        yield ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)
    elif ip.sixtofour is not None:
        yield ip.sixtofour
    elif ip.teredo is not None:
        yield from ip.teredo
    else:
        yield ip


def _parts(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        known = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        known = False
    if not known:
        raise Forbidden("the address is not an http(s) URL")
    if parts.username is not None or parts.password is not None:
        raise Forbidden("the address holds credentials")
    return parts


def _channel(host: str, port: int, to: Destination, resolve: Resolve) -> socket.socket:
    """Connect to the first address that answers, once every one of them was found to be allowed."""
    addresses = checked(host, port, to.allow, resolve)
    failed: OSError = OSError("the name has no address")
    for address in addresses:
        try:
            return socket.create_connection((address, port), timeout=to.seconds / len(addresses))
        except OSError as error:
            failed = error
    raise Unreached(type(failed).__name__) from failed


def _written(host: str) -> tuple[str, ...]:
    """Return the networks that a host allows by being written as it is: this machine, said in so many words.

    The host stands in the operator's settings. `127.0.0.1` there is a decision; a name that happens to lead there is
    not. Nor is another spelling of the number: the resolver reads `0177.1`, a reader of the settings does not.
    """
    if host == "localhost":
        return ("127.0.0.0/8", "::1/128")
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return ()
    return (host,) if ip.is_loopback else ()


def _cut(channel: socket.socket) -> None:
    with contextlib.suppress(OSError):
        channel.shutdown(socket.SHUT_RDWR)
