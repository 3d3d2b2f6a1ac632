"""Compound files, a file system within a file, as [MS-CFB] defines them."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from .refusing import Refused

_HEADER = 512
_ENTRY = 128
_FREE = 0xFFFFFFFA
"""Sector numbers from here on are marks: end of a chain, free, or of the tables themselves."""
_NONE = 0xFFFFFFFF
_STORAGE, _STREAM = 1, 2


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the directory."""

    name: str
    kind: int
    left: int
    right: int
    child: int
    start: int
    size: int


class CompoundFile:
    """Streams by path, e.g. `folder/stream`; damage is refused when it is met."""

    def __init__(self, content: bytes) -> None:
        if len(content) < 2 * _HEADER:
            raise Refused("truncated", "the compound file ends within its header")
        self._content = content
        shift, mini_shift = struct.unpack_from("<HH", content, 30)
        if shift not in (9, 12) or mini_shift != 6:
            raise Refused("invalid_input", "the compound file's header is damaged")
        self._sector, self._mini_sector = 1 << shift, 1 << mini_shift
        directory, self._cutoff, mini_start, mini_count = struct.unpack_from("<I4xIII", content, 48)
        self._fat = self._table(self._fat_sectors())
        self._entries = [self._entry(raw) for raw in _cut(self._chain(directory), _ENTRY)]
        if not self._entries:
            raise Refused("invalid_input", "the compound file has no directory")
        self._mini_fat = self._table(self._sectors(mini_start)) if mini_count else ()
        root = self._entries[0]
        self._mini = self._chain(root.start)[: root.size] if mini_count else b""
        self._paths = dict(self._walk())

    def names(self) -> frozenset[str]:
        """Return the names of what lies at the root."""
        return frozenset(path for path in self._paths if "/" not in path)

    def folders(self, prefix: str) -> list[str]:
        """Return the paths of the folders whose path begins so, in the order of their names, without those inside."""
        return sorted(
            path
            for path, entry in self._paths.items()
            if entry.kind == _STORAGE and path.startswith(prefix) and "/" not in path[len(prefix) :]
        )

    def read(self, path: str) -> bytes:
        """Return a stream; nothing where there is none."""
        entry = self._paths.get(path)
        if entry is None or entry.kind != _STREAM:
            return b""
        if entry.size >= self._cutoff:
            return self._chain(entry.start)[: entry.size]
        return self._mini_chain(entry.start)[: entry.size]

    def _fat_sectors(self) -> list[int]:
        """Return the sectors of the allocation table: 109 in the header, more in a chain of their own."""
        found = list(struct.unpack_from("<109I", self._content, 76))
        following, count = struct.unpack_from("<II", self._content, 68)
        for _ in range(min(count, len(self._content) // self._sector)):
            if following >= _FREE:
                break
            numbers = struct.unpack(f"<{self._sector // 4}I", self._at(following))
            found.extend(numbers[:-1])
            following = numbers[-1]
        return [number for number in found if number < _FREE]

    def _table(self, sectors: list[int]) -> tuple[int, ...]:
        return tuple(number for at in sectors for number in struct.unpack(f"<{self._sector // 4}I", self._at(at)))

    def _at(self, sector: int) -> bytes:
        start = (sector + 1) * self._sector
        found = self._content[start : start + self._sector]
        if not found:
            raise Refused("truncated", "the compound file lacks some of its sectors")
        return found.ljust(self._sector, b"\0")

    def _sectors(self, start: int) -> list[int]:
        return list(_follow(start, self._fat))

    def _chain(self, start: int) -> bytes:
        return b"".join(map(self._at, self._sectors(start)))

    def _mini_chain(self, start: int) -> bytes:
        size = self._mini_sector
        return b"".join(self._mini[at * size : (at + 1) * size] for at in _follow(start, self._mini_fat))

    def _entry(self, raw: bytes) -> Entry:
        size, kind, left, right, child = struct.unpack_from("<HBxIII", raw, 64)
        start, length = struct.unpack_from("<IQ", raw, 116)
        name = raw[: max(0, min(size, 64) - 2)].decode("utf-16-le", "replace")
        return Entry(name, kind, left, right, child, start, length if self._sector > _HEADER else length & _NONE)

    def _walk(self) -> Iterator[tuple[str, Entry]]:
        """Yield every entry with its path; each is visited once, whatever the links say."""
        waiting = [(self._entries[0].child, "")]
        seen: set[int] = set()
        while waiting:
            number, folder = waiting.pop()
            if number >= len(self._entries) or number in seen:
                continue
            seen.add(number)
            entry = self._entries[number]
            waiting += [(entry.left, folder), (entry.right, folder)]
            yield folder + entry.name, entry
            if entry.kind == _STORAGE:
                waiting.append((entry.child, f"{folder}{entry.name}/"))


def _follow(start: int, table: tuple[int, ...]) -> Iterator[int]:
    """Yield the sectors of a chain, which is no longer than its table."""
    at = start
    for _ in range(len(table)):
        if at >= _FREE:
            return
        if at >= len(table):
            break
        yield at
        at = table[at]
    if at < _FREE:
        raise Refused("invalid_input", "the compound file's sectors are linked in a circle, or to nowhere")


def _cut(content: bytes, size: int) -> Iterator[bytes]:
    return (content[at : at + size] for at in range(0, len(content) - size + 1, size))
