"""A mistake in a workspace is refused at its line, and its hint, applied, removes it: a sample of the show."""

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from aie.errors import Problem
from aie.releases import check
from tests.shows.mutants import KINDS, mutants
from tests.shows.mutations import WORKSPACE, run, templates

pytestmark = pytest.mark.slow
FEW = ("unknown-key", "unknown-field", "missing-file", "json-comma")


def test_a_sample_of_every_kind_of_mistake_is_refused_at_its_line() -> None:
    """And most of the hints mend it."""
    report = run([WORKSPACE], seed=7, each=2)
    assert report.failures == []
    assert report.passed
    assert report.total().attempted == 2 * len(KINDS)


def test_a_mistake_in_a_template_is_refused_at_its_line(tmp_path: Path) -> None:
    """The files that people start from."""
    report = run(templates(tmp_path), seed=7, each=1)
    assert report.failures == []
    assert report.clean


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_there_is_room_for_twenty_mistakes_of_each_kind(kind: str) -> None:
    """A kind that could be made in a few places only would prove little."""
    assert len(mutants(WORKSPACE, kind, random.Random(1))) >= 20


def _one_line_below(root: Path) -> Sequence[Problem]:
    return [replace(each, line=each.line + 1) for each in check(root)]


def _silent(root: Path) -> Sequence[Problem]:
    return []


def _without_edits(root: Path) -> Sequence[Problem]:
    return [replace(each, edit=None) for each in check(root)]


@pytest.mark.parametrize("broken", [_one_line_below, _silent, _without_edits])
def test_a_checker_that_is_broken_fails_the_show(broken: object) -> None:
    """Negative control: another line, no refusal at all, no mending."""
    assert not run([WORKSPACE], seed=7, each=2, check=broken, kinds=FEW).passed  # type: ignore[arg-type]


def test_a_workspace_that_had_mistakes_before_fails_the_show() -> None:
    """Negative control: what is refused anyway proves nothing."""

    def always(root: Path) -> Sequence[Problem]:
        return [Problem(code="x", file="aie.yaml", line=1, col=1, key="", message="x")]

    assert not run([WORKSPACE], seed=7, each=1, check=always, kinds=FEW).passed
