"""init, check, status, doctor, schema."""

from collections import Counter
from pathlib import Path
from typing import Annotated, Literal

import typer

from aie.app import (
    check_workspace,
    circuit_line,
    examine,
    list_templates,
    look_over,
    moved_line,
    start_workspace,
    stopped,
    teachable,
    trainable,
    unmet,
    versions,
    workflows,
    workspace_warnings,
)
from aie.cli.failing import problem_json, problem_lines
from aie.cli.moments import ago
from aie.cli.opened import opened
from aie.cli.options import FormatOption, TenantOption, WorkspaceOption, find_workspace
from aie.cli.screen import Screen
from aie.cli.stating import lack_json, moved_json
from aie.config import json_schemas
from aie.core import JSON
from aie.errors import NotFound

__all__ = ["check", "doctor", "init", "schema", "status"]

_File = Literal["aie.yaml", "models.yaml", "workflow.yaml", "datasets.yaml"]


def init(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where to; it must not exist, or be empty.")],
    template: Annotated[
        str, typer.Option("--template", "-t", metavar="NAME", help="claims, contracts, invoices, letters, triage.")
    ] = "claims",
    form: FormatOption = "text",
) -> None:
    """Start a workspace from a template: files only, no code."""
    screen = Screen(form)
    made = start_workspace(folder, template)
    screen.show({"folder": str(folder), "template": template, "files": list(made)}, [str(folder)])
    screen.say(f"{len(made)} files; README.md says what is what (templates: {', '.join(list_templates())})")
    learnt = [*trainable(folder), *teachable(folder)]
    screen.next(f"cd {folder}", *(["aie train"] if learnt else []), "aie check")


def check(workspace: WorkspaceOption = None, form: FormatOption = "text") -> None:
    """Report every mistake in the workspace's files at once, each with its place and its mending."""
    screen = Screen(form)
    root = find_workspace(workspace)
    problems = check_workspace(root)
    told = () if problems else workspace_warnings(root)
    data: JSON = {"problems": [problem_json(each) for each in problems], "warnings": list(told)}
    screen.show(data, [line for each in problems for line in problem_lines(each)])
    if problems:
        count = len(problems)
        screen.say(f"error: {count} problem{'' if count == 1 else 's'} in the workspace")
        screen.next("mend them, then aie check")
        raise typer.Exit(2)
    for each in told:
        screen.say(f"warning: {each}")
    for need in unmet(root):
        screen.say(f"warning: {need.kind} {need.name} is {need.found}; {need.mend}")
    names = workflows(root)
    screen.say(f"no mistakes in {', '.join(names) or 'a workspace without workflows'}")
    screen.next(*(f"aie release {name}" for name in names))


def status(workspace: WorkspaceOption = None, tenant: TenantOption = "", form: FormatOption = "text") -> None:
    """Show which environment uses which release, how the latest runs stand, and what waits for people."""
    screen = Screen(form)
    with opened(workspace, tenant=tenant) as app:
        seen = look_over(app)
        stops = stopped(app)
        now = app.services.clock.now()
    data: dict[str, JSON] = {
        "environments": [{"workflow": w, "environment": e, "release": r} for w, e, r in seen.environments],
        "runs": dict(seen.states),
        "counted": seen.counted,
        "waiting": seen.waiting,
        "needs_runtime": [{"run": run, **lack_json(lack)} for run, lack in seen.lacking.items()],
        "moved": [moved_json(each) for each in seen.moved],
        "circuits": [{"model": model, "left_us": each.left, "why": each.why} for model, each in seen.circuits.items()],
        "stopped": [{"kind": each.kind, "name": each.name, "by": each.actor, "why": each.reason} for each in stops],
    }
    lines = screen.table(("WORKFLOW", "ENVIRONMENT", "RELEASE"), seen.environments)
    states = ", ".join(f"{count} {state}" for state, count in seen.states.items()) or "none"
    lines += [*([""] if lines else []), f"latest {seen.counted} runs: {states}"]
    longest = f", the longest for {ago(now, seen.oldest)}" if seen.oldest is not None else ""
    lines.append(f"waiting for people: {seen.waiting}{longest}")
    alerts: list[str] = []
    kinds = Counter((versions(lack.needs), versions(lack.installed)) for lack in seen.lacking.values())
    for (needs, installed), count in sorted(kinds.items()):
        runs = f"{count} run{'' if count == 1 else 's'}"
        alerts.append(f"waiting for a runtime: {runs} for {needs}; this installation has {installed}")
    alerts += [moved_line(each) for each in seen.moved]
    alerts += [f"model {model}: {circuit_line(each.left, each.why)}" for model, each in seen.circuits.items()]
    alerts += [f"stopped: {each.kind} {each.name}, by {each.actor}: {each.reason}" for each in stops]
    screen.show(data, lines + screen.sentences(alerts))
    if seen.lacking:
        screen.next("aie runs --state needs_runtime")
    if seen.waiting:
        screen.next("aie review list")
    screen.next("aie runs")


def doctor(workspace: WorkspaceOption = None, form: FormatOption = "text") -> None:
    """Examine this machine, the installation and the store. Fails when something would not work."""
    screen = Screen(form)
    try:
        root = find_workspace(workspace)
    except NotFound:
        if workspace is not None:
            raise
        root = None
    found = list(examine(root))
    data: JSON = [{"what": e.what, "verdict": e.verdict, "found": e.found, "mend": e.mend} for e in found]
    rows = [(e.verdict, e.what, f"{e.found}{f' ({e.mend})' if e.mend else ''}") for e in found]
    screen.show(data, screen.table(("VERDICT", "WHAT", "FOUND"), rows))
    if any(each.verdict == "bad" for each in found):
        raise typer.Exit(1)
    screen.next("aie check" if root is not None else "aie init FOLDER")


def schema(file: Annotated[_File, typer.Argument(help="A file of a workspace.")], form: FormatOption = "text") -> None:
    """Print the JSON Schema of a file that people write, for editors."""
    Screen("json").show(json_schemas()[file], ())
    screen = Screen(form)
    screen.say("name it in the first line of the file: # yaml-language-server: $schema=schema.json")
    screen.next(f"aie schema {file} > schema.json")
