"""A stream that has ended, in whatever way, leaves nothing half read for the collector of cycles to find."""

import gc
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from types import AsyncGeneratorType
from typing import Any

import pytest

from aie.errors import Failure
from aie.models import CallFailed, Chat, ChatRequest, Endpoint, connect
from tests.unit.models import test_anthropic, test_openai_compatible
from tests.unit.models.dialects import DIALECTS
from tests.unit.models.wire import Reply, Wire

REQUEST = ChatRequest(model="small-1", user="How much?", max_tokens=50)
STREAMS: dict[str, Callable[..., Reply]] = {
    "openai_compatible": test_openai_compatible.streamed,
    "anthropic": test_anthropic.streamed,
    **{each.provider: each.stream for each in DIALECTS},
}
NONSENSE = b"data: {nonsense\n\n" * 9
ENDINGS: dict[str, Callable[[Reply, Reply], Reply]] = {
    "whole": lambda whole, _: whole,
    "broken off": lambda _, begun: replace(begun, breaks=True),
    "nonsense": lambda whole, _: replace(whole, body=NONSENSE + whole.body),
    "nonsense in the middle": lambda _, begun: replace(begun, body=begun.body + NONSENSE, breaks=False),
    "goes on after its end": lambda whole, _: replace(whole, drips=True),
    "out of time": lambda _, begun: replace(begun, breaks=False, drips=True),
}


@pytest.fixture(scope="module", params=STREAMS)
def provider(request: pytest.FixtureRequest) -> str:
    """Return one protocol after another."""
    return request.param  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def chat(provider: str) -> Iterator[Chat]:
    """One adapter for the module: importing its libraries costs seconds."""
    adapter = connect(provider)
    yield adapter
    adapter.close()  # type: ignore[attr-defined]


@pytest.fixture(autouse=True)
def uncollected() -> Iterator[None]:
    """Keep what only the collector of cycles would find."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def half_read() -> list[Any]:
    """Return the asynchronous generators that have begun and have not ended."""
    found = [each for each in gc.get_objects() if isinstance(each, AsyncGeneratorType)]
    return [each for each in found if each.ag_frame is not None]


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_stream_has_closed_all_that_it_read_from(chat: Chat, provider: str, ending: str) -> None:
    """Before its caller hears of its end: later, another thread may meet it half closed."""
    before = half_read()
    reply = ENDINGS[ending](STREAMS[provider](whole=True), STREAMS[provider](whole=False))
    with Wire(reply) as wire:
        with suppress(CallFailed):
            chat.stream(REQUEST, Endpoint(url=wire.url, key="k", timeout=200_000 if reply.drips else 60_000_000))
        left = half_read()
    assert [each.__qualname__ for each in left if each not in before] == []
    assert len(wire.bodies) == 1


def test_a_stream_whose_adapter_is_closed_fails_at_once_and_is_closed(provider: str) -> None:
    """It may be billed."""
    before = half_read()
    adapter = type(connect(provider))()
    failed: list[CallFailed] = []

    def call(url: str) -> None:
        try:
            adapter.stream(REQUEST, Endpoint(url=url, key="k", timeout=60_000_000))
        except CallFailed as error:
            failed.append(error)

    with Wire(replace(STREAMS[provider](whole=False), breaks=False, holds=60.0)) as wire:
        caller = threading.Thread(target=call, args=(wire.url,))
        caller.start()
        assert wire.asked.wait(30)
        adapter.close()  # type: ignore[attr-defined]
        caller.join(30)
    assert [(each.failure, each.billed) for each in failed] == [(Failure.PROVIDER_DOWN, True)]
    assert [each.__qualname__ for each in half_read() if each not in before] == []
