"""The adapters of Google, Bedrock and Mistral against servers that speak their protocols over real HTTP."""

import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from aie.errors import Failure
from aie.models import CallFailed, Chat, ChatReply, ChatRequest, Endpoint, Part, connect
from tests.unit.models.dialects import DIALECTS, Dialect
from tests.unit.models.wire import Reply, Wire

SCHEMA = json.dumps({"type": "object", "properties": {"amount": {"type": "integer"}}, "required": ["amount"]})
MODULES = {
    "openai_compatible": "openai",
    "anthropic": "anthropic",
    "google": "google.genai",
    "bedrock": "boto3",
    "mistral": "mistralai",
}


@pytest.fixture(scope="module", params=DIALECTS, ids=lambda each: each.provider)
def dialect(request: pytest.FixtureRequest) -> Dialect:
    """Return one protocol after another."""
    return request.param  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def chat(dialect: Dialect) -> Iterator[Chat]:
    """One adapter for the module: importing its libraries costs a second."""
    adapter = connect(dialect.provider)
    yield adapter
    adapter.close()  # type: ignore[attr-defined]


def request(**changes: object) -> ChatRequest:
    """Return a question."""
    return ChatRequest(**{"model": "small-1", "user": "How much?", "max_tokens": 50, **changes})  # type: ignore[arg-type]


def ask(chat: Chat, wire: Wire, *, streamed: bool = False, timeout: int = 60_000_000, **changes: object) -> ChatReply:
    """Ask a server."""
    call = chat.stream if streamed else chat.invoke
    return call(request(**changes), Endpoint(url=wire.url, key="secret", timeout=timeout))


def fail(chat: Chat, reply: Reply, *, streamed: bool = False, timeout: int = 60_000_000) -> CallFailed:
    """Return how a call fails, of which one request was made."""
    with Wire(reply) as wire, pytest.raises(CallFailed) as caught:
        ask(chat, wire, streamed=streamed, timeout=timeout)
    assert len(wire.bodies) == 1
    return caught.value


def test_an_answer_comes_back_with_its_tokens_and_the_digest_of_the_body_that_left(
    chat: Chat, dialect: Dialect
) -> None:
    """Whatever the vendor's library makes of a request, what was sent can be proven."""
    with Wire(dialect.reply()) as wire:
        reply = ask(chat, wire, system="Be short.", seed=7)
    assert (reply.text, reply.resolved, reply.finish) == ("forty-two", dialect.resolved, "stop")
    assert (reply.tokens_in, reply.tokens_out) == (21, 7)
    assert reply.sent == f"sha256:{hashlib.sha256(wire.bodies[0]).hexdigest()}"
    name, value = dialect.key
    assert (wire.paths, wire.headers[0][name]) == ([dialect.path], value)
    sent = wire.bodies[0].decode()
    assert "Be short." in sent
    assert "tools" not in sent


def test_a_stream_that_is_whole_gives_what_the_whole_answer_would(chat: Chat, dialect: Dialect) -> None:
    """With its tokens, and one request."""
    with Wire(dialect.stream()) as wire:
        reply = ask(chat, wire, streamed=True)
    assert (reply.text, reply.resolved, reply.finish) == ("forty-two", dialect.resolved, "stop")
    assert (reply.tokens_in, reply.tokens_out) == (21, 7)
    assert reply.sent == f"sha256:{hashlib.sha256(wire.bodies[0]).hexdigest()}"
    assert wire.paths == [dialect.stream_path]


@pytest.mark.parametrize("streamed", [False, True])
def test_a_schema_goes_out_as_the_format_of_the_answer(chat: Chat, dialect: Dialect, streamed: bool) -> None:
    """Structured output is the provider's, its check is ours; no other call has it."""
    with Wire(dialect.stream() if streamed else dialect.reply()) as wire:
        ask(chat, wire, streamed=streamed, schema=SCHEMA)
        ask(chat, wire, streamed=streamed)
    sent = {
        "google": lambda body: body["generationConfig"]["responseJsonSchema"],
        "bedrock": lambda body: json.loads(body["outputConfig"]["textFormat"]["structure"]["jsonSchema"]["schema"]),
        "mistral": lambda body: body["response_format"]["json_schema"]["schema"],
    }[dialect.provider](wire.requests[0])
    assert (sent["properties"], sent["required"]) == ({"amount": {"type": "integer"}}, ["amount"])
    assert b"amount" not in wire.bodies[1]


def test_a_function_takes_the_answer_where_the_catalog_says_so(chat: Chat, dialect: Dialect) -> None:
    """Its arguments are the answer."""
    with Wire(dialect.reply(dialect.call)) as wire:
        reply = ask(chat, wire, schema=SCHEMA, mode="tool")
    assert (json.loads(reply.text), reply.finish) == ({"amount": 42}, "stop")
    sent = {
        "google": lambda body: body["tools"][0]["functionDeclarations"][0],
        "bedrock": lambda body: body["toolConfig"]["tools"][0]["toolSpec"],
        "mistral": lambda body: body["tools"][0]["function"],
    }[dialect.provider](wire.requests[0])
    assert sent["name"] == "answer"
    assert "amount" in json.dumps(sent)


def test_images_and_pdfs_go_out_as_parts(chat: Chat, dialect: Dialect) -> None:
    """Before the words that speak of them."""
    parts = (Part(media_type="image/png", content=b"1"), Part(media_type="application/pdf", content=b"%PDF-1.4"))
    with Wire(dialect.reply()) as wire:
        ask(chat, wire, parts=parts)
    body = wire.requests[0]
    content = body["contents"][0]["parts"] if dialect.provider == "google" else body["messages"][0]["content"]
    kinds = {
        "google": lambda each: each.get("inlineData", {}).get("mime_type", "text"),
        "bedrock": lambda each: next(iter(each)),
        "mistral": lambda each: each["type"],
    }[dialect.provider]
    assert [kinds(each) for each in content] == {
        "google": ["image/png", "application/pdf", "text"],
        "bedrock": ["image", "document", "text"],
        "mistral": ["image_url", "document_url", "text"],
    }[dialect.provider]


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    ("status", "failure", "billed"),
    [
        (429, Failure.RATE_LIMITED, False),
        (503, Failure.PROVIDER_DOWN, False),
        (400, Failure.PROVIDER_REFUSED, False),
        (401, Failure.PROVIDER_REFUSED, False),
        (403, Failure.PROVIDER_REFUSED, False),
        (404, Failure.MODEL_RETIRED, False),
        (408, Failure.PROVIDER_DOWN, True),
        (424, Failure.PROVIDER_DOWN, True),
        (500, Failure.PROVIDER_DOWN, True),
        (502, Failure.PROVIDER_DOWN, True),
        (504, Failure.PROVIDER_DOWN, True),
    ],
)
def test_a_refusal_has_its_class_and_is_asked_once(
    chat: Chat, dialect: Dialect, status: int, failure: Failure, billed: bool, streamed: bool
) -> None:
    """The vendor's own retries are off: they would multiply spend unseen."""
    failed = fail(chat, dialect.refusal(status), streamed=streamed)
    assert (failed.failure, failed.billed) == (failure, billed)
    assert failed.retry_after == (7_000_000 if status == 429 else None)
    assert "as planned" not in failed.message


@pytest.mark.parametrize(
    "body", [b"<html>", b"{", b"{}", b"[1]", b'"x"', b'{"candidates":1,"output":1,"choices":1}', b""]
)
def test_an_answer_that_is_not_of_the_protocol_may_have_been_billed(chat: Chat, body: bytes) -> None:
    """Whoever wrote it."""
    failed = fail(chat, Reply(body=body))
    assert (failed.failure, failed.billed) == (Failure.INVALID_OUTPUT, True)


def test_a_stream_of_nonsense_may_have_been_billed(chat: Chat, dialect: Dialect) -> None:
    """Nothing of it was an event."""
    failed = fail(chat, Reply(body=b"data: nonsense\n\n" * 3, media=dialect.media), streamed=True)
    assert (failed.failure, failed.billed) == (Failure.INVALID_OUTPUT, True)


@pytest.mark.parametrize("breaks", [False, True])
def test_a_stream_that_ends_in_the_middle_is_billed_and_not_resumed(chat: Chat, dialect: Dialect, breaks: bool) -> None:
    """The library then reports zero tokens: nobody may take that for the bill."""
    failed = fail(chat, dialect.stream(whole=False, breaks=breaks), streamed=True)
    assert (failed.failure, failed.billed) == (Failure.PROVIDER_DOWN, True)


def test_an_answer_that_breaks_off_is_billed(chat: Chat, dialect: Dialect) -> None:
    """Even where what came of it could be read."""
    failed = fail(chat, dialect.reply(breaks=True))
    assert (failed.failure, failed.billed) == (Failure.PROVIDER_DOWN, True)


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("how", ["hangs", "drips"])
def test_the_deadline_is_that_of_the_whole_call(chat: Chat, dialect: Dialect, how: str, streamed: bool) -> None:
    """However slowly a server goes on; the caller waits no longer, and the server was asked once."""
    slow = {"drips": True} if how == "drips" else {"holds": 20.0, "breaks": True}
    reply = dialect.stream(whole=False, **slow) if streamed else Reply(body=b" ", **slow)  # type: ignore[arg-type]
    began = time.monotonic()
    failed = fail(chat, reply, streamed=streamed, timeout=500_000)
    assert (failed.failure, failed.billed) == (Failure.TIMEOUT, True)
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("streamed", [False, True])
def test_a_server_that_is_not_there_was_surely_not_billed(chat: Chat, streamed: bool) -> None:
    """The request never left."""
    with Wire(Reply(body=b"")) as wire:
        pass
    with pytest.raises(CallFailed) as caught:
        ask(chat, wire, streamed=streamed)
    assert (caught.value.failure, caught.value.billed) == (Failure.PROVIDER_DOWN, False)


def test_calls_of_one_endpoint_share_a_connection(chat: Chat, dialect: Dialect) -> None:
    """Else each would pay for a handshake."""
    with Wire(dialect.reply()) as wire:
        for _ in range(3):
            ask(chat, wire)
        assert (len(wire.bodies), wire.connections) == (3, 1)


def test_closing_ends_the_connections_and_a_later_call_opens_anew(dialect: Dialect) -> None:
    """A process that goes on may ask again."""
    adapter = type(connect(dialect.provider))()
    with Wire(dialect.reply()) as wire:
        ask(adapter, wire)
        adapter.close()  # type: ignore[attr-defined]
        assert wire.closed.wait(5)
        assert ask(adapter, wire).text == "forty-two"
        adapter.close()  # type: ignore[attr-defined]
        assert wire.connections == 2


@pytest.mark.slow
@pytest.mark.parametrize("provider", MODULES)
def test_an_adapter_needs_its_own_extra_and_no_other(provider: str) -> None:
    """Without its own, the message says what to install."""
    program = """
import sys
from aie.errors import Unavailable
from aie.models import connect

provider, own, *others = sys.argv[1:]
sys.modules.update(dict.fromkeys(others))
connect(provider)
sys.modules["aie.models.connect"]._made.clear()
for name in list(sys.modules):
    if name.startswith("aie.models.providers.") or (name + ".").startswith(own + "."):
        del sys.modules[name]
sys.modules[own] = None
try:
    connect(provider)
except Unavailable as error:
    print(error.hints[0])
"""
    own = MODULES[provider]
    others = [each for each in (*MODULES.values(), "botocore", "aiohttp") if each != own]
    if provider == "bedrock":
        others.remove("botocore")
    if provider in {"openai_compatible", "anthropic"}:
        others.remove("aiohttp")
    done = subprocess.run(
        [sys.executable, "-c", program, provider, own, *others], capture_output=True, text=True, check=False
    )
    assert "pip install '.[" in done.stdout, done.stderr
