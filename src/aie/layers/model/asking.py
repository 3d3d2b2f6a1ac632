"""A step that asks a chat model: every call is an attempt of its own, reserved at its worst before it leaves."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any, Final, cast

from aie.config import ChatModel, ModelStep, ObjectType, Site, Template, TextType, Type, mismatches, read_schema
from aie.core import JSON, Spend, canonical
from aie.errors import Failure, InputError, StepFailure
from aie.layers.port import Attempt, Compiled, Component, Result, Task, Tools
from aie.layers.sites import reached
from aie.models import CallFailed, Chat, ChatReply, ChatRequest, Endpoint, Price, worst_case

__all__ = ["ask", "compile_asking"]

_REPAIRS: Final = 2
"""Times that a model is shown what is wrong with its answer and asked again."""
_TOLD_AT_MOST: Final = 10
_FAILURES: Final = frozenset(
    {
        Failure.EXPRESSION,
        Failure.INVALID_OUTPUT,
        Failure.LIMIT_REACHED,
        Failure.MODEL_RETIRED,
        Failure.PROVIDER_DOWN,
        Failure.PROVIDER_REFUSED,
        Failure.RATE_LIMITED,
        Failure.TIMEOUT,
    }
)
_FREE_TEXT: Final = ObjectType({"text": TextType()}, frozenset({"text"}))


def compile_asking(step: ModelStep, entry: ChatModel, site: Site) -> Compiled | None:
    """Compile a step whose model is a chat model."""
    types = {slot: site.expression(f"with.{slot}", text) for slot, text in step.with_.items()}
    known = {slot: type_ for slot, type_ in types.items() if type_ is not None}
    if step.prompt is None:
        site.problem("missing-key", "", "a chat model needs `prompt`", "add prompt: prompts/NAME.md")
        return None
    prompt = site.template("prompt", step.prompt, known) if len(known) == len(types) else None
    schema = site.schema("returns", step.returns) if step.returns is not None else None
    if prompt is None or (step.returns is not None and schema is None):
        return None
    route = Component(kind="route", name=entry.name, content=canonical(entry.pinned()), live=entry.live())
    components = [route, Component(kind="prompt", name=step.prompt, content=prompt)]
    output: Type = _FREE_TEXT
    if schema is not None and step.returns is not None:
        components.append(Component(kind="schema", name=step.returns, content=schema[0]))
        output = schema[1]
    return Compiled(
        conduct="external",
        inputs=dict(step.with_),
        config={
            "kind": "chat",
            "model": f"route:{entry.name}",
            "prompt": f"prompt:{step.prompt}",
            "schema": None if step.returns is None else f"schema:{step.returns}",
            "repairs": _REPAIRS if step.returns is not None else 0,
        },
        components=tuple(components),
        output=output,
        failures=_FAILURES,
    )


def ask(task: Task, tools: Tools, connect: Callable[[str], Chat]) -> Result:
    """Ask, and ask again for as long as the answer is not what `returns` describes and repairs are left.

    Raises:
        StepFailure: no answer, or none that is as described.
    """
    name = cast("str", task.config["model"])
    route = tools.cache(name, json.loads)
    schema = _schema(task, tools)
    first = _request(task, tools, route, schema)
    request, problems = first, ["no answer"]
    for repair in range(cast("int", task.config["repairs"]) + 1):
        reply = _call(name, request, route, tools, connect)
        data, problems = _read(reply, schema)
        if not problems:
            report: dict[str, JSON] = {"asked": request.model, "resolved": reply.resolved, "repairs": repair}
            return Result(data=data, report=report)
        if reply.finish in {"length", "content_filter"}:
            break
        request = replace(first, user=_repair(first.user, reply.text, problems))
    raise StepFailure(Failure.INVALID_OUTPUT, f"the answer is not as described: {'; '.join(problems)}")


def _schema(task: Task, tools: Tools) -> dict[str, JSON] | None:
    name = task.config["schema"]
    return None if name is None else cast("dict[str, JSON]", tools.cache(cast("str", name), read_schema))


def _request(task: Task, tools: Tools, route: Mapping[str, Any], schema: JSON) -> ChatRequest:
    template: Template = tools.cache(cast("str", task.config["prompt"]), Template)
    parameters = route["parameters"]
    return ChatRequest(
        model=route["model"],
        user=template.render({slot: value.data for slot, value in task.inputs.items()}),
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
