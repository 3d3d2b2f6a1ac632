"""What only the Gemini API has: answers in several requests, blocked prompts, a wait in the body."""

import json
from collections.abc import Iterator

import pytest

from aie.errors import Failure
from aie.models import CallFailed, Chat, ChatRequest, Endpoint, connect
from tests.unit.models.dialects import gemini
from tests.unit.models.wire import Reply, Wire, events

ASKED = ChatRequest(model="small-1", user="How much?", max_tokens=50)


@pytest.fixture(scope="module")
def chat() -> Iterator[Chat]:
    """One adapter for the module: importing its libraries costs a second."""
    adapter = connect("google")
    yield adapter
    adapter.close()  # type: ignore[attr-defined]


def body(answer: object, **how: int) -> Reply:
    """Return an answer."""
    return Reply(body=json.dumps(answer).encode(), **how)  # type: ignore[arg-type]


def test_an_answer_that_could_be_continued_is_cut_off_and_not_continued_unseen(chat: Chat) -> None:
    """The library would ask for the rest by itself, and bill it."""
    part = gemini({"text": "forty-"}, finish="CONTINUATION", continuationToken="dG9r")
    with Wire(body(part), body(gemini({"text": "two"}))) as wire:
        reply = chat.invoke(ASKED, Endpoint(url=wire.url, key="k"))
    assert (reply.text, reply.finish, len(wire.bodies)) == ("forty-", "length", 1)


def test_a_stream_that_could_be_resumed_is_not_resumed_unseen(chat: Chat) -> None:
    """The same for one that breaks off after a token to go on from."""
    begun = events(gemini({"text": "forty-"}, finish=None, continuationToken="dG9r"))
    rest = Reply(body=events(gemini({"text": "two"})), media="text/event-stream")
    with (
        Wire(Reply(body=begun, media="text/event-stream", breaks=True), rest) as wire,
        pytest.raises(CallFailed) as caught,
    ):
        chat.stream(ASKED, Endpoint(url=wire.url, key="k"))
    assert (caught.value.failure, caught.value.billed) == (Failure.PROVIDER_DOWN, True)
    assert len(wire.bodies) == 1


def test_an_answer_without_usage_has_unknown_tokens(chat: Chat) -> None:
    """Never zero: the call then costs its reservation."""
    with Wire(body(gemini({"text": "x"}, counted=False))) as wire:
        reply = chat.invoke(ASKED, Endpoint(url=wire.url, key="k"))
    assert (reply.tokens_in, reply.tokens_out) == (None, None)


@pytest.mark.parametrize(
    "answer", [{"promptFeedback": {"blockReason": "SAFETY"}}, gemini({"text": "no"}, finish="SAFETY")]
)
def test_what_is_held_back_says_so(chat: Chat, answer: object) -> None:
    """The prompt or the answer."""
    with Wire(body(answer)) as wire:
        assert chat.invoke(ASKED, Endpoint(url=wire.url, key="k")).finish == "content_filter"


def test_a_rate_limit_says_in_its_body_how_long_to_wait(chat: Chat) -> None:
    """Where it has no header for it."""
    info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "7s"}
    error = {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "m", "details": [info]}}
    with Wire(body(error, status=429)) as wire, pytest.raises(CallFailed) as caught:
        chat.invoke(ASKED, Endpoint(url=wire.url, key="k"))
    assert caught.value.retry_after == 7_000_000


@pytest.mark.parametrize(("before", "billed"), [([], False), ([gemini({"text": "forty-"}, finish=None)], True)])
def test_an_error_inside_a_stream_is_billed_once_it_began(chat: Chat, before: list[object], billed: bool) -> None:
    """Its status stands in the event."""
    error = {"error": {"code": 503, "status": "UNAVAILABLE", "message": "m"}}
    with Wire(Reply(body=events(*before, error), media="text/event-stream")) as wire:
        with pytest.raises(CallFailed) as caught:
            chat.stream(ASKED, Endpoint(url=wire.url, key="k"))
        assert (caught.value.failure, caught.value.billed) == (Failure.PROVIDER_DOWN, billed)


def test_the_environment_decides_neither_key_nor_endpoint(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    """The catalog does."""
    monkeypatch.setenv("GOOGLE_API_KEY", "ambient")
    monkeypatch.setenv("GOOGLE_GENAI_USE_VERTEXAI", "true")
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", "http://127.0.0.1:1")
    with Wire(body(gemini({"text": "x"}))) as wire:
        chat.invoke(ASKED, Endpoint(url=wire.url))
    assert wire.headers[0]["x-goog-api-key"] == "none"
    assert wire.paths == ["/v1beta/models/small-1:generateContent"]
