"""Posting JSON to a receiver: what surely was not applied is told apart from what nobody knows.

Where a request may go is decided in `egress`; no redirect is followed.
"""

import base64
import contextlib
import hashlib
import hmac
import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from aie.core import JSON, canonical, digest_bytes
from aie.errors import Failure, InputError, StepFailure
from aie.layers.egress import Destination, Forbidden, Unreached, connected
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
    allow: tuple[str, ...] = ()
    """Networks that may be reached although they are not of the public internet."""


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
    where = Destination(url=to.url, seconds=to.seconds, allow=to.allow)
    try:
        with connected(where) as opened:
            target = opened.target
            if method == "GET":
                target += f"{'&' if opened.query else '?'}key={quote(to.key, safe='')}"
            return _sent(opened.http, method, target, body, _headers(to, body))
    except Forbidden as error:
        hint = "use `secret`" if "credentials" in str(error) else "name the network in `network: {allow: [...]}`"
        raise StepFailure(Failure.RECEIVER_REFUSED, f"the receiver: {error}", hints=(hint,)) from error
    except Unreached as error:
        raise StepFailure(Failure.RECEIVER_DOWN, f"no connection to the receiver ({error})") from error


def _sent(
    connection: http.client.HTTPConnection, method: str, target: str, body: bytes, headers: Mapping[str, str]
) -> tuple[int, bytes]:
    try:
        reached("post.before")
        connection.request(method, target, body=body or None, headers=headers)
        reached("post.sent")
        with contextlib.closing(connection.getresponse()) as response:
            answer = response.read(_ANSWER_AT_MOST)
            reached("post.after")
            return response.status, answer
    except (OSError, http.client.HTTPException) as error:
        raise StepFailure(
            Failure.DELIVERY_UNKNOWN, f"the connection broke before an answer came ({type(error).__name__})"
        ) from error


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
