"""demo."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer

from aie.app import (
    App,
    decide,
    explain_run,
    explain_text,
    lock_release,
    open_app,
    plain,
    promote_release,
    runner,
    start_workspace,
    train,
    verify_records,
)
from aie.cli.options import FormatOption
from aie.cli.screen import Screen, width
from aie.core import JSON, usd
from aie.errors import AieError, IntegrityError
from aie.records import ReviewFilter, RunFilter
from aie.runs import Explanation

__all__ = ["demo"]

_ENOUGH: Final = 6
"""Payments after which the process is killed: some claims are done then, some under way, some not yet sent."""
_DECIDED: Final = "C-029"
"""The claim that is decided in the demo: a tree, a fence and a visitor's car."""
_PATIENCE: Final = 120
"""Seconds after which a child process counts as stuck."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Crash:
    """What a killed process left behind."""

    accepted: int
    finished: int
    paid: int
    killed: bool
    """False when it was done before it could be killed."""


def demo(
    folder: Annotated[
        Path | None, typer.Argument(metavar="FOLDER", help="Where to; a temporary folder, when left out.")
    ] = None,
    form: FormatOption = "text",
) -> None:
    """Forty claims, offline and without a key: decided, killed half-way, resumed, reviewed, explained, verified.

    Everything is synthetic. The classifier is trained and run on this machine.
    """
    screen = Screen(form)
    began = time.monotonic()
    root = folder or Path(tempfile.mkdtemp(prefix="aie-demo-")) / "claims"
    inputs = _prepare(screen, root)
    crash = _crash(screen, root, inputs)
    _run_all(screen, root, inputs)
    with open_app(root, actor="dana") as app:
        stories = [explain_run(app, row.id) for row in app.store.runs(RunFilter(), limit=1000).rows]
        stories.sort(key=lambda story: story.case)
        resumed = sum(any(each.executing_ms is None for each in story.segments) for story in stories)
        screen.say(f"   {resumed} claims were under way when it died; each went on under a new epoch")
        _tell_outcome(screen, stories)
        decided = _decide(screen, app)
        report = verify_records(app)
    paid = [path.name for path in (root / "outbox").glob("*.json")]
    screen.say("")
    screen.say(
        f"5. The records: {report.events} events in {report.blocks} signed blocks, {len(report.findings)} altered"
    )
    finished = sum(story.state == "completed" for story in stories) + 1
    cpu = sum(story.cpu_us for story in stories) / 1_000_000
    spend = sum(story.spend.cost for story in stories)
    data: dict[str, JSON] = {
        "folder": str(root),
        "claims": len(stories),
        "completed": finished,
        "waiting": sum(story.state == "waiting" for story in stories) - 1,
        "set_aside": sum(story.state == "dead" for story in stories),
        "payments": len(paid),
        "accepted_before_the_kill": crash.accepted,
        "finished_before_the_kill": crash.finished,
        "killed": crash.killed,
        "resumed": resumed,
        "decided": decided,
        "events": report.events,
        "altered": len(report.findings),
        "cost_micro_usd": spend,
        "cpu_seconds": f"{cpu:.2f}",
    }
    lines = [
        f"{len(stories)} claims: {finished} paid, {data['waiting']} wait for a person, {data['set_aside']} set aside",
        f"cost: {usd(spend)}, {cpu:.2f} s of CPU in the steps, {time.monotonic() - began:.0f} s in all",
        f"payments: {len(paid)}, none lost and none made twice",
    ]
    if not report.intact or len(paid) != finished or len(stories) != len(inputs):
        raise IntegrityError(f"the demo did not end as it should: {'; '.join(lines)}")
    screen.say("")
    screen.show(data, lines)
    place = f"cd {root}"
    screen.next(
        f"{place} && aie review list", f"{place} && aie explain {decided} --html explained.html", f"rm -r {root}"
    )


def _prepare(screen: Screen, root: Path) -> list[Path]:
    screen.say(f"1. A workspace of files in {root}: no code")
    start_workspace(root, "claims")
    _, report = train(root, "desk")
    screen.say(
        f"   trained the classifier `desk` on {report.train} notices: {report.right} of {report.val} right on val"
    )
    with open_app(root) as app:
        locked = lock_release(app, "claims")
        promote_release(app, "claims", "production")
    screen.say(f"   locked {locked.release.short}: the same id on every machine; production uses it")
    return sorted((root / "examples").glob("claim-*.json"))


def _command(root: Path, inputs: Sequence[Path]) -> list[str]:
    names = [str(path.relative_to(root)) for path in inputs]
    return [sys.executable, "-m", "aie.cli", "run", "claims", *names]


def _crash(screen: Screen, root: Path, inputs: Sequence[Path]) -> _Crash:
    """Run the claims in another process and kill it when some are paid."""
    screen.say("")
    screen.say(f"2. `aie run claims examples/*.json` in another process: {len(inputs)} letters, text and PDF")
    outbox = root / "outbox"
    child = subprocess.Popen(
        _command(root, inputs), cwd=root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        until = time.monotonic() + _PATIENCE
        while child.poll() is None and len(list(outbox.glob("*.json"))) < _ENOUGH and time.monotonic() < until:
            time.sleep(0.002)
    finally:
        killed = child.poll() is None
        if killed:
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    with open_app(root) as app:
        rows = app.store.runs(RunFilter(), limit=1000).rows
    paid = len(list(outbox.glob("*.json")))
    crash = _Crash(accepted=len(rows), finished=sum(row.state == "completed" for row in rows), paid=paid, killed=killed)
    end = "killed it (SIGKILL)" if killed else "it was done before it could be killed"
    screen.say(f"   {end}: {crash.accepted} claims accepted, {crash.finished} finished, {paid} payments out")
    return crash


def _run_all(screen: Screen, root: Path, inputs: Sequence[Path]) -> None:
    screen.say("   the same command again: it recovers what was left, knows what it has, takes in the rest")
    done = subprocess.run(
        _command(root, inputs), cwd=root, capture_output=True, text=True, timeout=_PATIENCE, check=False
    )
    repeated = done.stdout.count("(the same input as before)")
    if done.returncode not in (0, 1):
        raise AieError(f"the second run ended with status {done.returncode}: {done.stderr.strip()[-400:]}")
    screen.say(f"   {len(done.stdout.splitlines())} lines, {repeated} of them runs that the killed process had begun")


def _tell_outcome(screen: Screen, stories: Sequence[Explanation]) -> None:
    screen.say("")
    screen.say("3. What was decided without a person, on which words of the letter")
    clear = [story for story in stories if story.state == "completed"]
    for story in clear[:4]:
        screen.say(f"   {story.case}  {_answer(story)}")
        screen.say(f"          “{_quote(story)}”")
    screen.say(f"   … and {len(clear) - 4} more")
    screen.say("")
    screen.say("   What was doubtful, and why")
    for story in stories:
        if story.state != "completed":
            screen.say(f"   {story.case}  {story.state}: {', '.join(_doubts(story))}")


def _decide(screen: Screen, app: App) -> str:
    """Decide one claim as a person would, let it go on, and explain it."""
    rows = app.store.reviews(ReviewFilter(tenant=app.tenant, state="open"), limit=1000).rows
    row = next(row for row in rows if explain_run(app, row.run).case == _DECIDED)
    screen.say("")
    screen.say(f"4. dana decides {_DECIDED}: the visitor's car is a third party's, so liability pays; the run goes on")
    with runner(app) as here:
        reason = "the branch hit a visitor's car: third-party damage"
        decide(here, row.id, "correct", values={"label": "liability"}, reason=reason)
        here.wait(row.run, timeout=_PATIENCE)
    screen.say(f"   aie explain {row.run}")
    screen.say("")
    for line in explain_text(explain_run(app, row.run), width=min(width(), shutil.get_terminal_size().columns) - 4):
        screen.say(f"    {line}".rstrip())
    return row.run


def _answer(story: Explanation) -> str:
    output = story.output if isinstance(story.output, dict) else {}
    prediction = _output(story, "desk")
    sure = plain(prediction.get("confidence"))
    return f"{plain(output.get('desk'))}, pays {plain(output.get('amount'))} (confidence {sure})"


def _quote(story: Explanation) -> str:
    """Return the quoted passage that names the amount; else the first."""
    amount = story.output.get("amount") if isinstance(story.output, dict) else None
    quotes = [" ".join(each.quote.split()) for each in story.evidence]
    best = next((quote for quote in quotes if isinstance(amount, str) and amount in quote), quotes[0] if quotes else "")
    return best if len(best) <= width() - 14 else best[: width() - 15] + "…"


def _doubts(story: Explanation) -> Iterator[str]:
    if story.failure:
        yield f"{story.failed_at} {story.failure}"
        return
    prediction, agrees = _output(story, "desk"), _output(story, "agrees")
    if prediction.get("accepted") is False:
        yield f"unsure of the desk ({plain(prediction.get('label'))} {plain(prediction.get('confidence'))})"
    if agrees.get("passed") is False:
        failed = agrees.get("failed")
        rules = [each for each in failed if isinstance(each, dict)] if isinstance(failed, list) else []
        names = " or the ".join(plain(each.get("rule")) for each in rules)
        yield f"the letter does not name the {names.replace('_', ' ')} of the form"
    if prediction.get("accepted") and agrees.get("passed"):
        given = story.input if isinstance(story.input, dict) else {}
        yield f"{plain(given.get('amount'))} is above what is paid without a person"


def _output(story: Explanation, path: str) -> dict[str, JSON]:
    output = next((step.output for step in story.steps if step.path == path), None)
    return output if isinstance(output, dict) else {}
