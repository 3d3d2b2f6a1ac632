"""One request within one deadline: what came of it says whether the request can have been read."""

import gc
import gzip
import socket
import ssl
import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from aie.models.providers import exchange as exchanges
from aie.models.providers.exchange import Broken, Exchange, Unreached
from aie.models.providers.incoming import Answered, Unreadable
from tests.unit.fiber_loop import in_fiber
from tests.unit.models.wire import Reply, Wire

heard: list[bytes] = []
"""What the last one that spoke was asked."""
KEY = {"Authorization": "Bearer secret"}


@contextmanager
def speaking(*pieces: bytes, forever: bytes = b"") -> Iterator[str]:
    """Serve one connection that says these bytes after it was asked, then `forever` again and again."""
    heard.clear()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            channel, _ = server.accept()
            with channel:
                heard.append(channel.recv(65_536))
                try:
                    for piece in pieces:
                        channel.sendall(piece)
                    while forever:
                        channel.sendall(forever)
                        if over.wait(0.01):
                            return
                except OSError:
                    return

        over = threading.Event()
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/v1"
        over.set()
        thread.join()


way: dict[str, str] = {}


@pytest.fixture(params=["thread", "fiber"], autouse=True)
def asked_in(request: pytest.FixtureRequest) -> None:
    """Every test is one of both."""
    way["is"] = request.param


def post(exchange: Exchange, seconds: float = 5) -> Answered:
    """Ask once, in a thread or in a fiber."""
    if way["is"] == "fiber":
        return in_fiber(lambda: exchange.post(b"{}", seconds=seconds))
    return exchange.post(b"{}", seconds=seconds)


def ask(url: str, seconds: float = 5) -> Answered:
    """Ask once, over a connection of its own."""
    with closing(Exchange(url, KEY)) as exchange:
        return post(exchange, seconds)


def test_an_answer_comes_with_its_status_and_its_headers():
    """Whatever it says."""
    with Wire(Reply(body=b'{"a": 1}', status=418, headers={"X-Tea": "pot"})) as wire:
        answer = ask(f"{wire.url}/v1?x=1")
    assert (answer.status, answer.headers["x-tea"], answer.content) == (418, "pot", b'{"a": 1}')
    assert (wire.paths, wire.bodies) == (["/v1?x=1"], [b"{}"])


def test_connections_are_kept_and_one_that_the_server_closed_is_not_asked():
    """A request on a dead connection would be lost, and counted as billed."""
    with Wire(Reply(body=b"1"), Reply(body=b"2")) as wire:
        exchange = Exchange(wire.url, KEY)
        assert [post(exchange).content for _ in range(3)] == [b"1", b"2", b"2"]
        assert wire.connections == 1
        wire.hang_up()
        assert post(exchange).content == b"2"
        assert wire.connections == 2
        exchange.close()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_an_answer_and_nothing_is_sent_anywhere_else(status):
    """Neither the key nor what was asked may leave for another place than the catalog names."""
    with Wire(Reply(body=b"elsewhere")) as other:
        with Wire(Reply(body=b"", status=status, headers={"Location": f"{other.url}/v1"})) as wire:
            assert ask(wire.url).status == status
        assert other.bodies == []


def test_a_packed_answer_is_unpacked():
    """It was not asked for, but gateways do."""
    packed = Reply(body=gzip.compress(b"hello"), headers={"Content-Encoding": "gzip"})
    with Wire(packed) as wire:
        assert ask(wire.url).content == b"hello"


@pytest.mark.parametrize(
    ("body", "packing"), [(gzip.compress(bytes(40_000_000)), "gzip"), (b"?", "br"), (bytes(33_000_000), "identity")]
)
def test_an_answer_that_is_endless_or_packed_otherwise_is_not_read(body, packing):
    """Forty kilobytes may hold forty megabytes."""
    with Wire(Reply(body=body, headers={"Content-Encoding": packing})) as wire, pytest.raises(Unreadable):
        ask(wire.url, 20)


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfour",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfour\r\n",
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 500,
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * 70_000,
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nfour",
    ],
)
def test_what_is_no_whole_answer_may_have_been_billed(said):
    """The server had the request."""
    with speaking(said) as url, pytest.raises(Broken):
        ask(url)


@pytest.mark.parametrize(
    "drip",
    [b"HTTP/1.1 100 Continue\r\n\r\n", b"x: y", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n"],
)
def test_no_drip_of_bytes_moves_the_deadline(drip):
    """Each piece comes in time, the whole does not."""
    with (
        speaking(b"HTTP/1.1 1" if drip == b"x: y" else b"", forever=drip) as url,
        pytest.raises((TimeoutError, Broken)),
    ):
        ask(url, 0.3)


@pytest.mark.parametrize("after", [b"0\r\nx: ", b"1;x="])
def test_what_follows_a_body_has_an_end_long_before_the_deadline(after):
    """Each byte of an endless trailer would be copied again and again, on the thread of everybody's calls."""
    whole = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n"
    with speaking(whole + after, forever=b"y" * 65_536) as url, pytest.raises(Broken):
        ask(url, 5)


def test_a_server_that_says_nothing_ends_at_the_deadline():
    """It has the request."""
    with Wire(Reply(body=b"", breaks=True, holds=2.0)) as wire, pytest.raises(TimeoutError):
        ask(wire.url, 0.2)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/v1", "http://no-such-host.invalid/v1", "http://" + "a" * 70 + "/"])
def test_where_no_connection_stands_nothing_was_asked(url):
    """So nothing was billed."""
    with pytest.raises(Unreached):
        ask(url)


def test_a_connection_in_the_clear_is_none_where_it_must_be_encrypted():
    """The key does not leave before the server has shown who it is."""
    with Wire(Reply(body=b"1")) as wire, pytest.raises(Unreached):
        ask(wire.url.replace("http:", "https:"))
    assert wire.bodies == []


@pytest.mark.parametrize("key", ["line\nbreak", "line\r\nX-Evil: yes", "schlüssel→", "nul\0"])
def test_a_key_cannot_bring_a_header_of_its_own(key):
    """A line break at the end of a secret is a common mistake, too."""
    with pytest.raises(ValueError, match="line break"):
        Exchange("http://127.0.0.1:1/v1", {"Authorization": f"Bearer {key}"})


def test_a_proxy_lets_through_to_an_encrypted_place_and_sees_nothing_but_its_name():
    """One that refuses means that nothing was asked."""
    with speaking(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n") as url:
        proxy = url.replace("http://", "http://ann:pass%20word@")
        with closing(Exchange("https://models.example/v1", KEY, proxy=proxy)) as exchange, pytest.raises(Unreached):
            post(exchange)
    assert b"".join(heard).split(b"\r\n") == [
        b"CONNECT models.example:443 HTTP/1.1",
        b"Host: models.example:443",
        b"Proxy-Authorization: Basic YW5uOnBhc3Mgd29yZA==",
        b"",
        b"",
    ]


def test_many_threads_share_one_exchange():
    """Each has a connection of its own while it asks."""
    with Wire(Reply(body=b"ok")) as wire:
        exchange = Exchange(wire.url, KEY)
        came: list[bytes] = []
        threads = [threading.Thread(target=lambda: came.append(post(exchange, 10).content)) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        exchange.close()
    assert came == [b"ok"] * 20
    assert len(wire.bodies) == 20


def test_a_connection_is_kept_across_threads_and_fibers():
    """Whoever asks next waits in its own way."""
    with Wire(Reply(body=b"ok")) as wire, closing(Exchange(wire.url, KEY)) as exchange:
        for each in ("fiber", "thread", "fiber", "thread"):
            way["is"] = each
            assert post(exchange).content == b"ok"
        assert wire.connections == 1


@pytest.mark.parametrize(
    ("said", "content"),
    [
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", b"ok"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n", b"ok"),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nok", b"ok"),
        (b"HTTP/1.0 200 OK\r\n\r\nok", b"ok"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    ],
)
def test_an_answer_ends_where_the_protocol_says(said, content):
    """By its length, its last chunk, or the end of the connection."""
    with speaking(said) as url:
        assert ask(url).content == content


@pytest.mark.parametrize("more", [b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", b"noise"])
def test_what_a_server_says_beyond_its_answer_is_no_answer_to_the_next_question(more):
    """The connection is not asked again; the answer that was paid for counts."""
    with Wire(Reply(body=b"next")) as wire, speaking(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" + more) as url:
        exchange = Exchange(url, KEY)
        assert post(exchange).content == b"ok"
        exchange._place = urlsplit(wire.url)
        assert post(exchange).content == b"next"
        exchange.close()


@pytest.mark.parametrize("more", [b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n3", b"noise"])
def test_what_a_server_says_after_its_answer_is_no_answer_to_the_next_question(more):
    """Neither right after it nor later."""
    with ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        server.settimeout(5)
        pool = stack.enter_context(ThreadPoolExecutor(1))
        exchange = stack.enter_context(closing(Exchange(f"http://127.0.0.1:{server.getsockname()[1]}/v1", KEY)))
        for said in (b"1", b"2"):
            asked = pool.submit(post, exchange)
            channel = stack.enter_context(server.accept()[0])
            channel.recv(65_536)
            channel.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n" + said)
            assert asked.result(5).content == said
            channel.sendall(more)


def test_a_packed_answer_without_a_body_is_whole():
    """Gateways name their packing with refusals, too."""
    with Wire(Reply(body=b"", status=429, headers={"Content-Encoding": "gzip", "Retry-After": "7"})) as wire:
        answer = ask(wire.url)
    assert (answer.status, answer.headers["retry-after"], answer.content) == (429, "7", b"")


def test_a_call_that_failed_keeps_nothing_that_it_read():
    """What a question holds is freed with it, and not once cycles are collected."""
    kept: list[weakref.ref[set[str]]] = []

    def fails() -> None:
        read = {"a document"}
        kept.append(weakref.ref(read))
        with pytest.raises(Unreached):
            Exchange("http://127.0.0.1:1/v1", KEY).post(b"{}", seconds=5)

    gc.disable()
    try:
        in_fiber(fails) if way["is"] == "fiber" else fails()
        assert kept[0]() is None
    finally:
        gc.enable()


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 4\r\n\r\nokok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nok",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n",
    ],
)
def test_an_answer_with_two_ends_is_none(said):
    """What smuggles one answer into another is refused as a whole."""
    with speaking(said) as url, pytest.raises(Broken):
        ask(url)


def test_an_encrypted_answer_is_read_whole(tmp_path, monkeypatch):
    """In pieces of its own, whatever the socket says of the bytes beneath."""
    cert, key = self_signed(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(cert))
    exchanges._trusting.cache_clear()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    body = b"x" * 300_000
    try:
        with Wire(Reply(body=body), tls=context) as wire:
            exchange = Exchange(wire.url.replace("http://127.0.0.1", "https://localhost"), KEY)
            assert [post(exchange).content == body for _ in range(2)] == [True, True]
            assert wire.connections == 1
            exchange.close()
    finally:
        exchanges._trusting.cache_clear()


def self_signed(folder: Path) -> tuple[Path, Path]:
    """Write a certificate of `localhost` that is its own authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert, secret = folder / "cert.pem", folder / "key.pem"
    cert.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    secret.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    return cert, secret
