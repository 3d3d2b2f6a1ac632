"""CPU and time of the journal for a run of eight events, from the submission to its end in one entry.

    python -m benchmarks.records                      # SQLite
    python -m benchmarks.records postgresql://…       # and this Postgres, in an empty database

Speeds are printed, never asserted. CPU is that of this process: a Postgres server's own is not in it.
"""

import sys
import tempfile
import time
from pathlib import Path

from aie.records import Entry, Journal, MemoryKeys, Store, open_store, submission, take_lease
from aie.records import events as ev
from tests.shows.story import LABELS, submitted

__all__ = ["main"]

_EXECUTOR = "ex_bench"
_SPEND = {"cost": 0, "tokens": 0, "calls": 0}


def main() -> int:
    """Measure each store at batches of one and of thirty-two."""
    with tempfile.TemporaryDirectory(prefix="aie-bench-") as folder:
        for url in (f"sqlite:///{Path(folder) / 'aie.db'}", *sys.argv[1:]):
            store = open_store(url, keys=MemoryKeys())
            take_lease(store, _EXECUTOR, ttl=3_600_000_000, runtime={})
            with Journal(store, "bench") as journal:
                for batch, runs in ((1, 300), (32, 1280)):
                    cpu, wall = _measure(store, journal, batch, runs)
                    print(f"{store.dialect:10} batch {batch:2}: {cpu:.3f} ms CPU, {wall:.3f} ms a run of 8 events")
            store.close()
    return 0


def _measure(store: Store, journal: Journal, batch: int, runs: int) -> tuple[float, float]:
    """Return milliseconds of CPU and of time for each run."""
    entries = [_entry(store, f"{batch}-{number}") for number in range(runs)]
    cpu, wall = time.process_time(), time.monotonic()
    for at in range(0, runs, batch):
        for future in [journal.write(entry) for entry in entries[at : at + batch]]:
            future.result()
    return (time.process_time() - cpu) / runs * 1000, (time.monotonic() - wall) / runs * 1000


def _entry(store: Store, case: str) -> Entry:
    step = ev.StepFinished(
        path="document", ref="hmac:" + "2" * 64, labels=LABELS, reads={}, ms=1, cpu_us=90, output="x" * 100, cites=[]
    )
    return submission(
        "acme",
        f"run_{case}",
        submitted(store, "acme", case),
        ev.SegmentQueued(segment=1, why="submitted"),
        ev.SegmentStarted(segment=1, epoch=1, executor=_EXECUTOR, runtime={"model": 1}, engine="local"),
        step,
        step,
        step,
        ev.SegmentClosed(segment=1, epoch=1, executing_ms=1),
        ev.RunFinished(state="completed", epoch=1, spend=_SPEND, output={"pay": "1.00 USD"}),
        executor=_EXECUTOR,
    )


if __name__ == "__main__":
    sys.exit(main())
