"""Runs a second, and what they cost, beside LangGraph, DBOS and the bare floor of commits.

    make bench                          every cell, three rounds (about half an hour)
    make bench ARGS=--quick             32 runs in flight, one process, one call a run (about five minutes)
    make bench ARGS="--write"           also writes benchmarks/README.md

All contenders of a cell run one after another in every round, in an order that turns from round to round, so that a
machine that is slower for a while is slower for all of them; ratios are of the same round.
"""

import argparse
import contextlib
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from benchmarks.idle import idle_report
from benchmarks.measuring import Cell, measure
from benchmarks.servers import Postgres, answering, postgres
from benchmarks.tables import Config, Results, floor_table, report, table
from benchmarks.work import Job

__all__ = ["main"]

_CONTENDERS: Final = ("floor", "graph-sync", "graph-exit", "steps", "local", "dbos", "bulk", "bulk-dbos")
_OURS: Final = ("local", "dbos", "bulk", "bulk-dbos")
_BULK_CLIENTS: Final = 128
"""Runs in flight of the contenders that submit many together: four lots of 32."""


def main() -> int:
    """Measure, print the tables; 1 when a row of ours is void."""
    wanted = _arguments()
    results: Results = {}
    with _opened() as bench:
        for config in _configs(quick=wanted.quick):
            headline = config.externals == 1 and config.clients > 1 and config.workers == 1
            rounds = wanted.rounds if headline or not wanted.rest else wanted.rest
            results[config] = _measure(config, rounds, wanted.seconds, bench)
            print(table(config, results[config]), file=sys.stderr, flush=True)
        floors = _profile(wanted.seconds, bench)
        idle = "" if wanted.no_idle else idle_report(bench.server)
        text = "\n".join((report(results, bench.server.settings()), floors, idle))
    print(text)
    if wanted.write:
        Path(__file__).with_name("README.md").write_text(_PREFACE + text, encoding="utf-8")
    ours = [
        cell for of in results.values() for name in ("local", "dbos", "bulk", "bulk-dbos") for cell in of.get(name, ())
    ]
    return int(any(cell.void for cell in ours))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bench:
    """What all cells share."""

    folder: Path
    """Where SQLite files lie."""
    socket: str
    """Where calls are answered."""
    server: Postgres

    def job(self, config: Config, name: str, seconds: float) -> Job:
        """Return what a contender has to do, on an empty store."""
        fresh = Path(tempfile.mkdtemp(dir=self.folder)) / "bench.db"
        return Job(
            contender=name,
            url=self.server.database() if config.store == "Postgres" else f"sqlite:///{fresh}",
            externals=config.externals,
            socket=self.socket,
            clients=_BULK_CLIENTS if name.startswith("bulk") else config.clients,
            seconds=seconds,
            worker=0,
        )


def _measure(config: Config, rounds: int, seconds: float, bench: _Bench) -> dict[str, list[Cell]]:
    """Return the cells of every contender, one a round."""
    names = [name for name in _CONTENDERS if config.clients > 1 or not name.startswith("bulk")]
    cells: dict[str, list[Cell]] = {name: [] for name in names}
    server = bench.server if config.store == "Postgres" else None
    for turn in range(rounds):
        start = turn * 3 % len(names)
        for name in (*names[start:], *names[:start]):
            cell = measure(bench.job(config, name, seconds), config.workers, server)
            cells[name].append(cell)
            said = cell.void or f"{cell.per_second:.0f}/s"
            print(f"{config.title()}, round {turn + 1}, {name}: {said}", file=sys.stderr, flush=True)
    return cells


def _profile(seconds: float, bench: _Bench) -> str:
    """Return where the CPU of ours goes, by floor."""
    tables = []
    for store in ("SQLite", "Postgres"):
        config = Config(store=store, externals=1, clients=32, workers=1)
        job = replace(bench.job(config, "local", seconds), profile=True)
        tables.append((config, measure(job, 1, bench.server if store == "Postgres" else None)))
    return floor_table(tables)


def _configs(*, quick: bool) -> Iterator[Config]:
    for store in ("SQLite", "Postgres"):
        for externals in (1,) if quick else (1, 3):
            for clients, workers in ((32, 1),) if quick else ((1, 1), (32, 1), (32, 2)):
                yield Config(store=store, externals=externals, clients=clients, workers=workers)


@contextlib.contextmanager
def _opened() -> Iterator[_Bench]:
    """Start what all cells share."""
    with tempfile.TemporaryDirectory(prefix="aie-bench-") as root, answering() as path:
        top = Path(root)
        top.chmod(0o755)
        (top / "sqlite").mkdir()
        with postgres(top / "postgres") as server:
            yield _Bench(folder=top / "sqlite", socket=path, server=server)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make bench", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="32 runs in flight, one process, one call a run")
    parser.add_argument("--rounds", type=int, default=3, help="rounds (3)")
    parser.add_argument("--rest", type=int, default=0, help="rounds of what is no aim (as many)")
    parser.add_argument("--seconds", type=float, default=1.5, help="seconds that runs are started in a cell")
    parser.add_argument("--no-idle", action="store_true", help="leave out what an idle system is measured for")
    parser.add_argument("--write", action="store_true", help="write benchmarks/README.md")
    return parser.parse_args()


_PREFACE: Final = """# Benchmarks

Written by `make bench ARGS=--write`. A row of ours counts only if after the timed part every event of every run was
read back, every outcome was right and the chain over all records verified; else it says that it is void.

"""

if __name__ == "__main__":
    sys.exit(main())
