"""Asking models, for every layer that does: planned by policy, each call an attempt that is reserved at its worst.

`ask` puts a question to a chat model, or to the chat models of a route one after the other. A layer that has other
candidates as well plans and walks by itself: `planned_for`, `walk` and `answer_with` are the same parts.
"""

from collections.abc import Callable

from aie.config import ChatModel, Route
from aie.errors import Failure
from aie.layers.calling.answering import REPAIRS, answer_with, request_of
from aie.layers.calling.question import Answer, Question
from aie.layers.calling.walking import Walked, planned_for, refusal, walk
from aie.layers.port import Component, Tools
from aie.models import Call, Chat, pin_model, pin_route

__all__ = [
    "CALL_FAILURES",
    "REPAIRS",
    "Answer",
    "Question",
    "Walked",
    "answer_with",
    "ask",
    "call_of",
    "planned_for",
    "refusal",
    "route_component",
    "walk",
]

CALL_FAILURES = frozenset(
    {
        Failure.INVALID_OUTPUT,
        Failure.LIMIT_REACHED,
        Failure.MODEL_RETIRED,
        Failure.NOT_PERMITTED,
        Failure.PROVIDER_DOWN,
        Failure.PROVIDER_REFUSED,
        Failure.RATE_LIMITED,
        Failure.TIMEOUT,
    }
)
"""What asking may fail with."""


def route_component(chosen: ChatModel | Route) -> Component:
    """Return the component that pins a chat model of `models.yaml`, or a route with its candidates."""
    content = pin_route(chosen) if isinstance(chosen, Route) else pin_model(chosen)
    return Component(kind="route", name=chosen.name, content=content)


def call_of(question: Question | None, tools: Tools) -> Call:
    """Return what planning must know of a question; None when only classifiers are asked."""
    request = None if question is None else request_of(question)
    return Call(request=request, labels=tools.labels, case=tools.case, began=tools.began)


def ask(question: Question, tools: Tools, connect: Callable[[str], Chat]) -> Answer:
    """Ask the first candidate that may be asked, and the next one where the route's strategy says so.

    An answer that is not what the schema describes is shown what is wrong with it, and asked for again, at most
    `REPAIRS` times.

    Raises:
        StepFailure: no answer, or none that is as described; its class is one of `CALL_FAILURES`, and its report names
            every candidate that was refused or tried.
    """
    planned = planned_for(question.route, call_of(question, tools), tools)
    walked = walk(planned, lambda candidate: answer_with(question, candidate, tools, connect, planned), tools)
    return walked.value.routed(walked.report)
