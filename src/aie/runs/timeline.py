"""The events of a run as lines that a person reads."""

from collections.abc import Iterable, Iterator

from aie.core import usd
from aie.records import Event, Recorded
from aie.records.events import (
    AttemptIntended,
    AttemptSettled,
    EffectDelivered,
    EffectFailed,
    EffectQueued,
    MapExpanded,
    ReviewDecided,
    ReviewOpened,
    RunCancelRequested,
    RunFinished,
    RunMigrated,
    RunNeedsRuntime,
    RunRetried,
    RunSubmitted,
    SegmentQueued,
    SegmentStarted,
    StepFailed,
    StepFinished,
    StepHeld,
    StepSkipped,
)
from aie.releases import short
from aie.runs.explanation import Moment

__all__ = ["tell"]

_WHY_QUEUED = {
    "decided": "goes on: a decision arrived",
    "delivered": "goes on: the receiver confirmed",
    "timer": "goes on: a time was reached",
    "recovered": "taken up again: the process that ran it died",
    "freed": "goes on: what a call waited for is there",
    "retried": "goes on from the failed step",
    "migrated": "goes on under another runtime",
    "woken": "goes on",
}
_DECISIONS = {"approve": "approved", "correct": "corrected", "reject": "rejected"}


def tell(records: Iterable[Recorded]) -> Iterator[Moment]:
    """Yield a line for each event that says something to people."""
    began, asked = False, dict[str, str]()
    for record in records:
        line = _run(record.event) or _step(record.event) or _outside(record.event)
        if isinstance(record.event, AttemptIntended):
            asked[record.event.attempt] = record.event.model
        if isinstance(record.event, AttemptSettled):
            line = (record.event.path, _settled(record.event, asked.get(record.event.attempt, "")))
        if isinstance(record.event, SegmentStarted):
            # The first claim needs no words; a later one without a cause in between is a crash that was survived.
            line = (record.event.executor, f"executing, epoch {record.event.epoch}") if began else None
            began = True
        if line is not None:
            yield Moment(at=record.at, who=line[0], text=line[1])


def _run(event: Event) -> tuple[str, str] | None:
    match event:
        case RunSubmitted(actor=actor, release=release, workflow=workflow, environment=environment):
            through = f" through {environment}" if environment else ""
            return actor, f"submitted, pinned to {short(release, workflow)}{through}"
        case SegmentQueued(why=why) if why in _WHY_QUEUED:
            return "run", _WHY_QUEUED[why]
        case RunCancelRequested(actor=actor, reason=reason):
            return actor, f"asked to cancel{f': {reason}' if reason else ''}"
        case RunRetried(actor=actor, path=path):
            return actor, f"asked to go on from {path}"
        case RunMigrated(actor=actor, reason=reason):
            return actor, f"moved the run to another runtime: {reason}"
        case RunNeedsRuntime(needs=needs):
            wanted = ", ".join(f"{layer} {version}" for layer, version in sorted(needs.items()))
            return "run", f"waits for a worker with {wanted}"
        case RunFinished(state=state, failure=failure, path=path):
            return "run", f"{state}{f' at {path}: {failure}' if failure else ''}"
        case _:
            return None


def _step(event: Event) -> tuple[str, str] | None:
    match event:
        case StepFinished(path=path, ms=ms):
            return path, f"done in {ms} ms"
        case StepSkipped(path=path, why=why):
            return path, f"skipped: {why}"
        case StepFailed(path=path, failure=failure, message=message):
            return path, f"failed, {failure}{f': {message}' if message else ''}"
        case StepHeld(path=path, why=why):
            return path, f"waits: {why}"
        case MapExpanded(path=path, keys=keys):
            return path, f"{len(keys)} items"
        case _:
            return None


def _settled(event: AttemptSettled, model: str) -> str:
    """Return what came of a call and what it cost: surely nothing, what was counted, or what was reserved."""
    call, cost = f"call {event.attempt}{f' of {model}' if model else ''}", usd(event.spend.get("cost", 0))
    match event.outcome:
        case "settled" if event.measured:
            return f"{call} answered in {event.ms} ms, {cost}"
        case "settled":
            return f"{call} answered in {event.ms} ms and did not count its tokens, {cost} at most"
        case "released":
            return f"{call} failed: {event.failure or 'it was not made'}, nothing billed"
        case _:
            return f"{call} failed: {event.failure or 'its process died'}, {cost} may have been billed"


def _outside(event: Event) -> tuple[str, str] | None:
    match event:
        case ReviewOpened(path=path, desk=desk, why=why):
            return path, f"waits for {desk}: {why}"
        case ReviewDecided(actor=actor, decision=decision, path=path, reason=reason):
            said = _DECISIONS.get(decision, decision)
            return actor, f"{said} {path}{f': {reason}' if reason else ''}"
        case EffectQueued(path=path, receiver=receiver):
            return path, f"owed to {receiver.removeprefix('receiver:')}"
        case EffectDelivered(path=path, attempt=attempt):
            return path, f"delivered, attempt {attempt}"
        case EffectFailed(path=path, attempt=attempt, failure=failure):
            return path, f"delivery {attempt} failed, {failure}"
        case _:
            return None
