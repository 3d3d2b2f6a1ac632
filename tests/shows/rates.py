"""Show: declared rates hold over all workers of a store, by the log of the server.

    python -m tests.shows.rates [--minutes 3] [--seconds 60] [--processes 4] [--store sqlite|postgres] [--control]

Workers of one store (several processes on Postgres, one on SQLite) have more runs than a minute has room for, each with
one call of a real HTTP server. Whatever does not fit waits: briefly in its thread, then durably. The server's log must
never show more calls in any stretch of a minute than `rpm`, more tokens than `tpm`, nor more calls at once than
`concurrency`; and every run must end with its answer. `--seconds` is what counts as a minute.

`--control` lets each process count for itself: the same check must then fail (exit 1).
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final
from unittest import mock

import psycopg

from aie.core import JSON
from aie.records import MemoryKeys, RunFilter, Store, open_store, take_pass
from aie.records.events import StepHeld
from aie.runs import Pace
from aie.testing import OpenAIServer
from aie.testing.stage import stage
from tests.shows.overspend.calls import WORST, caller, release
from tests.shows.servers import postgres_server

KEYS: Final = MemoryKeys(b"rates---" * 4)
RPM: Final = 24
CONCURRENCY: Final = 3
TPM: Final = RPM * WORST.tokens
FACTS: Final[dict[str, JSON]] = {
    "rates": {"rpm": RPM, "tpm": TPM, "concurrency": CONCURRENCY},
    "timeout": 10_000_000,
}


def live(url: str, server: str, name: str, runs: int, seconds: int, *, control: bool) -> None:
    """Be one worker: submit runs and work until they rest."""
    with ExitStack() as stack:
        # A shorter minute, that a short version has several; how long one is does not matter to what is checked.
        stack.enter_context(mock.patch("aie.records.gates._MINUTE", seconds * 1_000_000))
        stack.enter_context(mock.patch("aie.records.gates._TRANSIT", min(seconds * 100_000, 5_000_000)))
        if control:
            stack.enter_context(mock.patch("aie.runs.gate.take_pass", _for_itself))
        acts = {"call": caller(server)}
        here = stack.enter_context(
            stage(
                url,
                acts,
                keys=KEYS,
                pace=Pace(lease=20_000_000, beat=0.2),
                live=lambda component: FACTS if component == "model:reader" else {},
            )
        )
        id_ = here.add(release("alpha"))
        wanted = [here.submit(id_, {"id": f"{name}-{n}"}).run for n in range(runs)]
        until = time.monotonic() + 10 * seconds + 120
        while any(here.row(run).state not in ("completed", "failed", "dead") for run in wanted):
            if time.monotonic() > until:
                raise TimeoutError("not all runs ended")
            time.sleep(0.1)


def _for_itself(store: Store, model: str, *given: Any, **said: Any) -> Any:
    """Let a call through by what this process alone let through."""
    return take_pass(store, f"{model} {os.getpid()}", *given, **said)


def shown(url: str, processes: int, minutes: int, seconds: int, *, control: bool) -> dict[str, Any]:
    """Run workers on one store and judge the server's log."""
    runs = -(-minutes * RPM // processes)
    began = time.monotonic()
    open_store(url, keys=KEYS).close()
    with OpenAIServer("x" * 40, latency=0.05) as server:
        arguments = [str(runs), str(seconds), *(["--control"] if control else [])]
        workers = [
            subprocess.Popen(
                [sys.executable, "-m", "tests.shows.rates", "--live", url, server.url, f"w{n}", *arguments]
            )
            for n in range(processes)
        ]
        codes = [each.wait(timeout=20 * seconds + 300) for each in workers]
        tokens = _most_tokens(server, seconds)
        found: dict[str, Any] = {
            "attempted": processes * runs,
            "requests": len(server.requests),
            "most_within_a_minute": server.most_within(seconds),
            "rpm": RPM,
            "most_tokens_within_a_minute": tokens,
            "tpm": TPM,
            "most_at_once": server.most_at_once,
            "concurrency": CONCURRENCY,
        }
    store = open_store(url, keys=KEYS)
    rows = store.runs(RunFilter(tenant="default"), limit=100_000).rows
    held = sum(isinstance(each.event, StepHeld) for row in rows for each in store.read(row.id))
    store.close()
    accepted = sum(row.state == "completed" for row in rows)
    found |= {"accepted": accepted, "refused": len(rows) - accepted, "skipped": 0, "held": held}
    broken = [f"a process ended with {code}" for code in codes if code]
    broken += [] if accepted == processes * runs else [f"{accepted} of {processes * runs} runs completed"]
    broken += [] if found["requests"] == accepted else [f"{found['requests']} requests"]
    for most, limit in (
        ("most_within_a_minute", "rpm"),
        ("most_tokens_within_a_minute", "tpm"),
        ("most_at_once", "concurrency"),
    ):
        if found[most] > found[limit]:
            broken.append(f"{found[most]} where {limit} is {found[limit]}")
    return found | {"seconds": round(time.monotonic() - began, 1), "broken": broken}


def _most_tokens(server: OpenAIServer, seconds: int) -> int:
    calls = [(each.began, each.bill.tokens_in + each.bill.tokens_out) for each in server.served]
    return max(
        (sum(tokens for at, tokens in calls if last - seconds * 1_000_000 < at <= last) for last, _ in calls), default=0
    )


def main() -> int:
    """Run the show or its control."""
    if sys.argv[1:2] == ["--live"]:
        url, server, name, runs, seconds, *rest = sys.argv[2:]
        live(url, server, name, int(runs), int(seconds), control=bool(rest))
        return 0
    parser = argparse.ArgumentParser(prog="python -m tests.shows.rates", description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=int, default=3, help="how many minutes' calls there are")
    parser.add_argument("--seconds", type=int, default=60, help="of a minute")
    parser.add_argument("--processes", type=int, default=4, help="on Postgres; SQLite has one executor")
    parser.add_argument("--store", choices=["sqlite", "postgres"], help="only this store")
    parser.add_argument("--control", action="store_true", help="each process counts for itself: must fail")
    given = parser.parse_args()
    report: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="aie-rates-") as home, ExitStack() as stack:
        Path(home).chmod(0o755)
        for store in ("sqlite", "postgres") if given.store is None else (given.store,):
            url = f"sqlite:///{home}/aie.db"
            if store == "postgres":
                server = stack.enter_context(postgres_server(Path(home)))
                with psycopg.connect(server.format("postgres"), autocommit=True) as connection:
                    connection.execute("CREATE DATABASE rates")
                url = server.format("rates")
            count = given.processes if store == "postgres" else 1
            report[store] = shown(url, count, given.minutes, given.seconds, control=given.control)
    broken = [f"{store}: {each}" for store, found in report.items() for each in found["broken"]]
    totals = {
        name: sum(found[name] for found in report.values()) for name in ("attempted", "accepted", "refused", "skipped")
    }
    print(json.dumps(totals | report | {"broken": broken, "control": given.control}, indent=1))
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
