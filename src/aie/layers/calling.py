"""Asking a chat model, for every layer that does: each call is an attempt, reserved at its worst before it leaves."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Final, cast

from aie.config import ChatModel, mismatches
from aie.core import JSON, Spend, canonical
from aie.errors import Failure, InputError, StepFailure
from aie.layers.port import Attempt, Component, Tools
from aie.layers.sites import reached
from aie.models import CallFailed, Chat, ChatReply, ChatRequest, Endpoint, Price, worst_case

__all__ = ["CALL_FAILURES", "Answer", "Question", "ask", "route_component"]

REPAIRS: Final = 2
"""Times that a model is shown what is wrong with its answer and asked again."""
_TOLD_AT_MOST: Final = 10

CALL_FAILURES: Final = frozenset(
    {
        Failure.INVALID_OUTPUT,
        Failure.LIMIT_REACHED,
        Failure.MODEL_RETIRED,
        Failure.PROVIDER_DOWN,
        Failure.PROVIDER_REFUSED,
        Failure.RATE_LIMITED,
        Failure.TIMEOUT,
    }
)
"""What asking may fail with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked; all of it is pinned or comes from the run."""

    route: str
    """`"route:<name>"`, a component made by `route_component`."""
    user: str
    """The rendered prompt."""
    schema: dict[str, JSON] | None = None
    """JSON Schema of the answer; None for free text, which becomes `{"text": …}`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the model answered, as described by the question's schema."""

    data: JSON
    """Decimals are text, as nothing recorded has floats."""
    asked: str
    """Snapshot that was asked for."""
    resolved: str
    """Model that the provider says it used."""
    repairs: int
    """Times that it was asked again."""

    def report(self) -> dict[str, JSON]:
        """Return the facts for `explain`."""
        return {"asked": self.asked, "resolved": self.resolved, "repairs": self.repairs}


def route_component(entry: ChatModel) -> Component:
    """Return the component that pins a chat model of `models.yaml`."""
    return Component(kind="route", name=entry.name, content=canonical(entry.pinned()), live=entry.live())


def ask(question: Question, tools: Tools, connect: Callable[[str], Chat]) -> Answer:
    """Ask, and ask again for as long as the answer is not what the schema describes and repairs are left.

    Raises:
        StepFailure: no answer, or none that is as described; its class is one of `CALL_FAILURES`.
    """
    route = tools.cache(question.route, json.loads)
    first = _request(question, route)
    request, problems = first, ["no answer"]
    for repair in range((REPAIRS if question.schema is not None else 0) + 1):
        reply = _call(question.route, request, route, tools, connect)
        data, problems = _read(reply, question.schema)
        if not problems:
            return Answer(data=data, asked=request.model, resolved=reply.resolved, repairs=repair)
        if reply.finish in {"length", "content_filter"}:
            break
        request = replace(first, user=_repair(first.user, reply.text, problems))
    raise StepFailure(Failure.INVALID_OUTPUT, f"the answer is not as described: {'; '.join(problems)}")


def _request(question: Question, route: Mapping[str, Any]) -> ChatRequest:
    parameters, schema = route["parameters"], question.schema
    return ChatRequest(
        model=route["model"],
        user=question.user,
        schema="" if schema is None else json.dumps(schema, ensure_ascii=False, sort_keys=True, separators=(",", ":")),
        max_tokens=min(parameters["max_tokens"], route["max_output"] or parameters["max_tokens"]),
        temperature=parameters["temperature"],
        seed=parameters["seed"],
    )


def _call(
    name: str, request: ChatRequest, route: Mapping[str, Any], tools: Tools, connect: Callable[[str], Chat]
) -> ChatReply:
    live = cast("Mapping[str, Any]", tools.live(name))
    if live.get("approved") is False:
        raise StepFailure(Failure.MODEL_RETIRED, f"{name} is not approved any more")
    # What may be missing here is found before anything is reserved.
    chat, endpoint = connect(route["provider"]), _endpoint(live, tools)
    price = Price(input_per_million=live["input_per_million"], output_per_million=live["output_per_million"])
    worst = worst_case(request, price, route["context_window"])
    attempt = tools.attempts.open(model=name, request=request.to_json(), worst=worst)
    if attempt.recorded is not None:
        return ChatReply.from_json(cast("dict[str, JSON]", attempt.recorded))
    return _settled(attempt, request, chat, endpoint, price, worst)


def _endpoint(live: Mapping[str, Any], tools: Tools) -> Endpoint:
    url, key = live["endpoint"], live["api_key"]
    return Endpoint(
        url=tools.secret(url) if url.startswith("env:") else url,
        key="" if key is None else tools.secret(key),
        timeout=live["timeout"],
    )


def _settled(
    attempt: Attempt, request: ChatRequest, chat: Chat, endpoint: Endpoint, price: Price, worst: Spend
) -> ChatReply:
    """Make the call and close its attempt, whatever comes of it."""
    started = time.monotonic_ns()
    try:
        reached("chat.before")
        reply = chat.invoke(request, endpoint)
        reached("chat.after")
    except CallFailed as error:
        close = attempt.forfeit if error.billed else attempt.release
        close(error.failure, ms=_since(started))
        raise
    except BaseException:
        attempt.forfeit(Failure.INTERNAL, ms=_since(started))
        raise
    spend = worst
    if reply.tokens_in is not None and reply.tokens_out is not None:
        cost = price.of(reply.tokens_in, reply.tokens_out)
        spend = Spend(cost=cost, tokens=reply.tokens_in + reply.tokens_out, calls=1)
    attempt.settle(spend, response=reply.to_json(), resolved=reply.resolved, ms=_since(started))
    return reply


def _since(started: int) -> int:
    return (time.monotonic_ns() - started) // 1_000_000


def _read(reply: ChatReply, schema: dict[str, JSON] | None) -> tuple[JSON, list[str]]:
    """Return the answer's data and what is wrong with it; decimals become text, as nothing recorded has floats."""
    if reply.finish == "length":
        return None, ["cut off at the most tokens allowed"]
    if reply.finish == "content_filter":
        return None, ["held back by the provider's content filter"]
    if schema is None:
        return {"text": reply.text}, []
    try:
        data = json.loads(reply.text, parse_float=str, parse_constant=_no_constant)
        canonical(data)
    except (ValueError, InputError, RecursionError):
        return None, ["not JSON"]
    return data, [str(each) for each in islice(mismatches(schema, data), _TOLD_AT_MOST)]


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _repair(asked: str, answer: str, problems: list[str]) -> str:
    listed = "\n".join(f"- {each}" for each in problems)
    return f"{asked}\n\nYour answer was:\n{answer}\n\nIt is not what was asked for:\n{listed}\nAnswer again."
