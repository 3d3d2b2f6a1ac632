"""Reading documents the way a run does, and counting what it takes, for the shows that measure containment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from aie.core import JSON, Value
from aie.layers import Result, Task, Tools
from aie.layers.extract import ExtractLayer

__all__ = ["WORKSPACE", "extracted", "own_peak_mib", "peak_kib", "processor_s"]

WORKSPACE: Final = Path(__file__).parent / "workspaces" / "documents"
"""Two workflows: `reading` extracts, `asking` finds passages in what was extracted."""

_TICKS: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class _One:
    """The files of a run that has one document."""

    content: bytes

    def read(self, ref: str) -> bytes:
        """Return it, whatever it is asked by."""
        del ref
        return self.content


def extracted(layer: ExtractLayer, name: str, content: bytes, time_left_ms: int | None = None) -> Mapping[str, Any]:
    """Run an extract step on a file and return its value.

    Raises:
        StepFailure: with the class that says what is wrong with it.
    """
    document: dict[str, JSON] = {"ref": "r", "name": name, "media_type": "", "size": len(content)}
    task = Task(
        path="document",
        config={"kind": "document"},
        inputs={"from": Value(data=document, ref="r")},
        workflow="reading",
        time_left_ms=time_left_ms,
    )
    unused: Any = None
    tools = Tools(files=_One(content), attempts=unused, components=unused, live=unused, secret=unused, cache=unused)
    result = layer.run(task, tools)
    assert isinstance(result, Result)
    return cast("Mapping[str, Any]", result.data)


def processor_s() -> float:
    """Return the seconds of processor that this process, its children and theirs took so far, the dead included."""
    total = sum(os.times()[:4])
    for pid in _children():
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += sum(map(int, fields[11:15])) / _TICKS
    return total


def own_peak_mib() -> int:
    """Return the MiB of memory that this process had at most since its program began.

    Not what `getrusage` says: that begins with the size of whoever started it.
    """
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) // 1024


def peak_kib() -> int:
    """Return the KiB of memory of the largest process that this one started and that still lives; 0 where none does."""
    peaks = [
        int(line.split()[1])
        for pid in _children()
        for line in Path(f"/proc/{pid}/status").read_text().splitlines()
        if line.startswith("VmHWM:")
    ]
    return max(peaks, default=0)


def _children() -> list[int]:
    here = Path(f"/proc/{os.getpid()}/task")
    return [int(each) for task in here.iterdir() for each in (task / "children").read_text().split()]
