"""The adapter of the Messages protocol against a server that speaks it over real HTTP."""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import pytest

from aie.errors import Failure
from aie.models import CallFailed, Chat, ChatRequest, Endpoint, Part, connect
from tests.unit.models.wire import Reply, Wire, events

SCHEMA = json.dumps({"type": "object", "properties": {"amount": {"type": "integer"}}, "required": ["amount"]})


def message(*content: dict[str, Any], stop: str = "end_turn") -> Reply:
    """Return a whole answer."""
    body = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "small-1-20260501",
        "content": list(content),
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": {"input_tokens": 21, "output_tokens": 7},
    }
    return Reply(body=json.dumps(body).encode())


def streamed(*, whole: bool) -> Reply:
    """Return an answer in pieces; one that is not whole breaks off after the first words."""
    begin = [
        {
            "type": "message_start",
            "message": {
                "id": "msg_1",
                "type": "message",
                "role": "assistant",
                "model": "small-1-20260501",
                "content": [],
                "stop_reason": None,
                "stop_sequence": None,
                "usage": {"input_tokens": 21, "output_tokens": 1},
            },
        },
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "forty-"}},
    ]
    end = [
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "two"}},
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {"output_tokens": 7},
        },
        {"type": "message_stop"},
    ]
    body = events(*begin, *(end if whole else []), named=True)
    return Reply(body=body, media="text/event-stream", breaks=not whole)


@pytest.fixture(scope="module")
def chat() -> Iterator[Chat]:
    """One adapter for the module: importing its libraries costs seconds."""
    adapter = connect("anthropic")
    yield adapter
    adapter.close()  # type: ignore[attr-defined]


def request(**changes: object) -> ChatRequest:
    """Return a question."""
    return ChatRequest(**{"model": "small-1", "user": "How much?", "max_tokens": 50, **changes})  # type: ignore[arg-type]


def test_an_answer_comes_back_with_its_tokens_and_the_digest_of_the_body_that_left(chat: Chat) -> None:
    """Whatever the vendor's library makes of a request, what was sent can be proven."""
    with Wire(message({"type": "text", "text": "forty-two"})) as wire:
        reply = chat.invoke(request(system="Be short."), Endpoint(url=wire.url, key="secret"))
    assert (reply.text, reply.resolved, reply.finish) == ("forty-two", "small-1-20260501", "stop")
    assert (reply.tokens_in, reply.tokens_out) == (21, 7)
    assert reply.sent == f"sha256:{hashlib.sha256(wire.bodies[0]).hexdigest()}"
    sent = wire.requests[0]
    assert wire.paths in (["/v1/messages?beta=true"], ["/v1/messages"])
    assert (sent["model"], sent["max_tokens"], sent["temperature"]) == ("small-1", 50, 0.0)
    assert "Be short." in json.dumps(sent["system"])
    assert "tools" not in sent


def test_a_function_takes_the_answer_where_the_catalog_says_so(chat: Chat) -> None:
    """Its arguments are the answer."""
    call = {"type": "tool_use", "id": "t1", "name": "answer", "input": {"amount": 42}}
    with Wire(message(call, stop="tool_use")) as wire:
        reply = chat.invoke(request(schema=SCHEMA, mode="tool"), Endpoint(url=wire.url, key="k"))
    assert json.loads(reply.text) == {"amount": 42}
    assert reply.finish == "stop"
    assert [each["name"] for each in wire.requests[0]["tools"]] == ["answer"]


def test_images_and_pdfs_go_out_as_parts(chat: Chat) -> None:
    """Before the words that speak of them."""
    parts = (Part(media_type="image/png", content=b"1"), Part(media_type="application/pdf", content=b"%PDF-1.4"))
    with Wire(message({"type": "text", "text": "ok"})) as wire:
        chat.invoke(request(parts=parts), Endpoint(url=wire.url, key="k"))
    kinds = [each["type"] for each in wire.requests[0]["messages"][0]["content"]]
    assert kinds == ["image", "document", "text"]


@pytest.mark.parametrize(
    ("status", "kind", "failure", "billed"),
    [
        (429, "rate_limit_error", Failure.RATE_LIMITED, False),
        (529, "overloaded_error", Failure.PROVIDER_DOWN, False),
        (400, "invalid_request_error", Failure.PROVIDER_REFUSED, False),
        (401, "authentication_error", Failure.PROVIDER_REFUSED, False),
        (404, "not_found_error", Failure.MODEL_RETIRED, False),
        (500, "api_error", Failure.PROVIDER_DOWN, True),
    ],
)
def test_a_refusal_has_its_class_and_is_asked_once(
    chat: Chat, status: int, kind: str, failure: Failure, billed: bool
) -> None:
    """The vendor's own retries are off: they would multiply spend unseen."""
    body = json.dumps({"type": "error", "error": {"type": kind, "message": "as planned"}}).encode()
    with Wire(Reply(body=body, status=status)) as wire, pytest.raises(CallFailed) as caught:
        chat.invoke(request(), Endpoint(url=wire.url, key="k"))
    assert (caught.value.failure, caught.value.billed, len(wire.bodies)) == (failure, billed, 1)
    assert "as planned" not in caught.value.message


def test_a_stream_that_is_whole_gives_what_the_whole_answer_would(chat: Chat) -> None:
    """With its tokens."""
    with Wire(streamed(whole=True)) as wire:
        reply = chat.stream(request(), Endpoint(url=wire.url, key="k"))
    assert (reply.text, reply.tokens_in, reply.tokens_out, reply.finish) == ("forty-two", 21, 7, "stop")
    assert wire.requests[0]["stream"] is True


def test_a_stream_that_breaks_off_counts_as_billed(chat: Chat) -> None:
    """The library then reports zero tokens: nobody may take that for the bill."""
    with Wire(streamed(whole=False)) as wire, pytest.raises(CallFailed) as caught:
        chat.stream(request(), Endpoint(url=wire.url, key="k"))
    assert caught.value.billed
    assert len(wire.bodies) == 1
