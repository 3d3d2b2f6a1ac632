"""What a model call costs on our path, beside the vendor's library, pydantic-ai and LiteLLM; and the ledger alone.

    make bench-calls                    every cell, five rounds (about a quarter of an hour)
    make bench-calls ARGS=--quick       32 calls in flight, one round, no Postgres
    make bench-calls ARGS=--write       also writes benchmarks/CALLS.md

One server answers all of them. The contenders of a cell are all running and work by turns, four windows of each in a
round, in an order that turns: a machine that is slower for a while is slower for all. Ratios are of the same round.
"""

import argparse
import contextlib
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.calls.job import Job
from benchmarks.calls.libraries import LIBRARIES
from benchmarks.calls.measuring import Cell, Server, measure, measure_ledger, serving
from benchmarks.calls.tables import Cells, Ledgers, report, table
from benchmarks.servers import Postgres, postgres

__all__ = ["main"]

_OURS: Final = ("batch", "single")
_LEDGERS: Final = ((1, 1), (1, 32), (8, 1), (8, 8))
"""Processes, and callers in each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bench:
    """What all cells share."""

    folder: Path
    server: Server
    postgres: Postgres | None

    def store(self, kind: str) -> str:
        """Return an empty store."""
        if kind == "Postgres":
            assert self.postgres is not None
            return self.postgres.database()
        return f"sqlite:///{Path(tempfile.mkdtemp(dir=self.folder)) / 'bench.db'}"


def main() -> int:
    """Measure, print the tables; 1 when a row of ours is void."""
    wanted = _arguments()
    cells: Cells = {}
    ledgers: Ledgers = {}
    with _opened(quick=wanted.quick) as bench:
        for clients in (32,) if wanted.quick else (1, 32, 256):
            cells[clients] = _measure(bench, clients, wanted.rounds, wanted.seconds)
            print(table(clients, cells[clients]), file=sys.stderr, flush=True)
        for kind in _stores(bench):
            for processes, callers in _LEDGERS[:2] if wanted.quick else _LEDGERS:
                ledgers[kind, processes, callers] = [
                    measure_ledger(bench.store(kind), processes, callers, wanted.seconds, _server(bench, kind))
                    for _ in range(wanted.rounds)
                ]
        text = report(cells, ledgers, None if bench.postgres is None else bench.postgres.settings())
    print(text)
    if wanted.write:
        (Path(__file__).parent.parent / "CALLS.md").write_text(_PREFACE + text, encoding="utf-8")
    rows = [each for of in cells.values() for name, row in of.items() for each in row if name.startswith(_OURS)]
    return int(any(cell.void for cell in (*rows, *(each for of in ledgers.values() for each in of))))


def _measure(bench: _Bench, clients: int, rounds: int, seconds: float) -> dict[str, list[Cell]]:
    """Return the cells of every contender, one a round."""
    places = [(name, "") for name in LIBRARIES] + [(name, kind) for kind in _stores(bench) for name in _OURS]
    jobs = {}
    for name, kind in places:
        store = bench.store(kind) if kind else ""
        job = Job(contender=name, base=bench.server.base, clients=clients, seconds=seconds, store=store)
        jobs[_label(name, kind)] = (job, _server(bench, kind))
    cells: dict[str, list[Cell]] = {name: [] for name in jobs}
    for name, turn, cell in measure(jobs, bench.server, rounds):
        cells[name].append(cell)
        said = cell.void or f"{cell.per_second:.0f}/s, {cell.cpu_ms:.2f} ms"
        print(f"{clients} in flight, round {turn}, {name}: {said}", file=sys.stderr, flush=True)
    return cells


def _stores(bench: _Bench) -> tuple[str, ...]:
    return ("SQLite",) if bench.postgres is None else ("SQLite", "Postgres")


def _server(bench: _Bench, kind: str) -> Postgres | None:
    return bench.postgres if kind == "Postgres" else None


def _label(name: str, kind: str) -> str:
    return f"{name}, {kind}" if kind else name


@contextlib.contextmanager
def _opened(*, quick: bool) -> Iterator[_Bench]:
    """Start what all cells share."""
    with tempfile.TemporaryDirectory(prefix="aie-bench-") as root, contextlib.ExitStack() as stack:
        top = Path(root)
        top.chmod(0o755)
        (top / "sqlite").mkdir()
        server = stack.enter_context(serving())
        database = None if quick else stack.enter_context(postgres(top / "postgres"))
        yield _Bench(folder=top / "sqlite", server=server, postgres=database)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make bench-calls", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="32 calls in flight, SQLite only, one round")
    parser.add_argument("--rounds", type=int, default=0, help="rounds (5, or 1 with --quick)")
    parser.add_argument("--seconds", type=float, default=2.0, help="seconds that calls are begun in a cell")
    parser.add_argument("--write", action="store_true", help="write benchmarks/CALLS.md")
    wanted = parser.parse_args()
    wanted.rounds = wanted.rounds or (1 if wanted.quick else 5)
    return wanted


_PREFACE: Final = """# Benchmarks of model calls

Written by `make bench-calls ARGS=--write`. A row of ours counts only if after the timed part every event was read
back, as many calls were settled as the server answered, and the chain over all records verified; else it says that it
is void.

"""

if __name__ == "__main__":
    sys.exit(main())
