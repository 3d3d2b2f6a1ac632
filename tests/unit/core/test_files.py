"""Files that people name."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from aie.core import read_file, written_whole
from aie.errors import InputError


@pytest.fixture(params=["folder", "pipe", "socket", "endless device", "full device", "circle"])
def no_file(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A path that leads to something else than a file."""
    path = tmp_path / "it"
    with socket.socket(socket.AF_UNIX) as listening:
        match request.param:
            case "folder":
                path.mkdir()
            case "pipe":
                os.mkfifo(path)
            case "socket":
                listening.bind(os.path.relpath(path))
            case "endless device":
                path.symlink_to("/dev/zero")
            case "full device":
                path.symlink_to("/dev/full")
            case _:
                path.symlink_to(path)
        yield path


def test_what_is_no_file_is_not_read(no_file: Path):
    """No byte of it: reading could wait forever, or never end."""
    with pytest.raises(OSError, match=r"is a directory|not a regular|No such device|Too many levels"):
        read_file(no_file, at_most=10)


def test_what_is_no_file_is_not_written(no_file: Path):
    """A device must not become a file, whoever may replace it."""
    before = no_file.lstat().st_mode
    with pytest.raises(OSError, match=r"is a directory|not a regular|Too many levels"), written_whole(no_file) as draft:
        draft.write_bytes(b"x")
    assert no_file.lstat().st_mode == before
    assert [path.name for path in no_file.parent.iterdir()] == ["it"]


def test_a_file_is_read_up_to_its_bound(tmp_path: Path):
    """Whatever size it tells: files of the system tell none."""
    path = tmp_path / "it"
    path.write_bytes(b"0123456789")
    assert read_file(path, at_most=10) == b"0123456789"
    with pytest.raises(InputError, match="larger than 9 bytes"):
        read_file(path, at_most=9)


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path):
    """A link goes on pointing where it points."""
    path, link = tmp_path / "it", tmp_path / "link"
    path.write_bytes(b"old")
    link.symlink_to(path)

    def write(content: bytes, *, to_end: bool) -> None:
        with written_whole(link) as draft:
            draft.write_bytes(content)
            assert to_end

    with pytest.raises(AssertionError):
        write(b"half", to_end=False)
    assert path.read_bytes() == b"old"
    write(b"new", to_end=True)
    assert (path.read_bytes(), link.is_symlink()) == (b"new", True)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["it", "link"]
