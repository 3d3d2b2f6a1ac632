"""Child processes forked from a parent that has everything imported and no thread of its own."""

import os
import pickle
import select
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["Child", "Death", "ended_well", "fork"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Death:
    """How a child ended."""

    killed: bool
    """By its own SIGKILL."""
    stuck: bool
    """It took too long and was killed from here."""
    code: int
    value: Any = None
    """What the function returned, when it did."""
    seconds: float = 0.0


class Child:
    """A child that runs beside its parent; what it says is read line by line."""

    def __init__(self, function: Callable[[Callable[[str], None]], int]) -> None:
        """Start it.

        Args:
            function: is given what says a line to the parent; returns the exit code.
        """
        _no_threads()
        self._reading, writing = os.pipe()
        self._heard = b""
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._reading)
            code = 1
            try:
                code = function(lambda line: _say(writing, line))
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(code)
        os.close(writing)

    def hear(self, *, seconds: float) -> str | None:
        """Return the next line; None when there is none in time, empty when the child has ended."""
        until = time.monotonic() + seconds
        while b"\n" not in self._heard:
            left = until - time.monotonic()
            if left <= 0 or not select.select([self._reading], [], [], left)[0]:
                return None
            part = os.read(self._reading, 1 << 12)
            if not part:
                return ""
            self._heard += part
        line, _, self._heard = self._heard.partition(b"\n")
        return line.decode()

    def wait_stopped(self) -> None:
        """Return once the child is stopped by SIGSTOP."""
        os.waitpid(self.pid, os.WUNTRACED)

    def signal(self, number: int) -> None:
        """Send a signal."""
        os.kill(self.pid, number)

    def ended(self, *, seconds: float) -> int | None:
        """Return the exit code (negative: the signal that ended it); None, and kill it, when it goes on."""
        until = time.monotonic() + seconds
        late = False
        while (waited := os.waitpid(self.pid, os.WNOHANG))[0] == 0:
            if time.monotonic() > until:
                late = True
                os.kill(self.pid, signal.SIGKILL)
            time.sleep(0.01)
        os.close(self._reading)
        return None if late else os.waitstatus_to_exitcode(waited[1])


def _say(writing: int, line: str) -> None:
    os.write(writing, f"{line}\n".encode())


def _no_threads() -> None:
    if threading.active_count() > 1:
        raise RuntimeError("a process with threads must not be forked")
    sys.stdout.flush()
    sys.stderr.flush()


def fork(function: Callable[[], Any], *, seconds: float = 30.0) -> Death:
    """Run a function in a child and wait for its end, at most `seconds`."""
    _no_threads()
    reading, writing = os.pipe()
    began = time.monotonic()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        _child(function, writing)
    os.close(writing)
    content = _read(reading, began + seconds)
    stuck = content is None
    if stuck:
        os.kill(pid, signal.SIGKILL)
    os.close(reading)
    _, status = os.waitpid(pid, 0)
    signaled = os.WIFSIGNALED(status)
    return Death(
        killed=signaled and not stuck,
        stuck=stuck,
        code=-1 if signaled else os.WEXITSTATUS(status),
        value=pickle.loads(content) if content else None,
        seconds=time.monotonic() - began,
    )


def ended_well(function: Callable[[], Any]) -> bool:
    """Run a function in a child; true when it returned."""
    return fork(function).code == 0


def _child(function: Callable[[], Any], writing: int) -> None:
    code = 1
    try:
        value = pickle.dumps(function())
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(value)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _read(reading: int, until: float) -> bytes | None:
    """Return what the child wrote until it ended, None when it took too long."""
    content = b""
    while (left := until - time.monotonic()) > 0:
        if not select.select([reading], [], [], left)[0]:
            break
        part = os.read(reading, 1 << 16)
        if not part:
            return content
        content += part
    return None
