"""The tables that the benchmarks print."""

import os
import platform
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Final, TypeAlias

from benchmarks.measuring import Cell

__all__ = ["Config", "Results", "floor_table", "report", "table"]

_NAMES: Final = {
    "floor": "floor: 7 bare commits",
    "graph-sync": "LangGraph, sync",
    "graph-exit": "LangGraph, exit",
    "steps": "DBOS, a step for each node",
    "local": "**aie**, engine local",
    "dbos": "**aie**, engine dbos",
    "bulk": "**aie** in bulk, local",
    "bulk-dbos": "**aie** in bulk, dbos",
}
_LOSES: Final = {
    "floor": "nothing is resumed; it shows what seven durable rows cost",
    "graph-sync": "the node under way; the input is durable; whoever knows the thread id has to invoke it again",
    "graph-exit": "the whole run, its calls and its input: nothing is durable before the end",
    "steps": "the node under way; the process resumes it when it starts again",
    "local": "nothing that was accepted: any worker goes on; a call under way may be made again, and is counted",
    "dbos": "the same; DBOS keeps its own books beside our records",
    "bulk": "the same; 32 runs are submitted together",
    "bulk-dbos": "the same; up to 16 segments share one workflow of DBOS",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What the contenders of one table have in common."""

    store: str
    externals: int
    clients: int
    workers: int

    def title(self) -> str:
        """Return the table's title."""
        calls = "1 call" if self.externals == 1 else f"{self.externals} calls"
        processes = "1 process" if self.workers == 1 else f"{self.workers} processes"
        return f"{self.store}, {calls} a run, {self.clients} in flight, {processes}"


Results: TypeAlias = dict[Config, dict[str, list[Cell]]]


def report(results: Results, settings: Mapping[str, str]) -> str:
    """Return conditions, guarantees, aims and all tables as Markdown."""
    parts = [_conditions(settings), _guarantees(), _aims(results)]
    return "\n".join([*parts, *(table(config, cells) for config, cells in results.items())])


def floor_table(measured: Sequence[tuple[Config, Cell]]) -> str:
    """Return by floor where the CPU of ours went."""
    rows = []
    for config, cell in measured:
        booked = cell.floors or {}
        total = sum(booked.values()) or 1.0
        shares = ", ".join(f"{name} {spent / total:.0%}" for name, spent in booked.items() if spent / total >= 0.01)
        rows.append(f"| {config.title()} | {cell.void or shares} |")
    head = ["## Where the CPU of aie goes, by floor", "", "| engine local | share of its CPU |", "|---|---|"]
    return "\n".join([*head, *rows, ""])


def _conditions(settings: Mapping[str, str]) -> str:
    postgres = ", ".join(f"{name} {value}" for name, value in settings.items() if name != "server_version")
    return f"""\
{datetime.now(UTC):%Y-%m-%d}. {os.cpu_count()} virtual cores shared with other work (load {os.getloadavg()[0]:.1f}),
Python {platform.python_version()}, Postgres {settings["server_version"]}, {_versions()}.

- A run: five nodes in a row with a value of about 200 bytes, of which one or three call another process over a Unix
  socket, which takes a millisecond; the same client for all.
- Equal settings: SQLite in WAL with synchronous FULL; Postgres with {postgres}.
- As many client threads as runs in flight, inside the measured processes, for all.
- CPU is that of all processes of the contender and, after the plus, of the Postgres server.
- Each figure is of one round, in the order of the rounds; ratios are of runs a second in the same round. Load comes and
  goes on this machine: trust CPU and ratios more than runs a second.
- Two processes on one SQLite file are two library users; the `aie` command lets one process execute at a time.
"""


def _versions() -> str:
    return ", ".join(f"{name} {version(name)}" for name in ("langgraph", "dbos"))


def _guarantees() -> str:
    rows = [f"| {name} | {_LOSES[key]} |" for key, name in _NAMES.items()]
    return "\n".join(["## What a kill of the process loses", "", "| | |", "|---|---|", *rows, ""])


def table(config: Config, cells: Mapping[str, Sequence[Cell]]) -> str:
    """Return the table of one configuration."""
    rows = [_row(name, cells[name], cells) for name in cells]
    head = "| | runs/s | CPU ms a run | p50 ms | p99 ms | × LangGraph sync | × DBOS steps | read back |"
    return "\n".join([f"### {config.title()}", "", head, "|---" * 8 + "|", *rows, ""])


def _row(name: str, own: Sequence[Cell], cells: Mapping[str, Sequence[Cell]]) -> str:
    void = [cell.void for cell in own if cell.void]
    if void:
        return f"| {_NAMES[name]} | void: {void[0].replace('|', '/')} |" + " |" * 6
    figures = (
        _each(f"{cell.per_second:.0f}" for cell in own),
        _each(f"{cell.cpu_ms:.2f}+{cell.server_ms:.2f}" if cell.server_ms else f"{cell.cpu_ms:.2f}" for cell in own),
        _each(f"{cell.p50_ms:.0f}" for cell in own),
        _each(f"{cell.p99_ms:.0f}" for cell in own),
        _each(f"{ratio:.1f}" for ratio in _ratios(own, cells["graph-sync"])),
        _each(f"{ratio:.1f}" for ratio in _ratios(own, cells["steps"])),
        str(sum(cell.checked for cell in own)),
    )
    return f"| {_NAMES[name]} | " + " | ".join(figures) + " |"


def _each(texts: Iterable[str]) -> str:
    return ", ".join(texts)


def _ratios(own: Sequence[Cell], other: Sequence[Cell]) -> list[float]:
    """Return how many times the other's runs a second each round had."""
    return [mine.per_second / its.per_second for mine, its in zip(own, other, strict=True) if its.per_second]


def _aims(results: Results) -> str:
    """Return which aims were met: medians over the rounds, one call a run, 32 in flight, one process."""
    rows = []
    for store, name, other, wanted in (
        ("Postgres", "local", "graph-sync", 5.0),
        ("Postgres", "local", "steps", 8.0),
        ("Postgres", "bulk", "graph-sync", 12.0),
        ("SQLite", "local", "graph-sync", 3.0),
    ):
        cells = results.get(Config(store=store, externals=1, clients=32, workers=1))
        if cells is not None and (ratios := _ratios(cells[name], cells[other])):
            found = statistics.median(ratios)
            aim = f"{store}: {_NAMES[name]} ≥ {wanted:.0f} × {_NAMES[other]}"
            rows.append(f"| {aim} | {found:.1f} × | {_met(found >= wanted)} |")
    for store in ("SQLite", "Postgres"):
        cells = results.get(Config(store=store, externals=1, clients=32, workers=1))
        if cells is not None:
            ours, its = _middle(cells["local"], _all_cpu), _middle(cells["graph-exit"], _all_cpu)
            aim = f"{store}: CPU a run ≤ {_NAMES['graph-exit']}"
            rows.append(f"| {aim} | {ours:.2f} against {its:.2f} ms | {_met(ours <= its)} |")
    return "\n".join(["## Aims", "", "| aim | median of the rounds | |", "|---|---|---|", *rows, ""])


def _all_cpu(cell: Cell) -> float:
    return cell.cpu_ms + cell.server_ms


def _middle(cells: Sequence[Cell], of: Callable[[Cell], float]) -> float:
    return statistics.median([of(cell) for cell in cells if not cell.void] or [0.0])


def _met(met: bool) -> str:  # noqa: FBT001 - a word for a truth value
    return "met" if met else "**not met**"
