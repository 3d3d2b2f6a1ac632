"""The act layer: what each kind of receiver and each kind of accident comes to."""

import base64
import hashlib
import hmac
import json
import os
import socket
import threading
from collections.abc import Callable

import pytest

from aie.core import Labels, canonical
from aie.errors import Failure, StepFailure
from aie.layers import DELIVERERS, LAYERS, Delivery, EffectRequest
from aie.layers.act.http import Post, post
from aie.testing.receiver import Receiver

BODY = {"amount": "5.00 USD", "claim": "C-1"}
ACT = DELIVERERS["act"]


def delivery(body=None, key="key-1"):
    return Delivery(key=key, body=BODY if body is None else body, receiver="receiver:payments", config={})


@pytest.fixture
def folder(world, tmp_path):
    """A world with a file drop."""
    world.components["receiver:payments"] = canonical({"kind": "file"})
    world.live["receiver:payments"] = {"folder": str(tmp_path / "outbox")}
    return tmp_path / "outbox"


@pytest.fixture(scope="module")
def receiver(tmp_path_factory):
    """A receiver in a process of its own."""
    with Receiver(tmp_path_factory.mktemp("receiver") / "log.jsonl") as made:
        yield made


@pytest.fixture
def http(world, receiver) -> Callable[..., None]:
    """A world whose receiver is reached at a path."""

    def at(path="/", url="", timeout=2_000_000, secret=None):
        world.components["receiver:payments"] = canonical({"kind": "http"})
        world.live["receiver:payments"] = {"url": url or receiver.url + path, "timeout": timeout, "secret": secret}

    at()
    return at


def failure_of(world, what=None) -> Failure:
    with pytest.raises(StepFailure) as caught:
        ACT.deliver(what or delivery(), world.tools())
    return caught.value.failure


def test_what_is_owed_names_its_receiver_and_its_identity(world, task):
    """Only the declared business fields tell effects apart."""
    config = {"receiver": "receiver:payments", "semantics": "idempotent", "identity": ["claim"]}
    request = LAYERS["act"].run(task(config, claim="C-1", amount="5.00 USD"), world.tools())
    assert request == EffectRequest(
        receiver="receiver:payments", semantics="idempotent", body=BODY, identity={"claim": "C-1"}
    )


def test_without_declared_fields_the_whole_body_is_the_identity(world, task):
    """Two different bodies are two effects."""
    config = {"receiver": "receiver:payments", "semantics": "idempotent", "identity": []}
    assert LAYERS["act"].run(task(config, claim="C-1"), world.tools()).identity == {"claim": "C-1"}


def test_a_file_drop_is_one_whole_file_named_by_its_key(world, folder):
    """And a repeat gives the same receipt."""
    first = ACT.deliver(delivery(), world.tools())
    assert ACT.deliver(delivery(), world.tools()) == first
    assert [each.name for each in folder.iterdir()] == ["key-1.json"]
    assert json.loads((folder / "key-1.json").read_bytes()) == BODY


def test_a_file_drop_refuses_another_body_under_the_same_key(world, folder):
    """What was dropped may have been taken already."""
    ACT.deliver(delivery(), world.tools())
    assert failure_of(world, delivery({"amount": "6.00 USD"})) is Failure.RECEIVER_REFUSED
    assert json.loads((folder / "key-1.json").read_bytes()) == BODY


def test_a_file_drop_that_dies_before_its_end_leaves_no_file(world, folder, monkeypatch):
    """The file appears whole or not at all; the next try succeeds."""

    def die(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", die)
        assert failure_of(world) is Failure.RECEIVER_DOWN
    assert not list(folder.iterdir())
    ACT.deliver(delivery(), world.tools())


def test_a_file_can_be_found_by_the_key_that_explain_prints(world, folder):
    """Where a colon is no part of a name, a dash stands for it."""
    assert ACT.deliver(delivery(key="hmac:" + "0a" * 32), world.tools())["file"] == f"hmac-{'0a' * 32}.json"


@pytest.mark.parametrize("key", ["../evil", "a/b", "", ".hidden", "k" * 500, "sha256:ab"])
def test_a_key_never_leaves_the_folder(world, folder, key):
    """Whatever it holds."""
    receipt = ACT.deliver(delivery(key=key), world.tools())
    assert [each.name for each in folder.iterdir()] == [receipt["file"]]


def test_a_folder_that_cannot_be_used_is_a_receiver_that_is_down(world, folder):
    """It may be mended."""
    folder.write_text("not a folder")
    assert failure_of(world) is Failure.RECEIVER_DOWN


def test_a_file_drop_can_be_asked(world, folder):
    """By whoever was interrupted."""
    assert ACT.reconcile(delivery(), world.tools()) is None
    receipt = ACT.deliver(delivery(), world.tools())
    assert ACT.reconcile(delivery(), world.tools()) == receipt


def test_a_post_carries_its_key_and_returns_the_answer(world, http, receiver):
    """A repeat is the receiver's to recognise."""
    before = receiver.counts()
    assert ACT.deliver(delivery(key="p1"), world.tools()) == {"status": 200, "body": {"key": "p1", "what": "applied"}}
    assert ACT.deliver(delivery(key="p1"), world.tools())["body"]["what"] == "repeat"
    after = receiver.counts()
    assert (after.applied - before.applied, after.repeats - before.repeats, after.other_body) == (1, 1, 0)


@pytest.mark.parametrize(
    ("path", "failure", "applied"),
    [
        ("/busy", Failure.RECEIVER_DOWN, False),
        ("/refuse", Failure.RECEIVER_REFUSED, False),
        ("/moved", Failure.RECEIVER_REFUSED, False),
        ("/hold", Failure.DELIVERY_UNKNOWN, False),
        ("/fail", Failure.DELIVERY_UNKNOWN, True),
        ("/drop", Failure.DELIVERY_UNKNOWN, True),
        ("/slow", Failure.DELIVERY_UNKNOWN, True),
    ],
)
def test_what_surely_was_not_applied_is_told_from_what_nobody_knows(world, http, path, failure, applied):
    """The reconciling question gives the truth afterwards."""
    http(path, timeout=150_000)
    given = delivery({"path": path}, key=f"k{path[1:]}")
    assert failure_of(world, given) is failure
    http("/")
    known = ACT.reconcile(given, world.tools())
    assert (known is not None) is applied


def test_a_receiver_that_listens_nowhere_is_down(world, http):
    """Nothing was sent."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    http(url=f"http://127.0.0.1:{port}/")
    assert failure_of(world) is Failure.RECEIVER_DOWN
    with pytest.raises(StepFailure) as caught:
        ACT.reconcile(delivery(), world.tools())
    assert caught.value.failure is Failure.RECEIVER_DOWN


@pytest.mark.parametrize(
    "url",
    ["ftp://x/", "file:///etc/passwd", "http://", "http://user:pw@host/", "http://[::1", "http://169.254.169.254/"],
)
def test_addresses_that_no_receiver_has_are_refused(world, http, url):
    """Other schemes, credentials in the address, and where clouds hand out theirs."""
    http(url=url)
    assert failure_of(world) is Failure.RECEIVER_REFUSED


def test_no_proxy_of_the_environment_applies(world, http, monkeypatch):
    """What is delivered goes to whom the settings name."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    ACT.deliver(delivery(key="p2"), world.tools())


@pytest.fixture(params=["deliver", "reconcile"])
def touch(request) -> Callable[..., object]:
    """Each way in which bytes reach a receiver."""
    return getattr(ACT, request.param)


@pytest.mark.parametrize(
    ("clearance", "why"),
    [
        ({"classes": ["personal"], "regions": ["eu"]}, "may not be given data of class health"),
        ({"classes": ["health"], "regions": ["eu", "us"]}, "is in us; what it would be given may be processed in eu"),
        ({"classes": ["health"], "regions": None}, "is in a region that nobody states"),
        (None, "may not be given data of class health"),
    ],
)
def test_a_receiver_that_is_not_cleared_is_not_even_connected_to(world, touch, clearance, why):
    """Neither to hand over nor to ask; the listener behind the address would see the first packet."""
    world.labels = Labels(classes=frozenset({"health"}), regions=frozenset({"eu"}))
    world.components["receiver:payments"] = canonical({"kind": "http"})
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        world.live["receiver:payments"] = {"url": url, "timeout": 100_000, "clearance": clearance}
        with pytest.raises(StepFailure, match=why) as caught:
            touch(delivery(), world.tools())
        assert caught.value.failure is Failure.NOT_PERMITTED
        assert caught.value.report["refused"]["door"] == "payments"
        with pytest.raises(BlockingIOError):
            server.accept()
        world.live["receiver:payments"] |= {"clearance": {"classes": ["health"], "regions": ["eu"]}}
        with pytest.raises(StepFailure) as caught:  # the control: nobody answers, but somebody was connected to
            touch(delivery(), world.tools())
        assert caught.value.failure is not Failure.NOT_PERMITTED
        server.accept()[0].close()


def test_a_folder_that_is_not_cleared_is_not_written_to(world, folder, touch):
    """A file drop is a receiver as any other."""
    world.labels = Labels(classes=frozenset({"health"}))
    with pytest.raises(StepFailure) as caught:
        touch(delivery(), world.tools())
    assert caught.value.failure is Failure.NOT_PERMITTED
    assert not folder.exists()
    world.live["receiver:payments"] |= {"clearance": {"classes": ["health"]}}
    touch(delivery(), world.tools())


def answering(content: bytes) -> tuple[str, threading.Thread, list[bytes]]:
    server = socket.create_server(("127.0.0.1", 0))
    heard: list[bytes] = []

    def serve() -> None:
        with server, server.accept()[0] as channel:
            heard.append(channel.recv(65_536))
            heard.append(channel.recv(65_536) if b"5.00 USD" not in heard[0] else b"")
            channel.sendall(content)

    thread = threading.Thread(target=serve)
    thread.start()
    return f"http://127.0.0.1:{server.getsockname()[1]}/hook?a=b", thread, heard


def test_a_signed_post_follows_standard_webhooks():
    """Id, time and body are under the signature."""
    url, thread, heard = answering(b"HTTP/1.1 204 No Content\r\n\r\n")
    secret = "whsec_" + base64.b64encode(b"key").decode()
    to = Post(url=url, key="k", secret=secret, sent_at=1_700_000_000, seconds=2)
    assert post(to, canonical(BODY)) == {"status": 204, "body": ""}
    thread.join()
    head, _, body = b"".join(heard).partition(b"\r\n\r\n")
    mark = base64.b64encode(hmac.digest(b"key", b"k.1700000000." + body, hashlib.sha256))
    assert b"webhook-signature: v1," + mark in head
    assert b"webhook-id: k" in head
    assert head.startswith(b"POST /hook?a=b HTTP/1.1")


@pytest.mark.parametrize(
    ("answer", "read"),
    [
        (b'{"rate": 1.5, "n": 3}', {"rate": "1.5", "n": 3}),
        (b'{"big": 99999999999999999999}', '{"big": 99999999999999999999}'),
        (b"plain words", "plain words"),
        (b"[" * 5_000, "[" * 2_000),
        (b"\xff\xfe", "sha256:b2ea2a1dbd3e8df3a7c1d6c7f8c0d1d0"),
    ],
)
def test_any_answer_becomes_a_receipt_that_can_be_stored(answer, read):
    """No floats, no monsters."""
    url, thread, _ = answering(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(answer) + answer)
    to = Post(url=url, key="k", secret=None, sent_at=0, seconds=2)
    receipt = post(to, canonical(BODY))
    thread.join()
    canonical(receipt)
    if isinstance(read, str) and read.startswith("sha256:"):
        assert receipt["body"].startswith("sha256:")
    else:
        assert receipt["body"] == read


def test_an_answer_that_is_no_http_is_an_unknown_delivery():
    """Somebody took the bytes."""
    url, thread, _ = answering(b"hello\r\n\r\n")
    with pytest.raises(StepFailure) as caught:
        post(Post(url=url, key="k", secret=None, sent_at=0, seconds=2), canonical(BODY))
    thread.join()
    assert caught.value.failure is Failure.DELIVERY_UNKNOWN
