"""The show of pinning, short, and its controls; the whole is its command."""

from random import Random
from typing import Any

import pytest

from aie.records import Entry
from aie.testing.stage import EngineName
from tests.shows.pinning.counting import Counts
from tests.shows.pinning.deciding import at_one_moment, on_a_stale_page
from tests.shows.pinning.moving import Scene, Waiting, moved_on, set_scene, untouched, upgraded
from tests.shows.pinning.place import this_package
from tests.shows.pinning.segments import ENGINES, during_a_segment

pytestmark = pytest.mark.slow

Set = tuple[Scene, Waiting]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Set:
    """Both templates, locked, and claims that wait for a person."""
    return set_scene(tmp_path_factory.mktemp("pinning"), this_package(), waiting=14, random=Random(7))


def _whole(counts: Counts) -> bool:
    assert counts.skipped == []
    return not counts.failed


def test_a_run_that_waited_ends_on_its_release(scene: Set) -> None:
    """While another release is promoted; the control loads that one for it."""
    counts = Counts()
    moved_on(counts, *scene)
    assert _whole(counts), counts.failures
    moved_on(control := Counts(), *scene, "release")
    assert not _whole(control)


def test_a_run_never_goes_on_under_another_layer_version(scene: Set) -> None:
    """It needs its runtime, an older worker ends it, a migration is in the open; the control compares no versions."""
    counts = Counts()
    upgraded(counts, *scene)
    untouched(counts, scene[0])
    assert _whole(counts), counts.failures
    upgraded(control := Counts(), *scene, "runtime")
    assert not _whole(control)


def test_one_of_two_decisions_counts(scene: Set) -> None:
    """At one moment, and on a page that is shown no more; the control records whatever comes."""
    counts = Counts()
    on_a_stale_page(counts, scene[0].claims, scene[1])
    at_one_moment(counts, scene[0].claims, scene[1], pairs=2, random=Random(7))
    assert _whole(counts), counts.failures
    at_one_moment(control := Counts(), scene[0].claims, scene[1], pairs=1, random=Random(7), breaks="conflict")
    assert not _whole(control)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_decision_during_a_running_segment_has_one_outcome(engine: EngineName, store_url: str) -> None:
    """The second one and the one on another page are refused; the run goes on with the first."""
    during_a_segment(counts := Counts(), store_url, engine)
    assert _whole(counts), counts.failures


def test_a_store_that_takes_every_decision_fails_the_show(sqlite_url: str) -> None:
    """Negative control: the last of three decides, or the run breaks on the second."""

    def unguarded(at: Any, run: str, decided: Any) -> None:
        at.services.journal.append(Entry(tenant="default", stream=run, decide=lambda _: [decided]))

    during_a_segment(counts := Counts(), sqlite_url, "local", decide=unguarded)
    assert not _whole(counts)
