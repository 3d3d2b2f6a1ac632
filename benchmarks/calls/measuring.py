"""Measures the contenders of a cell: started, warmed up, timed by turns, held against what the server counted."""

import contextlib
import http.client
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from benchmarks.calls.job import Job
from benchmarks.servers import Postgres

__all__ = ["Cell", "Server", "measure", "measure_ledger", "serving"]

_TOP: Final = Path(__file__).parent.parent.parent
_WINDOWS: Final = 4
"""Windows of a round."""
_STEP: Final = 4
"""Places that the order of the contenders turns by from window to window."""


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


def measure(
    places: Mapping[str, tuple[Job, Postgres | None]], server: Server, rounds: int
) -> Iterator[tuple[str, int, Cell]]:
    """Start all contenders, let them work by turns, and check what they did: as many answers as the server gave.

    A round is `_WINDOWS` windows of each, the order turning from one to the next: this machine changes its speed within
    seconds, and then it does so for everybody.

    Args:
        places: by name, what each has to do; and the Postgres server that it uses, to count its CPU.
        server: the server that all of them ask.
        rounds: how many cells each comes to.

    Yields:
        Name, number of the round, cell: once all rounds are done and checked.
    """
    with contextlib.ExitStack() as stack:
        contenders = {name: stack.enter_context(_opened(job, server, own)) for name, (job, own) in places.items()}
        turns = [*contenders.values()]
        for _ in range(rounds):
            for each in turns:
                each.rounds.append([])
            for _ in range(_WINDOWS):
                for each in turns:
                    each.work()
                turns = [*turns[_STEP:], *turns[:_STEP]]
        for name, each in contenders.items():
            yield from ((name, number, cell) for number, cell in enumerate(each.cells(), 1))


class _Contender:
    """A running process of a contender."""

    def __init__(self, process: "subprocess.Popen[str]", server: Server, database: Postgres | None) -> None:
        self.rounds: list[list[Mapping[str, Any]]] = []
        """What it measured, window by window."""
        self._process = process
        self._server = server
        self._database = database
        self._answered = 0
        self._versions: Mapping[str, str] = {}
        self._void = ""
        self._counted(self._begin)

    def work(self) -> None:
        """Call for one window."""
        if not self._void:
            self._counted(self._go)

    def cells(self) -> list[Cell]:
        """Let it check what it did, and return a cell for each round."""
        checked = 0
        if not self._void:
            try:
                checked = _ask(self._process, "check")["checked"]
            except (ValueError, OSError) as error:
                self._void = _said(error)
        if not self._void and self._answered != checked:
            self._void = f"the server answered {self._answered} calls, {checked} were found right"
        if self._void:
            return [Cell(void=self._void) for _ in self.rounds]
        made = [_cell(of, sum(each["server"] for each in of), 0, self._versions, by_turns=True) for of in self.rounds]
        return [replace(made[0], checked=checked), *made[1:]]

    def _counted(self, act: Callable[[], None]) -> None:
        """Do something, and count what the server answers meanwhile: nobody else asks it."""
        before = self._server.answered()
        try:
            act()
        except (ValueError, OSError) as error:
            self._void = _said(error)
        self._answered += self._server.answered() - before

    def _begin(self) -> None:
        self._versions = _hear(self._process)["versions"]

    def _go(self) -> None:
        cpu = 0.0 if self._database is None else self._database.cpu()
        measured = _ask(self._process, "go")
        cpu = 0.0 if self._database is None else self._database.cpu() - cpu
        self.rounds[-1].append({**measured, "server": cpu})


@contextlib.contextmanager
def _opened(job: Job, server: Server, database: Postgres | None) -> Iterator[_Contender]:
    python = ["scripts/in-env.sh", "litellm", "python"] if job.contender.startswith("litellm") else [sys.executable]
    job = replace(job, seconds=job.seconds / _WINDOWS)
    with _process([*python, "-m", "benchmarks.calls.process", json.dumps(asdict(job))]) as process:
        yield _Contender(process, server, database)


def _said(error: Exception) -> str:
    return str(error).splitlines()[-1][:200]


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


def _cell(
    measured: Sequence[Mapping[str, Any]],
    server: float,
    checked: int,
    versions: Mapping[str, str],
    *,
    by_turns: bool = False,
) -> Cell:
    """Return what several measured, one after another or at the same time."""
    calls = sum(each["calls"] for each in measured)
    took = sorted(one for each in measured for one in each["took"])
    walls = [each["wall"] for each in measured]
    return Cell(
        calls=calls,
        per_second=calls / (sum(walls) if by_turns else max(walls)),
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
