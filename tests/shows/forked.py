"""The command as processes that are forked from one which has it imported: for tests that run it hundreds of times.

Each is a process of its own, with its arguments, environment, folder and streams, and ends as any process does; what it
shares is the import, which takes longer than most commands. That a cold process works, too, is proven by the
transcripts of the documents, which use the command as people do.

    python -P tests/shows/forked.py FD    # the process that is forked; it ends when its socket is closed
"""

import atexit
import contextlib
import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import IO, Any

__all__ = ["Ended", "Forked", "forked"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A command that ended."""

    status: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """What it printed, as JSON."""
        return json.loads(self.out)


class Forked:
    """The process that commands are forked from; it ends with this one."""

    def __init__(self, source: Path) -> None:
        """Start it with the package in this folder."""
        self._control, theirs = socket.socketpair()
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AIE_")}
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", __file__, str(theirs.fileno())],
                env=environment | {"PYTHONPATH": str(source)},
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )

    def run(
        self, arguments: Sequence[str], *, cwd: Path, env: Mapping[str, str], before: str = "", seconds: float = 60.0
    ) -> Ended:
        """Run the command and return how it ended.

        Args:
            arguments: after `aie`.
            cwd: its folder.
            env: its whole environment.
            before: lines that the command's own process runs first.
            seconds: how long it may take.

        Raises:
            TimeoutError: it took too long, and was killed.
        """
        request = {"arguments": arguments, "cwd": str(cwd), "env": {**env}, "before": before}
        asking, asked = socket.socketpair()
        with asking, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            with asked:
                socket.send_fds(self._control, [b"."], [each.fileno() for each in (asked, out, err)])
            with asking.makefile("rw") as words:
                words.write(json.dumps(request) + "\n")
                words.flush()
                child = int(words.readline())
                if not select.select([asking], [], [], seconds)[0]:
                    os.kill(child, signal.SIGKILL)
                    raise TimeoutError(f"{arguments} took longer than {seconds} s")
                return Ended(status=int(words.readline()), out=_content(out), err=_content(err))

    def close(self) -> None:
        """End the process."""
        self._control.close()
        self._process.wait()


@cache
def forked(source: Path) -> Forked:
    """Return the one of this process for the package in a folder."""
    made = Forked(source)
    atexit.register(made.close)
    return made


def _content(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode().replace("\r\n", "\n")


def _serve(control: socket.socket) -> str:
    """Fork a process for each command that is asked for; return in that process, with what it runs first."""
    while True:
        asked, fds, _, _ = socket.recv_fds(control, 1, 3)
        if not asked:
            os._exit(0)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        if os.fork() == 0:
            break
        for each in fds:
            os.close(each)
    control.close()
    with socket.socket(fileno=fds[0]) as asking, asking.makefile("rw") as words:
        request = json.loads(words.readline())
        child = os.fork()
        if child:
            words.write(f"{child}\n")
            words.flush()
            _, status = os.waitpid(child, 0)
            with contextlib.suppress(BrokenPipeError):  # who asked has given up
                words.write(f"{os.waitstatus_to_exitcode(status)}\n")
                words.flush()
            os._exit(0)
    _become(request, fds[1:])
    return str(request["before"])


def _become(request: Mapping[str, Any], streams: Sequence[int]) -> None:
    """Take on what a process gets from who starts it."""
    with Path(os.devnull).open() as nothing:
        for given, number in zip((nothing.fileno(), *streams), range(3), strict=True):
            os.dup2(given, number)
    for each in streams:
        os.close(each)
    os.environ.clear()
    os.environ.update(request["env"])
    time.tzset()
    os.chdir(request["cwd"])
    sys.argv = ["aie", *request["arguments"]]


if __name__ == "__main__":
    from aie.cli.main import VERBS, main

    for verb in VERBS.values():
        import_module(f"aie.cli.verbs.{verb.module}")
    import_module("aie.models.providers.openai_compatible")
    if threading.active_count() > 1:
        raise SystemExit("a process with threads must not be forked")
    gc.freeze()  # the collector would touch, and so copy, every page that the processes share
    exec(_serve(socket.socket(fileno=int(sys.argv[1]))), {})
    main()
