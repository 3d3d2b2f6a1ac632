"""Lists on both databases: declared filters, newest first, pages that neither repeat nor leave out."""

import pytest

from aie.errors import InputError
from aie.records import EffectFilter, Journal, ReviewFilter, RunFilter, RunRow, Store, held_runs
from aie.records import events as ev
from tests.shows.story import EXECUTOR, append, submitted, tell


@pytest.fixture
def told(store: Store) -> Store:
    """A store with a story in it."""
    with Journal(store, "w1") as journal:
        tell(store, journal, runs=11)
    return store


def test_pages_neither_repeat_nor_leave_out(told: Store) -> None:
    """Following `after` to the end gives each run once, last submitted first."""
    whole = told.runs(limit=500)
    assert whole.after == ""
    seen: list[RunRow] = []
    after = ""
    while True:
        page = told.runs(limit=4, after=after)
        seen += page.rows
        after = page.after
        if not after:
            break
    assert seen == list(whole.rows)
    assert [run.submitted_at for run in seen] == sorted((run.submitted_at for run in seen), reverse=True)


def test_filters_narrow_together(told: Store) -> None:
    """Each declared filter, alone and with others."""
    assert len(told.runs(RunFilter(tenant="acme")).rows) == 11
    assert {run.state for run in told.runs(RunFilter(state="failed")).rows} == {"failed"}
    assert [run.failure for run in told.runs(RunFilter(failure="provider_down", tenant="acme")).rows] == [
        "provider_down"
    ]
    (one,) = told.runs(RunFilter(tenant="acme", search={"claim": "case-4"})).rows
    assert one.id == "run_acme0004"
    assert told.runs(RunFilter(tenant="acme", search={"claim": "case-4", "other": "x"})).rows == ()
    assert told.runs(RunFilter(workflow="nothing")).rows == ()
    assert told.runs(RunFilter(case_key=one.case_key)).rows == (one,)
    assert told.runs(RunFilter(since=one.submitted_at, until=one.submitted_at + 1)).rows == (one,)
    assert len(told.runs(RunFilter(release=one.release)).rows) == 22


@pytest.mark.parametrize("after", ["x", "12", "12.", ".run", "-1.run_1", "1e3.run"])
def test_a_token_that_is_none_is_refused(told: Store, after: str) -> None:
    """A typed error instead of a page from somewhere."""
    with pytest.raises(InputError):
        told.runs(after=after)


def test_reviews_and_effects_are_listed_by_state(told: Store) -> None:
    """Decided reviews are not open; delivered effects are not due."""
    assert told.reviews().rows == ()
    decided = told.reviews(ReviewFilter(state="decided", tenant="acme")).rows
    assert [(review.run, review.actor, review.decision) for review in decided] == [("run_acme0003", "bob", "approve")]
    assert [effect.state for effect in told.effects(EffectFilter(tenant="acme"))] == ["delivered"]
    assert told.due_effects() == ()


def holding(store: Store, journal: Journal, run: str, *waits: str, tenant: str = "acme") -> str:
    """Append a run that waits for these, each with a path and an amount of its own; return its id."""
    append(journal, tenant, run, submitted(store, tenant, run))
    held = [{"path": f"lines[{run}]/call", "on": on, "cost": len(run), "tokens": 1} for on in waits]
    append(journal, tenant, run, ev.RunWaiting(reviews=[], effects=[], held=held))
    return run


def test_many_runs_that_wait_for_one_thing_hide_none_that_waits_for_another(store: Store, journal: Journal) -> None:
    """Of each thing the longest waiting, whoever's run it is; a run that waits for several stands for each of them."""
    alpha, beta = "acme/workflow/alpha/total/total", "acme/workflow/beta/total/total"
    crowd = [holding(store, journal, f"run_a{n}", alpha) for n in range(6)]
    both = holding(store, journal, "run_both", alpha, beta)
    other = holding(store, journal, "run_other", "stop:workflow:claims")
    foreign = holding(store, journal, "run_foreign", "stop:workflow:claims", tenant="zeta")
    append(journal, "acme", "run_b", submitted(store, "acme", "b"))
    append(journal, "acme", "run_b", ev.RunWaiting(reviews=["decision"], effects=[]))
    assert [row.id for row in held_runs(store, limit=2)] == [*crowd[:2], both, other, foreign]
    assert [row.id for row in held_runs(store, limit=1)] == [crowd[0], both, other, foreign]
    assert len(held_runs(store)) == 9


def test_runs_that_wait_for_a_time_are_looked_at_by_that_time(store: Store, journal: Journal) -> None:
    """Each waits for a time of its own: those whose time comes first hide the others, not those that came first."""
    late, soon = (holding(store, journal, f"run_{at}", f"until:17950000000000{at}") for at in (20, 10))
    assert [row.id for row in held_runs(store, limit=1)] == [soon]
    assert [row.id for row in held_runs(store)] == [late, soon]


def test_effects_are_due_when_queued_or_interrupted(store: Store, journal: Journal) -> None:
    """Not before their time, and not while a live executor attempts them."""
    run = "run_1"
    append(journal, "acme", run, submitted(store, "acme", "1"))
    for key in ("now", "later", "held", "late", "orphaned"):
        owed = ev.EffectQueued(
            key=key, path=key, receiver="bank", semantics="idempotent", body_hash="h", request={"amount": "1"}
        )
        append(journal, "acme", run, owed)
    far = 2_000_000_000_000_000
    append(
        journal,
        "acme",
        run,
        ev.EffectAttempted(key="later", executor=EXECUTOR, path="p", attempt=1),
        ev.EffectFailed(key="later", failure="receiver_down", final=False, next_at=far, path="p", attempt=1),
        ev.EffectAttempted(key="held", executor=EXECUTOR, path="p", attempt=1),
        ev.EffectAttempted(key="late", executor=EXECUTOR, lease_until=1, path="p", attempt=1),
        ev.EffectAttempted(key="orphaned", executor="ex_dead", path="p", attempt=1),
    )
    assert {effect.key for effect in store.due_effects()} == {"now", "late", "orphaned"}


def test_releases_are_listed_newest_first(told: Store) -> None:
    """With what their events said."""
    (release,) = told.releases("acme", workflow="claims")
    assert release.actor == "ada"
    assert told.get_release(release.id, tenant="acme") == b"bundle of the release"
    assert told.releases("acme", workflow="other") == ()
    assert told.releases("nobody") == ()
