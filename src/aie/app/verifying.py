"""Prove the records: live, from an export, against a saved head."""

from pathlib import Path

from aie.app.opening import App
from aie.errors import InputError
from aie.records import Report, current_heads, export_records, open_export, read_heads, read_store, seal, verify

__all__ = ["export_for_audit", "save_heads", "verify_export", "verify_records"]


def verify_records(app: App, *, head: Path | None = None) -> Report:
    """Check everything that the store holds, sealing first what is not sealed yet.

    Raises:
        InputError: the saved head is not one, or was changed.
    """
    saved = None if head is None else read_heads(head)
    seal(app.store)
    with read_store(app.store) as source:
        return verify(source, saved)


def verify_export(path: Path, *, head: Path | None = None) -> Report:
    """Check an export: no store, no workspace and no key is needed.

    Raises:
        InputError: the export or the saved head is not one.
    """
    saved = None if head is None else read_heads(head)
    with open_export(path) as source:
        return verify(source, saved)


def export_for_audit(app: App, path: Path) -> int:
    """Write everything an auditor needs to verify offline; return the rows written.

    Raises:
        InputError: the file cannot be written.
    """
    try:
        return export_records(app.store, path)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {(error.strerror or 'error').lower()}") from error


def save_heads(app: App, path: Path) -> None:
    """Save the signed heads of all chains, to be kept away from the store.

    Raises:
        InputError: the file cannot be written.
    """
    try:
        current_heads(app.store).write(path)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {(error.strerror or 'error').lower()}") from error
