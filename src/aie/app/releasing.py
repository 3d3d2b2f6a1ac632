"""Releases: check, plan, lock, compare, carry, promote, roll back."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aie.app.opening import App
from aie.config import load_workspace, nearest
from aie.core import SystemClock, read_file, written_whole
from aie.errors import ConfigError, InputError, NotFound, Problem
from aie.records import ReleaseRow
from aie.releases import (
    MAX_BUNDLE,
    Change,
    PlanReport,
    Release,
    catalog_problems,
    check,
    compile_release,
    diff,
    find_release,
    load_release,
    plan_release,
    read_bundle,
    save_release,
    warnings,
    write_bundle,
)
from aie.rollouts import Move, Place, current, promote, rollback

__all__ = [
    "Locked",
    "check_workspace",
    "diff_releases",
    "export_release",
    "import_release",
    "lock_release",
    "no_release",
    "plan_workflow",
    "promote_release",
    "released_workflows",
    "roll_back",
    "workflows",
    "workspace_warnings",
]


_RELEASES: Final = 1000
"""Releases that are looked at for the names of workflows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Locked:
    """A release that was locked."""

    release: Release
    fresh: bool
    """False when the same files were locked before."""
    changes: tuple[Change, ...]
    """Against the release it follows."""


def workflows(root: Path) -> tuple[str, ...]:
    """Return the names of the workspace's workflows.

    Raises:
        ConfigError: the files have mistakes.
    """
    return tuple(sorted(load_workspace(root).workflows))


def check_workspace(root: Path) -> tuple[Problem, ...]:
    """Return every mistake of a workspace; empty when all of it could be locked."""
    return check(root, now=SystemClock().now())


def workspace_warnings(root: Path) -> tuple[str, ...]:
    """Return what the files of a workspace without mistakes show that will disappoint, a sentence each.

    Raises:
        ConfigError: the files have mistakes.
    """
    workspace = load_workspace(root)
    releases = [compile_release(workspace, name) for name in sorted(workspace.workflows)]
    return tuple(warnings(workspace, releases, SystemClock().now()))


def plan_workflow(app: App, workflow: str, *, environment: str = "") -> PlanReport:
    """Return what locking the workflow now would change against the environment's release, else the latest.

    Raises:
        ConfigError: the files have mistakes.
    """
    before = _before(app, workflow, environment)
    return plan_release(
        load_workspace(app.root), workflow, load_release(app.store, before, tenant=app.tenant) if before else None
    )


def lock_release(app: App, workflow: str) -> Locked:
    """Lock the workflow as its files are now.

    Raises:
        ConfigError: the files have mistakes, or the catalog does not permit what they name; nothing was stored.
    """
    workspace = load_workspace(app.root)
    release = compile_release(workspace, workflow)
    refused = tuple(catalog_problems(workspace, release.components, app.services.clock.now()))
    if refused:
        raise ConfigError(refused)
    parent = _before(app, workflow, "")
    changes = _changes(app, parent, release)
    fresh = save_release(app.store, app.journal, release, tenant=app.tenant, actor=app.actor, parent=parent)
    return Locked(release=release, fresh=fresh, changes=changes)


def diff_releases(app: App, one: str, other: str) -> tuple[Change, ...]:
    """Return what differs between two releases.

    Raises:
        NotFound: there is no such release.
    """
    before, after = (load_release(app.store, name, tenant=app.tenant) for name in (one, other))
    return tuple(diff(before, after))


def export_release(app: App, name: str, path: Path) -> Release:
    """Write a release as one file that reproduces it anywhere.

    Raises:
        NotFound: there is no such release.
        InputError: the file cannot be written.
    """
    release = load_release(app.store, name, tenant=app.tenant)
    try:
        with written_whole(path) as draft:
            draft.write_bytes(write_bundle(release))
    except OSError as error:
        raise InputError(f"{path} cannot be written: {(error.strerror or 'error').lower()}") from error
    return release


def import_release(app: App, path: Path) -> tuple[Release, bool]:
    """Store a release from its file, every byte verified; also whether it is new here.

    Raises:
        InputError: the file cannot be read.
        IntegrityError: it is not what was exported.
    """
    try:
        release = read_bundle(read_file(path, at_most=MAX_BUNDLE))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {(error.strerror or 'error').lower()}") from error
    return release, save_release(app.store, app.journal, release, tenant=app.tenant, actor=app.actor, imported=True)


def promote_release(app: App, workflow: str, environment: str, name: str = "", *, reason: str = "") -> Move:
    """Point an environment at a release, by default the latest; runs in flight stay on theirs.

    Raises:
        NotFound, InputError, Conflict: no such release or environment, or it points there already.
    """
    release = find_release(app.store, name, tenant=app.tenant) if name else _latest(app, workflow)
    if release.workflow != workflow:
        raise InputError(f"{name} is a release of {release.workflow}, not of {workflow}")
    return promote(
        app.store,
        app.journal,
        Place(tenant=app.tenant, workflow=workflow, environment=environment),
        release.id,
        actor=app.actor,
        environments=app.settings.environments,
        reason=reason,
    )


def roll_back(app: App, workflow: str, environment: str, *, to: str = "", reason: str = "") -> Move:
    """Point an environment back at the release before.

    Raises:
        NotFound, InputError, Conflict: no such environment or release, or nothing to go back to.
    """
    target = find_release(app.store, to, tenant=app.tenant).id if to else ""
    return rollback(
        app.store,
        app.journal,
        Place(tenant=app.tenant, workflow=workflow, environment=environment),
        actor=app.actor,
        environments=app.settings.environments,
        to=target,
        reason=reason,
    )


def _latest(app: App, workflow: str) -> ReleaseRow:
    rows = app.store.releases(app.tenant, workflow=workflow, limit=1)
    if not rows:
        raise no_release(app, workflow)
    return rows[0]


def released_workflows(app: App) -> tuple[str, ...]:
    """Return the workflows that have releases, by name."""
    return tuple(sorted({row.workflow for row in app.store.releases(app.tenant, limit=_RELEASES)}))


def no_release(app: App, workflow: str) -> NotFound:
    """Return the refusal of a workflow without a release: a slip of one that has some, or one to release."""
    near = nearest(workflow, released_workflows(app))
    hint = f"aie release {workflow}" if near is None else f"did you mean `{near}`?"
    return NotFound(f"there is no release of {workflow}", hints=(hint,))


def _before(app: App, workflow: str, environment: str) -> str:
    if environment:
        place = Place(tenant=app.tenant, workflow=workflow, environment=environment)
        return current(app.store, place) or ""
    rows = app.store.releases(app.tenant, workflow=workflow, limit=1)
    return rows[0].id if rows else ""


def _changes(app: App, before: str, after: Release) -> tuple[Change, ...]:
    return tuple(diff(load_release(app.store, before, tenant=app.tenant), after)) if before else ()
