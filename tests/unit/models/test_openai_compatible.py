"""The adapter against a server that speaks the protocol over real HTTP."""

import contextlib
import gc
import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from aie.errors import Failure
from aie.models import CallFailed, Chat, ChatRequest, Endpoint, Part, connect
from aie.testing.openai_server import Fault, OpenAIServer
from tests.unit.models.wire import Reply, Wire, events

SCHEMA = '{"type":"object","properties":{"amount":{"type":"integer"}}}'


def completion(message: dict[str, Any], finish: str = "stop") -> Reply:
    """Return a whole answer."""
    body = {
        "id": "c",
        "object": "chat.completion",
        "created": 1_790_000_000,
        "model": "small-1",
        "system_fingerprint": "fp_1",
        "choices": [{"index": 0, "finish_reason": finish, "message": message}],
        "usage": {"prompt_tokens": 21, "completion_tokens": 7, "total_tokens": 28},
    }
    return Reply(body=json.dumps(body).encode())


def streamed(*, whole: bool) -> Reply:
    """Return an answer in pieces; one that is not whole breaks off after the first words."""
    frame = {"id": "c", "object": "chat.completion.chunk", "created": 1_790_000_000, "model": "small-1"}
    pieces: list[Any] = [
        {
            **frame,
            "choices": [{"index": 0, "delta": {"role": "assistant", "content": "forty-"}, "finish_reason": None}],
        },
        {**frame, "choices": [{"index": 0, "delta": {"content": "two"}, "finish_reason": "stop"}]},
        {**frame, "choices": [], "usage": {"prompt_tokens": 21, "completion_tokens": 7, "total_tokens": 28}},
        "[DONE]",
    ]
    return Reply(body=events(*(pieces if whole else pieces[:1])), media="text/event-stream", breaks=not whole)


@pytest.fixture(scope="module")
def chat() -> Iterator[Chat]:
    """One adapter for the module: importing its libraries costs two seconds."""
    adapter = connect("openai_compatible")
    yield adapter
    adapter.close()  # type: ignore[attr-defined]


def request(**changes: object) -> ChatRequest:
    """Return a question."""
    return ChatRequest(**{"model": "small-1", "user": "How much?", "max_tokens": 50, **changes})  # type: ignore[arg-type]


def test_an_answer_comes_back_with_its_tokens_and_the_wire_carries_the_request_and_nothing_else(chat: Chat) -> None:
    """No retry, no framing, no tool: only what was asked."""
    with OpenAIServer("forty-two") as server:
        reply = chat.invoke(request(system="Be short.", seed=7), Endpoint(url=server.url))
    assert (reply.text, reply.resolved, reply.finish) == ("forty-two", "small-1", "stop")
    assert (reply.tokens_in, reply.tokens_out) == (server.bills[0].tokens_in, server.bills[0].tokens_out)
    assert server.requests == [
        {
            "model": "small-1",
            "messages": [{"role": "system", "content": "Be short."}, {"role": "user", "content": "How much?"}],
            "max_tokens": 50,
            "seed": 7,
            "temperature": 0.0,
            "stream": False,
        }
    ]


def test_a_schema_goes_out_as_the_format_of_the_answer(chat: Chat) -> None:
    """Structured output is the provider's, its check is ours."""
    with OpenAIServer('{"amount": 3}') as server:
        chat.invoke(
            request(schema='{"type":"object","properties":{"amount":{"type":"integer"}}}'), Endpoint(url=server.url)
        )
    sent = server.requests[0]["response_format"]
    assert sent["type"] == "json_schema"
    assert sent["json_schema"]["schema"]["properties"] == {"amount": {"type": "integer"}}


def test_what_a_call_asks_for_is_never_that_of_the_call_before(chat: Chat) -> None:
    """What the library prepared for one request is used again only for another one like it."""
    asked = [
        request(),
        request(),
        request(schema=SCHEMA),
        request(schema=SCHEMA, mode="tool"),
        request(schema=SCHEMA, temperature="0.5"),
        request(max_tokens=60),
        request(seed=1),
        request(seed=2),
        request(),
    ]
    with OpenAIServer('{"amount": 3}') as server:
        for each in asked:
            with contextlib.suppress(CallFailed):  # the server answers in words where a function is asked for
                chat.invoke(each, Endpoint(url=server.url))
    told = [
        (
            "response_format" in each,
            [tool["function"]["name"] for tool in each.get("tools", ())],
            each["temperature"],
            each["max_tokens"],
            each.get("seed"),
        )
        for each in server.requests
    ]
    assert told == [
        (False, [], 0.0, 50, None),
        (False, [], 0.0, 50, None),
        (True, [], 0.0, 50, None),
        (False, ["answer"], 0.0, 50, None),
        (True, [], 0.5, 50, None),
        (False, [], 0.0, 60, None),
        (False, [], 0.0, 50, 1),
        (False, [], 0.0, 50, 2),
        (False, [], 0.0, 50, None),
    ]


@pytest.mark.parametrize(
    ("fault", "failure", "billed"),
    [
        ("rate_limited", Failure.RATE_LIMITED, False),
        ("unavailable", Failure.PROVIDER_DOWN, False),
        ("refused", Failure.PROVIDER_REFUSED, False),
        ("unknown_model", Failure.MODEL_RETIRED, False),
        ("server_error", Failure.PROVIDER_DOWN, True),
        ("hang_up", Failure.PROVIDER_DOWN, True),
        ("cut_off", Failure.PROVIDER_DOWN, True),
        ("garbage", Failure.INVALID_OUTPUT, True),
        ("truncated", Failure.INVALID_OUTPUT, True),
        ("reset", Failure.PROVIDER_DOWN, True),
        ("drip", Failure.TIMEOUT, True),
        ("hang", Failure.TIMEOUT, True),
    ],
)
def test_a_fault_has_its_class_and_is_unbilled_only_where_that_is_sure(
    chat: Chat, fault: Fault, failure: Failure, billed: bool
) -> None:
    """What the server bills must never be taken for free; one call reaches it, whatever happens."""
    with OpenAIServer(faults=[fault]) as server, pytest.raises(CallFailed) as caught:
        chat.invoke(request(), Endpoint(url=server.url, timeout=150_000 if fault in {"hang", "drip"} else 60_000_000))
    assert (caught.value.failure, caught.value.billed) == (failure, billed)
    assert len(server.requests) == 1
    assert caught.value.billed or server.bills[0].tokens_in == 0


def test_a_server_that_is_not_there_was_surely_not_billed(chat: Chat) -> None:
    """The request never left."""
    with OpenAIServer() as server:
        gone = server.url
    with pytest.raises(CallFailed) as caught:
        chat.invoke(request(), Endpoint(url=gone))
    assert (caught.value.failure, caught.value.billed) == (Failure.PROVIDER_DOWN, False)


def test_a_rate_limit_says_how_long_to_wait(chat: Chat) -> None:
    """In microseconds."""
    with OpenAIServer(faults=["rate_limited"], retry_after=7) as server, pytest.raises(CallFailed) as caught:
        chat.invoke(request(), Endpoint(url=server.url))
    assert caught.value.retry_after == 7_000_000


def test_an_answer_without_usage_has_unknown_tokens(chat: Chat) -> None:
    """Never zero: the call then costs its reservation."""
    with OpenAIServer(faults=["no_usage"]) as server:
        reply = chat.invoke(request(), Endpoint(url=server.url))
    assert (reply.tokens_in, reply.tokens_out) == (None, None)


def test_another_model_than_asked_is_told(chat: Chat) -> None:
    """An alias that moved must be visible."""
    with OpenAIServer(faults=["other_model"]) as server:
        assert chat.invoke(request(), Endpoint(url=server.url)).resolved == "another-model"


def test_the_key_is_not_in_the_endpoints_text() -> None:
    """What is printed is logged sooner or later."""
    assert "secret" not in repr(Endpoint(url="https://models.example/v1", key="secret"))


def test_a_function_takes_the_answer_where_the_catalog_says_so(chat: Chat) -> None:
    """Its arguments are the answer."""
    call = {"id": "c1", "type": "function", "function": {"name": "answer", "arguments": '{"amount": 42}'}}
    body = completion({"role": "assistant", "content": None, "tool_calls": [call]}, finish="tool_calls")
    with Wire(body) as wire:
        reply = chat.invoke(request(schema=SCHEMA, mode="tool"), Endpoint(url=f"{wire.url}/v1"))
    assert (json.loads(reply.text), reply.finish) == ({"amount": 42}, "stop")
    assert wire.requests[0]["tool_choice"] == "required"
    assert "response_format" not in wire.requests[0]


def test_the_fingerprint_and_the_digest_of_the_body_that_left_come_with_the_answer(chat: Chat) -> None:
    """Whatever the vendor's library makes of a request, what was sent can be proven."""
    with Wire(completion({"role": "assistant", "content": "ok"})) as wire:
        reply = chat.invoke(request(), Endpoint(url=f"{wire.url}/v1"))
    assert reply.fingerprint == "fp_1"
    assert reply.sent == f"sha256:{hashlib.sha256(wire.bodies[0]).hexdigest()}"


def test_images_and_pdfs_go_out_as_parts(chat: Chat) -> None:
    """Before the words that speak of them."""
    parts = (Part(media_type="image/png", content=b"1"), Part(media_type="application/pdf", content=b"%PDF-1.4"))
    with Wire(completion({"role": "assistant", "content": "ok"})) as wire:
        chat.invoke(request(parts=parts), Endpoint(url=f"{wire.url}/v1"))
    kinds = [each["type"] for each in wire.requests[0]["messages"][0]["content"]]
    assert kinds == ["image_url", "file", "text"]


@pytest.mark.parametrize("whole", [True, False])
def test_a_stream_is_whole_or_counts_as_billed(chat: Chat, whole: bool) -> None:
    """The library reports zero tokens for one that broke off: nobody may take that for the bill."""
    with Wire(streamed(whole=whole)) as wire:
        endpoint = Endpoint(url=f"{wire.url}/v1")
        if whole:
            reply = chat.stream(request(), endpoint)
            assert (reply.text, reply.tokens_in, reply.tokens_out) == ("forty-two", 21, 7)
            return
        with pytest.raises(CallFailed) as caught:
            chat.stream(request(), endpoint)
    assert caught.value.billed


def test_a_stream_that_only_ever_drips_ends_at_its_deadline(chat: Chat) -> None:
    """Each piece comes in time, the whole does not."""
    drip = Reply(body=b"", media="text/event-stream", breaks=True, holds=2.0)
    with Wire(drip) as wire, pytest.raises(CallFailed) as caught:
        chat.stream(request(), Endpoint(url=f"{wire.url}/v1", timeout=200_000))
    assert (caught.value.failure, caught.value.billed) == (Failure.TIMEOUT, True)


@pytest.mark.parametrize(
    ("fault", "failure", "billed"),
    [
        ("rate_limited", Failure.RATE_LIMITED, False),
        ("unavailable", Failure.PROVIDER_DOWN, False),
        ("server_error", Failure.PROVIDER_DOWN, True),
        ("hang_up", Failure.PROVIDER_DOWN, True),
        ("cut_off", Failure.PROVIDER_DOWN, True),
        ("reset", Failure.PROVIDER_DOWN, True),
        ("garbage", Failure.INVALID_OUTPUT, True),
        ("truncated", Failure.PROVIDER_DOWN, True),
        ("hang", Failure.TIMEOUT, True),
        ("drip", Failure.TIMEOUT, True),
    ],
)
def test_a_fault_of_a_stream_has_its_class_and_one_that_began_is_billed(
    chat: Chat, fault: Fault, failure: Failure, billed: bool
) -> None:
    """The bytes that came do not tell what the rest cost."""
    with OpenAIServer("forty-two and more", faults=[fault]) as server, pytest.raises(CallFailed) as caught:
        chat.stream(request(), Endpoint(url=server.url, timeout=150_000 if fault in {"hang", "drip"} else 60_000_000))
    assert (caught.value.failure, caught.value.billed) == (failure, billed)
    assert caught.value.billed or server.bills[0].tokens_in == 0


@pytest.mark.parametrize("fault", ["none", "no_usage", "other_model"])
def test_a_streamed_answer_says_what_a_whole_one_does(chat: Chat, fault: Fault) -> None:
    """But for its usage, where the server keeps it to itself."""
    with OpenAIServer("forty-two and more", faults=[fault, fault]) as server:
        endpoint = Endpoint(url=server.url)
        streamed_, whole_ = chat.stream(request(), endpoint), chat.invoke(request(), endpoint)
    assert (streamed_.text, streamed_.resolved, streamed_.finish) == (whole_.text, whole_.resolved, whole_.finish)
    assert (streamed_.tokens_out, whole_.tokens_out) == ((None, None) if fault == "no_usage" else (5, 5))


@pytest.mark.parametrize("fault", ["refused", "rate_limited", "garbage", "cut_off"])
def test_a_call_that_failed_is_not_kept_by_its_own_error(chat: Chat, fault: Fault) -> None:
    """Nothing of it waits for the collector of cycles: neither the error nor the question."""
    with OpenAIServer(faults=[fault] * 5) as server:
        gc.collect()
        gc.disable()
        before = alive()
        try:
            for _ in range(5):
                with contextlib.suppress(CallFailed):
                    chat.invoke(request(), Endpoint(url=server.url, timeout=2_000_000))
            assert alive() == before
        finally:
            gc.enable()
    assert len(server.served) == 5


def alive() -> Counter[str]:
    """Return how many errors and questions there are in this process."""
    return Counter(type(each).__name__ for each in gc.get_objects() if isinstance(each, CallFailed | ChatRequest))
