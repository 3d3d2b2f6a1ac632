"""A release as one file."""

import io
import tarfile
from random import Random

import pytest

from aie.errors import IntegrityError
from aie.releases import bundle, read_bundle, write_bundle
from tests.unit.releases.conftest import MakeRelease


def test_a_bundle_reads_back_as_the_same_release(make_release: MakeRelease) -> None:
    """Id, lock, files and components survive the journey."""
    release = make_release()
    assert read_bundle(write_bundle(release)) == release


def test_the_same_release_gives_the_same_bytes(make_release: MakeRelease) -> None:
    """No clock, user or order of discovery leaks into the archive."""
    assert write_bundle(make_release()) == write_bundle(make_release())


def test_content_that_stands_twice_travels_once(make_release: MakeRelease) -> None:
    """A prompt is a file and a component; its bytes are one blob."""
    with tarfile.open(fileobj=io.BytesIO(write_bundle(make_release()))) as archive:
        names = archive.getnames()
    assert len(names) == len(set(names)) == 2 + 4


def test_every_changed_byte_of_a_bundle_is_found(make_release: MakeRelease) -> None:
    """Seeded places all over the archive: header, lock, blobs, padding."""
    data = write_bundle(make_release())
    random = Random(7)
    for place in random.sample(range(len(data)), 150):
        broken = bytearray(data)
        broken[place] ^= 1 << random.randrange(8)
        with pytest.raises(IntegrityError):
            read_bundle(bytes(broken))


@pytest.mark.parametrize("keep", [0, 1, 511, 512, 1500, -1])
def test_a_bundle_that_is_cut_off_is_refused(make_release: MakeRelease, keep: int) -> None:
    """A broken download is never half a release."""
    with pytest.raises(IntegrityError):
        read_bundle(write_bundle(make_release())[:keep])


def test_bytes_after_the_archive_are_refused(make_release: MakeRelease) -> None:
    """A bundle has one form."""
    with pytest.raises(IntegrityError, match="more than"):
        read_bundle(write_bundle(make_release()) + b"\0" * 512)


def _tar(*members: tarfile.TarInfo) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for member in members:
            archive.addfile(member, io.BytesIO(b"x" * member.size))
    return out.getvalue()


def _info(name: str, kind: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = kind
    return info


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not an archive at all",
        _tar(),
        _tar(_info("../../etc/cron.d/x")),
        _tar(_info("/lock.json")),
        _tar(_info("lock.json", tarfile.SYMTYPE)),
        _tar(_info("lock.json", tarfile.GNUTYPE_SPARSE)),
        _tar(_info("lock.json"), _info("lock.json")),
        _tar(_info("bundle.json"), _info("lock.json")),
    ],
)
def test_an_archive_that_is_not_a_bundle_is_refused(data: bytes) -> None:
    """Foreign, hostile and empty archives end in one typed error."""
    with pytest.raises(IntegrityError):
        read_bundle(data)


def test_a_bundle_larger_than_the_cap_is_not_even_opened(
    make_release: MakeRelease, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sizes are checked before anything is parsed."""
    data = write_bundle(make_release())
    monkeypatch.setattr(bundle, "MAX_BUNDLE", len(data) - 1)
    with pytest.raises(IntegrityError, match="at most"):
        read_bundle(data)


def test_a_bundle_with_too_many_members_is_refused(make_release: MakeRelease, monkeypatch: pytest.MonkeyPatch) -> None:
    """Members are counted while reading, not after."""
    monkeypatch.setattr(bundle, "MAX_MEMBERS", 3)
    with pytest.raises(IntegrityError, match="more than 3 members"):
        read_bundle(write_bundle(make_release()))
