"""run, runs, explain, cancel, retry, migrate."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

from aie.app import (
    MAX_INPUT,
    Given,
    Runner,
    cancel_run,
    choose_release,
    ending_of,
    explain_html,
    explain_run,
    explain_text,
    hold_of,
    known_attributes,
    lacks,
    migrate_run,
    parse_input,
    read_input,
    retry_run,
    retry_runs,
    runner,
    versions,
)
from aie.cli.moments import ago
from aie.cli.opened import opened
from aie.cli.options import ActorOption, FormatOption, TenantOption, WorkspaceOption
from aie.cli.screen import Screen, width
from aie.cli.stating import lack_json, run_json
from aie.config import did_you_mean
from aie.core import JSON, written_whole
from aie.errors import AieError, Failure, InputError
from aie.records import RunFilter
from aie.releases import short

__all__ = ["cancel", "explain", "migrate", "retry", "run", "runs"]

_State = Literal["queued", "running", "waiting", "needs_runtime", "completed", "failed", "cancelled", "dead"]
_Relation = Literal["supersede", "duplicate"]
_Run = Annotated[str, typer.Argument(metavar="RUN", help="Its id.")]
_AT_ONCE = 32
"""Inputs handed over together; several are bulk work, which is claimed after interactive runs."""


def run(
    workflow: Annotated[str, typer.Argument(metavar="WORKFLOW", help="Its name.")],
    inputs: Annotated[
        list[str], typer.Argument(metavar="INPUT", help="Files with one JSON object each; - reads stdin.")
    ],
    environment: Annotated[str, typer.Option("--environment", "-e", metavar="NAME", help="Whose release to use.")] = "",
    release: Annotated[str, typer.Option("--release", metavar="RELEASE", help="Use exactly this release.")] = "",
    key: Annotated[str, typer.Option("--key", metavar="TEXT", help="Idempotency key; the case, when left out.")] = "",
    relation: Annotated[
        _Relation | None, typer.Option("--relation", help="What this run is to an earlier run of its case.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until each run ends or needs a person.")] = True,
    workspace: WorkspaceOption = None,
    actor: ActorOption = "",
    tenant: TenantOption = "",
    form: FormatOption = "text",
) -> None:
    """Run a workflow on one input or many, and print a line for each.

    A document's path in an input starts at the input's folder. Once a run is accepted it ends in a recorded state,
    whatever dies; the same input again is the same run. Fails when a run fails or an input is refused.
    """
    screen = Screen(form)
    if key and len(inputs) > 1:
        raise InputError("one key names one run", hints=("give one input, or leave --key out",))
    with opened(workspace, actor=actor, tenant=tenant) as app:
        chosen, through = choose_release(app, workflow, environment=environment, release=release)
        if not through and not release:
            screen.say(f"{workflow} was never promoted; this uses its latest release, {short(chosen, workflow)}")
        with runner(app, execute=wait) as here:
            if len(inputs) == 1:
                made = here.submit(_given(inputs[0]), chosen, environment=through, key=key, relation=relation or "")
                accepted = [_Accepted(name=inputs[0], run=made.run, repeated=made.repeated)]
            else:
                accepted = list(_accept(here, inputs, chosen, environment=through, relation=relation or ""))
            _report(screen, here, accepted, wait=wait)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Accepted:
    name: str
    run: str
    repeated: bool = False
    refused: AieError | None = None


def _accept(
    here: Runner, inputs: Sequence[str], release: str, *, environment: str, relation: _Relation | Literal[""]
) -> Iterator[_Accepted]:
    """Hand over many inputs, some at a time: what was accepted before an interruption runs on."""
    for start in range(0, len(inputs), _AT_ONCE):
        names = inputs[start : start + _AT_ONCE]
        read: dict[str, Given] = {}
        refused: dict[str, AieError] = {}
        for name in names:
            try:
                read[name] = _given(name)
            except AieError as error:
                refused[name] = error
        outcomes = dict(
            zip(read, here.submit_all(read.values(), release, environment=environment, relation=relation), strict=True)
        )
        for name in names:
            came = refused[name] if name in refused else outcomes[name]
            if isinstance(came, AieError):
                yield _Accepted(name=name, run="", refused=came)
            else:
                yield _Accepted(name=name, run=came.run, repeated=came.repeated)


def _given(name: str) -> Given:
    if name == "-":
        content = typer.get_binary_stream("stdin").read(MAX_INPUT + 1)
        return Given(name="stdin", folder=Path.cwd(), data=parse_input(content, "stdin"))
    return read_input(Path(name))


def _report(screen: Screen, here: Runner, accepted: Sequence[_Accepted], *, wait: bool) -> None:
    failed = waiting = 0
    last = ""
    with screen.progress("runs") as tick:
        for done, each in enumerate(accepted, 1):
            if each.refused is not None:
                failed += 1
                refusal: dict[str, JSON] = {"code": each.refused.code, "message": each.refused.message}
                told = each.refused.message
                told = told if told.startswith(each.name) else f"{each.name}: {told}"
                screen.stream({"input": each.name, "error": refusal}, f"refused    {told}")
                continue
            row = here.wait(each.run) if wait else None
            state = row.state if row is not None else "queued"
            failed += state in ("failed", "dead", "cancelled")
            held = row is not None and bool(row.held)
            waiting += state == "waiting" and not held
            last = each.run
            why = ending_of(here.app, row) if row is not None else ""
            note = f": {row.failure} at {row.failed_path}" if row is not None and row.failure else ""
            note += f": {why}" if why else ""
            hold = hold_of(here.app, row) if held and row is not None else ""
            note = f": waits: {hold}" if hold else note
            again = " (the same input as before)" if each.repeated else ""
            data: dict[str, JSON] = {"input": each.name, "run": each.run, "state": state, "repeated": each.repeated}
            if row is not None and row.failure:
                data |= {"failure": row.failure, "step": row.failed_path, "message": why}
            data |= {"waits": hold} if hold else {}
            screen.stream(data, f"{state:<9}  {each.run}  {Path(each.name).name}{note}{again}")
            tick(done, len(accepted))
    if any(each.repeated for each in accepted):
        screen.say("the same input is the same run; --relation supersede decides its case anew")
    if waiting:
        screen.next("aie review list")
    if last:
        screen.next(f"aie explain {last}" if wait else "aie worker")
    if failed:
        raise typer.Exit(1)


def runs(
    state: Annotated[_State | None, typer.Option("--state", help="Only those in this state.")] = None,
    workflow: Annotated[str, typer.Option("--workflow", metavar="NAME", help="Only those of this workflow.")] = "",
    failure: Annotated[str, typer.Option("--failure", metavar="CLASS", help="Only those that failed so.")] = "",
    search: Annotated[
        list[str] | None, typer.Option("--search", metavar="NAME=VALUE", help="A declared search attribute.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="At most so many.")] = 20,
    after: Annotated[str, typer.Option("--after", metavar="TOKEN", help="Go on after the page before.")] = "",
    workspace: WorkspaceOption = None,
    tenant: TenantOption = "",
    form: FormatOption = "text",
) -> None:
    """List runs, latest first."""
    screen = Screen(form)
    with opened(workspace, tenant=tenant) as app:
        where = RunFilter(
            tenant=app.tenant,
            state=state,
            workflow=workflow or None,
            failure=_failure(failure),
            search=known_attributes(app, workflow, dict(_attributes(search or ()))),
        )
        page = app.store.runs(where, limit=limit, after=after)
        now = app.services.clock.now()
        missing = lacks(app, page.rows)
        holds = {row.id: hold_of(app, row) for row in page.rows if row.held}
    told = {run: f"needs {versions(lack.needs)}, here {versions(lack.installed)}" for run, lack in missing.items()}
    told |= holds
    rows = [
        (
            row.state,
            row.id,
            short(row.release, row.workflow),
            ago(now, row.submitted_at),
            told.get(row.id, row.failure),
        )
        for row in page.rows
    ]
    listed: list[JSON] = [
        run_json(row)
        | ({"runtime": lack_json(missing[row.id])} if row.id in missing else {})
        | ({"waits": holds[row.id]} if row.id in holds else {})
        for row in page.rows
    ]
    data: JSON = {"runs": listed, "after": page.after}
    screen.show(data, screen.table(("STATE", "RUN", "RELEASE", "AGE", "WHY"), rows))
    if page.after:
        screen.next(f"aie runs --after {page.after}")
    if rows:
        screen.next(f"aie explain {rows[0][1]}")
    else:
        screen.say("no runs")


def _attributes(given: Sequence[str]) -> Iterator[tuple[str, str]]:
    for text in given:
        name, equals, value = text.partition("=")
        if not equals:
            raise InputError(f"--search {text!r} has no value", hints=("--search NAME=VALUE",))
        yield name, value


def _failure(given: str) -> str | None:
    """Return the class to look for; a slip would find nothing and be believed."""
    if given and given not in set(Failure):
        raise InputError(f"no failure has the class {given!r}", hints=(did_you_mean(given, Failure, "classes"),))
    return given or None


def explain(
    name: _Run,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write a page that opens anywhere, offline.")
    ] = None,
    workspace: WorkspaceOption = None,
    tenant: TenantOption = "",
    form: FormatOption = "text",
) -> None:
    """Say why a run ended as it did, or where it stands.

    What was decided, on which evidence, what was left out, which version of each component said so, who overrode it,
    which limits it used, what it cost, and when each thing happened.
    """
    screen = Screen(form)
    with opened(workspace, tenant=tenant) as app:
        explanation = explain_run(app, name)
    if html is not None:
        try:
            with written_whole(html) as draft:
                draft.write_text(explain_html(explanation), encoding="utf-8")
        except OSError as error:
            raise InputError(f"{html} cannot be written: {(error.strerror or 'error').lower()}") from error
        screen.show({"run": name, "file": str(html)}, [str(html)])
    else:
        screen.show(explanation.to_json(), explain_text(explanation, width=width()))
    waiting = [each.review for each in explanation.reviews if not each.decision]
    screen.next(f"aie review show {waiting[0]}" if waiting and explanation.state == "waiting" else "aie verify")


def cancel(
    name: _Run,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it is recorded.")] = "",
    workspace: WorkspaceOption = None,
    actor: ActorOption = "",
    tenant: TenantOption = "",
    form: FormatOption = "text",
) -> None:
    """Stop a run: nothing new begins, what is in flight ends."""
    screen = Screen(form)
    with opened(workspace, actor=actor, tenant=tenant) as app, runner(app) as here:
        cancel_run(here, name, reason)
        state = here.wait(name, timeout=10).state
    screen.show({"run": name, "state": state}, [f"{state}  {name}"])
    screen.next(f"aie explain {name}")


def retry(
    names: Annotated[list[str] | None, typer.Argument(metavar="RUN", help="These; else all that match.")] = None,
    workflow: Annotated[str, typer.Option("--workflow", metavar="NAME", help="Those of this workflow.")] = "",
    failure: Annotated[str, typer.Option("--failure", metavar="CLASS", help="Those that failed so.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list them.")] = False,
    workspace: WorkspaceOption = None,
    actor: ActorOption = "",
    tenant: TenantOption = "",
    form: FormatOption = "text",
) -> None:
    """Let failed runs go on from the failed step, on the release they began with; what they spent stays spent."""
    screen = Screen(form)
    if not names and not workflow and not failure:
        raise InputError("say which runs", hints=("aie retry RUN…", "aie retry --failure provider_down --dry-run"))
    with opened(workspace, actor=actor, tenant=tenant) as app, runner(app, execute=not dry_run) as here:
        chosen = list(names or ())
        for name in chosen if not dry_run else ():
            retry_run(here, name)
        if not chosen:
            where = RunFilter(tenant=app.tenant, workflow=workflow or None, failure=_failure(failure))
            chosen = [row.id for row in retry_runs(here, where, dry_run=dry_run)]
        for name in chosen:
            state = "would go on" if dry_run else here.wait(name).state
            screen.stream({"run": name, "state": state}, f"{state}  {name}")
    if not chosen:
        screen.say("no failed run matches")
    elif dry_run:
        screen.next("the same without --dry-run")
    else:
        screen.next(f"aie explain {chosen[-1]}")


def migrate(
    names: Annotated[list[str], typer.Argument(metavar="RUN", help="Runs that need another runtime.")],
    reason: Annotated[
        str,
        typer.Option("--reason", metavar="TEXT", help="Why other behaviour is right for these runs; it is recorded."),
    ],
    workspace: WorkspaceOption = None,
    actor: ActorOption = "",
    tenant: TenantOption = "",
    form: FormatOption = "text",
) -> None:
    """Move runs that need another runtime to the layer versions of this installation, in the open.

    Their release stays: its files and models decide on. What the layers do with them is from here on the behaviour of
    this installation, under your name and reason. A worker with the versions that they need changes nothing instead.
    """
    screen = Screen(form)
    with opened(workspace, actor=actor, tenant=tenant) as app, runner(app) as here:
        for name in names:
            migrate_run(here, name, reason)
        for name in names:
            state = here.wait(name).state
            screen.stream({"run": name, "state": state}, f"{state}  {name}")
    screen.next(f"aie explain {names[-1]}")
