"""One HTTP request and its answer, in the thread or fiber that asks, within one deadline.

The vendors' libraries run on event loops. For a call that waits for one answer that is two changes of threads and a
millisecond of CPU; here it is a socket (design/014). The deadline holds for the whole, however the answer drips: each
wait for bytes is for what is left of it. What went wrong says whether the request can have been read: only then can it
have been billed.
"""

import http.client
import select
import socket
import ssl
import threading
import time
from base64 import b64encode
from collections import deque
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final
from urllib.parse import SplitResult, unquote, urlsplit

from aie.core import fibers
from aie.models.providers.incoming import Answered, Incoming, NotHTTP

__all__ = ["Broken", "Exchange", "Unreached"]

_CHUNK: Final = 65_536
_CONNECTING: Final = 10.0
"""Seconds until a connection must stand; the rest of a call's time is for the answer."""


_STALE: Final = 0.02
"""Seconds that a wait may last beyond its deadline."""


class Unreached(Exception):
    """No connection came to stand: nothing was asked."""


class Broken(Exception):
    """The connection ended, or spoke something else than HTTP, after the request may have been read."""


class Exchange:
    """Asks one server over connections that are kept. Threads may share it."""

    def __init__(self, url: str, headers: Mapping[str, str], *, proxy: str | None = None) -> None:
        """Prepare; nothing is connected.

        Args:
            url: where requests go to.
            headers: of every request.
            proxy: address of what lets connections through to an `https` url.

        Raises:
            ValueError: a header cannot be sent.
        """
        self._place = urlsplit(url)
        self._proxy = urlsplit(proxy) if proxy and self._place.scheme == "https" else None
        target = (self._place.path or "/") + (f"?{self._place.query}" if self._place.query else "")
        said = {"Host": self._place.netloc.rpartition("@")[2], **headers, "Accept-Encoding": "identity"}
        self._head = _head("POST", target, said)
        self._idle: deque[_Timed | _TimedTLS] = deque()

    def post(self, body: bytes, *, seconds: float) -> Answered:
        """Send a body and return the answer. Redirects are answers: nothing is sent anywhere else.

        Raises:
            Unreached: surely nothing was asked.
            TimeoutError: the answer was not whole in time.
            Broken: no whole answer came.
            Unreadable: it cannot be one of the protocol.
        """
        until = time.monotonic() + seconds
        channel = self._connected(until)
        try:
            channel.sendall(b"%bContent-Length: %d\r\n\r\n%b" % (self._head, len(body), body))
            channel.expect()
            incoming = Incoming()
            while incoming.answer is None:
                incoming.take(channel.recv(_CHUNK))
        except TimeoutError:
            channel.close()
            raise
        except (OSError, NotHTTP) as error:
            channel.close()
            raise Broken(type(error).__name__) from error
        except BaseException:
            channel.close()
            raise
        if incoming.answer.stays:
            self._idle.append(channel)
        else:
            channel.close()
        return incoming.answer

    def close(self) -> None:
        """Close the connections on which nothing is under way."""
        while (channel := _popped(self._idle)) is not None:
            channel.close()

    def _connected(self, until: float) -> "_Timed | _TimedTLS":
        """Return a connection on which nothing is under way: the one used last that is still open, else a new one."""
        while (channel := _popped(self._idle)) is not None:
            channel.end_by(until)
            if channel.is_quiet():
                return channel
            channel.close()  # the server closed it, or says what nobody asked
        by = min(until, time.monotonic() + _CONNECTING)
        try:
            made = fibers.blocking(lambda: self._connect(by))
        except (OSError, http.client.HTTPException, ValueError) as error:  # of a name no resolver takes: UnicodeError
            raise Unreached(type(error).__name__) from error
        made.end_by(until)
        return made

    def _connect(self, by: float) -> "_Timed | _TimedTLS":
        place, proxy = self._place, self._proxy
        to = place if proxy is None else proxy
        channel = _reached(to.hostname or "", to.port or _port(to.scheme), by)
        if place.scheme != "https":
            return channel
        try:
            if proxy is not None:
                _tunnel(channel, f"{place.hostname}:{place.port or _port(place.scheme)}", _credentials(proxy))
            channel.settimeout(_left(by))
            made = _trusting().wrap_socket(channel, server_hostname=place.hostname)
            assert isinstance(made, _TimedTLS)
        except BaseException:
            channel.close()
            raise
        return made


# ---------------------------------------------------------------- sockets


class _Deadline:
    """A socket whose every wait ends at one time; in a fiber a wait holds no thread.

    Outside of one its timeout is set anew once it is stale: to set it is a system call, during which other threads go
    on first.
    """

    _until = 0.0
    _set_at = 0.0
    _in_fiber = False

    def end_by(self, until: float) -> None:
        """Let no wait from now on last longer, in the thread or fiber that calls this."""
        self._until = until
        self._in_fiber = fibers.in_fiber()
        self._set_at = time.monotonic()
        left = _left(until)
        if not self._in_fiber:
            self.settimeout(left)  # type: ignore[attr-defined]
        elif self.gettimeout() != 0:  # type: ignore[attr-defined]
            self.settimeout(0)  # type: ignore[attr-defined]

    def is_quiet(self) -> bool:
        """Tell whether the other side has neither closed nor said anything; if not, it must not be asked any more."""
        if not self._in_fiber:
            return not _says_something(self)  # type: ignore[arg-type]
        try:
            super().recv(1)  # type: ignore[misc]
        except (BlockingIOError, ssl.SSLWantReadError):
            return True
        except OSError:
            pass
        return False

    def expect(self) -> None:
        """Wait in a fiber for the first bytes of an answer: that none were there yet was seen before it was asked."""
        if self._in_fiber:
            fibers.until_readable(self, _left(self._until))  # type: ignore[arg-type]

    def recv(self, *args: Any) -> bytes:
        data: bytes = self._in_time(fibers.until_readable, super().recv, *args)  # type: ignore[misc]
        return data

    def recv_into(self, *args: Any) -> int:
        return int(self._in_time(fibers.until_readable, super().recv_into, *args))  # type: ignore[misc]

    def send(self, *args: Any) -> int:
        return int(self._in_time(fibers.until_writable, super().send, *args))  # type: ignore[misc]

    def sendall(self, data: Any, *_: Any) -> None:
        left = memoryview(data)
        while left:
            left = left[self.send(left) :]

    def _in_time(self, until_ready: Callable[..., None], do: Callable[..., Any], *args: Any) -> Any:
        if not self._in_fiber:
            if time.monotonic() - self._set_at > _STALE:
                self.end_by(self._until)
            return do(*args)
        while True:
            try:
                return do(*args)
            except ssl.SSLWantWriteError:  # either may come of either: TLS speaks while it is spoken over
                fibers.until_writable(self, _left(self._until))  # type: ignore[arg-type]
            except ssl.SSLWantReadError:
                fibers.until_readable(self, _left(self._until))  # type: ignore[arg-type]
            except BlockingIOError:
                until_ready(self, _left(self._until))


class _Timed(_Deadline, socket.socket):
    """In the clear."""


class _TimedTLS(_Deadline, ssl.SSLSocket):
    """Encrypted."""


def _left(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError("the deadline has passed")
    return left


def _popped(idle: "deque[_Timed | _TimedTLS]") -> "_Timed | _TimedTLS | None":
    try:
        return idle.pop()
    except IndexError:
        return None


def _says_something(channel: socket.socket) -> bool:
    poll = select.poll()
    poll.register(channel, select.POLLIN)
    return bool(poll.poll(0))


def _reached(host: str, port: int, by: float) -> _Timed:
    """Return a connection to the first address of a host that takes one."""
    failed: OSError = OSError("the name has no address")
    addresses = _resolved(host, port, by)
    for turn, (family, kind, protocol, _, address) in enumerate(addresses):
        channel = _Timed(family, kind, protocol)
        try:
            channel.settimeout(_left(by) / (len(addresses) - turn))
            channel.connect(address)
            channel.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            channel.close()
            failed = error
        else:
            channel.end_by(by)
            return channel
    try:
        raise failed
    finally:
        del failed  # it keeps this frame and those before it: it would keep itself, until cycles are collected


def _resolved(host: str, port: int, by: float) -> list[Any]:
    """Look a name up, in a thread: the system's resolver knows no deadline."""
    try:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        found: fibers.Answer[list[Any]] = fibers.Answer()

    def look() -> None:
        try:
            found(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except BaseException as error:  # noqa: BLE001 - told to whoever waits
            found(error)

    threading.Thread(target=look, name="aie-resolve", daemon=True).start()
    return found.wait(_left(by))


@cache
def _trusting() -> ssl.SSLContext:
    """Return whom to trust: the system's authorities, or those that SSL_CERT_FILE names."""
    context = ssl.create_default_context()
    context.sslsocket_class = _TimedTLS
    return context


# ---------------------------------------------------------------- HTTP


def _head(method: str, target: str, headers: Mapping[str, str]) -> bytes:
    """Return a request but for the end of its head.

    Raises:
        ValueError: a part of it has characters that HTTP cannot carry there.
    """
    parts = [target, *headers, *headers.values()]
    if any(ord(each) < 32 or ord(each) == 127 or ord(each) > 255 for part in parts for each in part) or " " in target:
        raise ValueError("a header or the address holds a line break, or a character that cannot be sent")
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"{method} {target} HTTP/1.1\r\n{lines}".encode("latin-1")


# ---------------------------------------------------------------- proxies


def _credentials(proxy: SplitResult) -> dict[str, str]:
    if proxy.username is None:
        return {}
    pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": f"Basic {b64encode(pair.encode()).decode()}"}


def _tunnel(channel: _Timed, to: str, credentials: Mapping[str, str]) -> None:
    """Let a proxy connect through to a server."""
    channel.sendall(_head("CONNECT", to, {"Host": to, **credentials}) + b"\r\n")
    with http.client.HTTPResponse(channel, method="CONNECT") as answer:
        answer.begin()
    if answer.status != http.client.OK:
        raise http.client.HTTPException(f"the proxy answered with HTTP status {answer.status}")


def _port(scheme: str) -> int:
    return 443 if scheme == "https" else 80
