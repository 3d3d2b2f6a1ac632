"""The external step of every contender: a call of one millisecond to another process, by one and the same client.

python -m benchmarks.calling SOCKET        answers until it is ended
"""

import socket
import socketserver
import sys
import threading
import time
from pathlib import Path
from typing import Final

__all__ = ["Caller", "main"]

_TAKES: Final = 0.001
"""Seconds that the other side takes to answer."""


class Caller:
    """The client: one connection for each thread that calls."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._of = threading.local()
        self._all: list[socket.socket] = []

    def __call__(self, value: int) -> int:
        """Return the value as the other process answers it, plus one."""
        held: socket.socket | None = getattr(self._of, "socket", None)
        if held is None:
            held = self._of.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            held.connect(self._path)
            self._all.append(held)
        held.sendall(b"%d\n" % value)
        return int(held.recv(64))

    def close(self) -> None:
        """Close the connections of all threads."""
        for each in self._all:
            each.close()


class _Answers(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        """Answer each line with its number plus one, a millisecond later."""
        while asked := self.request.recv(64):
            time.sleep(_TAKES)
            self.request.sendall(b"%d\n" % (int(asked) + 1))


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    request_queue_size = 128


def main() -> int:
    """Answer until ended."""
    path = sys.argv[1]
    Path(path).unlink(missing_ok=True)
    with _Server(path, _Answers) as server:
        print("ready", flush=True)
        server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
