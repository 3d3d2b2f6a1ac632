"""Files that people name: read within a bound, written whole or not at all, and never what is no file.

A name may lead to a device that never ends, a pipe that nobody writes to, or a terminal. All of them are refused before
a byte is read, and none is ever replaced by what we write.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from aie.errors import InputError

__all__ = ["open_file", "read_file", "written_whole"]


def open_file(path: Path) -> BinaryIO:
    """Open a file for reading.

    Raises:
        OSError: it cannot be read, or it is a folder, a device, a pipe or a socket.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe without a writer would wait for one
    try:
        _check_kind(os.fstat(handle), path)
    except OSError:
        os.close(handle)
        raise
    return os.fdopen(handle, "rb")


def read_file(path: Path, *, at_most: int) -> bytes:
    """Return the content of a file.

    Raises:
        OSError: it cannot be read, or it is a folder, a device, a pipe or a socket.
        InputError: it is larger than `at_most` bytes.
    """
    with open_file(path) as file:
        content = file.read(at_most + 1)  # not by its size: a file may grow, and some files tell none
    if len(content) > at_most:
        raise InputError(f"{path} is larger than {at_most} bytes")
    return content


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Yield the path of a draft, which takes the place of `path` when the block ends well and is removed otherwise.

    Raises:
        OSError: it cannot be written, or something stands there that is no file.
    """
    with suppress(FileNotFoundError):
        _check_kind(path.stat(), path)
    target = path.resolve()  # a link goes on pointing where it points
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        yield draft
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)


def _check_kind(found: os.stat_result, path: Path) -> None:
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, "is a directory", str(path))
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "not a regular file", str(path))
