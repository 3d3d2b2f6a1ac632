"""The tables that the benchmarks of model calls print."""

import os
import platform
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, TypeAlias

from benchmarks.calls.measuring import Cell

__all__ = ["Cells", "Ledgers", "report", "table"]

Cells: TypeAlias = dict[int, dict[str, list[Cell]]]
"""By calls in flight, then by contender."""
Ledgers: TypeAlias = dict[tuple[str, int, int], list[Cell]]
"""By store, processes and callers in each."""

_PEER: Final = "pydantic-ai"
_ROUTER: Final = "litellm-router"
_NAMES: Final = {
    "aiohttp": "aiohttp, the bare transport",
    "openai": "openai, the vendor's library",
    "pydantic-ai": "pydantic-ai direct",
    "litellm": "LiteLLM, `acompletion`",
    "litellm-router": "LiteLLM, `Router`",
    "batch, SQLite": "**aie**, calls of a map, SQLite",
    "single, SQLite": "**aie**, a run for each call, SQLite",
    "batch, Postgres": "**aie**, calls of a map, Postgres",
    "single, Postgres": "**aie**, a run for each call, Postgres",
}
_MOST_CPU: Final = 1.35
_LEAST_SPEED: Final = 2.0


def report(cells: Cells, ledgers: Ledgers, settings: Mapping[str, str] | None) -> str:
    """Return conditions, aims and all tables as Markdown."""
    parts = [_conditions(cells, settings), _aims(cells), *(table(clients, of) for clients, of in cells.items())]
    return "\n".join([*parts, _ledger_table(ledgers)])


def table(clients: int, cells: Mapping[str, Sequence[Cell]]) -> str:
    """Return the table of one number of calls in flight."""
    head = f"| | calls/s | CPU ms a call | p50 ms | p99 ms | CPU × {_PEER} | calls/s × {_ROUTER} | found right |"
    rows = [_row(name, cells[name], cells) for name in cells]
    return "\n".join([f"### {clients} in flight", "", head, "|---" * 8 + "|", *rows, ""])


def _conditions(cells: Cells, settings: Mapping[str, str] | None) -> str:
    server = "" if settings is None else f", Postgres {settings['server_version']}"
    durable = _each(f"{name} {value}" for name, value in (settings or {}).items() if name != "server_version")
    return f"""\
{datetime.now(UTC):%Y-%m-%d}. {os.cpu_count()} virtual cores shared with other work (load {os.getloadavg()[0]:.1f}),
Python {platform.python_version()}{server}{durable and f" with {durable}"}.
{_versions(cells)}

- One server for all, another process on this machine, answers at once what a chat model would: what is measured is the
  client. The prompt has about 900 bytes, the answer 14 tokens; nobody repeats anything.
- Libraries ask with so many coroutines on one event loop. Ours may make so many calls at once: `a run for each call` is
  submitted, claimed, executed, recorded and ended for every call; `calls of a map` are the items of a run's map.
- Ours has on: a route of two models with constraints, labels of the input, limits of the run, budgets of workflow and
  tenant, the circuit breaker, sealed records of each intent, settlement and step.
- CPU is that of the contender's process and, after the plus, of the Postgres server. Times of ours are of whole runs.
- All contenders of a table are running and work by turns, in windows of a part of a second, four of each in a round.
  Each figure is of one round, in the order of the rounds; ratios are of the same round. Load comes and goes on this
  machine: trust CPU and ratios more than calls a second.
"""


def _versions(cells: Cells) -> str:
    ours, theirs = (_told(cells, name) for name in (_PEER, _ROUTER))
    listed = _each(f"{name} {version}" for name, version in sorted(ours.items()))
    router = f"LiteLLM {theirs.get('litellm', '?')} with openai {theirs.get('openai', '?')}"
    return f"Versions: {listed};\nin an environment of its own {router}."


def _told(cells: Cells, name: str) -> Mapping[str, str]:
    return next((each.versions for of in cells.values() for each in of.get(name, ()) if each.versions), {})


def _row(name: str, own: Sequence[Cell], cells: Mapping[str, Sequence[Cell]]) -> str:
    void = [cell.void for cell in own if cell.void]
    if void:
        return f"| {_NAMES[name]} | void: {void[0].replace('|', '/')} |" + " |" * 6
    figures = (
        _each(f"{cell.per_second:.0f}" for cell in own),
        _each(f"{cell.cpu_ms:.2f}+{cell.server_ms:.2f}" if cell.server_ms else f"{cell.cpu_ms:.2f}" for cell in own),
        _each(f"{cell.p50_ms:.1f}" for cell in own),
        _each(f"{cell.p99_ms:.1f}" for cell in own),
        _each(f"{ratio:.2f}" for ratio in _ratios(own, cells[_PEER], _cpu)),
        _each(f"{ratio:.2f}" for ratio in _ratios(own, cells[_ROUTER], _speed)),
        str(sum(cell.checked for cell in own)),
    )
    return f"| {_NAMES[name]} | " + " | ".join(figures) + " |"


def _aims(cells: Cells) -> str:
    """Return which aims were met: medians over the rounds."""
    rows = []
    for clients, of in cells.items():
        for name in (each for each in of if each.startswith("batch")):
            for what, found, met in (
                (f"CPU ≤ {_MOST_CPU} × {_PEER} direct", _middle(_ratios(of[name], of[_PEER], _cpu)), _is_lean),
                (
                    f"calls/s ≥ {_LEAST_SPEED:.0f} × LiteLLM Router",
                    _middle(_ratios(of[name], of[_ROUTER], _speed)),
                    _is_fast,
                ),
            ):
                if found is not None:
                    rows.append(f"| {_NAMES[name]}, {clients} in flight: {what} | {found:.2f} × | {_met(met(found))} |")
    return "\n".join(["## Aims", "", "| aim | median of the rounds | |", "|---|---|---|", *rows, ""])


def _ledger_table(ledgers: Ledgers) -> str:
    """Return the table of the ledger alone."""
    rows = []
    for (kind, processes, callers), own in ledgers.items():
        place = f"{kind}, {processes} × {callers}"
        void = [cell.void for cell in own if cell.void]
        if void:
            rows.append(f"| {place} | void: {void[0].replace('|', '/')} | | | | |")
            continue
        figures = (
            _each(f"{cell.per_second:.0f}" for cell in own),
            _each(
                f"{cell.cpu_ms:.2f}+{cell.server_ms:.2f}" if cell.server_ms else f"{cell.cpu_ms:.2f}" for cell in own
            ),
            _each(f"{cell.p50_ms:.1f}" for cell in own),
            _each(f"{cell.p99_ms:.1f}" for cell in own),
            str(sum(cell.checked for cell in own)),
        )
        rows.append(f"| {place} | " + " | ".join(figures) + " |")
    head = "| store, processes × callers in each | calls/s | CPU ms a call | p50 ms | p99 ms | found drawn |"
    return "\n".join(
        [
            "### The ledger alone",
            "",
            "Reserved on a run, a workflow and a tenant, durable; then settled, durable: two commits a call, shared by",
            "those that come together. Afterwards the budget holds what was settled, to the micro-USD, and no",
            "reservation.",
            "",
            head,
            "|---" * 6 + "|",
            *rows,
            "",
        ]
    )


def _cpu(cell: Cell) -> float:
    return cell.cpu_ms


def _speed(cell: Cell) -> float:
    return cell.per_second


def _ratios(own: Sequence[Cell], other: Sequence[Cell], of: Callable[[Cell], float]) -> list[float]:
    """Return how many times the other's figure each round had."""
    return [of(mine) / of(its) for mine, its in zip(own, other, strict=True) if of(its) and not mine.void]


def _middle(ratios: Sequence[float]) -> float | None:
    return statistics.median(ratios) if ratios else None


def _is_lean(ratio: float) -> bool:
    return ratio <= _MOST_CPU


def _is_fast(ratio: float) -> bool:
    return ratio >= _LEAST_SPEED


def _met(met: bool) -> str:  # noqa: FBT001 - a word for a truth value
    return "met" if met else "**not met**"


def _each(texts: Iterable[str]) -> str:
    return ", ".join(texts)
