"""Leases on both databases: who lives, who died, and what the dead left behind."""

import pytest

from aie.errors import FenceLost
from aie.records import (
    Journal,
    Store,
    claimable,
    drop_lease,
    expire_leases,
    orphans,
    renew_lease,
    submission,
    take_lease,
)
from aie.records import events as ev
from tests.shows.story import submitted

HOUR = 3_600_000_000
QUEUED = ev.SegmentQueued(segment=1, why="submitted")


def started(executor: str) -> ev.SegmentStarted:
    """Return the claim of a run in the commit that submits it."""
    return ev.SegmentStarted(segment=1, epoch=1, executor=executor, runtime={}, engine="local")


def test_a_lease_past_its_time_is_flipped_once_and_cannot_be_renewed(store: Store) -> None:
    """A process that comes back late learns that it must stop."""
    take_lease(store, "ex_short", ttl=-1_000_000, runtime={})
    take_lease(store, "ex_long", ttl=HOUR, runtime={"model": 2})
    assert renew_lease(store, "ex_long", ttl=HOUR) > 0
    assert expire_leases(store) == ["ex_short"]
    assert expire_leases(store) == []
    with pytest.raises(FenceLost):
        renew_lease(store, "ex_short", ttl=HOUR)


def test_a_lease_that_was_never_taken_cannot_be_renewed(store: Store) -> None:
    """Renewing does not create."""
    with pytest.raises(FenceLost):
        renew_lease(store, "ex_unknown", ttl=HOUR)


def test_orphans_are_the_running_runs_of_the_dead(store: Store, journal: Journal) -> None:
    """Asked again, the same answer: what was not taken over stays an orphan."""
    take_lease(store, "ex_dying", ttl=HOUR, runtime={})
    for number, executor in enumerate(("ex_dying", "ex_story", "ex_dying")):
        body = submitted(store, "acme", str(number))
        journal.append(submission("acme", f"run_{number}", body, QUEUED, started(executor), executor=executor))
    journal.append(submission("acme", "run_queued", submitted(store, "acme", "q"), QUEUED))
    assert orphans(store) == []
    drop_lease(store, "ex_dying")
    assert [run.id for run in orphans(store)] == ["run_0", "run_2"]
    assert [run.id for run in orphans(store, limit=1)] == ["run_0"]
    assert [run.id for run in orphans(store)] == ["run_0", "run_2"]


def test_an_executor_that_is_in_no_table_is_dead(store: Store, journal: Journal) -> None:
    """A store restored without its leases orphans what ran."""
    body = submitted(store, "acme", "1")
    journal.append(submission("acme", "run_1", body, QUEUED, started("ex_story"), executor="ex_story"))
    with store.transaction("lease") as link:
        link.run("DELETE FROM executors")
    assert [run.id for run in orphans(store)] == ["run_1"]


def test_queued_runs_are_offered_oldest_first_by_queue(store: Store, journal: Journal) -> None:
    """Bulk work does not show up for a worker that serves interactive runs."""
    for number in range(3):
        journal.append(submission("acme", f"run_{9 - number}", submitted(store, "acme", str(number)), QUEUED))
    found = claimable(store, limit=2, queues=["interactive"])
    assert [run.id for run in found] == ["run_9", "run_8"]
    assert claimable(store, limit=2, queues=["bulk"]) == []
    assert claimable(store, limit=2, queues=[]) == []


def test_runs_of_what_was_stopped_are_not_offered_and_hide_no_others(store: Store, journal: Journal) -> None:
    """A workflow of one tenant, or all of a tenant: an empty name."""
    for tenant in ("acme", "globex"):
        journal.append(submission(tenant, f"run_{tenant}", submitted(store, tenant, "q"), QUEUED))
    every = {"limit": 1, "queues": ["interactive"]}
    offered = [
        [row.tenant for row in claimable(store, besides=besides, **every)]  # type: ignore[arg-type]
        for besides in ([], [("acme", "claims")], [("acme", "")], [("acme", "other")], [("acme", ""), ("globex", "")])
    ]
    assert offered == [["acme"], ["globex"], ["globex"], ["acme"], []]
    crowd = [(f"tenant-{number}", "claims" if number % 2 else "") for number in range(3_000)]
    assert len(claimable(store, besides=crowd, **every)) == 1  # type: ignore[arg-type]
