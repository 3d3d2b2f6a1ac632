"""Look at an installation: what is where, what waits, and whether this machine can carry it."""

import os
import platform
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from aie.app.cataloguing import Circuit, Moved, moved_models, open_circuits
from aie.app.needs import EXTRAS, is_installed, unmet
from aie.app.opening import App, open_app
from aie.app.runtimes import Lack, lacks
from aie.config import load_workspace
from aie.core import install_line
from aie.errors import AieError, Unavailable
from aie.layers.extract import SHARED, Sandbox
from aie.records import ReviewFilter, RunFilter
from aie.releases import short

__all__ = ["Examined", "Overview", "examine", "look_over"]

Verdict = Literal["good", "note", "bad"]

_SHOWN: Final = 200
"""Runs counted by state; a store has no totals."""
_FREE: Final = 200_000_000
_REMOTE: Final = frozenset({"nfs", "nfs4", "cifs", "smb3", "fuse.sshfs", "9p", "afs", "glusterfs"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """What is where."""

    environments: tuple[tuple[str, str, str], ...]
    """(workflow, environment, release as people name it)."""
    states: dict[str, int]
    """Runs by state, among the latest ones."""
    counted: int
    """How many runs were looked at."""
    waiting: int
    """Open reviews, at most as many as are counted."""
    oldest: int | None
    """When the oldest of them was opened."""
    lacking: dict[str, Lack]
    """Runs that wait for layer versions, by id."""
    moved: tuple[Moved, ...] = ()
    """Models that answer as another than before."""
    circuits: dict[str, Circuit] = field(default_factory=dict)
    """Models whose circuit breaker is open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """One thing that was looked at."""

    what: str
    verdict: Verdict
    found: str
    mend: str = ""


def look_over(app: App) -> Overview:
    """Return releases by environment, runs by state, and what waits for people."""
    named = {row.workflow for row in app.store.releases(app.tenant, limit=1000)}
    places = (
        (workflow, environment, short(pointers["stable"], workflow))
        for workflow in sorted(named)
        for environment in app.settings.environments
        if "stable" in (pointers := app.store.environment(app.tenant, workflow, environment))
    )
    rows = app.store.runs(RunFilter(tenant=app.tenant), limit=_SHOWN).rows
    states: dict[str, int] = {}
    for row in rows:
        states[row.state] = states.get(row.state, 0) + 1
    open_ = app.store.reviews(ReviewFilter(tenant=app.tenant, state="open"), limit=_SHOWN).rows
    return Overview(
        environments=tuple(places),
        states=dict(sorted(states.items())),
        counted=len(rows),
        waiting=len(open_),
        oldest=min((row.opened_at for row in open_), default=None),
        lacking=lacks(app, limit=_SHOWN),
        moved=moved_models(app),
        circuits=open_circuits(app),
    )


def examine(root: Path | None) -> Iterator[Examined]:
    """Yield what was found, of this machine and, where there is one, of the workspace."""
    yield Examined(what="python", verdict="good", found=f"{platform.python_version()} on {platform.system()}")
    version = sqlite3.sqlite_version_info
    yield Examined(
        what="sqlite",
        verdict="good" if version >= (3, 35, 0) else "bad",
        found=sqlite3.sqlite_version,
        mend="" if version >= (3, 35, 0) else "use a Python that brings SQLite 3.35 or later",
    )
    needs = () if root is None else unmet(root)
    needed = {each.name for each in needs if each.kind == "extra"}
    for extra in [each for each in EXTRAS if each not in needed]:
        there = is_installed(extra)
        yield Examined(
            what=f"extra {extra}",
            verdict="good" if there else "note",
            found="installed" if there else "not installed",
            mend="" if there else f"{install_line(extra)}, if you need it",
        )
    for each in needs:
        yield Examined(what=f"{each.kind} {each.name}", verdict="bad", found=each.found, mend=each.mend)
    yield _readers(SHARED)
    if root is None:
        yield Examined(what="workspace", verdict="note", found="none here", mend="aie init NAME --template claims")
        return
    yield from _workspace(root)


def _readers(sandbox: Sandbox) -> Examined:
    """Tell how closed the processes are that documents are read in."""
    try:
        closed = sandbox.isolation()
    except Unavailable as error:
        return Examined(what="readers", verdict="bad", found=error.message, mend="; ".join(error.hints))
    bounds = sandbox.bounds
    good = closed["network"] == "none"
    return Examined(
        what="readers",
        verdict="good" if good else "note",
        found=f"network {closed['network']}, user {closed['user']}, at most {bounds.wall_ms // 1000} s, "
        f"{bounds.memory_mib} MiB and {bounds.document >> 20} MiB of document",
        mend="" if good else "permit network namespaces; until then a workflow of `risk: high` reads no document here",
    )


def _workspace(root: Path) -> Iterator[Examined]:
    try:
        load_workspace(root)
        yield Examined(what="files", verdict="good", found="read without a mistake")
    except AieError as error:
        yield Examined(what="files", verdict="bad", found=error.message, mend="aie check")
    try:
        with open_app(root) as app:
            yield Examined(what="store", verdict="good", found=f"opens: {app.store.dialect}")
            folder = app.store_folder
            if app.store.dialect == "sqlite":
                yield _database(app.store.damage())
    except AieError as error:
        yield Examined(what="store", verdict="bad", found=error.message, mend="; ".join(error.hints))
        return
    if folder is not None:
        yield from _folder(folder)


def _database(damage: str) -> Examined:
    return Examined(
        what="database",
        verdict="bad" if damage else "good",
        found=damage or "SQLite's quick check finds nothing wrong",
        mend="restore the latest backup" if damage else "",
    )


def _folder(folder: Path) -> Iterator[Examined]:
    free = shutil.disk_usage(folder).free
    yield Examined(
        what="disk",
        verdict="good" if free > _FREE else "bad",
        found=f"{free // 1_000_000} MB free",
        mend="" if free > _FREE else "make room: a full disk stops every run",
    )
    kind = _filesystem(folder)
    remote = kind in _REMOTE
    yield Examined(
        what="filesystem",
        verdict="bad" if remote else "good",
        found=kind or "not told by this system",
        mend="move a SQLite store to a local disk, or use Postgres" if remote else "",
    )
    keys = folder / "keys.json"
    if keys.exists() and keys.stat().st_mode & 0o077:
        yield Examined(what="keys", verdict="bad", found=f"{keys} can be read by others", mend=f"chmod 600 {keys}")
    elif keys.exists():
        yield Examined(what="keys", verdict="good", found="readable by you alone")


def _filesystem(folder: Path) -> str:
    """Return the kind of filesystem a folder is on; empty where the system does not say."""
    try:
        mounts = [line.split() for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()]
    except OSError:
        return ""
    path = os.fspath(folder.resolve())
    over = [
        (len(mount[1]), mount[2]) for mount in mounts if path == mount[1] or path.startswith(mount[1].rstrip("/") + "/")
    ]
    return max(over)[1] if over else ""
