"""try, test: the builder's loop."""

import json
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final

import typer

from aie.app import App, Trial, run_fixtures, save_fixture, stamps, told, trial, try_html
from aie.cli.opened import opened
from aie.cli.options import FormatOption, TenantOption, WorkspaceOption, find_workspace
from aie.cli.screen import Screen, width
from aie.core import JSON, usd, written_whole
from aie.errors import AieError, ConfigError, InputError

__all__ = ["run_tests", "try_"]

_EVERY: Final = 0.3
"""Seconds between two looks at the files."""
_LINES: Final = 24
"""Lines of a value that are printed; `--format json` has all of it."""
_CITES: Final = 8
"""Quotes that are printed, and values of one field."""


def try_(
    step: Annotated[str, typer.Argument(metavar="STEP", help="Its name; `lines[inv-7]/check` for one item of a map.")],
    workflow: Annotated[str, typer.Option("--workflow", metavar="NAME", help="Where several have the step.")] = "",
    run: Annotated[str, typer.Option("--run", metavar="RUN", help="On what this run recorded; else the latest.")] = "",
    case: Annotated[str, typer.Option("--case", metavar="CASE", help="On the latest run of this case.")] = "",
    watch: Annotated[bool, typer.Option("--watch", help="Try again whenever a file of the workspace changes.")] = False,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write a page: the document with its fields marked.")
    ] = None,
    call: Annotated[
        bool,
        typer.Option("--call", help="Ask models what the run did not ask, on the workflow's and tenant's budgets."),
    ] = False,
    save: Annotated[
        str, typer.Option("--save", metavar="NAME", help="Keep it as a fixture, which `aie test` runs.")
    ] = "",
    workspace: WorkspaceOption = None,
    tenant: TenantOption = "",
    form: FormatOption = "text",
) -> None:
    """Run one step of the files as they are on what a run recorded; no release is made and nothing is recorded.

    The step reads what it read in that run, documents included. A model is answered from the run's record as long as
    the question stays the same; --call asks it anew, and records what that cost. An effect is shown and not made, a
    review is shown and not opened.
    """
    screen = Screen(form)
    with opened(workspace, tenant=tenant) as app:
        if not watch:
            _once(screen, app, step, workflow=workflow, run=run, case=case, html=html, call=call, save=save)
            return
        screen.say("watching; Ctrl-C ends")
        seen = None
        while True:
            now = stamps(app.root)
            if now != seen:
                seen = now
                try:
                    _once(screen, app, step, workflow=workflow, run=run, case=case, html=html, call=call, save=save)
                except ConfigError as error:
                    for problem in error.problems:
                        screen.say(str(problem))
                except AieError as error:
                    screen.say(f"error: {'; '.join((error.message, *error.hints))}")
            time.sleep(_EVERY)


def _once(
    screen: Screen, app: App, step: str, *, workflow: str, run: str, case: str, html: Path | None, call: bool, save: str
) -> None:
    made = trial(app, step, workflow=workflow, run=run, case=case, call=call)
    if html is not None:
        try:
            with written_whole(html) as draft:
                draft.write_text(try_html(made), encoding="utf-8")
        except OSError as error:
            raise InputError(f"{html} cannot be written: {(error.strerror or 'error').lower()}") from error
    data: dict[str, JSON] = {"workflow": made.workflow, "run": made.run, "step": made.tried.path}
    data |= {**made.tried.compared(), "message": made.tried.message, "report": made.tried.report, "same": made.same}
    if made.spent is not None:
        data |= {"spent": {**made.spent.to_json()}}
    data |= {"cites": [each.to_json() for each in made.tried.cites], "ms": made.tried.ms}
    screen.show(data, _told(screen, made))
    if made.spent is not None:
        calls = "1 call was made, it" if made.spent.calls == 1 else f"{made.spent.calls} calls were made, they"
        screen.say(f"{calls} cost {usd(made.spent.cost)}")
    if html is not None:
        screen.say(f"{html} shows the document with its fields marked")
    if save:
        path = save_fixture(app, made, save)
        screen.say(f"kept as {path.relative_to(app.root)}; what it holds may be personal")
        screen.next(f"aie test {made.workflow}")
    elif html is None:
        screen.next(f"aie try {made.tried.path} --run {made.run} --save NAME")


def _told(screen: Screen, made: Trial) -> Iterator[str]:
    tried = made.tried
    same = "as recorded" if made.same else "new" if made.before is None else "not as recorded"
    yield screen.bold(f"{tried.path}: {told(tried)} ({same}, {tried.ms} ms)")
    found = tried.data.get("found") if isinstance(tried.data, dict) else None
    if isinstance(found, dict):
        yield from screen.table(("FIELD", "VALUE", "HOW SURE", "PAGE", "AS WRITTEN"), _places(found))
        return
    lines = json.dumps(tried.data, ensure_ascii=False, indent=2).splitlines() if tried.data is not None else []
    yield from (
        textwrap.shorten(line, width(), placeholder=" …") if len(line) > width() else line for line in lines[:_LINES]
    )
    if len(lines) > _LINES:
        yield f"… {len(lines) - _LINES} more lines; --format json has all, --html FILE shows the document"
    for each in tried.cites[:_CITES]:
        page = f", page {each.page}" if each.page is not None else ""
        yield f"  {each.path or '/'}: “{textwrap.shorten(each.quote, 60, placeholder=' …')}”{page}"


def _places(found: dict[str, JSON]) -> Iterator[tuple[str, str, str, str, str]]:
    """Yield a row for each value that was found, the first of a field of many, and one for each field without."""
    for name, places in found.items():
        listed = places if isinstance(places, list) else [places]
        if not any(listed):
            yield name, "–", "", "", "not found"
        for each in listed[:_CITES]:
            if isinstance(each, dict):
                sure = f"{each['confidence']}{'' if each['accepted'] else ', not accepted'}"
                value = textwrap.shorten(str(each["value"]), 40, placeholder=" …")
                yield name, value, sure, str(each["page"] or ""), " ".join(str(each["quote"]).split())
        if len(listed) > _CITES:
            yield name, f"… and {len(listed) - _CITES} more", "", "", ""


def run_tests(
    workflow: Annotated[str, typer.Argument(metavar="WORKFLOW", help="Of all of them, when left out.")] = "",
    update: Annotated[
        bool, typer.Option("--update", help="Let each fixture expect what comes of it now; then read the difference.")
    ] = False,
    workspace: WorkspaceOption = None,
    form: FormatOption = "text",
) -> None:
    """Run the fixtures that `aie try --save` kept: each step must give again what it gave.

    Needs no store, no network and no key. Fails when one differs.
    """
    screen = Screen(form)
    attempted = failed = updatable = 0
    for each in run_fixtures(find_workspace(workspace), workflow, update=update):
        attempted += 1
        failed += not each.held
        updatable += each.updatable
        data: dict[str, JSON] = {"fixture": each.name, "step": each.step, "held": each.held, "why": each.why}
        note = f": {each.why}" if each.why else ""
        screen.stream(data, f"{'held' if each.held else 'FAILED'}  {each.name}  {each.step}{note}")
    screen.say(f"attempted {attempted}, held {attempted - failed}, failed {failed}")
    if not attempted:
        screen.next("aie try STEP --save NAME")
    if updatable:
        screen.next(f"aie test{f' {workflow}' if workflow else ''} --update, where the difference is meant")
    if failed:
        raise typer.Exit(1)
