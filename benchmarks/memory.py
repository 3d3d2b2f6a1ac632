"""What the memory of this process is made of: Python's objects, the C library's heaps, and what the system counts."""

import ctypes
import gc
import os
import re
import sys
import tempfile
import threading
import tracemalloc
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["Memory", "kinds", "memory", "trim"]

_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_TOTAL: Final = re.compile(r'<total type="(\w+)" count="\d+" size="(\d+)"/>')
_SYSTEM: Final = re.compile(r'<system type="current" size="(\d+)"/>')


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """One look at it. Sizes in KiB."""

    rss: int
    """As the system counts it, files that are mapped among them."""
    used: int
    """Handed out by the C library: whatever is not Python's small objects, which have arenas of their own."""
    kept: int
    """Given back to the C library and kept by it: holes between what is handed out."""
    heaps: int
    """Of the C library: one for each few threads, unless `MALLOC_ARENA_MAX` says otherwise."""
    blocks: int
    """Python's objects and their parts, as its allocator counts them."""
    objects: int
    """Containers that the collector of cycles knows."""
    traced: int | None
    """Allocated by Python code since tracing began; None: nothing is traced, as that itself takes memory and time."""
    threads: int


def memory() -> Memory:
    """Look at it, after cycles were collected."""
    gc.collect()
    heaps = _heaps()
    totals = heaps[heaps.rindex("</heap>") :]
    free = {kind: int(size) for kind, size in _TOTAL.findall(totals)}
    mapped = free.pop("mmap", 0)
    system = _SYSTEM.search(totals)
    assert system is not None
    kept = sum(free.values())
    return Memory(
        rss=int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * _PAGE // 1024,
        used=(int(system[1]) - kept + mapped) // 1024,
        kept=kept // 1024,
        heaps=heaps.count("<heap nr="),
        blocks=sys.getallocatedblocks(),
        objects=len(gc.get_objects()),
        traced=tracemalloc.get_traced_memory()[0] // 1024 if tracemalloc.is_tracing() else None,
        threads=threading.active_count(),
    )


def kinds() -> Counter[str]:
    """Return how many objects there are of each class that the collector of cycles knows."""
    gc.collect()
    return Counter(f"{type(each).__module__}.{type(each).__qualname__}" for each in gc.get_objects())


def trim() -> None:
    """Let the C library give back what it keeps."""
    ctypes.CDLL(None).malloc_trim(0)


def _heaps() -> str:
    """Return what glibc tells of its heaps."""
    libc = ctypes.CDLL(None)
    libc.fopen.restype = ctypes.c_void_p
    with tempfile.NamedTemporaryFile("r", encoding="ascii") as file:
        stream = ctypes.c_void_p(libc.fopen(file.name.encode(), b"w"))
        libc.malloc_info(0, stream)
        libc.fclose(stream)
        return file.read()
