"""What is looked at, and what is found wrong."""

from pathlib import Path

import pytest

from aie.app import examine, look_over, open_app, start_workspace
from aie.app.examining import _folder


def test_without_a_workspace_the_machine_is_examined():
    found = {each.what: each for each in examine(None)}
    assert found["sqlite"].verdict == "good"
    assert (found["workspace"].verdict, found["workspace"].mend) == ("note", "aie init NAME --template claims")


def test_a_fresh_workspace_is_good(tmp_path: Path):
    start_workspace(tmp_path / "w", "triage")
    assert {each.verdict for each in examine(tmp_path / "w")} <= {"good", "note"}


def test_mistakes_in_the_files_are_bad_and_the_store_still_opens(tmp_path: Path):
    """A half-edited workflow hinders no run."""
    start_workspace(tmp_path / "w", "triage")
    (tmp_path / "w/models.yaml").write_text("models: [")
    found = {each.what: each for each in examine(tmp_path / "w")}
    assert (found["files"].verdict, found["files"].mend, found["store"].verdict) == ("bad", "aie check", "good")


def test_keys_that_others_can_read_and_remote_disks_are_bad(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Both say how to mend it."""
    (tmp_path / "keys.json").touch(mode=0o644)
    monkeypatch.setattr("aie.app.examining._filesystem", lambda _: "nfs4")
    found = {each.what: each for each in _folder(tmp_path)}
    assert (found["keys"].verdict, found["filesystem"].verdict) == ("bad", "bad")
    assert found["keys"].mend.startswith("chmod 600")


def test_an_empty_store_is_looked_over_without_a_word(tmp_path: Path):
    start_workspace(tmp_path / "w", "triage")
    with open_app(tmp_path / "w") as app:
        seen = look_over(app)
    assert (seen.environments, seen.states, seen.waiting, seen.oldest) == ((), {}, 0, None)
