"""Routes in use: who is asked after a failure, an unsure answer or an empty budget, and what the report says of it."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from aie.core import JSON, Labels, Spend
from aie.errors import Failure, LimitReached, StepFailure, Unavailable
from aie.layers import Tools
from aie.layers.calling import Answer, Question, ask
from aie.models import CallFailed, ChatReply, ChatRequest, Endpoint, input_bound

QUESTION = Question(route="route:r", user="How much?", schema=None)
PRICES = {"dear": 8_000_000, "middle": 4_000_000, "cheap": 1_000_000}


@dataclass
class Attempt:
    """One attempt as a test sees it."""

    recorded: JSON = None
    tries: int = 1

    def settle(self, spend: Spend, *, response: JSON, resolved: str, ms: int, **said: object) -> None:
        """Take it."""

    def release(self, failure: Failure, *, ms: int) -> None:
        """Take it."""

    def forfeit(self, failure: Failure, *, ms: int) -> None:
        """Take it."""


@dataclass
class Attempts:
    """Admission under one budget of money."""

    free: int = 10**9
    choice: str = "fail"
    opened: list[tuple[str, str, str]] = field(default_factory=list)

    def knows(self, request: JSON) -> bool:
        return False

    def open(self, *, model: str, request: JSON, worst: Spend, snapshot: str = "", route: str = "") -> Attempt:
        if worst.cost > self.free:
            raise LimitReached("too dear", limit="cost", free=self.free, needed=worst.cost, on_exhausted=self.choice)
        self.opened.append((model, snapshot, route))
        return Attempt()


class Chat:
    """Answers by the snapshot that is asked for; an exception is raised."""

    def __init__(self, **answers: str | BaseException) -> None:
        self.answers = answers
        self.asked: list[str] = []

    def bound(self, request: ChatRequest, *, window: int, image: int | None) -> int:
        return input_bound(request, window=window, image=image)

    def invoke(self, request: ChatRequest, endpoint: Endpoint) -> ChatReply:
        self.asked.append(request.model)
        answer = self.answers[request.model]
        if isinstance(answer, BaseException):
            raise answer
        return ChatReply(text=answer, resolved=request.model, finish="stop", tokens_in=9, tokens_out=1)

    def stream(self, request: ChatRequest, endpoint: Endpoint) -> ChatReply:
        return self.invoke(request, endpoint)


def down(failure: Failure = Failure.PROVIDER_DOWN) -> CallFailed:
    """Return what a call raises that surely was not billed."""
    return CallFailed(failure, "it is down", billed=False)


def route(**changes: Any) -> bytes:
    """Return a pinned route to three chat models."""
    candidates = [
        {
            "name": name,
            "kind": "chat",
            "provider": "any",
            "model": name,
            "parameters": {"max_tokens": 100, "temperature": "0.0", "seed": None},
            "features": None,
            "context_window": 4000,
            "max_output": None,
        }
        for name in PRICES
    ]
    strategy = {"kind": "fallback", "next_on": ["provider_down", "timeout"]}
    whole = {
        "name": "r",
        "alone": False,
        "candidates": candidates,
        "constraints": {},
        "strategy": strategy,
        "when_exhausted": "fail",
    }
    return json.dumps(whole | changes).encode()


@pytest.fixture
def tools(world) -> Callable[..., Tools]:
    """Return tools under a route, with facts of its candidates."""

    def make(content: bytes, attempts: Attempts, *, labels: Labels | None = None, **facts: dict[str, JSON]) -> Tools:
        world.components["route:r"] = content
        world.live["route:r"] = {"constraints": facts.pop("constraints", {})}
        for name, rate in PRICES.items():
            world.live[f"model:{name}"] = {
                "approved": True,
                "regions": ["eu"],
                "endpoint": "http://models.example/v1",
                "api_key": None,
                "timeout": 1_000_000,
                "price": {"input_per_million": rate, "output_per_million": rate},
                **facts.get(name, {}),
            }
        return replace(world.tools(), attempts=attempts, labels=labels or Labels())

    return make


def names(report: Any, key: str) -> list[str]:
    """Return the models under a key of a route's report."""
    return [each["model"] for each in report["route"][key]]


def test_the_next_candidate_is_asked_after_a_failure_that_says_so(tools) -> None:
    """Both calls are attempts, and the report tells of both."""
    attempts, chat = Attempts(), Chat(dear=down(), middle="42", cheap="41")
    answer: Answer = ask(QUESTION, tools(route(), attempts), lambda _: chat)
    assert (answer.data, answer.model) == ({"text": "42"}, "middle")
    assert attempts.opened == [("dear", "dear", "r"), ("middle", "middle", "r")]
    assert answer.report()["route"]["tried"] == [
        {"model": "dear", "failure": "provider_down", "why": "it is down"},
        {"model": "middle"},
    ]


def test_another_failure_ends_the_step_and_its_report_goes_with_it(tools) -> None:
    """A request that a provider refuses is no better elsewhere unless the route says so."""
    chat = Chat(dear=down(Failure.PROVIDER_REFUSED))
    with pytest.raises(StepFailure) as caught:
        ask(QUESTION, tools(route(), Attempts()), lambda _: chat)
    assert caught.value.failure is Failure.PROVIDER_REFUSED
    assert names(caught.value.report, "tried") == ["dear"]


def test_what_is_missing_here_fails_the_step_with_a_report_of_who_was_asked(tools) -> None:
    """A secret that is not set is no call; who was refused before it is told all the same."""
    facts = {"dear": {"regions": ["us"]}, "middle": {"api_key": "env:KEY"}}

    def nothing(reference: str) -> str:
        raise Unavailable(f"{reference} is not set", hints=("export KEY",))

    given = replace(tools(route(constraints={"regions": ["eu"]}), Attempts(), **facts), secret=nothing)
    with pytest.raises(StepFailure) as caught:
        ask(QUESTION, given, lambda _: Chat(cheap="41"))
    assert (caught.value.failure, caught.value.message) == (Failure.PROVIDER_REFUSED, "env:KEY is not set")
    assert names(caught.value.report, "refused") == ["dear"]
    tried = {"model": "middle", "failure": "provider_refused", "why": "env:KEY is not set"}
    assert caught.value.report["route"]["tried"] == [tried]


def test_a_fallback_never_widens_policy(tools) -> None:
    """Lawful candidates are down, an unlawful one is up: nobody asks it."""
    chat = Chat(dear=down(), middle=down(), cheap="from abroad")
    facts = {"cheap": {"regions": ["us"]}}
    with pytest.raises(StepFailure) as caught:
        ask(QUESTION, tools(route(constraints={"regions": ["eu"]}), Attempts(), **facts), lambda _: chat)
    assert chat.asked == ["dear", "middle"]
    assert caught.value.failure is Failure.PROVIDER_DOWN
    assert caught.value.report["route"]["refused"][0]["reason"] == "regions"


def test_when_nobody_may_be_asked_the_step_fails_before_anything_is_reserved(tools) -> None:
    """Under its own class, with every candidate named."""
    attempts, chat = Attempts(), Chat()
    labels = Labels(classes=frozenset({"health"}))
    with pytest.raises(StepFailure) as caught:
        ask(QUESTION, tools(route(), attempts, labels=labels), lambda _: chat)
    assert caught.value.failure is Failure.NOT_PERMITTED
    assert names(caught.value.report, "refused") == list(PRICES)
    assert (attempts.opened, chat.asked) == ([], [])


def test_permission_that_is_withdrawn_between_two_calls_counts_at_once(world, tools) -> None:
    """A repair is a call of its own: what permits is looked up again."""
    schema: dict[str, JSON] = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    made = tools(route(strategy={"kind": "fallback", "next_on": []}), Attempts())

    class Withdrawing(Chat):
        def invoke(self, request: ChatRequest, endpoint: Endpoint) -> ChatReply:
            world.live["model:dear"] = {**world.live["model:dear"], "approved": False}
            return super().invoke(request, endpoint)

    chat = Withdrawing(dear="not JSON")
    with pytest.raises(StepFailure) as caught:
        ask(replace(QUESTION, schema=schema), made, lambda _: chat)
    assert caught.value.failure is Failure.MODEL_RETIRED
    assert chat.asked == ["dear"]


@pytest.mark.parametrize(("choice", "pinned"), [("degrade", "fail"), ("fail", "degrade")])
def test_an_empty_budget_leads_to_the_next_cheaper_that_fits(tools, choice: str, pinned: str) -> None:
    """Whether the budget says so or the route; what does not fit either is refused for it."""
    attempts, chat = Attempts(free=1000, choice=choice), Chat(cheap="41")
    answer = ask(QUESTION, tools(route(when_exhausted=pinned), attempts), lambda _: chat)
    assert answer.model == "cheap"
    assert [(each["model"], each["reason"]) for each in answer.report()["route"]["refused"]] == [("middle", "budget")]


def test_an_empty_budget_ends_the_step_where_nothing_says_otherwise(tools) -> None:
    """The report still names who was planned."""
    with pytest.raises(LimitReached) as caught:
        ask(QUESTION, tools(route(), Attempts(free=1000)), lambda _: Chat(cheap="41"))
    assert names(caught.value.report, "tried") == ["dear"]


@pytest.mark.parametrize(
    ("features", "mode"), [(["json_schema"], "native"), (["tools"], "tool"), (["tools", "json_schema"], "native")]
)
def test_the_catalog_decides_how_an_answer_by_a_schema_is_asked_for(tools, features: list[str], mode: str) -> None:
    """By the provider's own means, or by a function."""
    chat = Recording()
    content = json.loads(route())
    content["candidates"][0]["features"] = features
    schema: dict[str, JSON] = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    ask(replace(QUESTION, schema=schema), tools(json.dumps(content).encode(), Attempts()), lambda _: chat)
    assert (chat.requests[0].mode, bool(chat.requests[0].schema), chat.requests[0].system) == (mode, True, "")


@pytest.mark.parametrize(
    "text", ['```json\n{"n": 3}\n```', '\n```\n{"n": 3}\n\n```\n ', '```json   \n{"n": 3}```', '{"n": 3}']
)
def test_of_unknown_features_an_answer_is_asked_for_in_words_and_may_be_fenced(tools, text: str) -> None:
    """The words are ours, and the check is the same."""
    chat = Recording(text)
    schema: dict[str, JSON] = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    answer = ask(replace(QUESTION, schema=schema), tools(route(), Attempts()), lambda _: chat)
    assert answer.data == {"n": 3}
    assert "JSON Schema" in chat.requests[0].system
    assert chat.requests[0].schema == ""


@pytest.mark.parametrize("text", ["```" + "\n" * 1_000_000 + "x", "```json\n" + " \n" * 500_000, "```" * 300_000])
def test_no_answer_keeps_the_process_busy(tools, text: str) -> None:
    """Looking for the fence takes time in proportion to the answer, whatever a model makes up."""
    schema: dict[str, JSON] = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    with pytest.raises(StepFailure):
        ask(replace(QUESTION, schema=schema), tools(route(), Attempts()), lambda _: Recording(text))


class Recording(Chat):
    """Keeps what it was asked."""

    def __init__(self, text: str = '{"n": 3}') -> None:
        super().__init__(dear=text)
        self.requests: list[ChatRequest] = []

    def invoke(self, request: ChatRequest, endpoint: Endpoint) -> ChatReply:
        self.requests.append(request)
        return super().invoke(request, endpoint)
