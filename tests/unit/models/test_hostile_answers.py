"""Whatever a server answers, it becomes an answer that can be kept or a failure whose money is accounted for."""

import gzip
import json
from collections.abc import Iterator
from typing import Any

import pytest

from aie.errors import Failure
from aie.models import CallFailed, Chat, ChatReply, ChatRequest, Endpoint, connect
from tests.unit.models.test_anthropic import message
from tests.unit.models.wire import Reply, Wire, events

REQUEST = ChatRequest(model="small-1", user="How much?", max_tokens=50)


@pytest.fixture(scope="module")
def openai() -> Iterator[Chat]:
    """Return the adapter, which costs seconds to import."""
    adapter = connect("openai_compatible")
    yield adapter
    adapter.close()  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def anthropic() -> Iterator[Chat]:
    """Return the adapter, which costs seconds to import."""
    adapter = connect("anthropic")
    yield adapter
    adapter.close()  # type: ignore[attr-defined]


def completion(**changes: Any) -> Reply:
    """Return a whole answer, but for the changes."""
    usage = {"prompt_tokens": 21, "completion_tokens": 7, "total_tokens": 28, **changes.pop("usage", {})}
    said = {"role": "assistant", "content": changes.pop("content", "forty-two")}
    body = {
        "id": "c",
        "object": "chat.completion",
        "created": 1_790_000_000,
        "model": "small-1",
        "choices": [{"index": 0, "finish_reason": "stop", "message": said}],
        "usage": usage,
        **changes,
    }
    return Reply(body=json.dumps(body).encode())


def asked(chat: Chat, reply: Reply, path: str = "/v1") -> ChatReply:
    """Ask once."""
    with Wire(reply) as wire:
        try:
            return chat.invoke(REQUEST, Endpoint(url=f"{wire.url}{path}", key="sk-1"))
        finally:
            assert len(wire.bodies) == 1


@pytest.mark.parametrize(
    "reply",
    [
        completion(content="\ud800"),
        completion(model="m\u0000"),
        completion(model="m\ud800"),
        completion(model="m" * 501),
        completion(system_fingerprint="\u0000"),
        completion(usage={"prompt_tokens": 10**16}),
        completion(usage={"completion_tokens": -(10**3)}),
        completion(choices=[]),
        completion(choices="x"),
        completion(choices=[None]),
        completion(choices=[{"index": 0, "finish_reason": "stop", "message": None}]),
        completion(created=10**30),
        completion(model={"a": 1}),
        Reply(body=b"[" * 100_000),
        Reply(body=b'"forty-two"'),
        Reply(body=b""),
        Reply(body=b"<html>", media="text/html"),
    ],
)
def test_an_answer_that_cannot_be_kept_is_invalid_and_counts_as_billed(openai: Chat, reply: Reply) -> None:
    """Else it would be found when it is recorded, after which nobody knows what it cost."""
    try:
        kept = asked(openai, reply)
    except CallFailed as error:
        assert (error.failure, error.billed) == (Failure.INVALID_OUTPUT, True)
    else:
        assert kept.tokens_in is None or 0 < kept.tokens_in < 2**53
        assert kept.tokens_out is None or kept.tokens_out >= 0
        json.dumps(kept.to_json(), ensure_ascii=False).encode()
        assert kept.resolved.isprintable()


def test_words_that_cost_nothing_were_not_counted(openai: Chat) -> None:
    """The call then costs its reservation."""
    reply = asked(openai, completion(usage={"completion_tokens": 0}))
    assert (reply.text, reply.tokens_in, reply.tokens_out) == ("forty-two", None, None)


@pytest.mark.parametrize("changes", [{"created": None}, {"choices_finish": None}])
def test_what_some_servers_leave_out_is_mended(openai: Chat, changes: dict[str, Any]) -> None:
    """An answer is not thrown away for it."""
    if "choices_finish" in changes:
        changes = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "forty-two"}}]}
    assert asked(openai, completion(**changes)).text == "forty-two"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("provider", ["openai", "anthropic"])
@pytest.mark.parametrize("stream", [False, True])
def test_no_redirect_is_followed(request: pytest.FixtureRequest, provider: str, status: int, stream: bool) -> None:
    """What is asked goes to the place that the catalog names, and to no other."""
    chat: Chat = request.getfixturevalue(provider)
    with Wire(completion()) as other:
        elsewhere = Reply(body=b"", status=status, headers={"Location": f"{other.url}/v1/chat/completions"})
        with Wire(elsewhere) as wire, pytest.raises(CallFailed):
            (chat.stream if stream else chat.invoke)(REQUEST, Endpoint(url=f"{wire.url}/v1", key="sk-1"))
        assert (len(wire.bodies), len(other.bodies)) == (1, 0)


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
@pytest.mark.parametrize("stream", [False, True])
def test_what_leaves_is_what_the_catalog_says(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, provider: str, stream: bool
) -> None:
    """The vendors' libraries take headers, organisations and proxies from the environment."""
    chat: Chat = request.getfixturevalue(provider)
    for name in ("OPENAI_CUSTOM_HEADERS", "ANTHROPIC_CUSTOM_HEADERS"):
        monkeypatch.setenv(name, "X-Ambient: yes")
    for name in ("OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
        monkeypatch.setenv(name, "org-1")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    answer = completion() if provider == "openai" else message({"type": "text", "text": "forty-two"})
    with Wire(answer) as proxy, Wire(answer) as wire:
        for name in ("http_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        try:
            (chat.stream if stream else chat.invoke)(REQUEST, Endpoint(url=f"{wire.url}/v1", key="sk-1"))
        except CallFailed:
            assert stream, "an answer that is no stream"
        assert len(wire.bodies) == 1
        assert proxy.bodies == []
    assert "x-ambient" not in wire.headers[0]
    assert "org-1" not in wire.headers[0].values()


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
@pytest.mark.parametrize("packed", [True, False])
def test_an_endless_answer_is_not_read(request: pytest.FixtureRequest, provider: str, packed: bool) -> None:
    """Not even one that comes small: forty kilobytes may hold forty megabytes."""
    chat: Chat = request.getfixturevalue(provider)
    body = gzip.compress(bytes(40_000_000)) if packed else bytes(33_000_000)
    headers = {"Content-Encoding": "gzip"} if packed else {}
    with pytest.raises(CallFailed) as caught:
        asked(chat, Reply(body=body, headers=headers))
    assert (caught.value.failure, caught.value.billed) == (Failure.INVALID_OUTPUT, True)


def test_usage_that_each_piece_of_a_stream_repeats_is_not_added_up(openai: Chat) -> None:
    """The last one tells what the whole cost; added up the call would seem to break its reservation."""
    frame = {"id": "c", "object": "chat.completion.chunk", "created": 1_790_000_000, "model": "small-1"}
    pieces: list[Any] = [
        {
            **frame,
            "choices": [{"index": 0, "delta": {"content": "x"}, "finish_reason": "stop" if count == 30 else None}],
            "usage": {"prompt_tokens": 20, "completion_tokens": count, "total_tokens": 20 + count},
        }
        for count in range(1, 31)
    ]
    with Wire(Reply(body=events(*pieces, "[DONE]"), media="text/event-stream")) as wire:
        reply = openai.stream(REQUEST, Endpoint(url=f"{wire.url}/v1"))
    assert (reply.tokens_in, reply.tokens_out, wire.requests[0]["stream_options"]) == (20, 30, {"include_usage": True})
