"""plan, release, diff, promote, rollback, export, import."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from aie.app import (
    ContextChange,
    diff_contexts,
    diff_releases,
    export_release,
    import_release,
    lock_release,
    plan_workflow,
    promote_release,
    roll_back,
)
from aie.cli.opened import opened
from aie.cli.options import ActorOption, FormatOption, TenantOption, WorkspaceOption
from aie.cli.screen import Screen
from aie.core import JSON
from aie.releases import Change, Release, short

__all__ = ["diff", "export", "import_", "plan", "promote", "release", "rollback"]

_Workflow = Annotated[str, typer.Argument(metavar="WORKFLOW", help="Its name.")]
_Release = Annotated[str, typer.Argument(metavar="RELEASE", help="As in claims@1a2b3c4d5e6f, or the full id.")]
_Environment = Annotated[str, typer.Option("--to", metavar="ENVIRONMENT", help="One that aie.yaml names.")]
_LONGEST_SHOWN = 160
"""Characters of a passage that a line shows."""
_Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it is recorded.")]


def plan(
    workflow: _Workflow,
    against: Annotated[str, typer.Option("--against", metavar="ENVIRONMENT", help="Compare with its release.")] = "",
    workspace: WorkspaceOption = None,
    tenant: TenantOption = "",
    form: FormatOption = "text",
) -> None:
    """Show what locking the files now would change, and why. Nothing is stored."""
    screen = Screen(form)
    with opened(workspace, tenant=tenant) as app:
        report = plan_workflow(app, workflow, environment=against)
    data: dict[str, JSON] = {"release": report.release.id, "against": report.current, "new": report.is_new}
    data |= {"changes": _as_json(report.changes), "policy": list(report.policy)}
    screen.show(data, [report.summary, *_change_lines(report.changes), *report.policy])
    screen.next(f"aie release {workflow}")


def release(
    workflow: _Workflow,
    workspace: WorkspaceOption = None,
    actor: ActorOption = "",
    tenant: TenantOption = "",
    form: FormatOption = "text",
) -> None:
    """Lock the workflow and everything it uses, as the files are now.

    The same files give the same release on every machine; a run keeps the release it began with for life.
    """
    screen = Screen(form)
    with opened(workspace, actor=actor, tenant=tenant) as app:
        locked = lock_release(app, workflow)
        last = app.settings.environments[-1]
    made = locked.release
    data: dict[str, JSON] = {"release": made.id, "name": made.short, "new": locked.fresh}
    data |= {"changes": _as_json(locked.changes), **_contents(made)}
    screen.show(data, [made.short, *(f"  {line}" for line in _change_lines(locked.changes))])
    if not locked.fresh:
        screen.say("the same files were locked before")
    screen.next(f"aie promote {workflow} --to {last}")


def diff(
    before: _Release,
    after: _Release,
    text: Annotated[bool, typer.Option("--text", help="Also show changed lines of files.")] = False,
    run: Annotated[
        str, typer.Option("--run", metavar="RUN", help="Show which passages each would choose in this run.")
    ] = "",
    workspace: WorkspaceOption = None,
    tenant: TenantOption = "",
    form: FormatOption = "text",
) -> None:
    """Tell two releases apart in plain words; with --run, by the passages that their context steps choose."""
    screen = Screen(form)
    with opened(workspace, tenant=tenant) as app:
        if run:
            found = diff_contexts(app, before, after, run)
            screen.show([each.to_json() for each in found], _context_lines(found) or ["no step chooses passages"])
            return
        changes = diff_releases(app, before, after)
    lines = _change_lines(changes, text=text) or ["the same behaviour, byte for byte"]
    screen.show(_as_json(changes), lines)


def promote(
    workflow: _Workflow,
    name: Annotated[str, typer.Argument(metavar="RELEASE", help="The latest, when left out.")] = "",
    to: _Environment = "production",
    reason: _Reason = "",
    workspace: WorkspaceOption = None,
    actor: ActorOption = "",
    tenant: TenantOption = "",
    form: FormatOption = "text",
) -> None:
    """Let an environment use a release from now on; runs in flight stay on theirs."""
    screen = Screen(form)
    with opened(workspace, actor=actor, tenant=tenant) as app:
        move = promote_release(app, workflow, to, name, reason=reason)
    before = short(move.before, workflow) if move.before else ""
    data: JSON = {"workflow": workflow, "environment": to, "before": move.before, "after": move.after}
    was = f" (before: {before})" if before else ""
    screen.show(data, [f"{to} uses {short(move.after, workflow)}{was}"])
    screen.next(f"aie run {workflow} INPUT.json")


def rollback(
    workflow: _Workflow,
    environment: _Environment = "production",
    to: Annotated[str, typer.Option("--release", metavar="RELEASE", help="The one before, when left out.")] = "",
    reason: _Reason = "",
    workspace: WorkspaceOption = None,
    actor: ActorOption = "",
    tenant: TenantOption = "",
    form: FormatOption = "text",
) -> None:
    """Give an environment the release it had before; runs in flight stay on theirs."""
    screen = Screen(form)
    with opened(workspace, actor=actor, tenant=tenant) as app:
        move = roll_back(app, workflow, environment, to=to, reason=reason)
    data: JSON = {"workflow": workflow, "environment": environment, "before": move.before, "after": move.after}
    back, gone = short(move.after, workflow), short(move.before, workflow)
    screen.show(data, [f"{environment} uses {back} again (was: {gone})"])
    screen.next(f"aie diff {gone} {back}")


def export(
    name: _Release,
    to: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Where to; named for the release.")
    ] = None,
    workspace: WorkspaceOption = None,
    tenant: TenantOption = "",
    form: FormatOption = "text",
) -> None:
    """Write a release as one file that reproduces its id anywhere, offline."""
    screen = Screen(form)
    with opened(workspace, tenant=tenant) as app:
        path = to or Path(f"{name.replace('@', '-').replace(':', '-')}.aie")
        made = export_release(app, name, path)
    screen.show({"release": made.id, "file": str(path), "bytes": path.stat().st_size}, [str(path)])
    screen.next(f"aie import {path}")


def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="As `aie export` wrote it.")],
    workspace: WorkspaceOption = None,
    actor: ActorOption = "",
    tenant: TenantOption = "",
    form: FormatOption = "text",
) -> None:
    """Take in a release that was exported, every byte verified."""
    screen = Screen(form)
    with opened(workspace, actor=actor, tenant=tenant) as app:
        made, fresh = import_release(app, file)
    screen.show({"release": made.id, "name": made.short, "new": fresh}, [made.short])
    if not fresh:
        screen.say("it was here before")
    screen.next(f"aie promote {made.workflow} {made.short}")


def _change_lines(changes: Iterable[Change], *, text: bool = False) -> list[str]:
    lines = []
    for change in changes:
        lines.append(change.message)
        if text and change.text:
            lines += [f"    {line}" for line in change.text.splitlines()]
    return lines


def _context_lines(found: Iterable[ContextChange]) -> list[str]:
    lines = []
    for each in found:
        moved = f", {each.moved} passages moved" if each.moved else ""
        lines.append(f"{each.path}: {each.before} -> {each.after}, {each.kept} characters the same{moved}")
        for sign, stretches in (("-", each.dropped), ("+", each.added)):
            lines += [f"  {sign} {_on_page(one.page)}{_shortened(one.text)}" for one in stretches]
    return lines


def _on_page(page: int | None) -> str:
    return "" if page is None else f"p. {page}: "


def _shortened(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= _LONGEST_SHOWN else f"{flat[:_LONGEST_SHOWN]}…"


def _as_json(changes: Iterable[Change]) -> list[JSON]:
    return [change.to_json() for change in changes]


def _contents(made: Release) -> dict[str, JSON]:
    behaviour = made.behaviour
    return {"files": behaviour["files"], "components": behaviour["components"], "runtime": dict(made.runtime)}
