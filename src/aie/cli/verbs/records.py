"""verify, erase, rebuild."""

from pathlib import Path
from typing import Annotated

import typer

from aie.app import erase_person, export_for_audit, rebuild_projections, save_heads, verify_export, verify_records
from aie.cli.opened import opened
from aie.cli.options import ActorOption, FormatOption, TenantOption, WorkspaceOption
from aie.cli.screen import Screen
from aie.cli.stating import report_json
from aie.errors import IntegrityError
from aie.records import Report

__all__ = ["erase", "rebuild", "verify"]


def verify(
    export: Annotated[
        Path | None,
        typer.Argument(metavar="EXPORT", help="A file of --export instead of the store; needs no workspace."),
    ] = None,
    head: Annotated[
        Path | None, typer.Option("--head", metavar="FILE", help="A saved head: finds what was cut off before it.")
    ] = None,
    save_head: Annotated[
        Path | None, typer.Option("--save-head", metavar="FILE", help="Save the head now; keep it elsewhere.")
    ] = None,
    export_to: Annotated[
        Path | None, typer.Option("--export", metavar="FILE", help="Write all an auditor needs to verify offline.")
    ] = None,
    workspace: WorkspaceOption = None,
    form: FormatOption = "text",
) -> None:
    """Prove that the records are what was written, or say what is not.

    Fails with status 7 when something was altered.
    """
    screen = Screen(form)
    if export is not None:
        report = verify_export(export, head=head)
    else:
        with opened(workspace) as app:
            report = verify_records(app, head=head)
            if export_to is not None:
                rows = export_for_audit(app, export_to)
                screen.say(f"exported {rows} rows to {export_to}")
            if save_head is not None and not report.findings:
                save_heads(app, save_head)
                screen.say(f"saved the head to {save_head}")
    screen.show(report_json(report), _lines(report))
    if report.findings:
        count = len(report.findings)
        raise IntegrityError(
            f"{count} thing{'' if count == 1 else 's'} in the records not as written",
            hints=("keep the store as it is and compare it with a backup",),
        )
    if head is None:
        screen.next("aie verify --save-head HEAD.json", "aie verify --head HEAD.json")


def _lines(report: Report) -> list[str]:
    lines = [f"{each.kind}: {each.message}" for each in report.findings]
    if not lines:
        counts = f"{report.events} events, {report.blobs} blobs, {report.blocks} blocks"
        lines.append(f"the records are what was written: {counts}")
    for tenant, height in sorted(report.sealed_up_to.items()):
        anchored = report.anchored_up_to.get(tenant)
        told = f", anchored up to block {anchored}" if anchored is not None else ""
        lines.append(f"{tenant}: sealed up to block {height}{told}")
    lines += [f"not provable: {each}" for each in report.unprovable]
    return lines


def erase(
    name: Annotated[str, typer.Argument(metavar="RUN", help="A run about the person.")],
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it is recorded.")] = "",
    workspace: WorkspaceOption = None,
    actor: ActorOption = "",
    tenant: TenantOption = "",
    form: FormatOption = "text",
) -> None:
    """Destroy the key to all that is held of the person a run is about: for good, and the records still verify.

    A workflow's `subject` says who that is; without one, each case stands for itself. Backups keep the key.
    """
    screen = Screen(form)
    with opened(workspace, actor=actor, tenant=tenant) as app:
        count = erase_person(app, name, reason=reason)
    screen.show(
        {"run": name, "runs": count}, [f"erased: {count} run{'' if count == 1 else 's'} cannot be read any more"]
    )
    screen.next(f"aie explain {name}", "aie verify")


def rebuild(workspace: WorkspaceOption = None, form: FormatOption = "text") -> None:
    """Drop every projection and make it anew from the events alone."""
    screen = Screen(form)
    with opened(workspace) as app:
        read = rebuild_projections(app)
    screen.show({"events": read}, [f"every projection made anew from {read} events"])
    screen.next("aie verify")
