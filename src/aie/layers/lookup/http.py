"""Asking an endpoint for one row."""

import contextlib
import http.client
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from aie.core import JSON, canonical, read_json
from aie.errors import Failure, InputError, StepFailure
from aie.layers.egress import Destination, Forbidden, Unreached, connected
from aie.layers.lookup.rows import Answer

__all__ = ["Request", "ask"]

_MISSING: Final = frozenset({204, 404, 410})
_NOT_NOW: Final = frozenset({408, 425})
_DOTS: Final = frozenset({"", ".", ".."})
"""Values that would change the path instead of standing in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to ask, and where."""

    url: str
    path: str
    """Template of what follows the url."""
    method: str
    by: Mapping[str, JSON]
    headers: Mapping[str, str]
    seconds: float
    at_most: int
    """Bytes of an answer."""
    row_at: str
    """JSON pointer; empty: the whole answer."""
    allow: tuple[str, ...]


def ask(request: Request) -> Answer:
    """Return the row that the endpoint answers.

    Raises:
        StepFailure: PROVIDER_DOWN, PROVIDER_REFUSED, RATE_LIMITED, TIMEOUT, INVALID_OUTPUT.
    """
    texts = {name: _text(value) for name, value in request.by.items()}
    inside = {name for name in texts if f"{{{name}}}" in request.path}
    if any(texts[name] in _DOTS for name in inside):
        return Answer(row=None)
    path = request.path
    for name in inside:
        path = path.replace(f"{{{name}}}", quote(texts[name], safe=""))
    body = None
    if request.method == "POST":
        body = canonical({name: value for name, value in request.by.items() if name not in inside})
    status, answer = _exchange(request, path, body)
    if status in _MISSING:
        return Answer(row=None)
    if status != 200:
        raise StepFailure(_failure(status), f"the system answered {status}", status=status)
    return Answer(row=_row(answer, request.row_at))


def _text(value: JSON) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _failure(status: int) -> Failure:
    if status == 429:
        return Failure.RATE_LIMITED
    return Failure.PROVIDER_DOWN if status >= 500 or status in _NOT_NOW else Failure.PROVIDER_REFUSED


def _exchange(request: Request, path: str, body: bytes | None) -> tuple[int, bytes]:
    began = time.monotonic()
    where = Destination(url=request.url.rstrip("/") + path, seconds=request.seconds, allow=request.allow)
    headers = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "aie", **request.headers}
    if body is not None:
        headers["Content-Type"] = "application/json"
    try:
        with connected(where) as opened:
            opened.http.request(request.method, opened.target, body=body, headers={**headers, "Connection": "close"})
            with contextlib.closing(opened.http.getresponse()) as response:
                status, answer = response.status, response.read(request.at_most + 1)
                if len(answer) <= request.at_most and response.length:
                    raise http.client.IncompleteRead(b"")
    except Forbidden as error:
        hint = "name the network in `network: {allow: [...]}` of aie.yaml"
        raise StepFailure(Failure.PROVIDER_REFUSED, f"the system of record: {error}", hints=(hint,)) from error
    except UnicodeError as error:
        raise StepFailure(
            Failure.PROVIDER_REFUSED, "the address or a header holds a character that HTTP does not carry"
        ) from error
    except (Unreached, OSError, http.client.HTTPException) as error:
        late = time.monotonic() - began >= request.seconds or "Timeout" in f"{type(error).__name__} {error}"
        failure = Failure.TIMEOUT if late else Failure.PROVIDER_DOWN
        raise StepFailure(failure, f"no answer from the system of record ({type(error).__name__})") from error
    if len(answer) > request.at_most:
        raise StepFailure(Failure.INVALID_OUTPUT, f"the answer is longer than {request.at_most} bytes")
    return status, answer


def _row(answer: bytes, pointer: str) -> dict[str, JSON] | None:
    try:
        found: JSON = read_json(answer.decode())
    except (UnicodeDecodeError, InputError) as error:
        raise StepFailure(Failure.INVALID_OUTPUT, "the answer is not JSON") from error
    for part in pointer.split("/")[1:]:
        found = found.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(found, dict) else None
    if isinstance(found, list):
        if len(found) > 1:
            raise StepFailure(Failure.INVALID_OUTPUT, "the answer holds more than one row")
        found = found[0] if found else None
    if found is not None and not isinstance(found, dict):
        raise StepFailure(Failure.INVALID_OUTPUT, "the answer holds no row")
    return found
