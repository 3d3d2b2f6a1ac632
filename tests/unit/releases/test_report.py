"""What a release would change."""

from pathlib import Path

from aie.config import Workspace, load_workspace
from aie.releases import compile_release, plan_release
from tests.unit.releases.workspaces import CLAIMS, write

FLOW = "workflows/claims/workflow.yaml"


def _workspace(root: Path, old: str = "", new: str = "") -> Workspace:
    return load_workspace(write(root, {**CLAIMS, FLOW: CLAIMS[FLOW].replace(old, new, 1)}))


def test_the_first_release_is_said_to_be_the_first(tmp_path: Path) -> None:
    """There is nothing to compare with."""
    report = plan_release(_workspace(tmp_path), "claims", None)
    assert report.summary == f"{report.release.short} would be the first release"
    assert report.is_new
    assert report.changes == ()


def test_no_change_says_so(tmp_path: Path) -> None:
    """The files make what the environment runs already."""
    workspace = _workspace(tmp_path)
    current = compile_release(workspace, "claims")
    report = plan_release(workspace, "claims", current)
    assert report.summary == f"nothing changed: the files make {current.short}"
    assert not report.is_new


def test_a_change_is_told_with_its_reason(tmp_path: Path) -> None:
    """A limit and the line of the file that says it."""
    current = compile_release(_workspace(tmp_path / "a"), "claims")
    report = plan_release(_workspace(tmp_path / "b", "cost: 0.10 USD", "cost: 0.20 USD"), "claims", current)
    assert [change.message for change in report.changes] == [
        "limit cost 0.10 USD → 0.20 USD",
        f"{FLOW} changed: +1 −1 line",
    ]
    assert report.summary == f"{current.short} → {report.release.short}: 2 changes"
    assert report.to_json()["new"] is True


def test_planning_stores_nothing_in_the_workspace(tmp_path: Path) -> None:
    """It is a dry run."""
    workspace = _workspace(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    plan_release(workspace, "claims", None)
    assert sorted(tmp_path.rglob("*")) == before
