"""What people ask of runs: submit, decide a review, cancel, retry, migrate. Each is one transaction.

A run that is waiting becomes runnable in the transaction that gives it the reason; a run whose segment is under way
only gets `wake` set, which the segment's closing transaction looks at.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from aie.core import JSON, UNTRUSTED, Labels, fibers
from aie.errors import AieError, Conflict, IdempotencyConflict, InputError, NotFound
from aie.records import Entry, Event, Locked, Recorded, Repeat, RunFilter, present, submission
from aie.records.events import (
    ReviewDecided,
    RunCancelRequested,
    RunMigrated,
    RunRetried,
    RunSubmitted,
    SegmentQueued,
    SegmentStarted,
)
from aie.runs.about import tell_about
from aie.runs.retiring import check_startable
from aie.runs.services import Loaded, Services
from aie.runs.sites import append, reached

__all__ = ["Relation", "Submission", "Submitted", "cancel", "decide_review", "migrate", "retry", "submit", "submit_all"]

Relation = Literal["", "supersede", "duplicate"]
"""What a later run of a case is to the first: `supersede` makes its effects anew, `duplicate` never repeats one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What someone wants run."""

    tenant: str
    release: str
    """Release id."""
    environment: str = ""
    """Pointer the release was chosen through."""
    input: Mapping[str, JSON]
    """Valid under the release's input schema."""
    labels: Labels = field(default=UNTRUSTED)
    actor: str
    key: str = ""
    """Idempotency key; empty: the case itself is the key."""
    queue: str = "interactive"
    relation: Relation = ""
    mode: str = "live"


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    """A run that was accepted, now or before."""

    run: str
    repeated: bool
    """The same input was submitted before: this is the run it became."""
    recorded: tuple[Recorded, ...] = ()
    """The run's first events, its claim included when the process started it at once."""


def submit(services: Services, wanted: Submission, *, claim: bool = False) -> Submitted:
    """Accept a run: when this returns, the run ends in a recorded state whatever dies.

    Args:
        services: the ports.
        wanted: what to run.
        claim: start it in this process at once, in the same transaction.

    Raises:
        Conflict: the case has a run, with another input or under another key, and `relation` does not say what this
            one is to it.
        IdempotencyConflict: the key was used with another input.
        Denied: the workflow or the tenant was stopped.
        InputError: the input does not tell its case, subject or search attributes.
    """
    return _put(services, wanted, claim=claim)()


def submit_all(services: Services, wanted: Sequence[Submission], *, claim: int = 0) -> list[Submitted | AieError]:
    """Accept many runs in as few transactions as they fit into; for each, what it became or why it was refused.

    Args:
        services: the ports.
        wanted: what to run.
        claim: how many to start in this process at once, from the first.
    """
    outcomes: list[Submitted | AieError | Callable[[], Submitted]] = []
    for number, each in enumerate(wanted):
        try:
            outcomes.append(_put(services, each, claim=number < claim))
        except AieError as error:
            outcomes.append(error)
    return [_outcome(each) if callable(each) else each for each in outcomes]


def _outcome(answered: Callable[[], Submitted]) -> Submitted | AieError:
    try:
        return answered()
    except AieError as error:
        return error


def _put(services: Services, wanted: Submission, *, claim: bool) -> Callable[[], Submitted]:
    """Put a submission into the journal; returns what waits for its answer."""
    loaded = services.releases.get(wanted.tenant, wanted.release)
    services.ledger.check_begin(wanted.tenant, loaded.index.plan.workflow)
    check_startable(services, loaded)
    run = services.ids.new("run")
    submitted = _event(services, loaded, wanted, run)
    if wanted.key and not wanted.relation:
        _check_first(services, wanted.tenant, submitted)
    events: list[Event] = [SegmentQueued(segment=1, why="submitted")]
    if claim:
        events.append(started(services, segment=1, epoch=1))
    entry = submission(wanted.tenant, run, submitted, *events, executor=services.executor if claim else "")
    reached("submission.before")
    answer: fibers.Answer[list[Recorded]] = fibers.Answer()
    services.journal.put(entry, answer)

    def answered() -> Submitted:
        try:
            recorded = answer.wait()
        except Repeat as repeat:
            return Submitted(run=repeat.run_id, repeated=True)
        except IdempotencyConflict as error:
            if wanted.key:
                raise
            raise _second(str(error.fields["run"])) from error
        reached("submission.after")
        return Submitted(run=run, repeated=False, recorded=tuple(recorded))

    return answered


def _check_first(services: Services, tenant: str, submitted: RunSubmitted) -> None:
    """Refuse a further run of a case under a key of its own; without one, the case itself is the key.

    Raises:
        Conflict: the case has a run under another key.
    """
    where = RunFilter(tenant=tenant, workflow=submitted.workflow, case_key=submitted.case)
    rows = services.store.runs(where, limit=20).rows
    if rows and all(row.idempotency_key != submitted.idempotency_key for row in rows):
        raise _second(rows[0].id)


def _second(run: str) -> Conflict:
    return Conflict(
        f"the case has run {run} already",
        hints=("say what this one is to it: `--relation supersede` or `--relation duplicate`",),
        run=run,
    )


def started(services: Services, *, segment: int, epoch: int) -> SegmentStarted:
    """Return the claim of a segment by this process."""
    return SegmentStarted(
        segment=segment,
        epoch=epoch,
        executor=services.executor,
        runtime=services.runtime(),
        engine=services.engine,
    )


def _event(services: Services, loaded: Loaded, wanted: Submission, run: str) -> RunSubmitted:
    plan, store, tenant = loaded.index.plan, services.store, wanted.tenant
    about = tell_about(plan, wanted.input)
    case_key = store.mac(tenant, "case", plan.workflow, about.case)
    key = wanted.key or (f"case:{case_key}" if not wanted.relation else run)
    return RunSubmitted(
        workflow=plan.workflow,
        release=wanted.release,
        environment=wanted.environment,
        mode=wanted.mode,
        actor=wanted.actor,
        case=case_key,
        subject=store.mac(tenant, "subject", about.subject),
        idempotency_key=store.mac(tenant, "key", plan.workflow, key),
        body_hash=store.ref(tenant, dict(wanted.input)),
        queue=wanted.queue,
        search=dict(about.search),
        relation=wanted.relation,
        input=dict(wanted.input),
        input_labels=wanted.labels.to_json(),
        case_text=about.case,
    )


def decide_review(services: Services, tenant: str, run: str, decided: ReviewDecided) -> list[Recorded]:
    """Record a person's decision and make the run runnable.

    Raises:
        NotFound: the run has no such review.
        Conflict: it was decided before or withdrawn, or the decision was made on another page than the one shown now.
    """

    def decide(locked: Locked) -> Sequence[Event]:
        row = present(locked)
        review = locked.reviews.get(decided.review)
        if review is None:
            raise NotFound(
                f"run {run} has no review {decided.review}", hints=("`aie review list` shows the open ones",)
            )
        if review.state != "open":
            by = f" by {review.actor}" if review.actor else ""
            raise Conflict(
                f"review {review.id} is {review.state}{by}", hints=("`aie review show` tells what was decided",)
            )
        if review.shown_hash != decided.shown_hash:
            raise Conflict("the page you decided on is not the one shown now", hints=("look at the review again",))
        return [decided, *_wake(locked, row.segment, "decided")]

    return append(services.journal, "decision", Entry(tenant=tenant, stream=run, decide=decide))


def cancel(services: Services, tenant: str, run: str, *, actor: str, reason: str) -> list[Recorded]:
    """Ask for a run to stop: nothing new begins, what is in flight ends, the run ends `cancelled`.

    Raises:
        Conflict: it has ended.
    """

    def decide(locked: Locked) -> Sequence[Event]:
        row = present(locked)
        if row.state not in ("queued", "running", "waiting", "needs_runtime"):
            raise Conflict(f"run {run} has ended: {row.state}")
        return [RunCancelRequested(actor=actor, reason=reason), *_wake(locked, row.segment, "cancelled")]

    return append(services.journal, "cancellation", Entry(tenant=tenant, stream=run, decide=decide))


def retry(services: Services, tenant: str, run: str, *, actor: str) -> list[Recorded]:
    """Let a failed run go on from its failed step, on the release it is pinned to; what it spent stays spent.

    Raises:
        Conflict: it has not failed.
    """

    def decide(locked: Locked) -> Sequence[Event]:
        row = present(locked)
        if row.state not in ("failed", "dead"):
            raise Conflict(
                f"run {run} has not failed: {row.state}", hints=("`aie runs --state failed` lists those that did",)
            )
        return [
            RunRetried(actor=actor, path=row.failed_path),
            SegmentQueued(segment=row.segment + 1, why="retried"),
        ]

    return append(services.journal, "retry", Entry(tenant=tenant, stream=run, decide=decide))


def migrate(services: Services, tenant: str, run: str, *, actor: str, reason: str) -> list[Recorded]:
    """Move a run that needs another runtime to this process's layer versions, in the open.

    Raises:
        Conflict: it does not wait for a runtime.
        InputError: no reason is given.
    """
    if not reason:
        raise InputError("a migration needs a reason", hints=("--reason 'why newer behaviour is acceptable here'",))

    def decide(locked: Locked) -> Sequence[Event]:
        row = present(locked)
        if row.state != "needs_runtime":
            raise Conflict(f"run {run} does not wait for a runtime: {row.state}")
        return [
            RunMigrated(actor=actor, runtime=services.runtime(), reason=reason),
            SegmentQueued(segment=row.segment, why="migrated"),
        ]

    return append(services.journal, "migration", Entry(tenant=tenant, stream=run, decide=decide))


def _wake(locked: Locked, segment: int, why: str) -> list[Event]:
    if locked.run is not None and locked.run.state == "waiting":
        return [SegmentQueued(segment=segment + 1, why=why)]
    return []
