"""Deadlines of people: a review that nobody decided in time becomes a failure of its step."""

from collections.abc import Sequence

from aie.errors import Conflict
from aie.records import Entry, Event, Locked, ReviewRow, present
from aie.records.events import ReviewExpired, SegmentQueued
from aie.runs.services import Services
from aie.runs.sites import append

__all__ = ["expire_review"]


def expire_review(services: Services, row: ReviewRow) -> bool:
    """Expire an open review past its deadline and make its run runnable; false when somebody was first."""

    def decide(locked: Locked) -> Sequence[Event]:
        run = present(locked)
        review = locked.reviews.get(row.id)
        if review is None or review.state != "open":
            raise Conflict(f"review {row.id} is not open any more")
        expired = ReviewExpired(review=row.id, path=row.path)
        if run.state == "waiting":
            return [expired, SegmentQueued(segment=run.segment + 1, why="expired")]
        return [expired]

    try:
        append(services.journal, "expiry", Entry(tenant=row.tenant, stream=row.run, decide=decide))
    except Conflict:
        return False
    return True
