"""Identity of a release, and its verification."""

from collections.abc import Callable
from typing import Any

import pytest

from aie.core import canonical
from aie.errors import IntegrityError
from aie.releases import Release, open_release, short
from aie.releases.release import is_portable_path
from tests.unit.releases.conftest import COMPONENTS, FILES, MakeRelease


def test_the_same_content_has_the_same_id_whatever_its_order(make_release: MakeRelease) -> None:
    """Identity does not depend on the order in which things were found."""
    one = make_release()
    other = make_release(files=dict(reversed(FILES.items())), components=dict(reversed(COMPONENTS.items())))
    assert one.id == other.id
    assert canonical(one.lock) == canonical(other.lock)


@pytest.mark.parametrize(
    "change",
    [
        {"files": {"workflows/claims/workflow.yaml": b"workflow: claims \n"}},
        {"components": {"classifier:intent": canonical({"threshold": "0.80"})}},
        {"components": {"rules:new": b"{}"}},
        {"case": "input.other"},
        {"risk": "low"},
    ],
)
def test_any_change_of_behaviour_gives_another_id(make_release: MakeRelease, change: dict[str, Any]) -> None:
    """A byte of a file, a component or the plan: each is identity."""
    assert make_release(**change).id != make_release().id


def test_layer_versions_are_recorded_but_are_not_identity(make_release: MakeRelease) -> None:
    """The runtime part may differ between two locks of the same behaviour."""
    assert make_release(runtime={"check": 2, "model": 3}).id == make_release().id
    assert make_release().runtime == {"check": 1, "model": 3}


def test_people_name_a_release_by_its_workflow_and_twelve_digits(make_release: MakeRelease) -> None:
    """The short name is derived from the id alone."""
    release = make_release()
    assert release.short == f"claims@{release.id[7:19]}" == short(release.id, "claims")


def test_content_that_is_not_what_was_locked_is_named(make_release: MakeRelease) -> None:
    """Every difference is in the message, not only the first."""
    release = make_release()
    files = {**release.files, "workflows/claims/workflow.yaml": b"other", "extra.md": b""}
    components = {key: value for key, value in release.components.items() if key != "classifier:intent"}
    with pytest.raises(IntegrityError) as caught:
        open_release(release.lock, components=components, files=files)
    assert "file workflows/claims/workflow.yaml has other content" in caught.value.message
    assert "file extra.md was not locked" in caught.value.message
    assert "component classifier:intent is missing" in caught.value.message


def _set(*path: str, to: Any) -> Callable[[dict[str, Any]], None]:
    def change(lock: dict[str, Any]) -> None:
        for key in path[:-1]:
            lock = lock[key]
        lock[path[-1]] = to

    return change


@pytest.mark.parametrize(
    "change",
    [
        _set("format", to=2),
        _set("extra", to=1),
        _set("workflow", to="other"),
        _set("behaviour", to=[]),
        _set("runtime", to={"check": "1"}),
        _set("runtime", to={"check": True}),
        _set("behaviour", "files", to=[]),
        _set("behaviour", "files", to={"../up.yaml": "sha256:" + "0" * 64}),
        _set("behaviour", "files", to={"a.md": "md5:0"}),
        _set("behaviour", "components", to={}),
        _set("behaviour", "components", to=["x"]),
        _set("behaviour", "components", to=[{"kind": "Bad Kind", "name": "x", "digest": "sha256:" + "0" * 64}]),
        _set("behaviour", "plan", to=None),
    ],
)
def test_a_lock_that_is_not_in_form_is_refused(
    make_release: MakeRelease, change: Callable[[dict[str, Any]], None]
) -> None:
    """Whatever stands in a lock, opening it ends in a release or an integrity error."""
    release = make_release()
    lock = {**release.lock, "behaviour": dict(release.behaviour)}
    change(lock)
    with pytest.raises(IntegrityError):
        open_release(lock, components=release.components, files=release.files)


def test_two_paths_that_are_one_file_on_some_machines_are_refused(make_release: MakeRelease) -> None:
    """A release travels to file systems that ignore case."""
    with pytest.raises(IntegrityError, match="one file on some machines"):
        make_release(files={"Prompts/a.md": b"", "prompts/A.md": b""})


@pytest.mark.parametrize(
    ("path", "portable"),
    [
        ("workflows/claims/workflow.yaml", True),
        ("a/é.md", True),
        ("", False),
        ("/etc/passwd", False),
        ("a/../b", False),
        ("a//b", False),
        ("a\\b", False),
        ("C:/a", False),
        ("a/./b", False),
        ("a\nb", False),
        ("a. /b", False),
        ("a" * 501, False),
    ],
)
def test_only_paths_that_stay_inside_on_every_system_are_portable(path: str, portable: bool) -> None:
    """Absolute, climbing, reserved and invisible paths are not."""
    assert is_portable_path(path) is portable


def test_a_release_parses_its_plan(make_release: MakeRelease) -> None:
    """What runs execute comes out of the lock, typed."""
    release: Release = make_release(risk="low")
    assert release.plan.risk == "low"
