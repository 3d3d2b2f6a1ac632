"""On which floor of the code a process spends its CPU.

A thread looks every few milliseconds at where each other thread is, and books the CPU that it has used since the last
look on the innermost floor of ours in its stack. Works on every version of Python; coarse for short calls.
"""

import sys
import threading
from collections import defaultdict
from pathlib import Path
from types import FrameType
from typing import Final

__all__ = ["FloorProfile"]

_EVERY: Final = 0.004


class FloorProfile:
    """Books CPU by floor from `start` to `stop`."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._booked: dict[str, float] = defaultdict(float)

    def start(self) -> None:
        """Begin to book."""
        self._thread.start()

    def stop(self) -> dict[str, float]:
        """Return seconds of CPU by floor, most first."""
        self._stop.set()
        self._thread.join()
        return dict(sorted(self._booked.items(), key=lambda each: -each[1]))

    def _watch(self) -> None:
        used: dict[int, int] = {}
        while not self._stop.wait(_EVERY):
            frames = sys._current_frames()  # noqa: SLF001 - the only way to see other threads
            for thread in threading.enumerate():
                if thread is self._thread or thread.native_id is None or thread.ident not in frames:
                    continue
                now = _cpu(thread.native_id)
                spent = now - used.get(thread.native_id, now)
                used[thread.native_id] = now
                if spent:
                    self._booked[_floor(frames[thread.ident])] += spent / 1e9


def _cpu(thread: int) -> int:
    """Return nanoseconds of CPU that a thread has used."""
    try:
        return int(Path(f"/proc/self/task/{thread}/schedstat").read_text().split()[0])
    except OSError:
        return 0


def _floor(frame: FrameType | None) -> str:
    while frame is not None:
        name = str(frame.f_globals.get("__name__", ""))
        if name.startswith("aie."):
            return name.split(".")[1]
        if name.startswith("benchmarks"):
            return "the bench itself"
        frame = frame.f_back
    return "libraries and the interpreter"
