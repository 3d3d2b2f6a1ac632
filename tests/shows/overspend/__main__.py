"""The command of the show."""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # a thread of numpy's would not survive a fork

import psycopg

from tests.shows.crash.forking import fork
from tests.shows.overspend import lines
from tests.shows.overspend.calls import WORST
from tests.shows.overspend.sabotage import check_then_increment
from tests.shows.overspend.server import Server
from tests.shows.overspend.storm import Storm, weather
from tests.shows.servers import postgres_server

_EXECUTORS: Final = {"postgres": 3, "sqlite": 1}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.shows.overspend", description=__doc__)
    parser.add_argument("--processes", type=int, default=8, help="on Postgres; SQLite has one executor")
    parser.add_argument("--runs", type=int, default=30, help="that each process submits, of four calls each")
    parser.add_argument("--kills", type=int, default=12)
    parser.add_argument("--faults", type=int, default=20, help="percent of the requests that are served badly")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--store", choices=["sqlite", "postgres"], help="only this store")
    parser.add_argument("--control", action="store_true", help="check then increment, without a lock: must fail")
    given = parser.parse_args()
    began = time.monotonic()
    report: dict[str, Any] = {}
    with _folder() as folder:
        for store in ("sqlite", "postgres") if given.store is None else (given.store,):
            report[store] = _on(store, folder, given)
    broken = [f"{store}: {each}" for store, found in report.items() for each in found["broken"]]
    totals = {
        name: sum(found["storm"][name] for found in report.values())
        for name in ("attempted", "accepted", "refused", "skipped")
    }
    report = totals | {"killed": sum(found["storm"]["killed"] for found in report.values()), **report}
    report |= {"broken": broken, "seconds": round(time.monotonic() - began, 1)}
    sys.stdout.write(json.dumps(report, indent=2) + "\n")
    sys.exit(1 if broken else 0)


@contextmanager
def _folder() -> Iterator[Path]:
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="aie-overspend-", dir=memory if memory.is_dir() else None))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _on(store: str, folder: Path, given: argparse.Namespace) -> dict[str, Any]:
    if store == "sqlite":
        return _shown(lambda name: f"sqlite:///{folder}/{name}.db", store, 1, given)
    with postgres_server(folder) as server:

        def made(name: str) -> str:
            with psycopg.connect(server.format("postgres"), autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE {name}")
            return server.format(name)

        return _shown(made, store, given.processes, given)


def _shown(made: Callable[[str], str], store: str, processes: int, given: argparse.Namespace) -> dict[str, Any]:
    calls = processes * given.runs * 4
    # A fifth of what all calls may cost at worst, and less than that for one workflow and a run.
    caps = {
        "run": 2 * WORST.cost + WORST.cost // 2,
        "alpha": calls * WORST.cost // 20,
        "tenant": calls * WORST.cost // 8,
    }
    caps["beta"] = caps["alpha"] * 2
    with Server(seed=given.seed, faults=given.faults) as server:
        storm = Storm(
            url=made("storm"),
            server=server.url,
            processes=processes,
            runs=given.runs,
            seed=given.seed,
            kills=given.kills if store == "postgres" else -(-given.kills // 3),
            caps=caps,
            sabotage=check_then_increment if given.control else None,
        )
        passed = weather(storm, server)
    found: dict[str, Any] = {"storm": passed}
    broken = [f"storm: {each}" for each in passed["broken"]]
    if not given.control:
        count = _EXECUTORS[store]
        for name, measure in (
            ("in_a_row", lambda url: lines.in_a_row(url, count)),
            ("at_once", lambda url: lines.at_once(url, count)),
            ("waiting", lambda url: lines.waiting(url, count)),
            ("forfeits", lines.forfeits),
            ("over_billed", lines.over_billed),
        ):
            url = made(name)
            death = fork(lambda measure=measure, url=url: measure(url), seconds=150.0)  # type: ignore[misc]
            found[name] = death.value or {"broken": True}
            broken += [name] if found[name]["broken"] else []
    return found | {"broken": broken}


if __name__ == "__main__":
    main()
