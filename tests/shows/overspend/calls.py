"""What the steps of the show do: one call of the server, admitted, settled, released or forfeited as a layer does."""

import http.client
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final
from urllib.parse import urlsplit

from aie.core import Limits, Spend
from aie.errors import Failure, StepFailure
from aie.layers import Result, Task, Tools
from aie.releases import Handler, Node, Release
from aie.testing.stage import make_release, scripted

__all__ = ["WORST", "caller", "cost", "release"]

_IN: Final = 24
"""Tokens of the input at most; the server counts four characters for one."""
_OUT: Final = 40
_PRICE: Final = (1, 4)
"""Micro-USD of a token in and of one out."""


def cost(tokens_in: int, tokens_out: int) -> int:
    """Return the price of a call in micro-USD."""
    return tokens_in * _PRICE[0] + tokens_out * _PRICE[1]


WORST: Final = Spend(cost=cost(_IN, _OUT), tokens=_IN + _OUT, calls=1)
"""The most that a call can use."""


def release(workflow: str, *, calls: int = 1, limit: int | None = None, retries: int = 0) -> Release:
    """Return a workflow that calls so many times in a row, with a limit of micro-USD for each run."""
    handlers = {Failure.PROVIDER_DOWN: Handler(kind="retry", times=retries)} if retries else {}
    nodes: list[Node] = []
    for number in range(calls):
        node = scripted(f"call{number}", do="call", conduct="external", on=handlers)
        before = (f"call{number - 1}",) if number else ()
        nodes.append(replace(node, needs=before, inputs={"id": "input.id"}))
    return make_release(nodes, workflow=workflow, limits=Limits(cost=limit))


def caller(url: str, *, said: Callable[[int, int], tuple[int, int]] | None = None) -> Callable[[Task, Tools], Result]:
    """Return what a step does: one call.

    Args:
        url: of the server.
        said: what is taken for the server's usage instead of what it was; for a server that bills beyond its bounds.
    """
    place = urlsplit(url)

    def call(task: Task, tools: Tools) -> Result:
        text = f"case {task.inputs['id'].data} {task.path}"
        body: dict[str, Any] = {"model": "reader", "max_tokens": _OUT, "messages": [{"role": "user", "content": text}]}
        attempt = tools.attempts.open(model="reader", request=body, worst=WORST)
        if attempt.recorded is not None:
            return Result(data={"ok": True})
        try:
            status, answer = _post(place.hostname or "", place.port or 0, body)
        except (OSError, http.client.HTTPException, ValueError) as error:
            attempt.forfeit(Failure.PROVIDER_DOWN, ms=1)
            raise StepFailure(Failure.PROVIDER_DOWN, "the connection broke") from error
        if status != 200:
            attempt.release(Failure.PROVIDER_DOWN, ms=1)
            raise StepFailure(Failure.PROVIDER_DOWN, f"answered {status}")
        _settle(attempt, answer.get("usage"), said)
        return Result(data={"ok": True})

    return call


def _settle(attempt: Any, usage: Any, said: Callable[[int, int], tuple[int, int]] | None) -> None:
    spend = WORST
    if usage is not None:
        used = (usage["prompt_tokens"], usage["completion_tokens"])
        tokens = used if said is None else said(*used)
        spend = Spend(cost=cost(*tokens), tokens=sum(tokens), calls=1)
    attempt.settle(spend, response={"ok": True}, resolved="reader", ms=1, measured=usage is not None)


def _post(host: str, port: int, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    connection = http.client.HTTPConnection(host, port, timeout=10)
    try:
        connection.request("POST", "/v1/chat/completions", json.dumps(body), {"content-type": "application/json"})
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()
