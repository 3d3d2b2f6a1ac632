"""What finds the fields is swapped in one file: the show in full, and what it guards broken."""

import pytest

from tests.shows.swapping import run_show

pytestmark = pytest.mark.slow


def test_rules_a_trained_extractor_and_a_prompt_find_the_same_and_no_other_file_changes() -> None:
    """All complete, one form, byte for byte the same files beside the extractor."""
    report = run_show(seed=2)
    assert report["missed"] == []
    assert report["accepted"] == report["attempted"] == 60


@pytest.mark.parametrize(("control", "missed"), [("files", "no other file changed"), ("quotes", "fields right >= 0.9")])
def test_the_show_fails_when_what_it_guards_is_broken(control: str, missed: str) -> None:
    """A second file that changes, and quotes that stand nowhere."""
    assert run_show(seed=2, control=control)["missed"] == [missed]
