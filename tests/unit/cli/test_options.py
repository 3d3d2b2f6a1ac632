"""Which workspace, which actor."""

from pathlib import Path

import pytest

from aie.cli.options import acting, find_workspace
from aie.errors import NotFound


def test_the_nearest_workspace_upwards_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "aie.yaml").touch()
    (tmp_path / "a/b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a/b")
    assert find_workspace(None) == tmp_path


def test_a_named_workspace_is_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """What follows may change folders."""
    (tmp_path / "w").mkdir()
    (tmp_path / "w/aie.yaml").touch()
    monkeypatch.chdir(tmp_path)
    assert find_workspace(Path("w")) == tmp_path / "w"


def test_a_folder_without_a_workspace_says_how_to_make_one(tmp_path: Path):
    with pytest.raises(NotFound) as caught:
        find_workspace(tmp_path)
    assert caught.value.hints == ("aie init NAME",)


def test_the_actor_is_as_given_else_the_user(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("getpass.getuser", lambda: "ada")
    assert (acting("dana"), acting("")) == ("dana", "ada")


def test_a_user_without_a_name_acts_by_number(monkeypatch: pytest.MonkeyPatch):
    """As in a container that knows no users."""

    def nobody() -> str:
        raise KeyError("uid not found")

    monkeypatch.setattr("getpass.getuser", nobody)
    assert acting("").startswith("uid-")
