"""A release as one file that travels: deterministic bytes out, everything checked on the way in.

An uncompressed tar (compressors differ between machines, a stored archive does not) of `bundle.json`, `lock.json` and
one `blobs/<sha256>` for each distinct content. Nothing in it is ever extracted to a path that the archive names.
"""

import hashlib
import io
import json
import re
import tarfile
from collections.abc import Iterable, Mapping
from typing import Any, Final

from aie.core import JSON, canonical, digest_bytes
from aie.errors import AieError, IntegrityError
from aie.releases.release import Release, open_release

__all__ = ["BUNDLE_FORMAT", "MAX_BUNDLE", "MAX_MEMBERS", "read_bundle", "write_bundle"]

BUNDLE_FORMAT: Final = 1
MAX_BUNDLE: Final = 512 * 1024 * 1024
"""Most bytes of a bundle."""
MAX_MEMBERS: Final = 10_000
MAX_JSON: Final = 16 * 1024 * 1024
"""Most bytes of the lock."""

_MEMBER: Final = re.compile(r"bundle\.json|lock\.json|blobs/[0-9a-f]{64}")


def write_bundle(release: Release) -> bytes:
    """Return the release as an archive; the same release gives the same bytes everywhere."""
    lock = canonical(release.lock)
    head = canonical({"format": BUNDLE_FORMAT, "release": release.id, "lock": digest_bytes(lock)})
    contents = {_blob(content): content for content in (*release.files.values(), *release.components.values())}
    members = {"bundle.json": head, "lock.json": lock, **{name: contents[name] for name in sorted(contents)}}
    return _archive(members)


def read_bundle(data: bytes) -> Release:
    """Return the release that a bundle holds, offline, every byte accounted for.

    Raises:
        IntegrityError: not a bundle, too large, or any byte other than the one that was written; it names what differs.
    """
    members = _members(data)
    head, lock = _json(members, "bundle.json"), _json(members, "lock.json")
    if head.get("format") != BUNDLE_FORMAT:
        raise IntegrityError(
            f"a bundle of format {head.get('format')!r}; this version reads {BUNDLE_FORMAT}", hints=("upgrade aie",)
        )
    if head.get("lock") != digest_bytes(members["lock.json"]):
        raise IntegrityError("lock.json is not the lock that the bundle was written with")
    release = open_release(lock, components=_components(lock, members), files=_files(lock, members))
    if head.get("release") != release.id:
        raise IntegrityError(f"the bundle says it is {head.get('release')}, its content is {release.id}")
    # One release has one archive: padding, order, metadata and unused members are covered by comparing the whole.
    if write_bundle(release) != data:
        raise IntegrityError("the archive holds more than, or not exactly, what was written")
    return release


def _archive(members: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode, info.mtime = len(content), 0o644, 0
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def _members(data: bytes) -> dict[str, bytes]:
    if len(data) > MAX_BUNDLE:
        raise IntegrityError(f"a bundle of {len(data)} bytes; at most {MAX_BUNDLE} are read")
    members: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
            for info in archive:
                if len(members) >= MAX_MEMBERS:
                    raise IntegrityError(f"more than {MAX_MEMBERS} members")
                name = _checked_name(info, members)
                members[name] = _content(archive, info, len(data))
    except (tarfile.TarError, OSError, ValueError, EOFError) as error:
        raise IntegrityError(f"not a bundle: {error}", hints=("make one with `aie export`",)) from error
    return members


def _checked_name(info: tarfile.TarInfo, members: Mapping[str, bytes]) -> str:
    # `isreg()` would let sparse members through, whose few stored bytes read as any number of zeros.
    if info.type != tarfile.REGTYPE or info.issparse() or not _MEMBER.fullmatch(info.name):
        raise IntegrityError(f"a bundle has no member {info.name!r}")
    if info.name in members:
        raise IntegrityError(f"{info.name} stands twice in the bundle")
    return info.name


def _content(archive: tarfile.TarFile, info: tarfile.TarInfo, at_most: int) -> bytes:
    if info.size > at_most:
        raise IntegrityError(f"{info.name} says it has {info.size} bytes, more than the bundle")
    source = archive.extractfile(info)
    content = b"" if source is None else source.read()
    if len(content) != info.size:
        raise IntegrityError(f"{info.name} is cut off: {len(content)} of {info.size} bytes")
    return content


def _json(members: Mapping[str, bytes], name: str) -> dict[str, JSON]:
    content = members.get(name)
    if content is None or len(content) > MAX_JSON:
        raise IntegrityError(f"{name} is missing or too large", hints=("make a bundle with `aie export`",))
    try:
        value = json.loads(content)
        same = canonical(value) == content
    except (ValueError, RecursionError, AieError) as error:
        raise IntegrityError(f"{name} is not canonical JSON") from error
    if not same or not isinstance(value, dict):
        raise IntegrityError(f"{name} is not a canonical JSON object")
    return value


def _files(lock: Mapping[str, Any], members: Mapping[str, bytes]) -> dict[str, bytes]:
    files = _behaviour(lock).get("files")
    return _resolve(files.items() if isinstance(files, dict) else (), members)


def _components(lock: Mapping[str, Any], members: Mapping[str, bytes]) -> dict[str, bytes]:
    entries = _behaviour(lock).get("components")
    named = [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    return _resolve(((f"{entry.get('kind')}:{entry.get('name')}", entry.get("digest")) for entry in named), members)


def _behaviour(lock: Mapping[str, Any]) -> dict[str, Any]:
    behaviour = lock.get("behaviour")
    return behaviour if isinstance(behaviour, dict) else {}


def _resolve(digests: Iterable[tuple[str, Any]], members: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the contents that are present; `open_release` names those that are not."""
    found = ((name, f"blobs/{str(digest).removeprefix('sha256:')}") for name, digest in digests)
    return {name: members[blob] for name, blob in found if blob in members}


def _blob(content: bytes) -> str:
    return f"blobs/{hashlib.sha256(content).hexdigest()}"
