"""The command of the show."""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # a thread of numpy's would not survive a fork

import aie.models.providers.openai_compatible
import aie.runs.engines.dbos  # noqa: F401 — imported before anything is forked
from aie.testing.receiver import Receiver
from tests.shows.crash.campaign import World, calibrate, run_campaign
from tests.shows.crash.provider import Provider
from tests.shows.crash.stores import ground
from tests.shows.crash.warming import warm_up


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--double", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--store", choices=["sqlite", "postgres"], default="sqlite")
    parser.add_argument("--engine", choices=["local", "dbos"], default="local")
    parser.add_argument("--calibrate", action="store_true")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="aie-crash-", dir="/dev/shm"))
    began = time.monotonic()
    with Provider() as provider, Receiver(folder / "receiver.log") as receiver:
        warm_up(provider.url)
        with ground(given.store, given.engine, folder) as place:
            world = World(provider=provider, receiver=receiver, ground=place)
            if given.calibrate:
                for point, each in sorted(calibrate(world).items()):
                    print(point, [(c.variant, c.prelude.point if c.prelude else "", n) for c, n in each])
                print(time.monotonic() - began)
                return
            tally = run_campaign(world, seed=given.seed, kills=given.kills, double=given.double)
    print(json.dumps(tally.to_json(), indent=2))
    print(time.monotonic() - began)


if __name__ == "__main__":
    main()
