"""One candidate's answer: asked, checked against the schema, shown what is wrong and asked again."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Final, cast

from aie.config import Template, mismatches
from aie.core import JSON, Labels, Spend, Value, canonical, digest_json
from aie.errors import Failure, InputError, LimitReached, StepFailure
from aie.layers.calling.question import Answer, Question
from aie.layers.calling.walking import refusal
from aie.layers.port import Attempt, Tools
from aie.layers.sites import reached
from aie.models import (
    Call,
    CallFailed,
    Candidate,
    Chat,
    ChatReply,
    ChatRequest,
    Endpoint,
    Planned,
    Price,
    again_after,
    plan,
)

__all__ = ["REPAIRS", "answer_with", "request_of"]

REPAIRS: Final = 2
"""Times that a model is shown what is wrong with its answer and asked again."""
_TOLD_AT_MOST: Final = 10
_PROMPTED: Final = "Answer with one JSON value and nothing else. It must be as this JSON Schema says:\n{schema}"
"""What asks for an answer by a schema where the catalog knows no feature of the model that would."""
_SHOWN_AT_MOST: Final = 100_000
"""Characters of a wrong answer that its model is shown."""
_AGAIN: Final = Template(
    b"Your answer was:\n{{ answer }}\n\nIt is not what was asked for:\n{{ problems }}\nAnswer again."
)
_UNTRUSTED: Final = Labels(integrity="untrusted")
_FENCE: Final = "```"
_FACTS: Final = ("price", "regions", "retention_days", "retires")
"""Live facts that an answer rested on."""


def request_of(question: Question, candidate: Candidate | None = None) -> ChatRequest:
    """Return the request to a candidate; without one, what is the same for all of them."""
    schema = "" if question.schema is None else _text(question.schema)
    if candidate is None:
        return ChatRequest(model="", user=question.user, schema=schema, parts=question.parts, max_tokens=0)
    pinned, parameters = candidate.pinned, candidate.pinned["parameters"]
    request = ChatRequest(
        model=pinned["model"],
        user=question.user,
        schema=schema,
        parts=question.parts,
        max_tokens=candidate.max_tokens,
        temperature=parameters["temperature"],
        seed=parameters["seed"],
    )
    features = pinned.get("features") or ()
    if not schema or "json_schema" in features:
        return request
    if "tools" in features:
        return replace(request, mode="tool")
    return replace(request, system=_PROMPTED.format(schema=schema), schema="")


def answer_with(
    question: Question, candidate: Candidate, tools: Tools, connect: Callable[[str], Chat], planned: Planned
) -> Answer:
    """Ask one candidate, and ask again for as long as the answer is not what the schema describes and repairs are left.

    Args:
        question: what is asked.
        candidate: who is asked.
        tools: the ports of the step.
        connect: returns the adapter of a provider.
        planned: the plan that the candidate is of.

    Raises:
        StepFailure: it may not be asked any more, it gave no answer, or none that is as described.
    """
    first = request_of(question, candidate)
    request, problems = first, ["no answer"]
    caller = _Caller(candidate, tools, connect, planned)
    for repair in range((REPAIRS if question.schema is not None else 0) + 1):
        reply = caller.call(request)
        data, problems = _read(reply, question.schema, fenced=bool(first.system))
        if not problems:
            return Answer(
                data=data,
                model=candidate.name,
                asked=request.model,
                resolved=reply.resolved,
                repairs=repair,
                sent=reply.sent,
                facts={name: caller.facts[name] for name in _FACTS if name in caller.facts},
            )
        if reply.finish in {"length", "content_filter"}:
            break
        request = replace(first, user=_repair(first.user, reply.text, problems))
    raise StepFailure(Failure.INVALID_OUTPUT, f"the answer is not as described: {'; '.join(problems)}")


class _Caller:
    """Calls one candidate; what permits and costs is looked up for each call."""

    def __init__(self, candidate: Candidate, tools: Tools, connect: Callable[[str], Chat], planned: Planned) -> None:
        self._candidate = candidate
        self._tools = tools
        self._connect = connect
        self._planned = planned
        self._is_first = True
        self.facts: Mapping[str, Any] = {}
        """Live facts of the last call."""

    def call(self, request: ChatRequest) -> ChatReply:
        """Admit, make and settle one call."""
        candidate, tools = self._candidate, self._tools
        facts = self.facts = cast("Mapping[str, Any]", tools.live(candidate.live))
        self._check(request)
        chat, asked = self._connect(candidate.pinned["provider"]), request.to_json()
        # What may be missing here is found before anything is reserved; an answer of before needs none of it.
        endpoint = None if tools.attempts.knows(asked) else _endpoint(facts, tools)
        price = Price.from_json(facts["price"])
        window = candidate.pinned["context_window"]
        tokens_in = chat.bound(request, window=window, image=facts.get("tokens_per_image"))
        worst = Spend(cost=price.worst(tokens_in, request.max_tokens), tokens=tokens_in + request.max_tokens, calls=1)
        attempt = tools.attempts.open(
            model=candidate.name,
            request=asked,
            worst=worst,
            snapshot=request.model,
            route="" if self._planned.route.alone else self._planned.route.name,
        )
        if attempt.recorded is not None:
            return ChatReply.from_json(cast("dict[str, JSON]", attempt.recorded))
        assert endpoint is not None, "what is not known leaves"
        call = _Asked(request=request, endpoint=endpoint, stream=bool(facts.get("stream")))
        try:
            return _settled(attempt, chat, call, price, worst)
        except CallFailed as error:
            error.again = again_after(
                facts.get("retry") or {},
                error.failure,
                tries=attempt.tries,
                seed=f"{tools.case}/{digest_json(asked)}",
                retry_after=error.retry_after,
            )
            raise

    def _check(self, request: ChatRequest) -> None:
        """Plan anew for this very call: facts may have changed since the last one, and a repair says more.

        Raises:
            StepFailure: the candidate may not be asked any more.
        """
        planned, route, tools = self._planned, self._planned.route, self._tools
        now = planned.constraints if route.alone else tools.live(route.live).get("constraints") or {}
        is_first, self._is_first = self._is_first, False
        as_planned = self.facts is planned.facts.get(self._candidate.name) and now is planned.constraints
        if is_first and as_planned and not request.system and request.mode == "native":
            return  # it would come to the same
        call = Call(request=request, labels=tools.labels, case=tools.case, began=tools.began)
        only = replace(route, candidates=(self._candidate,))
        again = plan(only, call, {self._candidate.name: self.facts}, cast("dict[str, JSON]", now))
        if again.refused:
            raise refusal(again.refused, again.facts)


def _endpoint(facts: Mapping[str, Any], tools: Tools) -> Endpoint:
    url, key = facts["endpoint"], facts["api_key"]
    timeout, left = facts["timeout"], tools.time_left()
    if left == 0:
        raise LimitReached("the run's time limit is used up", limit="time", free=0, needed=1)
    return Endpoint(
        url=tools.secret(url) if url.startswith("env:") else url,
        key="" if key is None else tools.secret(key),
        timeout=timeout if left is None else min(timeout, left),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """One call."""

    request: ChatRequest
    endpoint: Endpoint
    stream: bool


def _settled(attempt: Attempt, chat: Chat, asked: _Asked, price: Price, worst: Spend) -> ChatReply:
    """Make the call and close its attempt, whatever comes of it."""
    started = time.monotonic_ns()
    try:
        reached("chat.before")
        if asked.stream:
            reply = chat.stream(asked.request, asked.endpoint)
        else:
            reply = chat.invoke(asked.request, asked.endpoint)
        reached("chat.after")
    except CallFailed as error:
        close = attempt.forfeit if error.billed else attempt.release
        close(error.failure, ms=_since(started))
        raise
    except BaseException:
        attempt.forfeit(Failure.INTERNAL, ms=_since(started))
        raise
    spend, measured = worst, False
    if reply.tokens_in is not None and reply.tokens_out is not None:
        measured = True
        cost = price.of(reply.tokens_in, reply.tokens_out)
        spend = Spend(cost=cost, tokens=reply.tokens_in + reply.tokens_out, calls=1)
    attempt.settle(
        spend,
        response=reply.to_json(),
        resolved=reply.resolved,
        fingerprint=reply.fingerprint,
        ms=_since(started),
        measured=measured,
    )
    return reply


def _since(started: int) -> int:
    return (time.monotonic_ns() - started) // 1_000_000


def _read(reply: ChatReply, schema: dict[str, JSON] | None, *, fenced: bool) -> tuple[JSON, list[str]]:
    """Return the answer's data and what is wrong with it; decimals become text, as nothing recorded has floats."""
    if reply.finish == "length":
        return None, ["cut off at the most tokens allowed"]
    if reply.finish == "content_filter":
        return None, ["held back by the provider's content filter"]
    if schema is None:
        return {"text": reply.text}, []
    try:
        data = json.loads(_unfenced(reply.text) if fenced else reply.text, parse_float=str, parse_constant=_no_constant)
        canonical(data)
    except (ValueError, InputError, RecursionError):
        return None, ["not JSON"]
    return data, [str(each) for each in islice(mismatches(schema, data), _TOLD_AT_MOST)]


def _unfenced(text: str) -> str:
    """Return what stands in a fence of Markdown, as models that are asked in words like to answer; else the text."""
    inner = text.strip()
    if not inner.startswith(_FENCE) or not inner.endswith(_FENCE) or "\n" not in inner:
        return text
    opening, _, rest = inner.partition("\n")
    return rest.removesuffix(_FENCE) if opening.strip() in (_FENCE, f"{_FENCE}json") else text


def _text(schema: dict[str, JSON]) -> str:
    return json.dumps(schema, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _repair(asked: str, answer: str, problems: list[str]) -> str:
    """Return the question with what was answered to it, fenced: a model may have copied orders of a stranger."""
    said = {"answer": answer[:_SHOWN_AT_MOST], "problems": "\n".join(f"- {each}" for each in problems)}
    values = {slot: Value(data=text, ref="", labels=_UNTRUSTED) for slot, text in said.items()}
    return f"{asked}\n\n{_AGAIN.compose(values).text}"
