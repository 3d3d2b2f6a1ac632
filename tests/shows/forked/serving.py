"""The process that commands are forked from: it has the package imported, and no thread.

python -P tests/shows/forked/serving.py SOCKET    # it ends with its standard input
"""

import atexit
import contextlib
import gc
import json
import os
import select
import socket
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any


def _serve(address: str) -> str:
    """Fork a process for each command that is asked for; return in that process, with what it runs first."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(address)
        server.listen(64)
        print("ready", flush=True)
        while True:
            if sys.stdin in select.select([sys.stdin, server], [], [])[0]:
                os._exit(0)
            connection, _ = server.accept()
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            if os.fork() == 0:
                break
            connection.close()
    with connection, connection.makefile("rw") as words:
        _, streams, _, _ = socket.recv_fds(connection, 1, 3)
        request = json.loads(words.readline())
        child = os.fork()
        if child:
            _tell_of(child, words)
    _become(request, streams)
    return str(request["before"])


def _tell_of(child: int, words: Any) -> None:
    """Say which process it is and, once it has ended, how."""
    for number in range(3):  # whoever reads to their end waits for the command alone
        os.close(number)
    with contextlib.suppress(BrokenPipeError):  # who asked has gone
        words.write(f"{child}\n")
        words.flush()
        _, status = os.waitpid(child, 0)
        words.write(f"{os.waitstatus_to_exitcode(status)}\n")
        words.flush()
    os._exit(0)


def _become(request: Mapping[str, Any], streams: Sequence[int]) -> None:
    """Take on what a process gets from who starts it."""
    for number, given in enumerate(streams):
        os.dup2(given, number)
        os.close(given)
    # As the interpreter opens them; those of the parent know what its own files can do.
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - by its number, for as long as the process lives
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", errors="backslashreplace", buffering=1, closefd=False)  # noqa: SIM115
    os.environ.clear()
    os.environ.update(request["env"])
    time.tzset()
    os.chdir(request["cwd"])
    sys.argv = ["aie", *request["arguments"]]


def _leave(status: int) -> None:
    """End as an interpreter does, but for freeing each object: it would copy every page that the processes share."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(status)


def _main() -> None:
    from aie.cli.main import VERBS, main

    for verb in VERBS.values():
        import_module(f"aie.cli.verbs.{verb.module}")
    import_module("aie.models.providers.openai_compatible")
    if threading.active_count() > 1:
        raise SystemExit("a process with threads must not be forked")
    gc.freeze()  # the collector would touch, and so copy, every page that the processes share
    exec(_serve(sys.argv[1]), {})
    try:
        main()
    except SystemExit as ending:
        _leave(int(ending.code or 0))


if __name__ == "__main__":
    _main()
