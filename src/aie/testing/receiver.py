"""A receiver of effects in a process of its own, with its own append-only log: what crash tests count on.

    python -m aie.testing.receiver LOG [PORT]

It applies each key once. `POST /` takes an effect, `GET /?key=…` says whether it has one. Other paths misbehave, after
or instead of applying: `/drop` applies and cuts the connection, `/fail` applies and answers 500, `/slow` applies and
drips its answer; `/busy` answers 503, `/refuse` 400, `/hold` 409, `/moved` redirects.
"""

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections import Counter
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from urllib.parse import parse_qs, urlsplit

__all__ = ["Counts", "Receiver", "read_counts"]

_ANSWERS: Final = {"/busy": 503, "/refuse": 400, "/hold": 409}
"""Paths that answer without applying."""
_DRIP_SECONDS: Final = 0.05
_DRIPS: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What a receiver's log says."""

    deliveries: int
    """Requests that carried an effect, repeats included."""
    applied: int
    """Effects that were applied."""
    repeats: int
    """Deliveries of a key that was applied already, with the same body: harmless."""
    other_body: int
    """Deliveries of an applied key with another body: never harmless."""
    other_key: int
    """Bodies that were applied under more than one key: the same thing done twice."""


def read_counts(log: Path) -> Counts:
    """Read a receiver's log; of a receiver that was never reached, nothing."""
    lines = log.read_text().splitlines() if log.exists() else []
    entries = [json.loads(line) for line in lines]
    what = Counter(entry["what"] for entry in entries)
    bodies = Counter(entry["body"] for entry in entries if entry["what"] == "applied")
    return Counts(
        deliveries=len(entries),
        applied=what["applied"],
        repeats=what["repeat"],
        other_body=what["other_body"],
        other_key=sum(1 for times in bodies.values() if times > 1),
    )


class Receiver:
    """A receiver's process; use it as a context manager.

    Args:
        log: The file it appends to; one that exists already is continued, so a receiver can be restarted.
        port: 0 for a free one.
    """

    def __init__(self, log: Path, port: int = 0) -> None:
        self.log = log
        self._process = subprocess.Popen(
            [sys.executable, "-I", __file__, str(log), str(port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    @property
    def url(self) -> str:
        """Where to post, without a path."""
        return f"http://127.0.0.1:{self.port}"

    def counts(self) -> Counts:
        """Return what was delivered so far."""
        return read_counts(self.log)

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Ledger:
    """Keys with the digest of their body, kept in an append-only file."""

    def __init__(self, log: Path) -> None:
        self._lock = threading.Lock()
        self._file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        entries = [json.loads(line) for line in log.read_text().splitlines()]
        self._applied = {entry["key"]: entry["body"] for entry in entries if entry["what"] == "applied"}

    def take(self, key: str, body: bytes) -> str:
        """Apply an effect once; return `applied`, `repeat` or `other_body`."""
        digest = hashlib.sha256(body).hexdigest()
        with self._lock:
            known = self._applied.get(key)
            what = "applied" if known is None else "repeat" if known == digest else "other_body"
            os.write(self._file, json.dumps({"what": what, "key": key, "body": digest}).encode() + b"\n")
            self._applied.setdefault(key, digest)
        return what

    def has(self, key: str) -> bool:
        """Say whether a key was applied."""
        with self._lock:
            return key in self._applied


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, log: Path, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.ledger = _Ledger(log)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that died: that is what they are for."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        """Take an effect, unless its sender died before all of it was sent."""
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        if len(body) < length:
            self.close_connection = True
            return
        path = urlsplit(self.path).path
        if path in _ANSWERS:
            self._answer(_ANSWERS[path], {})
            return
        if path == "/moved":
            self.send_response(307)
            self.send_header("Location", "/")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        key = self.headers.get("Idempotency-Key", "")
        what = self.server.ledger.take(key, body)
        if path == "/drop":
            self.connection.close()
        elif path == "/slow":
            self._drip()
        elif path == "/fail":
            self._answer(500, {})
        else:
            self._answer(422 if what == "other_body" else 200, {"key": key, "what": what})

    def do_GET(self) -> None:
        """Say whether a key was applied."""
        key = parse_qs(urlsplit(self.path).query).get("key", [""])[0]
        self._answer(200 if self.server.ledger.has(key) else 404, {"key": key})

    def _answer(self, status: int, body: dict[str, str]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _drip(self) -> None:
        for _ in range(_DRIPS):
            self.wfile.write(b"H")
            self.wfile.flush()
            threading.Event().wait(_DRIP_SECONDS)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 — the name is the base class's
        """Say nothing: the log is the ledger."""


def _main(arguments: list[str]) -> None:
    server = _Server(Path(arguments[0]), int(arguments[1]) if len(arguments) > 1 else 0)
    sys.stdout.write(f"{server.server_address[1]}\n")
    sys.stdout.flush()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    server.serve_forever()


def _end_with_parent() -> None:
    """End when standard input closes: no receiver outlives the test that started it, even one that was killed."""
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    _main(sys.argv[1:])
