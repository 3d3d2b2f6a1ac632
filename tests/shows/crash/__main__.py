"""The command of the show."""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # a thread of numpy's would not survive a fork

from aie.testing.receiver import Receiver
from tests.shows.crash.campaign import POINTS, World, run_campaign
from tests.shows.crash.forking import Child
from tests.shows.crash.provider import Provider
from tests.shows.crash.sabotage import SABOTAGE
from tests.shows.crash.stores import ground
from tests.shows.crash.warming import warm_up
from tests.shows.servers import postgres_server

_GROUNDS = [(store, engine) for store in ("sqlite", "postgres") for engine in ("local", "dbos")]
_ADDED = (
    "attempted", "killed", "survived", "scenarios", "double", "recovered", "lost_or_contradicted", "stuck",
    "leases_lost", "forfeited_attempts", "provider_calls", "deliveries", "harmless_repeats", "broken",
)  # fmt: skip
_LONGEST = 24 * 3600.0
"""Seconds; a campaign of any size ends before."""
NOTE = "SIGKILL does not test fsync: what the kernel had taken was not lost, as it is when the power fails."


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.shows.crash", description=__doc__)
    parser.add_argument("--kills", type=int, default=40, help="scenarios killed once, over all stores and engines")
    parser.add_argument("--double", type=int, default=4, help="scenarios killed twice besides")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2, help="shards at a time")
    parser.add_argument("--store", choices=["sqlite", "postgres"], help="only this store")
    parser.add_argument("--engine", choices=["local", "dbos"], help="only this engine")
    parser.add_argument("--point", action="append", default=[], choices=sorted(POINTS), help="only these points")
    parser.add_argument("--sabotage", choices=sorted(SABOTAGE), help="break something in every life: must fail")
    given = parser.parse_args()
    began = time.monotonic()
    report = _shard(given) if given.store and given.engine else _all(given)
    report["seconds"] = round(time.monotonic() - began, 1)
    sys.stdout.write(json.dumps(report, indent=2) + "\n")
    failed = report["lost_or_contradicted"] or report["stuck"] or report["killed"] < given.kills
    if not given.point and given.kills >= 10 * len(POINTS):  # a short campaign cannot come to every point
        failed = failed or report["points_never_killed_at"]
    sys.exit(1 if failed else 0)


def _shard(given: argparse.Namespace) -> dict[str, Any]:
    """Run on one store and one engine, in this process and its children."""
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="aie-crash-", dir=memory if memory.is_dir() else None))
    folder.chmod(0o755)
    with ExitStack() as stack:
        provider = stack.enter_context(Provider())
        receiver = stack.enter_context(Receiver(folder / "receiver.log"))
        server = stack.enter_context(postgres_server(folder)) if given.store == "postgres" else ""
        warm_up(provider.url)
        place = stack.enter_context(ground(given.store, given.engine, folder, server))
        world = World(provider=provider, receiver=receiver, ground=place, sabotage=SABOTAGE.get(given.sabotage))
        tally = run_campaign(world, seed=given.seed, kills=given.kills, double=given.double, points=given.point)
    if (tally.lost or tally.stuck) and not given.sabotage:
        sys.stderr.write(f"what was found is kept in {folder}\n")
    else:
        shutil.rmtree(folder)
    return _with_points(tally.to_json())


def _all(given: argparse.Namespace) -> dict[str, Any]:
    """Run every shard in a child of its own and add up: what they import is imported once."""
    grounds = [each for each in _GROUNDS if given.store in (None, each[0]) and given.engine in (None, each[1])]
    shards = [_of_one(given, store, engine, len(grounds)) for store, engine in grounds]
    running: deque[tuple[argparse.Namespace, Child]] = deque()
    reports: list[dict[str, Any]] = []
    while shards or running:
        while shards and len(running) < given.jobs:
            running.append((shards[0], Child(partial(_say_report, shards.pop(0)))))
        shard, child = running.popleft()
        report = json.loads(child.hear(seconds=_LONGEST) or "null")
        if child.ended(seconds=10) != 0:
            raise RuntimeError(f"the shard of {shard.store} and {shard.engine} broke")
        counts = ", ".join(
            f"{report[name]} {name}" for name in ("killed", "recovered", "lost_or_contradicted", "stuck")
        )
        sys.stderr.write(f"{shard.store}, {shard.engine}: {counts} in {report['seconds']} s\n")
        reports.append(report)
    added: dict[str, Any] = {name: sum((report[name] for report in reports[1:]), reports[0][name]) for name in _ADDED}
    for name in ("kills_by_store", "kills_by_point"):
        keys = sorted({key for report in reports for key in report[name]})
        added[name] = {key: sum(report[name].get(key, 0) for report in reports) for key in keys}
    return _with_points(added)


def _of_one(given: argparse.Namespace, store: str, engine: str, shards: int) -> argparse.Namespace:
    """Return what is asked of one shard."""
    part = {"store": store, "engine": engine, "kills": -(-given.kills // shards), "double": -(-given.double // shards)}
    return argparse.Namespace(**(vars(given) | part))


def _say_report(shard: argparse.Namespace, say: Callable[[str], None]) -> int:
    began = time.monotonic()
    report = _shard(shard)
    say(json.dumps(report | {"seconds": round(time.monotonic() - began, 1)}))
    return 0


def _with_points(report: dict[str, Any]) -> dict[str, Any]:
    never = sorted(POINTS - report["kills_by_point"].keys())
    return report | {"points": len(POINTS), "points_never_killed_at": never, "note": NOTE}


if __name__ == "__main__":
    main()
