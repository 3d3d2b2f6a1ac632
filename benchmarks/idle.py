"""What an idle system takes: a trivial run from its submission to its result, a waiting worker, a cold command.

Through the product itself: a workspace on disk, `aie worker` and `aie run` as processes. Speeds are printed only.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from aie.app import Given, Runner, choose_release, open_app, runner
from benchmarks.servers import Postgres

__all__ = ["idle_report"]

_SCHEMA: Final = json.dumps(
    {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"], "additionalProperties": False}
)
_WORKFLOW: Final = """workflow: trivial
owner: bench@larkfield.example
case: input.id
risk: low
limits: {time: 60 s, steps: 5}
input: schemas/one.json
output: schemas/one.json
steps:
  named: {check: rules, of: input, rules: {id: size(input.id) > 0}, on: {check_failed: "fail"}}
result: {id: input.id}
on: {"*": fail}
"""
_TIMES: Final = 60
"""Runs of each latency, of which the first ten warm up."""
_PAUSE: Final = 0.05
"""Seconds between two of them: the system is idle."""


def idle_report(server: Postgres) -> str:
    """Return the table."""
    rows = []
    for store, url in (("SQLite", "sqlite:///.aie/aie.db"), ("Postgres", server.database())):
        with _workspace(url) as root:
            rows.append(_row(f"{store}: submit → result, one process", _in_one(root)))
        with _workspace(url if store == "SQLite" else server.database()) as root, _worker(root) as worker:
            rows.append(_row(f"{store}: submit → result, the worker in another process", _in_two(root)))
            rows.append(f"| {store}: idle `aie worker` | {_idle_share(worker):.1%} of a core |")
    with _workspace("sqlite:///.aie/aie.db") as root:
        _cold(root, "first")
        took = [_cold(root, f"cold-{number}") for number in range(3)]
        rows.append(f"| cold `aie run`, done and acknowledged | {_words(took)} CPU-s |")
        helped = [_command(root, "--help") for _ in range(3)]
        rows.append(f"| `aie --help` | {_words(helped)} CPU-s |")
    return "\n".join(["## An idle system", "", "| | |", "|---|---|", *rows, ""])


def _row(name: str, took: list[float]) -> str:
    took = sorted(took[10:])
    return f"| {name} | p50 {statistics.median(took) * 1000:.1f} ms, p95 {took[int(len(took) * 0.95)] * 1000:.1f} ms |"


def _words(seconds: list[float]) -> str:
    return ", ".join(f"{each:.2f}" for each in seconds)


@contextmanager
def _workspace(url: str) -> Iterator[Path]:
    """Make a workspace with one locked workflow of one pure step."""
    with tempfile.TemporaryDirectory(prefix="aie-idle-") as folder:
        root = Path(folder)
        schemas = root / "workflows" / "trivial" / "schemas"
        schemas.mkdir(parents=True)
        (schemas / "one.json").write_text(_SCHEMA, encoding="utf-8")
        (schemas.parent / "workflow.yaml").write_text(_WORKFLOW, encoding="utf-8")
        (root / "models.yaml").write_text("models: {}\n", encoding="utf-8")
        store = url
        if not url.startswith("sqlite"):
            store, os.environ["AIE_BENCH_STORE"] = "env:AIE_BENCH_STORE", url
        (root / "aie.yaml").write_text(f"store: {store}\nenvironments: [production]\n", encoding="utf-8")
        _command(root, "release", "trivial")
        yield root


@contextmanager
def _worker(root: Path) -> Iterator[int]:
    """Run `aie worker`; yields its process."""
    command = [sys.executable, "-m", "aie.cli", "worker"]
    pipe, none = subprocess.PIPE, subprocess.DEVNULL
    with subprocess.Popen(command, cwd=root, stderr=pipe, stdout=none, text=True) as process:
        assert process.stderr is not None
        if "executing" not in (said := process.stderr.readline()):
            raise ValueError(f"aie worker: {said}")
        try:
            yield process.pid
        finally:
            process.terminate()


def _in_one(root: Path) -> list[float]:
    with open_app(root) as app, runner(app) as opened:
        return _submit(opened)


def _in_two(root: Path) -> list[float]:
    with open_app(root) as app, runner(app, execute=False) as opened:
        return _submit(opened)


def _submit(opened: Runner) -> list[float]:
    release, _ = choose_release(opened.app, "trivial")
    took = []
    for number in range(_TIMES):
        time.sleep(_PAUSE)
        began = time.monotonic()
        given = Given(name="bench", folder=Path(), data={"id": f"case-{number}"})
        row = opened.wait(opened.submit(given, release).run, 10)
        took.append(time.monotonic() - began)
        if row.state != "completed":
            raise ValueError(f"a trivial run is {row.state}")
    return took


def _idle_share(pid: int, seconds: float = 5.0) -> float:
    """Return what share of a core a process uses while nothing happens."""
    time.sleep(1)
    before = _cpu_of(pid)
    time.sleep(seconds)
    return (_cpu_of(pid) - before) / seconds


def _cpu_of(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _cold(root: Path, case: str) -> float:
    file = root / f"{case}.json"
    file.write_text(json.dumps({"id": case}), encoding="utf-8")
    return _command(root, "run", "trivial", str(file))


def _command(root: Path, *arguments: str) -> float:
    """Run a command of ours as a process; returns the CPU that it used."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "aie.cli", *arguments]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise ValueError(f"aie {' '.join(arguments)}: {done.stderr}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
