"""Measures one cell of a table: a contender's processes started, warmed up, timed together, checked and ended."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from benchmarks.servers import Postgres
from benchmarks.work import Job

__all__ = ["Cell", "measure"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What one contender did in one round; `void` says why nothing was measured."""

    runs: int = 0
    per_second: float = 0.0
    cpu_ms: float = 0.0
    """CPU of the contender's processes for each run."""
    server_ms: float = 0.0
    """CPU of the Postgres server for each run."""
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    checked: int = 0
    """Runs that were read back and found right, those of the warm-up among them."""
    void: str = ""
    floors: dict[str, float] | None = None
    """Seconds of CPU by floor, when that was asked for."""


def measure(job: Job, workers: int, server: Postgres | None) -> Cell:
    """Run a job in so many processes at once and check what they did."""
    jobs = [replace(job, worker=number, clients=max(job.clients // workers, 1)) for number in range(workers)]
    processes: list[subprocess.Popen[str]] = []
    try:
        for each in jobs:
            processes.append(_start(each))
            _hear(processes[-1])  # one after another: the first makes the tables
        before = server.cpu() if server is not None else 0.0
        measured = _all(processes, "go")
        after = server.cpu() if server is not None else 0.0
        checked = sum(each["checked"] for each in _all(processes, "check"))
    except (ValueError, OSError) as error:
        return Cell(void=str(error).splitlines()[-1][:200])
    finally:
        for process in processes:
            process.kill()
            process.wait()
    return _cell(measured, after - before, checked)


def _cell(measured: Sequence[dict[str, Any]], server: float, checked: int) -> Cell:
    runs = sum(each["runs"] for each in measured)
    took = sorted(one for each in measured for one in each["took"])
    if checked < runs:
        return Cell(void=f"of {runs} runs only {checked} were found right")
    return Cell(
        runs=runs,
        per_second=runs / max(each["wall"] for each in measured),
        cpu_ms=sum(each["cpu"] for each in measured) / runs * 1000,
        server_ms=server / runs * 1000,
        p50_ms=took[len(took) // 2] * 1000,
        p99_ms=took[min(int(len(took) * 0.99), len(took) - 1)] * 1000,
        checked=checked,
        floors=measured[0].get("floors"),
    )


def _start(job: Job) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "benchmarks.process", json.dumps(asdict(job))]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def _hear(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    assert process.stderr is not None
    line = process.stdout.readline()
    if not line:
        raise ValueError(process.stderr.read() or "the process ended without a word")
    return line


def _all(processes: "Sequence[subprocess.Popen[str]]", word: str) -> list[dict[str, Any]]:
    """Say a word to all and return what each answers."""
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(word + "\n")
        process.stdin.flush()
    return [json.loads(_hear(process)) for process in processes]
