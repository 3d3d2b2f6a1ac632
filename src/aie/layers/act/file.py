"""File drops: one effect is one file, named by its key, that is either whole or not there."""

import contextlib
import os
import re
import secrets
from pathlib import Path
from typing import Final

from aie.core import JSON, canonical, digest_bytes
from aie.errors import Failure, StepFailure
from aie.layers.sites import reached

__all__ = ["drop", "find"]

_SAFE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,120}")
_DIGEST: Final = re.compile(r"[a-z0-9]{1,20}:[0-9a-f]{64}")
"""The engine's own keys; a colon is no part of a file name everywhere."""


def drop(folder: Path, key: str, body: JSON) -> JSON:
    """Write the body to `<folder>/<key>.json`, on disk before this returns; a repeat changes nothing.

    Raises:
        StepFailure: RECEIVER_REFUSED when the key was dropped with another body, RECEIVER_DOWN when the folder cannot
            be written.
    """
    content = canonical(body) + b"\n"
    target = folder / _name(key)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            _publish(content, target)
        _sync_folder(folder)  # also on a repeat: the first try may have died before it came to this
        return _receipt(target, content)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise StepFailure(Failure.RECEIVER_DOWN, f"the folder of the file drop cannot be used: {reason}") from error


def find(folder: Path, key: str, body: JSON) -> JSON:
    """Return the receipt of a key that was dropped, None when it was not.

    Raises:
        StepFailure: RECEIVER_REFUSED when it was dropped with another body, RECEIVER_DOWN when nobody can look.
    """
    target = folder / _name(key)
    try:
        return _receipt(target, canonical(body) + b"\n") if target.exists() else None
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise StepFailure(Failure.RECEIVER_DOWN, f"the folder of the file drop cannot be read: {reason}") from error


def _name(key: str) -> str:
    if _SAFE.fullmatch(key):
        return f"{key}.json"
    named = key if _DIGEST.fullmatch(key) else digest_bytes(key.encode())
    return f"{named.replace(':', '-')}.json"


def _publish(content: bytes, target: Path) -> None:
    """Make the file appear whole; who comes second finds the first one's, as a link never replaces."""
    draft = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
    try:
        with draft.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            reached("drop.before")
            os.link(draft, target)
            reached("drop.after")
    finally:
        draft.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _receipt(target: Path, content: bytes) -> JSON:
    if target.read_bytes() != content:
        raise StepFailure(
            Failure.RECEIVER_REFUSED,
            f"{target.name} is there already, with another body",
            hints=("two effects have one identity: add the field that tells them apart to the receiver's `identity`",),
        )
    return {"file": target.name, "digest": digest_bytes(content)}
