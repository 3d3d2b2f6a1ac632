"""What is looked at, and what is found wrong."""

from pathlib import Path

import pytest

from aie.app import examine, look_over, needs, open_app, start_workspace
from aie.app.examining import _database, _folder, _readers
from aie.errors import Unavailable
from aie.layers.extract import Bounds


def test_without_a_workspace_the_machine_is_examined():
    found = {each.what: each for each in examine(None)}
    assert found["sqlite"].verdict == "good"
    assert (found["workspace"].verdict, found["workspace"].mend) == ("note", "aie init NAME --template claims")


def test_an_extra_inside_a_namespace_that_is_not_there_is_not_installed(monkeypatch: pytest.MonkeyPatch):
    """As that of a vendor whose other packages may or may not be."""
    modules = {"there": "google.genai", "not": "google.nothing", "nowhere": "nothing_at_all.genai"}
    monkeypatch.setattr(needs, "EXTRAS", modules)
    assert [needs.is_installed(extra) for extra in modules] == [True, False, False]


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


class Readers:
    """A sandbox that says what it is told to."""

    bounds = Bounds()

    def __init__(self, network: str = "") -> None:
        self.network = network

    def isolation(self) -> dict[str, str]:
        """Say it."""
        if not self.network:
            raise Unavailable("the document readers cannot start", hints=("reinstall the package",))
        return {"network": self.network, "user": "nobody"}


@pytest.mark.parametrize(("network", "verdict"), [("none", "good"), ("open", "note"), ("", "bad")])
def test_how_closed_the_readers_are_is_told(network: str, verdict: str):
    """With what is to be done where they are not."""
    found = _readers(Readers(network))
    assert found.verdict == verdict
    assert bool(found.mend) == (verdict != "good")


def test_a_damaged_database_is_bad(tmp_path: Path):
    """SQLite's own quick check looks through the file; a fresh one is whole."""
    start_workspace(tmp_path / "w", "triage")
    assert {each.what: each.verdict for each in examine(tmp_path / "w")}["database"] == "good"
    assert (_database("row 7 missing from index").verdict, _database("").verdict) == ("bad", "good")
    path = next((tmp_path / "w").rglob("*.db"))
    with path.open("r+b") as file:
        file.seek(4096 * 2)
        file.write(b"\xff" * 4096 * 4)
    found = list(examine(tmp_path / "w"))
    assert any(each.verdict == "bad" and each.what in ("database", "store") for each in found)
