"""How a command is asked for: streams and a request go over a socket, its number and its status come back.

python -IS tests/shows/forked/asking.py SOCKET BEFORE ARGUMENTS...    # ends as the command ends
"""

import json
import os
import signal
import socket
import sys

__all__ = ["Asked"]


class Asked:
    """A command that was asked for."""

    def __init__(self, address: str, streams: "tuple[int, int, int]", request: "dict[str, object]") -> None:
        """Ask for it; it has begun when this returns."""
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(address)
        socket.send_fds(self._socket, [b"."], streams)
        self._words = self._socket.makefile("rw")
        self._words.write(json.dumps(request) + "\n")
        self._words.flush()
        self.pid = int(self._words.readline())
        """Of its process."""

    def ended(self, seconds: "float | None" = None) -> int:
        """Return its status once it has ended.

        Raises:
            TimeoutError: it goes on.
        """
        self._socket.settimeout(seconds)
        return int(self._words.readline())

    def close(self) -> None:
        """Hear no more of it."""
        self._words.close()
        self._socket.close()


def _main() -> None:
    folder = os.getcwd()  # noqa: PTH109 - pathlib takes longer to import than all the rest here
    request = {"arguments": sys.argv[3:], "cwd": folder, "env": dict(os.environ), "before": sys.argv[2]}
    asked = Asked(sys.argv[1], (0, 1, 2), request)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda given, _: os.kill(asked.pid, given))
    status = asked.ended()
    if status < 0:  # it was killed: so is this one
        if -status != signal.SIGKILL:  # which nobody can handle
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    os._exit(status)


if __name__ == "__main__":
    _main()
