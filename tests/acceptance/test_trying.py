"""The builder's loop: one step again under changed files, kept as a fixture that must give the same."""

import json
import subprocess
from pathlib import Path

import pytest

from aie.app import lock_release, open_app
from aie.testing import OpenAIServer
from tests.acceptance.conftest import ENVIRONMENT, command, run_aie
from tests.shows.one_workflow import MODELS, answer, workspace

pytestmark = pytest.mark.slow


@pytest.fixture
def decided(claims: Path) -> tuple[Path, str]:
    """A workspace whose claim 002, a PDF, was run."""
    ended = run_aie("run", "claims", "examples/claim-002.json", "--format", "json", cwd=claims)
    return claims, json.loads(ended.out.splitlines()[0])["run"]


def test_a_step_is_tried_on_what_a_run_recorded_and_tells_whether_it_gives_the_same(decided: tuple[Path, str]):
    """Nothing is recorded of a try: the run has as many events as before."""
    workspace, run = decided
    before = run_aie("explain", run, "--format", "json", cwd=workspace).data
    tried = run_aie("try", "passages", "--run", run, "--format", "json", cwd=workspace).data
    assert (tried["came"], tried["same"], tried["step"]) == ("finished", True, "passages")
    assert all(cite["quote"] for cite in tried["cites"])
    assert run_aie("explain", run, "--format", "json", cwd=workspace).data == before


def test_changed_files_are_tried_without_a_release(decided: tuple[Path, str]):
    workspace, run = decided
    file = workspace / "workflows/claims/workflow.yaml"
    file.write_text(file.read_text().replace("fit: 90 tokens", "fit: 30 tokens"))
    tried = run_aie("try", "passages", "--run", run, "--format", "json", cwd=workspace).data
    assert not tried["same"]
    assert len(tried["data"]["passages"]) >= 1


def test_an_effect_is_shown_and_not_made(decided: tuple[Path, str]):
    workspace, run = decided
    paid = sorted((workspace / "outbox").glob("*.json"))
    tried = run_aie("try", "pay", "--run", run, "--format", "json", cwd=workspace)
    assert tried.status == 0
    assert tried.data["came"] == "acts"
    assert sorted((workspace / "outbox").glob("*.json")) == paid


def test_a_step_is_found_by_its_case_and_a_misspelt_one_by_its_neighbour(decided: tuple[Path, str]):
    workspace, run = decided
    assert run_aie("try", "desk", "--case", "C-002", "--format", "json", cwd=workspace).data["run"] == run
    ended = run_aie("try", "dekk", cwd=workspace)
    assert ended.status == 3
    assert "desk" in ended.err
    assert run_aie("try", "desk", "--case", "C-999", cwd=workspace).status == 3


def test_the_page_shows_the_document_with_what_the_value_rests_on(decided: tuple[Path, str]):
    workspace, run = decided
    assert run_aie("try", "passages", "--run", run, "--html", "try.html", cwd=workspace).status == 0
    page = (workspace / "try.html").read_text()
    assert "<mark title=" in page
    assert "default-src 'none'" in page
    assert "<script" not in page


def test_a_fixture_holds_until_a_file_changes_what_its_step_gives(decided: tuple[Path, str]):
    """It carries its documents: it holds in a copy without the store. Changed words fail it; --update takes them."""
    workspace, run = decided
    for step in ("document", "passages", "agrees"):
        assert run_aie("try", step, "--run", run, "--save", step, cwd=workspace).status == 0
    (workspace / ".aie").rename(workspace.parent / "elsewhere")
    held = run_aie("test", cwd=workspace)
    assert held.status == 0
    assert "attempted 3, held 3, failed 0" in held.err

    file = workspace / "workflows/claims/workflow.yaml"
    file.write_text(file.read_text().replace("fit: 90 tokens", "fit: 30 tokens"))
    failed = run_aie("test", "claims", "--format", "json", cwd=workspace)
    assert failed.status == 1
    lines = [json.loads(line) for line in failed.out.splitlines()]
    assert [line["fixture"] for line in lines if not line["held"]] == ["claims/passages"]
    assert "aie test claims --update" in run_aie("test", "claims", cwd=workspace).err
    assert run_aie("test", "--update", cwd=workspace).status == 0
    assert run_aie("test", cwd=workspace).status == 0


def test_a_damaged_fixture_is_told_and_hinders_no_other(decided: tuple[Path, str]):
    workspace, run = decided
    assert run_aie("try", "desk", "--run", run, "--save", "desk", cwd=workspace).status == 0
    (workspace / "workflows/claims/fixtures/broken.json").write_text('{"step": "desk"}')
    ended = run_aie("test", cwd=workspace)
    assert ended.status == 1
    assert "attempted 2, held 1, failed 1" in ended.err
    assert "--update" not in ended.err, "it would mend nothing"
    assert run_aie("try", "desk", "--run", run, "--save", "../desk", cwd=workspace).status == 2


def test_watching_tries_again_when_a_file_changes_and_survives_a_mistake_in_it(decided: tuple[Path, str]):
    workspace, run = decided
    file = workspace / "workflows/claims/workflow.yaml"
    written = file.read_text()
    arguments = command("try", "passages", "--run", run, "--watch", "--format", "json")
    with subprocess.Popen(arguments, cwd=workspace, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True) as watching:
        assert watching.stdout is not None
        try:
            assert _next(watching)["same"]
            file.write_text(written.replace("fit: 90 tokens", "fit: ninety"))
            file.write_text(written.replace("fit: 90 tokens", "fit: 30 tokens"))
            assert not _next(watching)["same"]
        finally:
            watching.kill()


def _next(watching: "subprocess.Popen[str]") -> dict[str, object]:
    """Return the next JSON value that is printed over several lines."""
    lines: list[str] = []
    assert watching.stdout is not None
    for line in watching.stdout:
        lines.append(line)
        if line == "}\n":
            return json.loads("".join(lines))
    raise AssertionError("it ended")


def test_a_run_that_never_got_an_answer_is_no_run_to_try_on(tmp_path: Path):
    """It is said at once, with the way on; a run that has the answer is tried as always."""
    workspace(tmp_path, 1)
    (tmp_path / "models.yaml").write_text(MODELS["server"])
    for case in "01":
        (tmp_path / f"{case}.json").write_text(json.dumps({"id": case, "text": "you charged me twice"}))
    with open_app(tmp_path, actor="tester") as app:
        lock_release(app, "desks")
    with OpenAIServer(answer, faults=["none", "refused"]) as server:
        here = {"cwd": tmp_path, "ONE_WORKFLOW_URL": server.url}
        assert run_aie("run", "desks", "0.json", **here).status == 0
        assert run_aie("run", "desks", "1.json", **here).status == 1
        ended = run_aie("try", "desk", **here)
        assert (ended.status, ended.out) == (1, "")
        assert " got no answer for desk\nhint: --case NAME or --run RUN: one that has an answer\n" in ended.err
        assert run_aie("try", "desk", "--case", "0", "--format", "json", **here).data["same"]
        called = run_aie("try", "desk", "--call", **here)
        assert called.status == 0
        assert "1 call was made, it cost" in called.err
