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

__all__ = ["Death", "ended_well", "fork"]


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


def fork(function: Callable[[], Any], *, seconds: float = 30.0) -> Death:
    """Run a function in a child and wait for its end, at most `seconds`."""
    if threading.active_count() > 1:
        raise RuntimeError("a process with threads must not be forked")
    reading, writing = os.pipe()
    began = time.monotonic()
    sys.stdout.flush()
    sys.stderr.flush()
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
