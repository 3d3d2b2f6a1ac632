"""Measures one cell: a contender started, warmed up, timed, held against what the server counted, ended."""

import contextlib
import http.client
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from benchmarks.calls.job import Job
from benchmarks.servers import Postgres

__all__ = ["Cell", "Server", "measure", "measure_ledger", "serving"]

_TOP: Final = Path(__file__).parent.parent.parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What one contender did in one round; `void` says why nothing was measured."""

    calls: int = 0
    per_second: float = 0.0
    cpu_ms: float = 0.0
    """CPU of the contender's processes for each call."""
    server_ms: float = 0.0
    """CPU of the Postgres server for each call."""
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    """Of a call; for ours of a whole run."""
    checked: int = 0
    """Calls that were found right, those of the warm-up among them."""
    versions: Mapping[str, str] = field(default_factory=dict)
    void: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """The server that answers everybody."""

    base: str

    def answered(self) -> int:
        """Return how many calls it has answered so far."""
        connection = http.client.HTTPConnection(urlsplit(self.base).netloc)
        with contextlib.closing(connection):
            connection.request("GET", "/")
            return int(json.loads(connection.getresponse().read())["answered"])


@contextlib.contextmanager
def serving() -> Iterator[Server]:
    """Answer calls in a process of its own until the block ends."""
    command = [sys.executable, "-m", "benchmarks.calls.server"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=_TOP, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        yield Server(base=f"http://127.0.0.1:{int(process.stdout.readline())}/v1")
        process.terminate()


def measure(job: Job, server: Server, database: Postgres | None = None) -> Cell:
    """Run a contender and check what it did: it has as many answers as the server gave."""
    before = server.answered()
    python = ["scripts/in-env.sh", "litellm", "python"] if job.contender.startswith("litellm") else [sys.executable]
    with _process([*python, "-m", "benchmarks.calls.process", json.dumps(asdict(job))]) as process:
        try:
            versions = _hear(process)["versions"]
            cpu = 0.0 if database is None else database.cpu()
            measured = _ask(process, "go")
            cpu = 0.0 if database is None else database.cpu() - cpu
            checked = _ask(process, "check")["checked"]
        except (ValueError, OSError) as error:
            return Cell(void=str(error).splitlines()[-1][:200])
    answered = server.answered() - before
    if answered != checked:
        return Cell(void=f"the server answered {answered} calls, {checked} were found right")
    return _cell([measured], cpu, checked, versions)


def measure_ledger(store: str, processes: int, callers: int, seconds: float, database: Postgres | None) -> Cell:
    """Let processes reserve and settle on one budget, and compare what was drawn with what they did."""
    job = json.dumps({"store": store, "callers": callers, "seconds": seconds})
    with contextlib.ExitStack() as stack:
        running = []
        try:
            for _ in range(processes):
                command = [sys.executable, "-m", "benchmarks.calls.ledger", job]
                running.append(stack.enter_context(_process(command)))
                _hear(running[-1])  # one after another: the first makes the tables
            cpu = 0.0 if database is None else database.cpu()
            measured = _together(running, "go")
            cpu = 0.0 if database is None else database.cpu() - cpu
            drawn = _together(running, "check")[0]["drawn"]
        except (ValueError, OSError) as error:
            return Cell(void=str(error).splitlines()[-1][:200])
        for each in running:
            _say(each, "end")
    made = sum(each["calls"] for each in measured) + processes * callers
    if drawn != made:
        return Cell(void=f"{made} calls were settled, the budget has {drawn}")
    return _cell(measured, cpu, drawn, {})


def _cell(measured: Sequence[Mapping[str, Any]], server: float, checked: int, versions: Mapping[str, str]) -> Cell:
    calls = sum(each["calls"] for each in measured)
    took = sorted(one for each in measured for one in each["took"])
    return Cell(
        calls=calls,
        per_second=calls / max(each["wall"] for each in measured),
        cpu_ms=sum(each["cpu"] for each in measured) / calls * 1000,
        server_ms=server / calls * 1000,
        p50_ms=took[len(took) // 2] * 1000,
        p99_ms=took[min(int(len(took) * 0.99), len(took) - 1)] * 1000,
        checked=checked,
        versions=versions,
    )


@contextlib.contextmanager
def _process(command: Sequence[str]) -> "Iterator[subprocess.Popen[str]]":
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=_TOP, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            yield process
        except BaseException:
            process.kill()
            raise


def _hear(process: "subprocess.Popen[str]") -> dict[str, Any]:
    assert process.stdout is not None
    assert process.stderr is not None
    line = process.stdout.readline()
    if not line:
        raise ValueError(process.stderr.read() or "the process ended without a word")
    heard: dict[str, Any] = json.loads(line)
    return heard


def _say(process: "subprocess.Popen[str]", word: str) -> None:
    assert process.stdin is not None
    process.stdin.write(word + "\n")
    process.stdin.flush()


def _ask(process: "subprocess.Popen[str]", word: str) -> dict[str, Any]:
    _say(process, word)
    return _hear(process)


def _together(processes: "Sequence[subprocess.Popen[str]]", word: str) -> list[dict[str, Any]]:
    for process in processes:
        _say(process, word)
    return [_hear(process) for process in processes]
