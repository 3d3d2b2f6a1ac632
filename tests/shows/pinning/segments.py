"""A decision that arrives while a segment of its run is under way, by functions in place of steps."""

from collections.abc import Callable
from threading import Event
from typing import Final

from aie.core import JSON, Spend
from aie.errors import Conflict
from aie.layers import Outcome, Result, ReviewRequest, Task, Tools
from aie.records.events import ReviewDecided, ReviewOpened, RunFinished, SegmentQueued, SegmentStarted
from aie.runs import decide_review
from aie.testing.stage import EngineName, Stage, make_release, scripted, stage
from tests.shows.pinning.counting import Counts

__all__ = ["ENGINES", "KIND", "during_a_segment"]

ENGINES: Final[tuple[EngineName, ...]] = ("local", "dbos")
KIND: Final = "a decision during a running segment"
_PATIENCE: Final = 30.0

Decide = Callable[[Stage, str, ReviewDecided], object]


def _decide(at: Stage, run: str, decided: ReviewDecided) -> object:
    return decide_review(at.services, "default", run, decided)


def during_a_segment(counts: Counts, url: str, engine: EngineName, *, decide: Decide = _decide) -> None:
    """Open a review and hold the segment; decide on another page, decide, decide again; let go.

    Args:
        counts: where to count.
        url: an empty store.
        engine: where segments execute.
        decide: how a decision is recorded; a control breaks it.
    """
    going, go = Event(), Event()

    def ask(_task: Task, _tools: Tools) -> Outcome:
        return ReviewRequest(desk="desk", why="always", shown={"fields": {"label": {"value": "a"}}, "answer": {}})

    def once(task: Task, tools: Tools) -> Outcome:
        """Make a call: its intent is made durable with all that came before it, the open review too."""
        attempt = tools.attempts.open(model="m", request={"path": task.path}, worst=Spend(calls=1))
        if attempt.recorded is None:
            attempt.settle(Spend(calls=1), response="ok", resolved="m-1", ms=1)
        return Result(data="done")

    def hold(_task: Task, _tools: Tools) -> Outcome:
        going.set()
        go.wait(_PATIENCE)
        return Result(data="held")

    def said(task: Task, _tools: Tools) -> Outcome:
        return Result(data=task.inputs["ask"].data)

    nodes = [
        scripted("ask", conduct="human"),
        scripted("once", conduct="external"),
        scripted("hold", "once", conduct="slow"),
        scripted("said", "ask"),
    ]
    acts = {"ask": ask, "once": once, "hold": hold, "said": said}
    with stage(url, acts, engine=engine) as at:
        run = at.submit(at.add(make_release(nodes, result={"said": "said", "held": "hold"})), {"id": "1"}).run
        counts.attempted[KIND] += 3
        if not counts.expect(KIND, "the segment under way", going.wait(_PATIENCE), True):
            return
        review = _opened(at, run)
        try:
            stale = _try(at, run, _decision(review, "eve", "stale", shown_hash="sha256:other"), decide)
            first = _try(at, run, _decision(review, "ann", "first"), decide)
            second = _try(at, run, _decision(review, "bob", "second"), decide)
            counts.expect(KIND, f"{engine}: what was taken", (stale, first, second), (False, True, False))
            counts.expect(KIND, f"{engine}: the state meanwhile", at.row(run).state, "running")
        finally:
            go.set()
        row = at.rest(run)
        events = [each.event for each in at.events(run)]
        counts.accepted[KIND] += sum((stale, first, second))
        counts.refused[KIND] += 3 - sum((stale, first, second))
        counts.expect(KIND, f"{engine}: the state", row.state, "completed")
        output: JSON = next((each.output for each in events if isinstance(each, RunFinished)), None)
        counts.expect(KIND, f"{engine}: the outcome", output, {"said": {"label": "first"}, "held": "held"})
        whys = [each.why for each in events if isinstance(each, SegmentQueued)]
        counts.expect(KIND, f"{engine}: why it was queued", whys, ["submitted", "woken"])
        segments = [each.segment for each in events if isinstance(each, SegmentStarted)]
        counts.expect(KIND, f"{engine}: its segments", segments, [1, 2])


def _opened(at: Stage, run: str) -> ReviewOpened:
    return next(each.event for each in at.events(run) if isinstance(each.event, ReviewOpened))


def _decision(review: ReviewOpened, actor: str, label: str, *, shown_hash: str = "") -> ReviewDecided:
    return ReviewDecided(
        review=review.review,
        path=review.path,
        actor=actor,
        decision="correct",
        shown_hash=shown_hash or review.shown_hash,
        values={"label": label},
        reason="",
    )


def _try(at: Stage, run: str, decided: ReviewDecided, decide: Decide) -> bool:
    try:
        decide(at, run, decided)
    except Conflict:
        return False
    return True
