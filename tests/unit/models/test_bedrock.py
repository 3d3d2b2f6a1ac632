"""What only Bedrock has: credentials of AWS, regions, threads."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from aie.errors import Failure
from aie.models import CallFailed, Chat, ChatRequest, Endpoint, Part, connect
from tests.unit.models.dialects import BEDROCK, converse
from tests.unit.models.wire import Reply, Wire, frames

ASKED = ChatRequest(model="small-1", user="How much?", max_tokens=50)


@pytest.fixture
def chat(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Chat]:
    """Return an adapter of its own, in a process that AWS knows nothing of."""
    for name in (
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_DEFAULT_REGION",
        "AWS_PROFILE",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    adapter = type(connect("bedrock"))()
    yield adapter
    adapter.close()  # type: ignore[attr-defined]


@pytest.fixture
def known(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let AWS know the process."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "example")


def refused(chat: Chat, request: ChatRequest = ASKED) -> CallFailed:
    """Return how a call without a key fails, which reaches nobody."""
    with Wire(BEDROCK.reply()) as wire, pytest.raises(CallFailed) as caught:
        chat.invoke(request, Endpoint(url=wire.url))
    assert wire.bodies == []
    return caught.value


@pytest.mark.usefixtures("known")
def test_without_a_key_a_request_is_signed_as_whom_aws_takes_the_process_for(
    chat: Chat, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For the region that AWS is configured for, where the host does not tell one."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    with Wire(BEDROCK.reply()) as wire:
        assert chat.invoke(ASKED, Endpoint(url=wire.url)).text == "forty-two"
    signature = wire.headers[0]["authorization"]
    assert signature.startswith("AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE/")
    assert "/eu-central-1/bedrock/aws4_request" in signature


@pytest.mark.usefixtures("known")
def test_a_key_comes_before_whom_aws_takes_the_process_for(chat: Chat) -> None:
    """The catalog names it."""
    with Wire(BEDROCK.reply()) as wire:
        chat.invoke(ASKED, Endpoint(url=wire.url, key="secret"))
    assert wire.headers[0]["authorization"] == "Bearer secret"


@pytest.mark.usefixtures("known")
def test_a_region_that_nobody_tells_is_not_guessed(chat: Chat) -> None:
    """Nothing leaves."""
    failed = refused(chat)
    assert (failed.failure, failed.billed) == (Failure.PROVIDER_REFUSED, False)
    assert "region" in failed.message


def test_a_process_that_aws_does_not_know_asks_nothing(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names what was missing."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    failed = refused(chat)
    assert (failed.failure, failed.billed) == (Failure.PROVIDER_REFUSED, False)
    assert "NoCredentialsError" in failed.message


@pytest.mark.parametrize(
    ("host", "region"),
    [
        ("bedrock-runtime.eu-central-1.amazonaws.com", "eu-central-1"),
        ("bedrock-runtime-fips.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
        ("bedrock-runtime.ap-southeast-2.api.aws", "ap-southeast-2"),
        ("vpce-0a1-b2.bedrock-runtime.us-east-1.vpce.amazonaws.com", "us-east-1"),
        ("models.northgate.example", None),
        ("bedrock-runtime.internal", None),
    ],
)
@pytest.mark.usefixtures("known")
def test_the_host_tells_the_region(chat: Chat, monkeypatch: pytest.MonkeyPatch, host: str, region: str | None) -> None:
    """It comes before what AWS is configured for."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "sa-east-1")
    client = chat._new_client  # type: ignore[attr-defined]

    async def made() -> str:
        return client(Endpoint(url=f"https://{host}")).meta.region_name  # type: ignore[no-any-return]

    assert chat._run(made(), 30.0) == (region or "sa-east-1")  # type: ignore[attr-defined]


def test_the_environment_does_not_bring_retries_back(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS has variables for them."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "5")
    monkeypatch.setenv("AWS_RETRY_MODE", "adaptive")
    with Wire(BEDROCK.refusal(503)) as wire, pytest.raises(CallFailed):
        chat.invoke(ASKED, Endpoint(url=wire.url, key="k"))
    assert len(wire.bodies) == 1


@pytest.mark.parametrize("streamed", [False, True])
def test_an_answer_without_usage_has_unknown_tokens(chat: Chat, streamed: bool) -> None:
    """Never zero: the call then costs its reservation."""
    whole = frames(
        ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "x"}}),
        ("messageStop", {"stopReason": "end_turn"}),
    )
    answer = BEDROCK.reply(converse({"text": "x"}, counted=False))
    with Wire(Reply(body=whole, media=BEDROCK.media) if streamed else answer) as wire:
        reply = (chat.stream if streamed else chat.invoke)(ASKED, Endpoint(url=wire.url, key="k"))
    assert (reply.text, reply.tokens_in, reply.tokens_out) == ("x", None, None)


@pytest.mark.parametrize(
    ("name", "failure", "billed"),
    [
        ("throttlingException", Failure.RATE_LIMITED, False),
        ("serviceUnavailableException", Failure.PROVIDER_DOWN, False),
        ("validationException", Failure.PROVIDER_REFUSED, False),
        ("modelStreamErrorException", Failure.PROVIDER_DOWN, True),
        ("internalServerException", Failure.PROVIDER_DOWN, True),
    ],
)
@pytest.mark.parametrize("begun", [False, True])
def test_an_exception_inside_a_stream_is_billed_once_it_began(
    chat: Chat, name: str, failure: Failure, billed: bool, begun: bool
) -> None:
    """Its class is that of the same refusal before it."""
    body = (BEDROCK.begun if begun else b"") + frames((name, {"message": "as planned"}))
    with Wire(Reply(body=body, media=BEDROCK.media)) as wire, pytest.raises(CallFailed) as caught:
        chat.stream(ASKED, Endpoint(url=wire.url, key="k"))
    assert (caught.value.failure, caught.value.billed) == (failure, billed or begun)
    assert "as planned" not in caught.value.message


def test_a_model_that_bedrock_does_not_know_is_retired(chat: Chat) -> None:
    """It says so with the status of any mistake."""
    body = json.dumps({"message": "The provided model identifier is invalid."}).encode()
    reply = Reply(body=body, status=400, headers={"x-amzn-errortype": "ValidationException"})
    with Wire(reply) as wire, pytest.raises(CallFailed) as caught:
        chat.invoke(ASKED, Endpoint(url=wire.url, key="k"))
    assert (caught.value.failure, caught.value.billed) == (Failure.MODEL_RETIRED, False)


def test_an_image_that_the_protocol_has_no_name_for_is_refused_before_it_leaves(chat: Chat) -> None:
    """So it is surely not billed."""
    tiff = ChatRequest(model="m", user="?", max_tokens=9, parts=(Part(media_type="image/tiff", content=b"1"),))
    with Wire(BEDROCK.reply()) as wire, pytest.raises(CallFailed) as caught:
        chat.invoke(tiff, Endpoint(url=wire.url, key="k"))
    assert (caught.value.failure, caught.value.billed, wire.bodies) == (Failure.PROVIDER_REFUSED, False, [])


@pytest.mark.slow
def test_a_thread_that_a_silent_server_holds_gives_up_after_its_caller(chat: Chat) -> None:
    """The caller is told at its deadline, the thread a while later, the server never."""
    with Wire(Reply(body=b" ", breaks=True, holds=60.0)) as wire:
        with pytest.raises(CallFailed) as caught:
            chat.invoke(ASKED, Endpoint(url=wire.url, key="k", timeout=500_000))
        assert caught.value.failure is Failure.TIMEOUT
        held = [each for each in threading.enumerate() if each.name == "AnyIO worker thread"]
        assert held
        for each in held:
            each.join(10)
            assert not each.is_alive()


def test_a_stream_lets_go_of_its_thread_with_its_caller(chat: Chat) -> None:
    """Its connection is closed, which wakes it."""
    with Wire(BEDROCK.stream(whole=False, breaks=True, holds=60.0)) as wire:
        with pytest.raises(CallFailed):
            chat.stream(ASKED, Endpoint(url=wire.url, key="k", timeout=500_000))
        for each in [each for each in threading.enumerate() if each.name == "AnyIO worker thread"]:
            each.join(1.5)
            assert not each.is_alive()
