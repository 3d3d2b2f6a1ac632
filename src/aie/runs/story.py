"""What a run's events say, by kind: the first half of explaining it."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from aie.records import Recorded
from aie.records.events import (
    AttemptIntended,
    AttemptSettled,
    EffectAttempted,
    EffectDelivered,
    EffectFailed,
    EffectQueued,
    ReviewDecided,
    ReviewOpened,
    RunFinished,
    RunMigrated,
    RunNeedsRuntime,
    RunSubmitted,
    RunWaiting,
    SegmentClosed,
    SegmentQueued,
    SegmentStarted,
    StepFailed,
    StepFinished,
    StepHeld,
    StepSkipped,
)
from aie.runs.causes import causes_of
from aie.runs.explanation import Trouble

__all__ = ["Story", "read_holds", "read_story"]


@dataclass(slots=True, kw_only=True)
class Story:
    """Events of one run by kind, the latest of each path or key winning."""

    submitted: Recorded | None = None
    finished: Recorded | None = None
    waiting: Recorded | None = None
    needs: RunNeedsRuntime | None = None
    moved: list[Recorded] = field(default_factory=list)
    phase: str = "queued"
    erased: bool = False
    steps: dict[str, Recorded] = field(default_factory=dict)
    """Finished or skipped, by path, in the order of their first record."""
    troubles: dict[str, list[Trouble]] = field(default_factory=dict)
    intended: dict[str, AttemptIntended] = field(default_factory=dict)
    settled: dict[str, AttemptSettled] = field(default_factory=dict)
    opened: dict[str, Recorded] = field(default_factory=dict)
    decided: dict[str, Recorded] = field(default_factory=dict)
    queued: dict[str, Recorded] = field(default_factory=dict)
    tried: dict[str, int] = field(default_factory=dict)
    delivered: dict[str, Recorded] = field(default_factory=dict)
    refused: dict[str, EffectFailed] = field(default_factory=dict)
    held: dict[str, str] = field(default_factory=dict)
    started: dict[int, Recorded] = field(default_factory=dict)
    """Segments by epoch."""
    closed: dict[int, SegmentClosed] = field(default_factory=dict)


def read_story(records: Iterable[Recorded]) -> Story:
    """Return what the events of a run say, in order."""
    story = Story()
    for record in records:
        story.erased = story.erased or record.erased
        _note(story, record)
    return story


def read_holds(records: Iterable[Recorded]) -> dict[str, str]:
    """Return what the steps of a waiting run wait for that no person decides, in words, by path."""
    return dict(read_story(records).held)


def _note(story: Story, record: Recorded) -> None:
    match record.event:
        case RunSubmitted():
            story.submitted = record
        case SegmentQueued():
            story.phase, story.needs, story.finished = "queued", None, None
        case SegmentStarted(epoch=epoch):
            story.phase, story.started[epoch] = "running", record
            story.held.clear()
        case StepHeld(path=path, why=why):
            story.held[path] = why
        case SegmentClosed(epoch=epoch) as event:
            story.closed[epoch] = event
        case RunWaiting():
            story.phase, story.waiting = "waiting", record
        case RunNeedsRuntime() as event:
            story.phase, story.needs = "needs_runtime", event
        case RunMigrated():
            story.moved.append(record)
        case RunFinished():
            story.finished = record
        case StepFinished(path=path) | StepSkipped(path=path):
            story.steps[path] = record
        case StepFailed(path=path, failure=failure, message=message, report=report):
            causes = tuple(causes_of(report, message or ""))
            trouble = Trouble(at=record.at, failure=failure, message=message or "", report=report, causes=causes)
            story.troubles.setdefault(path, []).append(trouble)
        case AttemptIntended(attempt=attempt) as event:
            story.intended[attempt] = event
        case AttemptSettled(attempt=attempt) as event:
            story.settled[attempt] = event
        case _:
            _note_outside(story, record)


def _note_outside(story: Story, record: Recorded) -> None:
    match record.event:
        case ReviewOpened(review=review):
            story.opened[review] = record
        case ReviewDecided(review=review):
            story.decided[review] = record
        case EffectQueued(key=key):
            story.queued[key] = record
            story.refused.pop(key, None)
        case EffectAttempted(key=key, attempt=attempt):
            story.tried[key] = attempt
        case EffectDelivered(key=key):
            story.delivered[key] = record
        case EffectFailed(key=key) as event:
            story.refused[key] = event
        case _:
            pass
