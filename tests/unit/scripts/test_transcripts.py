"""Transcripts in documents are really run, and a document that says something else is refused."""

import sys
from pathlib import Path

import pytest

import aie
from scripts.transcripts import alike, run_document

OLD = "run_" + "0" * 26
NEW = "run_" + "1" * 26


def test_a_true_transcript_passes_and_a_false_one_does_not(tmp_path: Path):
    """Negative control: one changed word of the output is a difference, at its line."""
    true = "text\n```console\n$ echo one; echo two >&2\none\ntwo\n```\n"
    assert run_document(true, tmp_path) == (true, [])
    _, differences = run_document(true.replace("\ntwo\n", "\nthree\n"), tmp_path)
    assert [text.splitlines()[0] for text in differences] == ["line 3: $ echo one; echo two >&2"]


def test_a_command_that_prints_more_than_documented_differs(tmp_path: Path):
    assert run_document("```console\n$ echo one; echo two\none\n```\n", tmp_path)[1]


def test_rewriting_puts_in_what_was_printed(tmp_path: Path):
    fresh, _ = run_document("```console\n$ echo one\nold\n```\n", tmp_path)
    assert fresh == "```console\n$ echo one\none\n```\n"


@pytest.mark.parametrize(
    ("documented", "actual"),
    [
        (f"done {OLD}", f"done {NEW}"),
        ("at 2026-01-02 03:04:05 UTC", "at 2026-11-12 13:14:15 UTC"),
        ("took 7 ms", "took 1204 ms"),
        ("cost  0 USD", "cost 0 USD"),
    ],
)
def test_what_differs_from_run_to_run_is_compared_by_shape(documented: str, actual: str):
    assert alike([documented], [actual])


@pytest.mark.parametrize(("documented", "actual"), [("claims@1a2b", "claims@1a2c"), ("3 runs", "4 runs"), ("", "x")])
def test_what_must_not_differ_is_compared_as_it_is(documented: str, actual: str):
    assert not alike([documented], [actual])


def test_dots_stand_for_any_number_of_lines():
    assert alike(["a", "…", "z"], ["a", "b", "c", "z"])
    assert alike(["a", "…", "z"], ["a", "z"])
    assert not alike(["a", "…", "z"], ["a", "b"])


def test_an_identifier_shown_is_replaced_in_later_commands(tmp_path: Path):
    """The document names the run of the day it was written; the command must name the run of today."""
    (tmp_path / "id").write_text(NEW, encoding="utf-8")
    text = f"```console\n$ cat id\n{OLD}\n$ echo {OLD} | grep -c $(cat id)\n1\n```\n"
    fresh, differences = run_document(text, tmp_path)
    assert differences == []
    assert OLD not in fresh


def test_a_shown_file_must_be_the_real_one(tmp_path: Path):
    """Negative control: the file changed, so the document is wrong."""
    (tmp_path / "w.yaml").write_text("a: 1\nb: 2\n", encoding="utf-8")
    text = "<!-- file: w.yaml -->\n```yaml\na: 1\n```\n"
    assert run_document(text, tmp_path)[1] == []
    assert run_document(text.replace("a: 1", "a: 3"), tmp_path)[1]
    assert run_document(text.replace("w.yaml", "v.yaml"), tmp_path)[1]


def test_a_file_is_written_for_the_commands_that_follow(tmp_path: Path):
    """A guide has its reader write files; its commands are run on what it says."""
    text = "<!-- write: deep/w.txt -->\n```yaml\na: 1\n```\n```console\n$ cat deep/w.txt\na: 1\n```\n"
    assert run_document(text, tmp_path) == (text, [])
    assert run_document(text.replace("```yaml\na: 1", "```yaml\na: 2"), tmp_path)[1]


def test_python_is_the_one_that_runs_this_and_finds_the_engine(tmp_path: Path):
    """Whatever stands first on the reader's path; the test kit's server is started so."""
    line = "$ python -c 'import aie, sys; print(sys.executable, aie.__file__)'"
    text = f"```console\n{line}\n{sys.executable} {aie.__file__}\n```\n"
    assert run_document(text, tmp_path) == (text, [])
