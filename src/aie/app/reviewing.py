"""Reviews: what is open, what is shown, what was decided."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from aie.app.opening import App
from aie.app.running import Runner
from aie.core import JSON
from aie.errors import Denied, InputError, NotFound
from aie.layers import answered
from aie.records import ReviewFilter, ReviewRow
from aie.records.events import ReviewDecided, ReviewOpened
from aie.runs import decide_review

__all__ = ["Decision", "ShownReview", "decide", "open_reviews", "show_review"]

Decision = Literal["approve", "correct", "reject"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownReview:
    """A review as a person sees it."""

    row: ReviewRow
    why: str
    """Why a person is asked."""
    shown: JSON
    """Fields, values, evidence, and the schema of an answer; a decision binds to its hash."""


def open_reviews(app: App, *, desk: str | None = None, limit: int = 50, after: str = "") -> tuple[ReviewRow, ...]:
    """Return open reviews, the longest waiting first."""
    return app.store.reviews(ReviewFilter(tenant=app.tenant, state="open", desk=desk), limit=limit, after=after).rows


def show_review(app: App, name: str) -> ShownReview:
    """Return a review by its own id or by its run's, when that has only one open.

    Raises:
        NotFound: there is none.
    """
    row = _find(app, name)
    for each in app.store.read(row.run, tenant=app.tenant):
        if isinstance(each.event, ReviewOpened) and each.event.review == row.id:
            return ShownReview(row=row, why=each.event.why, shown=each.event.shown)
    raise NotFound(f"the records of review {row.id} are gone")


def decide(
    runner: Runner,
    name: str,
    decision: Decision,
    *,
    values: Mapping[str, JSON] | None = None,
    reason: str = "",
    shown_hash: str = "",
) -> ReviewDecided:
    """Decide a review and make its run runnable.

    Args:
        runner: where to tell of it.
        name: the review's id, or its run's.
        decision: `approve` takes what was shown, `correct` takes it with `values` over it, `reject` refuses it.
        values: fields that differ.
        reason: why; required to reject.
        shown_hash: hash of the page the person saw; empty: the page shown now.

    Raises:
        NotFound, Denied, Conflict: no such review; not this actor's to decide; decided before, or another page.
        InputError: values that the review's answer does not allow, or no reason to reject.
    """
    app = runner.app
    review = show_review(app, name)
    allowed = app.settings.desks[review.row.desk].reviewers if review.row.desk in app.settings.desks else ()
    if allowed and app.actor not in allowed:
        raise Denied(
            f"{app.actor} does not decide at {review.row.desk}",
            hints=(f"--actor {allowed[0]}", "aie.yaml names the reviewers"),
        )
    if decision == "reject" and not reason:
        raise InputError("a rejection needs a reason", hints=("--reason '…'",))
    if decision == "correct" and not values:
        raise InputError("a correction needs values", hints=("--set field=value",))
    decided = ReviewDecided(
        review=review.row.id,
        path=review.row.path,
        actor=app.actor,
        decision=decision,
        shown_hash=shown_hash or review.row.shown_hash,
        values=None if decision == "reject" else answered(review.shown, decision, dict(values or {})),
        reason=reason,
    )
    decide_review(app.services, app.tenant, review.row.run, decided)
    runner.wake(review.row.run)
    return decided


def _find(app: App, name: str) -> ReviewRow:
    if name.startswith("run_"):
        rows = app.store.reviews(ReviewFilter(tenant=app.tenant, state="open", run=name), limit=2).rows
        if len(rows) == 1:
            return rows[0]
        what = "no open review" if not rows else "several open reviews"
        raise NotFound(f"run {name} has {what}", hints=("`aie review list` shows the open ones",))
    rows = app.store.reviews(ReviewFilter(tenant=app.tenant, state=None, id=name), limit=1).rows
    if not rows:
        raise NotFound(f"there is no review {name}", hints=("`aie review list` shows the open ones",))
    return rows[0]
