"""From `aie init` to the first explained run on files of one's own; and that the show of it can fail."""

from pathlib import Path

import pytest

from tests.acceptance.conftest import run_aie
from tests.shows.templates import JOURNEYS, run_show

pytestmark = pytest.mark.slow


def _aie(cwd: Path, *arguments: str) -> str:
    return run_aie(*arguments, cwd=cwd).out


def test_every_template_explains_a_reader_s_own_document():
    report = run_show(aie=_aie)
    assert report["missed"] == []
    assert report["attempted"] == len(JOURNEYS)
    assert all(each["lines_of_python"] == 0 for each in report["journeys"])


def test_without_what_finds_their_fields_the_templates_fail_the_same_check():
    report = run_show(control=True, aie=_aie)
    assert report["accepted"] == 0
