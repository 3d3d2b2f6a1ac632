"""What a run waits for that no worker could serve."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from aie.app import App, lacks, look_over, open_app, start_workspace
from aie.records import Entry
from aie.records.events import RunNeedsRuntime, SegmentQueued
from aie.releases import save_release
from aie.testing.stage import make_release
from tests.shows.story import submitted


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    """A workspace with a run that waits for the next version of a layer."""
    start_workspace(tmp_path / "w", "triage")
    with open_app(tmp_path / "w") as opened:
        release = make_release([], workflow="triage", runtime={"model": 2, "translate": 1, "review": 1})
        save_release(opened.store, opened.journal, release, tenant="default", actor="ann")
        first = replace(submitted(opened.store, "default", "c-1"), workflow="triage", release=release.id)
        events = [first, SegmentQueued(segment=1, why="submitted")]
        needs = RunNeedsRuntime(needs={"model": 2, "translate": 1}, provided={"model": 1, "translate": 0})
        opened.journal.append(Entry(tenant="default", stream="run_1", decide=lambda _: [*events, needs]))
        yield opened


def test_it_is_told_which_versions_are_needed_and_which_are_here(app: App):
    """A layer that is not here at all counts as version 0."""
    [lack] = lacks(app).values()
    assert (lack.needs, lack.installed, lack.here) == (
        {"translate": 1, "model": 2},
        {"translate": 0, "model": app.services.runtime()["model"]},
        False,
    )
    assert look_over(app).lacking == {"run_1": lack}


def test_a_run_that_waits_for_nothing_lacks_nothing(app: App):
    """Only the state of the row counts, not what was said before."""
    app.journal.append(
        Entry(tenant="default", stream="run_1", decide=lambda _: [SegmentQueued(segment=1, why="woken")])
    )
    assert lacks(app) == {}
    assert lacks(app, app.store.runs().rows) == {}
