"""A server whose every answer is written out by the test: status, headers, body, and whether it breaks off."""

import binascii
import contextlib
import json
import socket
import ssl
import struct
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

__all__ = ["Reply", "Wire", "events", "frames"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One answer."""

    body: bytes
    status: int = 200
    media: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    breaks: bool = False
    """True promises more than it sends and closes the connection."""
    holds: float = 0.0
    """Seconds, at most, that it does nothing after what it sent; it ends with the server."""
    drips: bool = False
    """True goes on with a blank every hundredth of a second, until the client or the server ends."""


def events(*data: Any, named: bool = False) -> bytes:
    """Return a stream of server-sent events; `named` writes each one's type as its event, as Anthropic does."""
    lines = []
    for each in data:
        name = f"event: {each['type']}\n" if named else ""
        text = each if isinstance(each, str) else json.dumps(each)
        lines.append(f"{name}data: {text}\n\n")
    return "".join(lines).encode()


def frames(*named: tuple[str, Any]) -> bytes:
    """Return a stream of AWS's binary events; an exception's name ends in `Exception`."""
    return b"".join(_frame(name, json.dumps(data).encode()) for name, data in named)


def _frame(name: str, data: bytes) -> bytes:
    kind = "exception" if name.endswith("Exception") else "event"
    headers = {f":{kind}-type": name, ":content-type": "application/json", ":message-type": kind}
    packed = b"".join(
        bytes([len(key)]) + key.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()
        for key, value in headers.items()
    )
    prelude = struct.pack(">II", len(packed) + len(data) + 16, len(packed))
    message = prelude + struct.pack(">I", binascii.crc32(prelude)) + packed + data
    return message + struct.pack(">I", binascii.crc32(message))


class Wire:
    """Use as a context manager; answers in turn, the last one for ever."""

    def __init__(self, *replies: Reply, tls: ssl.SSLContext | None = None) -> None:
        self._replies: Sequence[Reply] = replies
        self._tls = tls
        self._over = threading.Event()
        self.bodies: list[bytes] = []
        """Bodies as they came, byte for byte."""
        self.paths: list[str] = []
        self.headers: list[dict[str, str]] = []
        """Of each request, names in lower case."""
        self.connections = 0
        self.asked = threading.Event()
        """Set when the first request has come and what is said at once has been said."""
        self.closed = threading.Event()
        """Set when the first connection has ended."""
        self._open: list[socket.socket] = []

    @property
    def requests(self) -> list[dict[str, Any]]:
        """Bodies as JSON."""
        return [json.loads(each) for each in self.bodies]

    def __enter__(self) -> Self:
        wire = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                wire.connections += 1
                super().setup()
                wire._open.append(self.connection)

            def finish(self) -> None:
                super().finish()
                wire.closed.set()

            def do_POST(self) -> None:
                wire.bodies.append(self.rfile.read(int(self.headers["content-length"])))
                wire.paths.append(self.path)
                wire.headers.append({name.lower(): value for name, value in self.headers.items()})
                reply = wire._replies[min(len(wire.bodies), len(wire._replies)) - 1]
                self.send_response(reply.status)
                for name, value in {"content-type": reply.media, **reply.headers}.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(reply.body) + 1000 * (reply.breaks or reply.drips)))
                self.end_headers()
                self.wfile.write(reply.body)
                self.wfile.flush()
                wire.asked.set()
                wire._over.wait(reply.holds)
                self.close_connection = reply.breaks or reply.drips
                while reply.drips and not wire._over.wait(0.01):
                    try:
                        self.wfile.write(b" ")
                    except OSError:
                        break

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if self._tls is not None:
            self._server.socket = self._tls.wrap_socket(self._server.socket, server_side=True)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        return self

    def hang_up(self) -> None:
        """Close every connection from this side."""
        for each in self._open:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
