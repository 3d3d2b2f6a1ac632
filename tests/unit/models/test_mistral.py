"""What only Mistral's protocol has."""

import json

import pytest

from aie.models import ChatRequest, Endpoint, connect
from tests.unit.models.dialects import MISTRAL, mistral
from tests.unit.models.wire import Reply, Wire, events

ASKED = ChatRequest(model="small-1", user="How much?", max_tokens=50)


def test_a_stream_without_usage_has_unknown_tokens() -> None:
    """Never zero: the call then costs its reservation."""
    pieces = events(mistral({"content": "x"}, piece=True, counted=False), "[DONE]")
    with Wire(Reply(body=pieces, media="text/event-stream")) as wire:
        reply = connect("mistral").stream(ASKED, Endpoint(url=wire.url, key="k"))
    assert (reply.text, reply.tokens_in, reply.tokens_out) == ("x", None, None)


def test_an_answer_that_is_cut_off_says_so() -> None:
    """It ran out of tokens."""
    body = json.dumps(mistral({"role": "assistant", "content": "forty-"}, "length")).encode()
    with Wire(Reply(body=body)) as wire:
        assert connect("mistral").invoke(ASKED, Endpoint(url=wire.url, key="k")).finish == "length"


def test_the_environment_does_not_decide_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """The catalog does."""
    monkeypatch.setenv("MISTRAL_API_KEY", "ambient")
    with Wire(MISTRAL.reply()) as wire:
        connect("mistral").invoke(ASKED, Endpoint(url=wire.url))
    assert wire.headers[0]["authorization"] == "Bearer none"
