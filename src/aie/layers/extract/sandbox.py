"""Reading hostile documents elsewhere: a warm process of our own forks one closed child a document (see `jail.py`).

The forking process is started with `subprocess`, never forked from here, so an engine with many threads is safe. It
ends when its control socket closes, which a `kill -9` of the engine does too. A forked copy of the engine goes on using
it: requests carry their own channel, so answers cannot be mistaken.
"""

import atexit
import contextlib
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from aie.core import JSON
from aie.errors import Failure, StepFailure, Unavailable
from aie.layers.extract.allowance import Allowance
from aie.layers.extract.readers import READERS

__all__ = ["SHARED", "Bounds", "Sandbox", "Usage"]

_HERE: Final = Path(__file__).parent
_REQUEST: Final = struct.Struct("!16s5I")
_VERDICT: Final = struct.Struct("!4sBiQI")
_MARK: Final = b"aie!"
_OUT_OF_MEMORY: Final = 77
_START_SECONDS: Final = 30.0
_GRACE_SECONDS: Final = 5.0
"""What the forking process may take beyond a child's wall time to say that it killed it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What reading one document may use."""

    wall_ms: int = 30_000
    """Milliseconds until the child is killed, however large the document: the bound of all its children together."""
    small_wall_ms: int = 4_000
    """Milliseconds that even the smallest document may take."""
    wall_ms_per_mib: int = 4_000
    """Milliseconds that a MiB of a larger one may take: a small document that takes long was built to."""
    recognition_ms: int = 300_000
    """Milliseconds of recognising all the pictures of one document; beside them it takes no longer than any other."""
    cpu_s: int = 20
    """Seconds of processor time until the kernel kills the child."""
    memory_mib: int = 480
    """Address space of the child, so its memory stays below whatever is resident."""
    document: int = 64 << 20
    """Bytes of the document."""
    answer: int = 96 << 20
    """Bytes of what the reader may return."""

    def allowance(self, size: int) -> Allowance:
        """Return the time of a document of `size` bytes, for it and for all that is attached to it."""
        return Allowance(min(self.wall_ms, max(self.small_wall_ms, self.wall_ms_per_mib * size // (1 << 20))))

    def within(self, *left_ms: int | None) -> "Bounds":
        """Return the bounds of a child that has this many milliseconds left (None: no limit)."""
        return replace(self, wall_ms=max(1, min(self.wall_ms, *(each for each in left_ms if each is not None))))


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What the children of a sandbox used, all together."""

    documents: int = 0
    cpu_us: int = 0
    """Microseconds of processor time."""
    peak_kib: int = 0
    """KiB of memory of the largest of them."""


@dataclass(frozen=True, slots=True)
class _Zygote:
    process: subprocess.Popen[bytes]
    control: socket.socket
    closed: Mapping[str, str]
    owner: int
    """Process id of the engine that started it; forked copies must not end it."""

    def end(self) -> None:
        """Hang up, which ends it and its children; kill it where it does not hear."""
        if self.owner == os.getpid():
            with contextlib.suppress(OSError):
                self.control.shutdown(socket.SHUT_RDWR)
            try:
                self.process.wait(_GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        else:
            self.process.returncode = 0  # another process's child: nothing for this copy to wait for
        self.control.close()


class _ZygoteLost(Exception):
    """The forking process died before it could say how the child ended."""

    def __init__(self, zygote: _Zygote) -> None:
        self.zygote = zygote


class Sandbox:
    """Readers by name, each a file with a function `read(bytes) -> dict`; started at the first use."""

    def __init__(self, readers: Mapping[str, Path], bounds: Bounds | None = None) -> None:
        self._readers = dict(readers)
        self.bounds = bounds or Bounds()
        self._zygote: _Zygote | None = None
        self._usage = Usage()
        self._renew_locks()
        atexit.register(self.close)
        alive = weakref.WeakMethod(self._renew_locks)
        os.register_at_fork(after_in_child=lambda: _call(alive()))

    def read(
        self, reader: str, content: bytes, wall_ms: int | None = None, allowance: Allowance | None = None
    ) -> dict[str, JSON]:
        """Read a document in a child of its own and return what the reader found.

        Args:
            reader: its name.
            content: the document.
            wall_ms: milliseconds until an answer is of no use, waiting for a place to read in included.
            allowance: what is left of the time of the document that this one is a part of; None for one on its own.

        Raises:
            StepFailure: what the reader refused; TOO_LARGE, TIMEOUT, BOMB (memory) or HOSTILE (the reader crashed).
            Unavailable: the readers cannot be started on this machine.
        """
        if len(content) > self.bounds.document:
            raise StepFailure(
                Failure.TOO_LARGE,
                f"the document has {len(content)} bytes; {self.bounds.document} are read at most",
                hints=("split the document",),
            )
        allowed = allowance or self.bounds.allowance(len(content))
        self._started()  # the first use starts the readers, which is no time of the document's
        with self._place(wall_ms) as left, allowed.spending():
            found = self._twice(reader, content, self.bounds.within(left, allowed.left_ms))
        if "failure" in found:
            raise StepFailure(Failure(str(found["failure"])), str(found.get("why", "")))
        return found

    def usage(self) -> Usage:
        """Return what the children that ended so far used, as the kernel counted it."""
        with self._lock:
            return self._usage

    def isolation(self) -> Mapping[str, str]:
        """Say how closed the readers are here: `network` is `none` or `open`, `user` is `nobody` or `same`."""
        return self._started().closed

    def close(self) -> None:
        """End the forking process and all its children; the next use starts a new one."""
        with self._lock:
            zygote, self._zygote = self._zygote, None
        if zygote is not None:
            zygote.end()

    def _drop(self, lost: _Zygote) -> None:
        """Forget a forking process that died, unless another document's reader has already replaced it."""
        with self._lock:
            if self._zygote is not lost:
                return
            self._zygote = None
        lost.end()

    @contextlib.contextmanager
    def _place(self, wall_ms: int | None) -> Iterator[int | None]:
        """Wait for one of the few places to read in; give the milliseconds that are then left."""
        begun = time.monotonic()
        if not self._slots.acquire(timeout=None if wall_ms is None else max(0.001, wall_ms / 1000)):
            raise StepFailure(Failure.TIMEOUT, f"no reader was free within {wall_ms} ms", hints=("run fewer at once",))
        try:
            yield None if wall_ms is None else wall_ms - round((time.monotonic() - begun) * 1000)
        finally:
            self._slots.release()

    def _renew_locks(self) -> None:
        """Called in a forked copy too, where another thread may have held them."""
        self._lock = threading.Lock()
        self._slots = threading.BoundedSemaphore(max(2, os.cpu_count() or 2))

    def _started(self) -> _Zygote:
        with self._lock:
            if self._zygote is None:
                self._zygote = _start(self._readers)
            return self._zygote

    def _twice(self, reader: str, content: bytes, bounds: Bounds) -> dict[str, JSON]:
        """Ask once more where the forking process died: another document may have killed it."""
        begun = time.monotonic()
        try:
            return self._ask(reader, content, bounds)
        except _ZygoteLost as lost:
            self._drop(lost.zygote)
        took = round((time.monotonic() - begun) * 1000)
        try:
            return self._ask(reader, content, bounds.within(bounds.wall_ms - took))
        except _ZygoteLost as error:
            raise StepFailure(Failure.HOSTILE, "reading the document brings its process down, twice") from error

    def _ask(self, reader: str, content: bytes, bounds: Bounds) -> dict[str, JSON]:
        deadline = time.monotonic() + bounds.wall_ms / 1000 + _GRACE_SECONDS
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                request = _REQUEST.pack(
                    reader.encode(), bounds.wall_ms, bounds.cpu_s, bounds.memory_mib, bounds.document, bounds.answer
                )
                zygote = self._started()
                try:
                    socket.send_fds(zygote.control, [request], [theirs.fileno()])
                except OSError as error:
                    raise _ZygoteLost(zygote) from error
            try:
                _send(ours, content, deadline)
                answer = _receive(ours, bounds.answer + _VERDICT.size, deadline)
            except TimeoutError as error:
                raise StepFailure(Failure.TIMEOUT, _late(bounds)) from error
        end = _end(answer)
        if end is None:
            raise _ZygoteLost(zygote)
        self._count(end)
        return _judge(answer, end, bounds)

    def _count(self, end: "_End") -> None:
        with self._lock:
            was = self._usage
            self._usage = Usage(
                documents=was.documents + 1,
                cpu_us=was.cpu_us + end.cpu_us,
                peak_kib=max(was.peak_kib, end.peak_kib),
            )


@dataclass(frozen=True, slots=True)
class _End:
    """How a child ended, as the forking process tells it."""

    kind: str
    number: int
    cpu_us: int
    peak_kib: int


def _end(answer: bytes) -> _End | None:
    """Return the verdict at the end of an answer; None where there is none."""
    if len(answer) < _VERDICT.size:
        return None
    mark, kind, number, cpu_us, peak_kib = _VERDICT.unpack(answer[-_VERDICT.size :])
    return _End(chr(kind), number, cpu_us, peak_kib) if mark == _MARK else None


def _judge(answer: bytes, end: _End, bounds: Bounds) -> dict[str, JSON]:
    if end.kind == "T":
        raise StepFailure(Failure.TIMEOUT, _late(bounds))
    if end.kind == "S":
        if end.number in (signal.SIGXCPU, signal.SIGKILL):
            raise StepFailure(Failure.TIMEOUT, f"reading the document took more than {bounds.cpu_s} s of processor")
        raise StepFailure(Failure.HOSTILE, f"reading the document crashed its reader ({_signal_name(end.number)})")
    if end.number == _OUT_OF_MEMORY:
        raise StepFailure(Failure.BOMB, f"reading the document takes more than {bounds.memory_mib} MiB of memory")
    try:
        found = json.loads(answer[: -_VERDICT.size])
    except ValueError as error:
        raise StepFailure(Failure.HOSTILE, "the reader of the document broke down") from error
    if end.number != 0 or not isinstance(found, dict):
        raise StepFailure(Failure.HOSTILE, "the reader of the document broke down")
    return found


def _late(bounds: Bounds) -> str:
    return f"reading the document took more than {bounds.wall_ms} ms"


def _start(readers: Mapping[str, Path]) -> _Zygote:
    ours, theirs = socket.socketpair()
    command = [sys.executable, "-I", str(_HERE / "jail.py"), *(f"{name}={path}" for name, path in readers.items())]
    with theirs:
        process = subprocess.Popen(
            command,
            stdin=theirs.fileno(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={"LC_ALL": "C.UTF-8"},  # no secret of the engine's environment enters
            cwd="/",
        )
    try:
        hello = json.loads(_line(ours))
    except (OSError, ValueError) as error:
        hello = {"error": f"no answer at the start: {error}"}
    if "error" in hello:
        ours.close()
        process.kill()
        process.wait()
        raise Unavailable(f"the document readers cannot start: {hello['error']}", hints=("reinstall the package",))
    ours.settimeout(_START_SECONDS)
    return _Zygote(process, ours, hello, os.getpid())


def _line(control: socket.socket) -> bytes:
    deadline = time.monotonic() + _START_SECONDS
    line = b""
    while not line.endswith(b"\n"):
        control.settimeout(max(0.001, deadline - time.monotonic()))
        part = control.recv(4096)
        if not part:
            raise ConnectionError("it ended")
        line += part
    return line


def _send(channel: socket.socket, content: bytes, deadline: float) -> None:
    try:
        channel.settimeout(max(0.001, deadline - time.monotonic()))
        channel.sendall(content)
        channel.shutdown(socket.SHUT_WR)
    except (BrokenPipeError, ConnectionResetError):
        return  # the child died before it had read everything: the verdict says how


def _receive(channel: socket.socket, most: int, deadline: float) -> bytes:
    parts: list[bytes] = []
    length = 0
    while length <= most:
        channel.settimeout(max(0.001, deadline - time.monotonic()))
        try:
            part = channel.recv(1 << 20)
        except ConnectionResetError:
            break
        if not part:
            break
        parts.append(part)
        length += len(part)
    return b"".join(parts)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _call(function: Callable[[], None] | None) -> None:
    if function is not None:
        function()


SHARED: Final = Sandbox(READERS)
"""The readers of this process."""
