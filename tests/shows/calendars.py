"""Show: the calendar of a model's end, day by day, and a price that changes in the middle of a month.

    python -m tests.shows.calendars [--control]

From 100 days before a retirement to three days after it, each day the workspace is asked what `aie models` says,
whether a release may be locked, and whether a run may start. The days on which the answers change must be those of the
calendar: warning, refused releases, refused starts, in this order. A run that is in flight when the day comes goes on
while the model answers, and follows its handler once it does not.

Then one call a day through a month in whose middle the price doubles: each must cost what the server's own bill comes
to at the price of its day.

`--control` takes the retirement and the second price out of the catalog: the same checks must fail; exit 0 only then.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from aie.app import App, Given, lock_release, open_app, runner, show_models
from aie.config import day_start
from aie.core import SystemClock
from aie.errors import ConfigError, ModelRetired
from aie.records.events import AttemptSettled, RunFinished
from aie.testing import OpenAIServer
from tests.shows.one_workflow import MODELS, answer, workspace

__all__ = ["Report", "run_show"]

_END = date(2026, 12, 1)
_WARN, _REFUSE = 60, 20
_CHANGE = date(2026, 11, 15)
_MILLION = 1_000_000


@dataclass(slots=True, kw_only=True)
class Report:
    """What was counted."""

    attempted: int = 0
    """Questions asked: of the catalog, for a release, for a start; and calls."""
    accepted: int = 0
    refused: int = 0
    skipped: int = 0
    warned_from: str = ""
    releases_refused_from: str = ""
    starts_refused_from: str = ""
    in_flight: list[str] = field(default_factory=list)
    """How runs ended that were in flight on the day: while the model answers, and once it does not."""
    calls: int = 0
    billed: int = 0
    """Micro-USD of the server's own bill at the price of each call's day."""
    charged: int = 0
    """Micro-USD as recorded."""
    missed: list[str] = field(default_factory=list)


class _Days(SystemClock):
    """A clock whose day is set."""

    def __init__(self, day: date) -> None:
        self.day = day

    def now(self) -> int:
        """Return the first hour of the day, moving on."""
        return day_start(self.day.isoformat()) + super().monotonic() % 3_600_000_000


def run_show(*, control: bool = False) -> Report:
    """Run both halves."""
    report = Report()
    for half in (_retire, _price):
        with tempfile.TemporaryDirectory(prefix="aie-calendar-") as folder:
            workspace(Path(folder), 1)
            half(Path(folder), report, control)
    days = (report.warned_from, report.releases_refused_from, report.starts_refused_from)
    due = tuple((_END - timedelta(days=each)).isoformat() for each in (_WARN, _REFUSE, 0))
    if days != due:
        report.missed.append(f"the calendar says {due}, it was {days}")
    if report.in_flight != ["completed", "dead: model_retired"]:
        report.missed.append(f"runs in flight ended {report.in_flight}")
    if report.calls == 0 or report.charged != report.billed:
        report.missed.append(
            f"{report.billed} micro-USD were billed for {report.calls} calls, {report.charged} recorded"
        )
    return report


def _retire(root: Path, report: Report, control: bool) -> None:
    calendar = f"{{date: {_END}, warn: {_WARN} days, refuse_releases: {_REFUSE} days}}"
    end = "" if control else f"    owner: models@northgate.example\n    retirement: {calendar}\n"
    (root / "models.yaml").write_text(MODELS["server"] + end)
    clock = _Days(_END - timedelta(days=100))
    late = False

    def said(body: dict[str, Any]) -> str:
        if late:
            clock.day = _END + timedelta(days=1)  # the call was under way when the day came
        return answer(body)

    with OpenAIServer(said) as server, _served(server), open_app(root, clock=clock) as app:
        release = lock_release(app, "desks").release.id
        for day in _days(clock.day, _END + timedelta(days=3)):
            clock.day = day
            _ask(app, release, day, report)
        clock.day, late = _END - timedelta(days=1), True
        report.in_flight.append(_end_of(app, release, "goes-on"))
    clock.day = _END - timedelta(days=1)
    with OpenAIServer(said, faults=["unknown_model"]) as server, _served(server), open_app(root, clock=clock) as app:
        report.in_flight.append(_end_of(app, release, "is-gone"))


def _ask(app: App, release: str, day: date, report: Report) -> None:
    """Ask the three questions of one day, and note the first day on which each answer is no."""
    status = show_models(app)[0].status
    _note(report, "warned_from", day, refused=status != "active")
    try:
        lock_release(app, "desks")
        _note(report, "releases_refused_from", day, refused=False)
    except ConfigError:
        _note(report, "releases_refused_from", day, refused=True)
    try:
        _end_of(app, release, day.isoformat())
        _note(report, "starts_refused_from", day, refused=False)
    except ModelRetired:
        _note(report, "starts_refused_from", day, refused=True)


def _note(report: Report, name: str, day: date, *, refused: bool) -> None:
    report.attempted += 1
    report.refused += refused
    report.accepted += not refused
    if refused and not getattr(report, name):
        setattr(report, name, day.isoformat())
    if not refused and getattr(report, name):
        report.missed.append(f"{name} {getattr(report, name)}, but not on {day}")


def _price(root: Path, report: Report, control: bool) -> None:
    sheets = [(date(2026, 1, 1), 10), (_CHANGE, 20)]
    written = ", ".join(
        f"{{from: {day}, input_per_million: {usd}.00 USD, output_per_million: {usd}.00 USD}}"
        for day, usd in (sheets[:1] if control else sheets)
    )
    lines = [f"    price: [{written}]" if "price:" in line else line for line in MODELS["server"].splitlines()]
    (root / "models.yaml").write_text("\n".join(lines) + "\n")
    clock = _Days(date(2026, 11, 1))
    with OpenAIServer(answer) as server, _served(server), open_app(root, clock=clock) as app:
        release = lock_release(app, "desks").release.id
        for day in _days(date(2026, 11, 1), date(2026, 11, 30)):
            clock.day = day
            before = len(server.bills)
            _end_of(app, release, f"priced-{day}")
            usd = max(usd for begins, usd in sheets if begins <= day)
            for bill in server.bills[before:]:
                report.attempted += 1
                report.accepted += 1
                report.calls += 1
                report.billed += -(-(bill.tokens_in + bill.tokens_out) * usd * _MILLION // _MILLION)
        report.charged = sum(_spent(app))


def _spent(app: App) -> Iterator[int]:
    for row in app.store.runs(limit=200).rows:
        for each in app.store.read(row.id):
            if isinstance(each.event, AttemptSettled):
                yield each.event.spend["cost"]


def _end_of(app: App, release: str, case: str) -> str:
    """Run a message to its end and say how it ended."""
    with runner(app) as here:
        given = Given(name=case, folder=app.root, data={"id": case, "text": "you charged me twice again"})
        made = here.submit(given, release).run
        here.wait(made, timeout=60)
    end = next(each.event for each in app.store.read(made) if isinstance(each.event, RunFinished))
    return f"{end.state}: {end.failure}" if end.failure else end.state


def _days(first: date, last: date) -> Iterator[date]:
    for number in range((last - first).days + 1):
        yield first + timedelta(days=number)


class _served:  # noqa: N801 — used as `with _served(server)`
    """Let the catalog's chat model be behind a server."""

    def __init__(self, server: OpenAIServer) -> None:
        self._url = server.url

    def __enter__(self) -> None:
        os.environ["ONE_WORKFLOW_URL"] = self._url

    def __exit__(self, *_: object) -> None:
        os.environ.pop("ONE_WORKFLOW_URL", None)


def main() -> int:
    """Print the counts; fail on what was missed, or as the control on what was not."""
    parser = argparse.ArgumentParser(description="The calendar of a model's end, and a price that changes.")
    parser.add_argument("--seed", type=int, default=1, help="nothing here is drawn; taken for the sake of the others")
    parser.add_argument("--control", action="store_true", help="without the calendar: the show must fail")
    control = parser.parse_args().control
    report = run_show(control=control)
    json.dump({"show": "calendars", "control": control, **asdict(report)}, sys.stdout, indent=1)
    sys.stdout.write("\n")
    held = not report.missed
    return int(held if control else not held)


if __name__ == "__main__":
    sys.exit(main())
