"""What runs leave behind in the memory of their worker: nothing that only the collector of cycles would find.

It comes to old objects seldom, so each cycle would keep all that its run has read, for thousands of runs.
"""

import gc
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest

from aie.app import Given, open_app, runner
from aie.core import JSON
from aie.errors import Failure, StepFailure
from aie.layers import Delivery, EffectRequest, Outcome, Result, ReviewRequest, Task, Tools
from aie.releases import Handler
from aie.runs import Pace, Segment, State
from aie.runs.recording import Recording
from aie.testing.stage import make_release, scripted, stage
from tests.integration.runs.test_labels import Here, bill

RUNS = 20
KINDS = (Segment, Recording, State, Task, StepFailure)


@pytest.fixture
def before() -> Iterator[Counter[str]]:
    """What there is already; nothing collects cycles from here on."""
    gc.collect()
    gc.disable()
    yield alive()
    gc.enable()


def alive() -> Counter[str]:
    """Return how many objects of a run there are in this process, by class."""
    return Counter(type(each).__name__ for each in gc.get_objects() if type(each) in KINDS)


def fails(_task: Task, _tools: Tools) -> Outcome:
    """Fail as a library does that remembers its error: the traceback keeps the frame, and the frame the error."""
    failure = StepFailure(Failure.PROVIDER_DOWN, "down")
    raise failure


def asks(_task: Task, _tools: Tools) -> Outcome:
    return ReviewRequest(desk="desk", why="always", shown={"fields": {}, "answer": {}})


def owes(task: Task, _tools: Tools) -> Outcome:
    return EffectRequest(receiver="receiver:r", semantics="idempotent", body={"n": task.path}, identity=None)


def refuse(_delivery: Delivery) -> JSON:
    raise StepFailure(Failure.RECEIVER_REFUSED, "no")


def go_on(url: str) -> None:
    """Let runs end in every way: with a value, a failure that was mended, a refused effect, an open review."""
    default = Handler(kind="default", value=None)
    nodes = [
        scripted("given"),
        scripted("fails", "given", conduct="slow", on={Failure.PROVIDER_DOWN: default}),
        scripted("owes", "given", conduct="effect", on={Failure.RECEIVER_REFUSED: default}),
        scripted("asks", "fails", "owes", conduct="human", condition="input.asks"),
    ]
    acts = {"given": lambda _task, _tools: Result(data="x" * 100), "fails": fails, "owes": owes, "asks": asks}
    with stage(url, acts, receive=refuse, pace=Pace(beat=0.05)) as at:
        release = at.add(make_release(nodes))
        runs = [at.submit(release, {"id": str(n), "asks": n % 2 == 0}).run for n in range(RUNS)]
        assert Counter(at.rest(run).state for run in runs) == {"waiting": RUNS // 2, "completed": RUNS // 2}


def test_runs_that_rest_leave_nothing_of_themselves(sqlite_url: str, before: Counter[str]) -> None:
    """Neither their state nor their failures."""
    go_on(sqlite_url)
    assert alive() - before == {}


def test_segments_that_do_not_part_are_found(
    sqlite_url: str, before: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control: each segment and its recording keep one another, and the state."""
    monkeypatch.setattr(Recording, "part", lambda self: None)
    go_on(sqlite_url)
    left = alive() - before
    assert left["Segment"] == left["Recording"] == RUNS
    assert left["State"] >= RUNS


def test_news_of_runs_that_nobody_waits_for_are_not_kept(tmp_path: Path) -> None:
    """Who submits thousands of runs and looks at none of them keeps nothing of them; nor of those it waited for."""
    here = Here(tmp_path)
    with open_app(here.root) as app, runner(app) as made:
        given = [Given(name="bill", folder=tmp_path, data=bill(id=f"B{n}", amount="1.00 EUR")) for n in range(6)]
        runs = [made.submit(each, here.release).run for each in given]
        assert [made.wait(run, timeout=60).state for run in runs[:3]] == ["completed"] * 3
        while any(here.state(run) != "completed" for run in runs):
            Event().wait(0.02)
    assert made._rested == set()
    assert made._waited == {}
