"""What the memory of one worker does over thousands of runs, and what it is made of.

    python -m benchmarks.soak                            5,000 runs of each kind, a look every 500
    python -m benchmarks.soak --kind chat --trace        where Python allocated what is there at the end
    MALLOC_ARENA_MAX=1 python -m benchmarks.soak         the same with one heap for all threads
    python -m benchmarks.soak --trim                     the C library gives back what it can before each look

Three kinds of runs: `pure` has one step that only computes, `chat` one call of a chat model, `broken` one whose answers
come piece by piece and of which three in ten are broken in every way that the fake server knows. That server is a
process of its own, as its log grows; `--together` puts it into the worker's, which shows by how much.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, Final

from benchmarks.soaking import Soak

__all__ = ["main"]

_KINDS: Final = {"pure": ("pure", False, 0.0), "chat": ("chat", False, 0.0), "broken": ("chat", True, 0.3)}
"""Workflow, whether answers come piece by piece, share of them that is broken."""
_COLUMNS: Final = ("runs", "rss", "used", "kept", "heaps", "blocks", "objects", "traced", "threads")
_HEAD: Final = "| runs | RSS | used | kept | heaps | blocks | objects | traced | threads | RSS a run |"


def main() -> int:
    """Measure and print a table for each kind."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__.splitlines()[0])
    parser.add_argument("--kind", choices=sorted(_KINDS), action="append", help="all of them without")
    parser.add_argument("--runs", type=int, default=5000)
    parser.add_argument("--every", type=int, default=500)
    parser.add_argument("--trace", action="store_true", help="trace what Python allocates: slow, and takes memory")
    parser.add_argument("--trim", action="store_true", help="let the C library give back what it keeps")
    parser.add_argument("--together", action="store_true", help="the chat server is in the worker's process")
    given = parser.parse_args()
    print("Sizes in KiB. `used` and `kept` are of the C library; small objects of Python's are in `blocks` alone.\n")
    for kind in given.kind or _KINDS:
        workflow, stream, faults = _KINDS[kind]
        soak = Soak(
            workflow=workflow,
            runs=given.runs,
            every=given.every,
            stream=stream,
            faults=faults,
            trace=given.trace,
            trim=given.trim,
            together=given.together,
        )
        for line in _table(kind, _looks(soak)):
            print(line, flush=True)
    return 0


def _table(kind: str, looks: Iterator[dict[str, Any]]) -> Iterator[str]:
    """Yield the lines of a table as they come, then what there is more of at the end than at the beginning."""
    yield from (f"### {kind}", "", _HEAD, "|---" * 10 + "|")
    before: dict[str, Any] = {}
    for look in looks:
        if "more" in look:
            yield from ("", f"more objects: {', '.join(f'{count} {name}' for name, count in look['more'].items())}")
            yield from look["places"]
            continue
        grown = (look["rss"] - before["rss"]) / (look["runs"] - before["runs"]) if before else None
        cells = ["–" if look[name] is None else str(look[name]) for name in _COLUMNS]
        yield f"| {' | '.join(cells)} | {'–' if grown is None else f'{grown:.1f}'} |"
        before = look
    yield ""


def _looks(soak: Soak) -> Iterator[dict[str, Any]]:
    """Yield what the measured process says.

    Raises:
        RuntimeError: it failed.
    """
    command = [sys.executable, "-m", "benchmarks.soaking", json.dumps(asdict(soak))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield from (json.loads(line) for line in process.stdout)
    if process.returncode:
        raise RuntimeError(f"the measured process ended with {process.returncode}")


if __name__ == "__main__":
    sys.exit(main())
