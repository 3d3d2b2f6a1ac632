"""Show: many commands at once on one SQLite file, beside a worker and without one.

    python -m tests.shows.clis --count 20

Many more `aie run` processes than processors submit to one store: first beside a running `aie worker`, which executes
for all of them, then alone, when one of them executes and hands over to the next when it ends. No one may be told that
the database is locked, no run may be claimed twice or left, and only one process executes at a time.

The negative control has commands executing without asking for the lock: several executors at once must be found.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from sqlalchemy import select

from aie.app import lock_release, open_app
from aie.records import RunFilter, Store
from aie.records.events import SegmentStarted
from aie.records.tables import executors
from tests.shows.forked import forked

__all__ = ["run_show"]

_WORKSPACE: Final = Path(__file__).parent / "notes"
_MOST_SECONDS: Final = 120
_SOURCE: Final = Path(__file__).parents[2] / "src"
_WITHOUT_LOCK: Final = "import fcntl; fcntl.flock = lambda *_: None"  # the store's lock is never refused


def run_show(folder: Path, *, count: int, notes: int, lock: bool = True) -> dict[str, Any]:
    """Run the commands in a fresh workspace.

    Args:
        folder: an empty folder.
        count: processes at once.
        notes: runs of each.
        lock: false: the negative control.
    """
    report: dict[str, Any] = {}
    for name, with_worker in (("beside_a_worker", True), ("alone", False)):
        root = folder / name
        shutil.copytree(_WORKSPACE, root)
        with open_app(root, actor="show") as app:
            lock_release(app, "notes")
        with ExitStack() as stack:
            worker = _start(root, ["worker"], lock=lock) if with_worker else None
            if worker is not None:
                assert worker.stderr is not None
                worker.stderr.readline()  # it says that it executes
                stack.callback(worker.communicate)
                stack.callback(worker.send_signal, signal.SIGTERM)
            commands = [_start(root, ["run", "notes", *_inputs(root, at, notes)], lock=lock) for at in range(count)]
            done = [_ended(command) for command in commands]
        report[name] = _judged(root, [command.returncode for command in commands], done, count * notes)
    report["passed"] = all(part["passed"] for part in report.values())
    return report


def _ended(command: subprocess.Popen[str]) -> tuple[str, str]:
    try:
        return command.communicate(timeout=_MOST_SECONDS)
    except subprocess.TimeoutExpired:
        command.kill()  # it counts as failed
        return command.communicate()


def _start(root: Path, arguments: Sequence[str], *, lock: bool) -> subprocess.Popen[str]:
    # Forked: what starts within a few milliseconds meets more often than what imports for a second first.
    command = [*forked(_SOURCE).words("" if lock else _WITHOUT_LOCK), *arguments, "--workspace", str(root)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ))


def _inputs(root: Path, at: int, notes: int) -> list[str]:
    names = []
    for number in range(notes):
        path = root / f"note-{at}-{number}.json"
        path.write_text(json.dumps({"note_id": f"N-{at}-{number}", "text": f"note {number} of {at}"}))
        names.append(str(path))
    return names


def _judged(root: Path, codes: list[int], done: list[tuple[str, str]], expected: int) -> dict[str, Any]:
    said = "\n".join(out + err for out, err in done)
    with open_app(root, actor="show") as app:
        completed = len(app.store.runs(RunFilter(state="completed"), limit=1000).rows)
        left = len(app.store.runs(limit=1000).rows) - completed
        claims, doubled, overlapping = _claims(app.store)
    report = {
        "processes": len(codes),
        "failed": sum(code != 0 for code in codes),
        "database_is_locked": said.count("database is locked"),
        "runs": expected,
        "completed": completed,
        "left": left,
        "claims": claims,
        "double_claims": doubled,
        "executors": _executors(root),
        "executors_at_once": overlapping,
    }
    right = {"failed": 0, "database_is_locked": 0, "completed": expected, "left": 0, "double_claims": 0}
    passed = all(report[name] == value for name, value in right.items()) and overlapping <= 1
    if not passed:
        sys.stderr.write(said[-3000:])
    return report | {"passed": passed}


def _claims(store: Store) -> tuple[int, int, int]:
    """Return claims, runs claimed more than once, and the most executors that claimed within one another's time."""
    times: dict[str, list[int]] = {}
    claims = doubled = 0
    for row in store.runs(limit=1000).rows:
        started = [each for each in store.read(row.id) if isinstance(each.event, SegmentStarted)]
        claims += len(started)
        doubled += len(started) > 1
        for each in started:
            assert isinstance(each.event, SegmentStarted)
            times.setdefault(each.event.executor, []).append(each.at)
    spans = [(min(at), max(at)) for at in times.values()]
    most = max((sum(begin <= at <= end for begin, end in spans) for at, _ in spans), default=0)
    return claims, doubled, most


def _executors(root: Path) -> int:
    with open_app(root, actor="show") as app, app.store.connect() as connection:
        return len(connection.execute(select(executors.c.id)).all())


def main() -> None:
    """Run the show."""
    parser = argparse.ArgumentParser(prog="python -m tests.shows.clis", description=__doc__)
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--notes", type=int, default=3)
    parser.add_argument("--without-lock", action="store_true", help="the negative control: must fail")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="aie-clis-"))
    report = run_show(folder, count=given.count, notes=given.notes, lock=not given.without_lock)
    shutil.rmtree(folder)
    sys.stdout.write(json.dumps(report, indent=2) + "\n")
    sys.exit(0 if report["passed"] else 1)


if __name__ == "__main__":
    main()
