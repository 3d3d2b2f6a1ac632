"""The process that hostile documents are read in. Run as a file, never imported by the engine: it knows nothing of it.

    python -I jail.py pdf=/path/to/pdf.py …

It loads the readers once, gives up the network, says on its standard input (a Unix socket) how well it is closed, then
forks one child a document: the child gives up its rights, reads the document from the channel it was handed, writes
what its reader found, and dies. This process only forks, watches the clock and buries; it never touches a document.

A request is one `REQUEST` with the channel attached. An answer on the channel is JSON of the child, then one `VERDICT`
of this process, which is written after the child is dead and therefore always comes last.
"""

import ctypes
import encodings
import gc
import importlib
import json
import os
import pkgutil
import resource
import select
import signal
import socket
import struct
import sys
import time
import types
from collections.abc import Callable

REQUEST = struct.Struct("!16s5I")
"""Reader's name; milliseconds of wall time; seconds of CPU; MiB of memory; bytes of document; bytes of answer."""
VERDICT = struct.Struct("!4sBiQI")
"""Mark, kind, number, microseconds of CPU, KiB of memory at the most. The kind says what the number is: an exit status
(E) or a signal (S); T is killed at the wall clock's limit."""
MARK = b"aie!"

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = 1, 38
NOBODY = 65534
MOST_FILES = 256
"""Open files, here and in a child: more documents at once than an engine reads."""
OUT_OF_MEMORY = 77
"""Exit status of a child that met its memory limit."""
LAST_WORDS = (b"memory allocation of ", b"std::bad_alloc")
"""What the runtimes of Rust and C++ say on stderr before they abort for want of memory."""
KIB_OF_RSS = 1024 if sys.platform == "darwin" else 1
"""What `ru_maxrss` is divided by to give KiB."""

PATIENCE = 10.0
"""Seconds that a verdict waits for the engine to take the answer before it."""

FOREIGN_ENCODINGS = frozenset({"mbcs", "oem", "cp65001"})
"""Those of another system."""
LATE_MODULES = ("_strptime", "heapq", "stringprep")

Reader = Callable[[bytes], dict[str, object]]
Alive = dict[int, tuple[float, socket.socket, int]]
"""Children by process id, each with when it is killed, the channel of its document and what it says on stderr."""
Owed = dict[socket.socket, tuple[float, bytes]]
"""Verdicts by the channel they are for, each with when it is given up."""


def main(readers: list[str]) -> int:
    """Load the readers, close the doors, serve."""
    control = socket.socket(fileno=os.dup(0))
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    os.close(null)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole terminal; the engine decides when this ends
    try:
        table = {name: load(path) for name, path in (each.split("=", 1) for each in readers)}
    except Exception as error:  # noqa: BLE001 — whatever keeps a reader from loading is told, as stderr is closed
        say(control, {"error": f"{type(error).__name__}: {error}"})
        return 1
    warm()
    say(control, {"network": leave_network(), "user": "nobody" if os.getuid() == 0 else "same"})
    gc.collect()
    gc.freeze()  # children share these pages as long as nobody writes reference counts into them
    serve(control, table)
    return 0


def load(path: str) -> Reader:
    """Return the `read` of a reader's file; files of one folder form a package: they share code by `from .x import`.

    A reader that loads something only while it reads has a `SAMPLE`, which is read here: a child may open no file.
    """
    folder, _, file = path.rpartition("/")
    package = "in" + folder.encode().hex()  # a name without dots, whatever the folder is called
    if package not in sys.modules:
        made = types.ModuleType(package)
        made.__path__ = [folder]
        sys.modules[package] = made
    module = importlib.import_module(f"{package}.{file.removesuffix('.py')}")
    read: Reader = module.read
    sample = getattr(module, "SAMPLE", None)
    if sample is not None and "failure" in read(sample):
        raise ImportError(f"{file} does not read its own sample")
    return read


def warm() -> None:
    """Load what the standard library loads only when it is needed: encodings by name, and the rest named here."""
    for found in pkgutil.iter_modules(encodings.__path__):
        if found.name not in FOREIGN_ENCODINGS:
            importlib.import_module(f"encodings.{found.name}")
    for name in LATE_MODULES:
        importlib.import_module(name)


def say(control: socket.socket, message: dict[str, str]) -> None:
    """Tell the engine something, as one line."""
    control.sendall(json.dumps(message).encode() + b"\n")


def leave_network() -> str:
    """Move to a network namespace without interfaces; `open` where the system forbids that."""
    flags = CLONE_NEWNET if os.getuid() == 0 else CLONE_NEWUSER | CLONE_NEWNET
    try:
        return "none" if libc().unshare(flags) == 0 else "open"
    except (OSError, AttributeError):
        return "open"


def libc() -> ctypes.CDLL:
    """Return the C library of this process."""
    return ctypes.CDLL(None, use_errno=True)


def serve(control: socket.socket, table: dict[str, Reader]) -> None:
    """Fork a child a request until the engine hangs up, then kill what is left."""
    alive: Alive = {}
    owed: Owed = {}
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    while True:
        nearest = min([*(each[0] for each in alive.values()), *(each[0] for each in owed.values())], default=None)
        patience = None if nearest is None else max(0.0, nearest - time.monotonic())
        ready, _, _ = select.select([control.fileno(), wake_read], list(owed), [], patience)
        if wake_read in ready:
            os.read(wake_read, 4096)
        bury(alive, owed)
        tell(owed)
        if control.fileno() in ready and not accept(control, table, alive):
            break
    for pid in alive:
        os.kill(pid, signal.SIGKILL)


def accept(control: socket.socket, table: dict[str, Reader], alive: Alive) -> bool:
    """Start the child of one request; False when the engine has hung up."""
    try:
        message, fds, _, _ = socket.recv_fds(control, REQUEST.size, 1)
    except OSError:
        return False
    if not message:
        return False
    channel = socket.socket(fileno=fds[0])
    name, wall, cpu, memory, size, answer = REQUEST.unpack(message)
    zygote = os.getpid()
    try:
        said, stderr = os.pipe()
    except OSError:  # no descriptor to be had: the channel closes without a verdict, the engine sees that
        channel.close()
        return True
    try:
        pid = os.fork()
    except OSError:  # no process to be had: as above
        os.close(said)
        os.close(stderr)
        channel.close()
        return True
    if pid == 0:
        status = 1
        try:
            os.set_blocking(stderr, False)  # nobody listens while it lives
            os.dup2(stderr, 2)
            os.closerange(3, channel.fileno())  # the control socket, the channels of other documents
            os.closerange(channel.fileno() + 1, MOST_FILES)
            give_up_rights(zygote, cpu, memory)
            read(channel, table[name.rstrip(b"\0").decode()], size, answer)
            status = 0
        except MemoryError:
            status = OUT_OF_MEMORY
        finally:
            os._exit(status)
    os.close(stderr)
    alive[pid] = (time.monotonic() + wall / 1000, channel, said)
    return True


def give_up_rights(zygote: int, cpu: int, memory: int) -> None:
    """Leave this process able to compute and to write its answer, and little else."""
    signal.set_wakeup_fd(-1)
    for caught in (signal.SIGCHLD, signal.SIGINT):
        signal.signal(caught, signal.SIG_DFL)
    limit(
        {
            resource.RLIMIT_CORE: 0,
            resource.RLIMIT_FSIZE: 0,
            resource.RLIMIT_NOFILE: MOST_FILES,
            resource.RLIMIT_CPU: cpu,
            resource.RLIMIT_AS: memory << 20,
        }
    )
    if os.getuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    if sys.platform == "linux":
        # After setuid: a process that changes to a user who has too many of them already may not become a program.
        limit({resource.RLIMIT_NPROC: 0})
        call = libc().prctl
        call(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        call(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)  # after setuid, which clears it
        if os.getppid() != zygote:
            os._exit(1)


def limit(most: dict[int, int]) -> None:
    """Lower limits of this process for good; none is raised."""
    for each, wanted in most.items():
        _, hard = resource.getrlimit(each)
        allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(each, (allowed, allowed))


def read(channel: socket.socket, reader: Reader, size: int, answer: int) -> None:
    """Read the document to its end, then answer in JSON."""
    parts: list[bytes] = []
    length = 0
    while part := channel.recv(1 << 20):
        parts.append(part)
        length += len(part)
        if length > size:
            raise MemoryError
    content = b"".join(parts)
    parts.clear()
    found = json.dumps(reader(content), ensure_ascii=False).encode("utf-8", "replace")
    if len(found) > answer:
        raise MemoryError
    channel.sendall(found)


def bury(alive: Alive, owed: Owed) -> None:
    """Collect the dead, kill the late, and owe each channel the word of how it ended and what it used."""
    now = time.monotonic()
    for pid, (deadline, channel, said) in list(alive.items()):
        late = False
        done, status, used = os.wait4(pid, os.WNOHANG)
        if not done:
            if now < deadline:
                continue
            late = True
            os.kill(pid, signal.SIGKILL)
            _, status, used = os.wait4(pid, 0)
        if late:
            kind, number = b"T", 0
        elif os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGABRT and lacked_memory(said):
            kind, number = b"E", OUT_OF_MEMORY
        elif os.WIFSIGNALED(status):
            kind, number = b"S", os.WTERMSIG(status)
        else:
            kind, number = b"E", os.WEXITSTATUS(status)
        os.close(said)
        del alive[pid]
        cpu = round((used.ru_utime + used.ru_stime) * 1_000_000)
        owed[channel] = now + PATIENCE, VERDICT.pack(MARK, kind[0], number, cpu, used.ru_maxrss // KIB_OF_RSS)


def lacked_memory(said: int) -> bool:
    """Whether a dead child said on stderr that it had no memory left: libraries abort where Python raises."""
    os.set_blocking(said, False)
    try:
        words = os.read(said, 1 << 16)
    except BlockingIOError:
        return False
    return any(each in words for each in LAST_WORDS)


def tell(owed: Owed) -> None:
    """Send what is owed where there is room: a full channel must neither lose its verdict nor stop the others."""
    for channel, (deadline, verdict) in list(owed.items()):
        try:
            channel.settimeout(0)
            channel.sendall(verdict)
        except BlockingIOError:
            if time.monotonic() < deadline:
                continue  # the engine has yet to take what the child wrote
        except OSError:
            pass  # the engine stopped waiting
        del owed[channel]
        channel.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
