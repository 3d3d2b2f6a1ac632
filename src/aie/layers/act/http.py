"""Posting JSON to a receiver: what surely was not applied is told apart from what nobody knows.

The standard library on purpose: a cold run pays nothing for it, no proxy and no credentials of the environment apply,
and no redirect is followed.
"""

import base64
import contextlib
import hashlib
import hmac
import http.client
import ipaddress
import json
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, quote, urlsplit

from aie.core import JSON, canonical, digest_bytes
from aie.errors import Failure, InputError, StepFailure
from aie.layers.sites import reached

__all__ = ["Post", "ask", "post"]

_ANSWER_AT_MOST: Final = 64 << 10
"""Bytes of an answer that are read."""
_TEXT_AT_MOST: Final = 2_000
"""Characters kept of an answer that is not JSON."""

_NOT_NOW: Final = frozenset({408, 425, 429, 503})
"""Statuses by which a receiver says that it has not taken the request."""
_IN_PROGRESS: Final = 409
"""A delivery under this key is under way: whether it will be applied, nobody knows yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """Where and under which key to deliver."""

    url: str
    key: str
    secret: str | None
    """Signing key, `whsec_` and base64 or plain text; None: unsigned."""
    sent_at: int
    """Seconds since the epoch, part of what is signed."""
    seconds: float
    """For the whole exchange, from the first connection to the last byte."""


def post(to: Post, body: bytes) -> JSON:
    """Post the body; return the status and the answer.

    Raises:
        StepFailure: RECEIVER_DOWN when it surely was not taken, RECEIVER_REFUSED, DELIVERY_UNKNOWN.
    """
    status, answer = _exchange(to, "POST", body)
    if status in range(200, 300):
        return {"status": status, "body": _readable(answer)}
    if status in _NOT_NOW:
        raise StepFailure(Failure.RECEIVER_DOWN, f"the receiver answered {status}", status=status)
    if status == _IN_PROGRESS or status >= 500:
        raise StepFailure(Failure.DELIVERY_UNKNOWN, f"the receiver answered {status}", status=status)
    raise StepFailure(Failure.RECEIVER_REFUSED, f"the receiver answered {status}", status=status)


def ask(to: Post) -> JSON:
    """Ask whether the receiver has the key (`GET url?key=…`): its receipt, None on 404.

    Raises:
        StepFailure: RECEIVER_DOWN when it cannot say.
    """
    try:
        status, answer = _exchange(to, "GET", b"")
    except StepFailure as error:
        raise StepFailure(Failure.RECEIVER_DOWN, f"asked about the key: {error.message}") from error
    if status in range(200, 300):
        return {"status": status, "body": _readable(answer), "reconciled": True}
    if status == 404:
        return None
    raise StepFailure(Failure.RECEIVER_DOWN, f"asked about the key, the receiver answered {status}", status=status)


def _exchange(to: Post, method: str, body: bytes) -> tuple[int, bytes]:
    parts = _parts(to.url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=to.seconds)
    with contextlib.closing(connection), _connected(parts, to.seconds) as opened:
        connection.sock = opened  # already connected, to an address that was looked at
        path = parts.path or "/"
        query = parts.query
        if method == "GET":
            query += ("&" if query else "") + f"key={quote(to.key, safe='')}"
        try:
            reached("post.before")
            connection.request(
                method, f"{path}?{query}" if query else path, body=body or None, headers=_headers(to, body)
            )
            reached("post.sent")
            response = connection.getresponse()
            answer = response.read(_ANSWER_AT_MOST)
            reached("post.after")
            return response.status, answer
        except (OSError, http.client.HTTPException) as error:
            raise StepFailure(
                Failure.DELIVERY_UNKNOWN, f"the connection broke before an answer came ({type(error).__name__})"
            ) from error


def _parts(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        known = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        known = False
    if not known:
        raise StepFailure(Failure.RECEIVER_REFUSED, "the receiver's address is not an http(s) URL")
    if parts.username is not None or parts.password is not None:
        raise StepFailure(Failure.RECEIVER_REFUSED, "the receiver's address holds credentials", hints=("use `secret`",))
    return parts


@contextlib.contextmanager
def _connected(parts: SplitResult, seconds: float) -> Iterator[socket.socket]:
    """Connect to an address of the host; nothing was sent when this fails.

    After `seconds` in all the connection is cut, however slowly bytes may drip.
    """
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        opened = _open(_resolve(host, port), port, seconds)
        if parts.scheme == "https":
            opened = ssl.create_default_context().wrap_socket(opened, server_hostname=host)
    except OSError as error:
        raise StepFailure(Failure.RECEIVER_DOWN, f"no connection to the receiver ({type(error).__name__})") from error
    cut = threading.Timer(seconds, _cut, (opened,))
    cut.daemon = True
    cut.start()
    try:
        yield opened
    finally:
        cut.cancel()
        opened.close()


def _cut(opened: socket.socket) -> None:
    with contextlib.suppress(OSError):
        opened.shutdown(socket.SHUT_RDWR)


def _open(addresses: list[str], port: int, seconds: float) -> socket.socket:
    for address in addresses[:-1]:
        with contextlib.suppress(OSError):
            return socket.create_connection((address, port), timeout=seconds / len(addresses))
    return socket.create_connection((addresses[-1], port), timeout=seconds / len(addresses))


def _resolve(host: str, port: int) -> list[str]:
    """Return the addresses of a host, looked up once: what was looked at is what is used.

    Private addresses are where receivers live; link-local ones are where clouds hand out credentials.
    """
    found = [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    for address in found:
        ip = ipaddress.ip_address(address.partition("%")[0])
        plain = getattr(ip, "ipv4_mapped", None) or ip
        if plain.is_link_local or plain.is_multicast or plain.is_unspecified:
            raise StepFailure(Failure.RECEIVER_REFUSED, "the receiver's name leads to an address that no receiver has")
    return list(dict.fromkeys(found))


def _headers(to: Post, body: bytes) -> Mapping[str, str]:
    headers = {"Accept": "application/json", "User-Agent": "aie", "Connection": "close"}
    if body:
        headers |= {"Content-Type": "application/json", "Idempotency-Key": to.key}
    if body and to.secret is not None:  # Standard Webhooks
        signed = f"{to.key}.{to.sent_at}.".encode() + body
        mark = base64.b64encode(hmac.digest(_signing_key(to.secret), signed, hashlib.sha256)).decode()
        headers |= {"webhook-id": to.key, "webhook-timestamp": str(to.sent_at), "webhook-signature": f"v1,{mark}"}
    return headers


def _signing_key(secret: str) -> bytes:
    if not secret.startswith("whsec_"):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except ValueError as error:
        raise StepFailure(Failure.RECEIVER_REFUSED, "the signing key begins with whsec_ but is not base64") from error


def _readable(answer: bytes) -> JSON:
    """Return an answer as canonical JSON, its decimals as text; as text or a digest where it is none."""
    try:
        found: JSON = json.loads(answer, parse_float=str, parse_constant=str)
        canonical(found)
        return found
    except (ValueError, RecursionError, InputError):
        pass
    try:
        return answer.decode()[:_TEXT_AT_MOST]
    except UnicodeDecodeError:
        return digest_bytes(answer)
