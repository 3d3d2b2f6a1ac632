"""What is printed, and where."""

import json

import pytest

from aie.cli.moments import ago
from aie.cli.screen import Screen

HEAD = ("STATE", "RUN", "NOTE")
ROWS = [("completed", "run_1", "a note that is long enough to be wrapped in a narrow terminal"), ("dead", "run_22", "")]


def test_text_goes_to_stdout_and_talk_to_stderr(capsys: pytest.CaptureFixture[str]):
    screen = Screen("text")
    screen.show({"a": 1}, ["one"])
    screen.next("aie runs")
    seen = capsys.readouterr()
    assert (seen.out, seen.err) == ("one\n", "next: aie runs\n")


def test_json_is_alone(capsys: pytest.CaptureFixture[str]):
    """Programs get data and no talk."""
    screen = Screen("json")
    screen.show({"ä": [1]}, ["one"])
    screen.next("aie runs")
    seen = capsys.readouterr()
    assert json.loads(seen.out) == {"ä": [1]}
    assert seen.err == ""


@pytest.mark.parametrize("columns", [40, 60, 100])
def test_a_table_fits_its_terminal(monkeypatch: pytest.MonkeyPatch, columns: int):
    """The last column is wrapped; where even that has no room, each row becomes a block."""
    monkeypatch.setenv("COLUMNS", str(columns))
    lines = Screen("text").table(HEAD, ROWS)
    assert max(len(line) for line in lines) <= columns
    words = " ".join(" ".join(lines).split())
    assert "completed" in words
    assert "narrow terminal" in words


def test_a_block_for_each_row_where_columns_have_no_room(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "24")
    assert Screen("text").table(HEAD, ROWS)[0] == "STATE  completed"


def test_an_empty_table_has_no_head():
    assert Screen("text").table(HEAD, []) == []


def test_progress_is_silent_where_nobody_watches(capsys: pytest.CaptureFixture[str]):
    with Screen("text").progress("runs") as tick:
        tick(1, 2)
    seen = capsys.readouterr()
    assert seen.out + seen.err == ""


@pytest.mark.parametrize(
    ("seconds", "told"), [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7200, "2 h"), (172_800, "2 days"), (-5, "0 s")]
)
def test_ages_are_told_in_the_unit_that_fits(seconds: int, told: str):
    assert ago(seconds * 1_000_000, 0) == told
