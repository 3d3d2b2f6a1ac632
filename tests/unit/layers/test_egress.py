"""The way out: which addresses may be asked, however they are written and whatever a name server answers."""

import contextlib
import http.server
import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from aie.layers.egress import Destination, Forbidden, Unreached, connected, is_allowed

INSIDE = [
    "127.0.0.1",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "169.254.169.254",
    "0.0.0.0",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "fc00::1",
    "fd12::1",
    "fe80::1%eth0",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "2002:7f00:1::",
    "2001:0:4136:e378:8000:63bf:80ff:fffe",
]


class Names:
    """A name server that answers the next line of its script each time, and counts how often it was asked."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked = 0

    def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked += 1
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.fixture
def served() -> Iterator[tuple[int, list[str]]]:
    """A server on this machine: its port, and what each request asked of which host."""
    heard: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.append(f"{self.headers['Host']} {self.path}")
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server.server_port, heard
    server.shutdown()
    thread.join()
    server.server_close()


def get(url: str, names: Names | None = None, allow: tuple[str, ...] = ()) -> int:
    to = Destination(url=url, seconds=2, allow=allow)
    with connected(to, names) if names is not None else connected(to) as opened:
        opened.http.request("GET", opened.target)
        return opened.http.getresponse().status


@pytest.mark.parametrize("address", INSIDE)
def test_addresses_outside_the_public_internet_are_none(address):
    """Also where they hide within others."""
    assert not is_allowed(address)


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "::ffff:8.8.8.8"])
def test_addresses_of_the_public_internet_are_allowed(address):
    """Nothing has to be listed for them."""
    assert is_allowed(address)


def test_the_operator_may_allow_a_network():
    """That one and no other."""
    assert is_allowed("10.1.2.3", ("10.0.0.0/8",))
    assert is_allowed("::ffff:10.1.2.3", ("10.0.0.0/8",))
    assert not is_allowed("192.168.1.1", ("10.0.0.0/8",))


def test_a_name_that_leads_inside_is_refused(served):
    """Though the same address, written out, is asked."""
    port, heard = served
    with pytest.raises(Forbidden):
        get(f"http://policies.example:{port}/", Names(["127.0.0.1"]))
    assert heard == []
    assert get(f"http://127.0.0.1:{port}/") == 200
    assert get(f"http://localhost:{port}/") == 200


def test_one_address_inside_among_public_ones_refuses_the_name():
    """Otherwise the connection that fails first decides."""
    with pytest.raises(Forbidden):
        get("http://policies.example/", Names(["93.184.215.14", "10.0.0.1"]))


def test_a_name_that_is_bound_anew_changes_nothing(served):
    """The address that was looked at is the one that is used: the second answer is never asked for."""
    port, heard = served
    names = Names(["127.0.0.1"], ["169.254.169.254"])
    assert get(f"http://policies.example:{port}/a?b=c", names, ("127.0.0.0/8",)) == 200
    assert names.asked == 1
    assert heard == [f"policies.example:{port} /a?b=c"], "the original name is told to the server"


def test_a_name_that_is_bound_inside_the_next_time_is_refused_then(served):
    """Every request is looked at anew."""
    port, _ = served
    names = Names(["127.0.0.1"], ["10.0.0.1"])
    get(f"http://policies.example:{port}/", names, ("127.0.0.0/8",))
    with pytest.raises(Forbidden):
        get(f"http://policies.example:{port}/", names, ("127.0.0.0/8",))


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "0177.0.0.1", "127.1", "127.0.1", "0", "[::ffff:7f00:1]"])
def test_other_spellings_of_this_machine_are_no_decision_of_the_operator(served, host):
    """The resolver reads them; who reads the settings does not."""
    port, heard = served
    with pytest.raises((Forbidden, Unreached)):
        get(f"http://{host}:{port}/")
    assert heard == []


@pytest.mark.parametrize(
    "url", ["ftp://x/", "file:///etc/passwd", "gopher://x/", "http://", "http://a:b@host/", "http://[::1", "//host/"]
)
def test_what_is_no_plain_http_url_is_refused(url):
    """Before any name is looked up."""
    names = Names(["93.184.215.14"])
    with pytest.raises(Forbidden):
        get(url, names)
    assert names.asked == 0


@pytest.mark.parametrize("host", ["a" * 64 + ".example", "."])
def test_a_name_that_cannot_exist_is_not_reached(host):
    """It is no failure of ours."""
    with pytest.raises(Unreached):
        get(f"http://{host}/")


def test_a_name_without_an_address_is_not_reached():
    """Nothing was sent."""
    with pytest.raises(Unreached):
        get("http://policies.example/", Names([]))


def certificate(folder: Path, name: str) -> Path:
    """Write a key with its self-signed certificate for a name."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    begin = datetime.now(UTC) - timedelta(days=1)
    made = (
        x509.CertificateBuilder(subject_name=subject, issuer_name=subject, public_key=key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    plain = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "pem").write_bytes(plain + made.public_bytes(pem))
    return folder / "pem"


@pytest.mark.parametrize(("name", "reached"), [("policies.example", True), ("other.example", False)])
def test_tls_is_for_the_name_and_not_for_the_address(tmp_path, monkeypatch, name, reached):
    """The server learns the name that was meant, and has to prove that it is it."""
    pem = certificate(tmp_path, "policies.example")
    names: list[str | None] = []
    own = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    own.load_cert_chain(pem)
    own.sni_callback = lambda _, asked, __: names.append(asked)
    trusting = ssl.create_default_context(cafile=str(pem))
    monkeypatch.setattr(ssl, "create_default_context", lambda: trusting)
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            with contextlib.suppress(OSError), own.wrap_socket(listening.accept()[0], server_side=True) as channel:
                channel.recv(4_096)
                channel.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

        thread = threading.Thread(target=serve)
        thread.start()
        url = f"https://{name}:{listening.getsockname()[1]}/"
        if reached:
            assert get(url, Names(["127.0.0.1"]), ("127.0.0.0/8",)) == 204
        else:
            with pytest.raises(Unreached):
                get(url, Names(["127.0.0.1"]), ("127.0.0.0/8",))
        thread.join()
    assert names == [name]
