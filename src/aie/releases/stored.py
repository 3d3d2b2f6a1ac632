"""Releases in the store: put once, found by the names that people use, verified whenever they are read."""

import re
from collections.abc import Sequence
from typing import Final

from aie.core import digest_bytes
from aie.errors import Conflict, InputError, IntegrityError, NotFound
from aie.records import Entry, Event, Journal, Locked, ReleaseRow, Store, events, release_stream
from aie.releases.bundle import read_bundle, write_bundle
from aie.releases.release import Release, short

__all__ = ["find_release", "load_release", "save_release"]

_NAME: Final = re.compile(r"(?:(?P<workflow>[a-z][a-z0-9_-]*)@)?(?:sha256:)?(?P<digits>[0-9a-f]{4,64})")


def save_release(
    store: Store,
    journal: Journal,
    release: Release,
    *,
    tenant: str,
    actor: str,
    parent: str = "",
    imported: bool = False,
) -> bool:
    """Store a release and record who made it; True unless the tenant had it already, which changes nothing.

    Raises:
        Conflict: the tenant has it under other layer versions. Runs of it are pinned to those, so what this version of
            the product would do needs an id of its own; an import does not ask for that and keeps the first.
    """
    store.put_release(tenant, release.id, write_bundle(release))
    stored = store.get_release(release.id, tenant=tenant)
    if not imported:
        _refuse_other_runtime(release, read_bundle(stored))
    created = events.ReleaseCreated(
        release=release.id,
        workflow=release.workflow,
        actor=actor,
        bundle=digest_bytes(stored),
        parent=parent,
        imported=imported,
    )

    def decide(locked: Locked) -> Sequence[Event]:
        return () if locked.last_n else (created,)

    return bool(journal.append(Entry(tenant=tenant, stream=release_stream(tenant, release.id), decide=decide)))


def _refuse_other_runtime(release: Release, stored: Release) -> None:
    versions = {name: (stored.runtime.get(name), release.runtime.get(name)) for name in release.runtime}
    moved = [f"{name} {one} → {other}" for name, (one, other) in sorted(versions.items()) if one != other]
    if moved:
        raise Conflict(
            f"{release.short} is locked under other layer versions ({', '.join(moved)})",
            hints=("change a comment in workflow.yaml: the same behaviour under new layers is another release",),
            release=release.id,
        )


def find_release(store: Store, name: str, *, tenant: str) -> ReleaseRow:
    """Return the one release that `claims@1a2b3c4d5e6f`, a full id or the beginning of one names.

    Raises:
        InputError: not a name of a release, or the beginning of several.
        NotFound: the tenant has none of that name.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise InputError(f"{name!r} does not name a release", hints=("write `claims@1a2b3c4d5e6f` or the full id",))
    found = store.releases(tenant, workflow=match["workflow"], prefix=f"sha256:{match['digits']}", limit=10)
    if not found:
        raise NotFound(f"there is no release {name}", hints=("`aie release WORKFLOW` makes one",), release=name)
    if len(found) > 1:
        names = ", ".join(short(row.id, row.workflow) for row in found)
        raise InputError(f"{name} is the beginning of several releases: {names}", hints=("write more digits",))
    return found[0]


def load_release(store: Store, name: str, *, tenant: str) -> Release:
    """Return a release from the store alone, every byte verified against its id.

    Raises:
        InputError: not a name of a release, or the beginning of several.
        NotFound: the tenant has none of that name.
        IntegrityError: what is stored is not what was locked.
    """
    row = find_release(store, name, tenant=tenant)
    data = store.get_release(row.id, tenant=tenant)
    if digest_bytes(data) != row.bundle:
        raise IntegrityError(f"the stored bundle of {short(row.id, row.workflow)} is not what was put", release=row.id)
    release = read_bundle(data)
    if release.id != row.id:
        raise IntegrityError(f"the store holds {release.short} under the name {row.id}", release=row.id)
    return release
