"""A story told into a store: runs that finish, wait, fail and act; releases, moves, blobs and an erased person.

Everything is fixed but keys and salts, so two stores told the same story project to the same rows.
"""

from itertools import count

from aie.core import LabelsJSON, Spend, digest_bytes
from aie.records import (
    Entry,
    Event,
    Journal,
    Store,
    budget_stream,
    destroy_key,
    environment_stream,
    locked_windows,
    release_stream,
    return_pass,
    stop_stream,
    submission,
    take_lease,
    take_pass,
)
from aie.records import events as ev

__all__ = ["EXECUTOR", "LABELS", "StoryClock", "append", "step", "submitted", "tell"]

EXECUTOR = "ex_story"
LABELS: LabelsJSON = {"classes": ["personal"], "regions": None, "integrity": "untrusted"}
SPEND = {"cost": 120, "tokens": 40, "calls": 1}


class StoryClock:
    """Each look is a millisecond later than the one before."""

    def __init__(self) -> None:
        self._ticks = count(1_795_000_000_000_000, 1_000)

    def now(self) -> int:
        """Return the next millisecond."""
        return next(self._ticks)

    def monotonic(self) -> int:
        """Return the next millisecond."""
        return next(self._ticks)


def submitted(store: Store, tenant: str, case: str, *, key: str = "") -> ev.RunSubmitted:
    """Return the submission of one case."""
    return ev.RunSubmitted(
        workflow="claims",
        release="sha256:" + "1" * 64,
        environment="production",
        mode="live",
        actor="ada",
        case=store.mac(tenant, "case", case),
        subject=store.mac(tenant, "subject", case),
        idempotency_key=key or case,
        body_hash=store.ref(tenant, {"claim": case}),
        search={"claim": case},
        input={"claim": case, "note": f"water damage in {case}", "score": 0.25},
        input_labels=LABELS,
        case_text=case,
    )


def step(path: str, *, output: str = "water") -> ev.StepFinished:
    """Return a finished step."""
    return ev.StepFinished(
        path=path, ref="hmac:" + "2" * 64, labels=LABELS, reads={}, ms=3, cpu_us=900, output={"is": output}, cites=[]
    )


def append(journal: Journal, tenant: str, stream: str, *events: Event, epoch: int = 0) -> None:
    """Append events without a condition."""
    journal.append(Entry(tenant=tenant, stream=stream, decide=lambda _: events, segment=int(epoch > 0), epoch=epoch))


def tell(
    store: Store,
    journal: Journal,
    *,
    runs: int,
    tenants: tuple[str, ...] = ("acme", "globex"),
    executor: str = EXECUTOR,
) -> None:
    """Tell the story: `runs` runs for each tenant, every tenth with a review and an effect."""
    take_lease(store, executor, ttl=3_600_000_000, runtime={"model": 1})
    for tenant in tenants:
        _tell_release(store, journal, tenant)
        for number in range(runs):
            _tell_run(store, journal, tenant, number, executor)
        erased = store.mac(tenant, "subject", "case-1")
        destroy_key(store, journal, tenant=tenant, subject=erased, actor="ada", reason="asked for")


def _tell_release(store: Store, journal: Journal, tenant: str) -> None:
    release = "sha256:" + "1" * 64
    bundle = b"bundle of the release"
    store.put_release(tenant, release, bundle)
    created = ev.ReleaseCreated(release=release, workflow="claims", actor="ada", bundle=digest_bytes(bundle))
    append(journal, tenant, release_stream(tenant, release), created)
    moved = ev.EnvironmentMoved(
        workflow="claims",
        environment="production",
        pointer="stable",
        before="",
        after=release,
        actor="ada",
        verb="promote",
    )
    append(journal, tenant, environment_stream(tenant, "claims", "production"), moved)
    capped = ev.BudgetSet(
        scope="tenant", name=tenant, cost=9_000_000, tokens=None, per="total", on_exhausted="wait", actor="ada",
        reason="a lean month",
    )  # fmt: skip
    append(journal, tenant, budget_stream(tenant, "tenant", tenant), capped)
    window = f"{tenant}/tenant/{tenant}/total/total"
    with locked_windows(store, tenant, [window]) as shares:
        shares.grant(tenant, window, f"{window}#1", EXECUTOR, Spend(cost=1_000_000, tokens=1_000_000))
    take_pass(store, "reader", {"rpm": 600}, name=f"pass_{tenant}", tokens=40, holds=60_000_000)
    return_pass(store, f"pass_{tenant}", tokens=30)
    stopped = ev.StopSet(kind="model", name="reader", actor="ada", reason="it rambles")
    lifted = ev.StopLifted(kind="model", name="reader", actor="bob", reason="it was replaced")
    append(journal, tenant, stop_stream(tenant, "model", "reader"), stopped, lifted)


def _tell_run(store: Store, journal: Journal, tenant: str, number: int, executor: str) -> None:
    case = f"case-{number}"
    run = f"run_{tenant}{number:04}"
    first = submitted(store, tenant, case)
    store.put_blob(tenant, first.subject, f"claim form of {case}".encode() * 5)
    queued = ev.SegmentQueued(segment=1, why="submitted")
    journal.append(submission(tenant, run, first, queued, _started(1, executor), executor=executor))
    draws = {f"{tenant}/tenant/{tenant}/total/total": f"{tenant}/tenant/{tenant}/total/total#1"}
    intended = ev.AttemptIntended(
        attempt="fields#1", path="fields", epoch=1, model="reader", request="hmac:" + "3" * 64, worst=SPEND, draws=draws
    )
    settled = ev.AttemptSettled(
        attempt="fields#1", path="fields", outcome="settled", spend=SPEND, response={"logprob": -0.5}, reserved=SPEND,
        draws=draws,
    )  # fmt: skip
    events = (step("document"), intended, settled, step("fields"))
    slabs = tuple(draws.values())
    journal.append(Entry(tenant=tenant, stream=run, decide=lambda _: events, segment=1, epoch=1, slabs=slabs))
    if number % 10 == 3:
        _tell_wait(store, journal, run, (tenant, executor))
        return
    closed = ev.SegmentClosed(segment=1, epoch=1, executing_ms=7)
    state = "failed" if number % 10 == 7 else "completed"
    failure = "provider_down" if state == "failed" else ""
    finished = ev.RunFinished(
        state=state, epoch=1, failure=failure, path="fields" if failure else "", spend=SPEND, output={"pay": "1.00 USD"}
    )
    append(journal, tenant, run, finished, closed, epoch=1)


def _tell_wait(store: Store, journal: Journal, run: str, who: tuple[str, str]) -> None:
    """A run that asks a person and owes an effect, is decided, and goes on."""
    tenant, executor = who
    review, effect = f"rev_{run}", store.mac(tenant, "effect", run)
    opened = ev.ReviewOpened(
        review=review, path="decision", desk="claims", shown_hash="sha256:" + "4" * 64, why="always", shown={"a": 1}
    )
    owed = ev.EffectQueued(
        key=effect, path="pay", receiver="bank", semantics="idempotent", body_hash="hmac:5", request={"amount": "1"}
    )
    waiting = ev.RunWaiting(reviews=["decision"], effects=["pay"])
    append(journal, tenant, run, opened, owed, waiting, ev.SegmentClosed(segment=1, epoch=1, executing_ms=5), epoch=1)
    tried = ev.EffectAttempted(key=effect, path="pay", attempt=1, executor=executor)
    append(journal, tenant, run, tried)
    append(journal, tenant, run, ev.EffectDelivered(key=effect, path="pay", attempt=1, receipt={"id": "r1"}))
    decided = ev.ReviewDecided(
        review=review, path="decision", actor="bob", decision="approve", shown_hash="sha256:" + "4" * 64, values={}
    )
    append(journal, tenant, run, decided, ev.SegmentQueued(segment=2, why="decided"))
    append(journal, tenant, run, _started(2, executor, epoch=2), epoch=2)


def _started(segment: int, executor: str, *, epoch: int = 1) -> ev.SegmentStarted:
    return ev.SegmentStarted(segment=segment, epoch=epoch, executor=executor, runtime={"model": 1}, engine="local")
