"""How the command behaves whatever it does: errors, pipes, JSON, narrow terminals."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.acceptance.conftest import ENVIRONMENT, command, run_aie

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("rnu",), 2, "did you mean 'run'"),
        (("run", "claims"), 2, "missing argument"),
        (("run", "claims", "nowhere.json"), 2, "nowhere.json cannot be read: no such file or directory"),
        (("run", "claims", "README.md"), 2, "README.md:1:1"),
        (("run", "claims", "examples/claim-001.json", "--release", "claims@000000000000"), 3, "no release"),
        (("run", "claims", "examples/claim-001.json", "-e", "moon"), 3, "no environment 'moon'"),
        (("run", "clams", "examples/claim-001.json"), 3, "clams"),
        (("release", "clams"), 3, "no workflow is named 'clams'"),
        (("explain", "run_x"), 3, "there is no run run_x"),
        (("review", "show", "rev_x"), 3, "there is no review rev_x"),
        (("cancel", "run_x"), 3, "no such run"),
        (("import", "aie.yaml"), 7, "not a bundle"),
        (("verify", "aie.yaml"), 2, "aie.yaml"),
        (("retry",), 2, "say which runs"),
        (("train", "nobody"), 3, "nobody"),
        (("init", "."), 4, "not empty"),
        (("runs", "--limit", "0"), 2, "limit"),
    ],
)
def test_bad_input_is_told_with_its_place_and_a_hint(claims: Path, arguments: tuple[str, ...], status: int, words: str):
    """One line of error, at least one of hint or place, a documented status, and never a traceback."""
    ended = run_aie(*arguments, cwd=claims)
    assert ended.status == status, ended.err
    assert words.lower() in ended.err.lower()
    assert ended.err.startswith("error: ")
    assert "Traceback" not in ended.err
    assert ended.out == ""


def test_every_mistake_in_the_files_is_told_at_once(claims: Path):
    """Three planted mistakes, three problems with file, line and column, status 2; with JSON as data."""
    workflow = claims / "workflows/claims/workflow.yaml"
    text = workflow.read_text()
    text = text.replace("input.amount < money", "input.amonut < money").replace("of: input\n", "of: inptu\n")
    workflow.write_text(text.replace("schemas/claim_out.json", "schemas/clam_out.json"))
    ended = run_aie("check", cwd=claims)
    assert ended.status == 2
    assert ended.out.count("workflows/claims/workflow.yaml:") >= 3
    problems = run_aie("check", "--format", "json", cwd=claims).data["problems"]
    assert {"file", "line", "col", "key", "message", "hint", "code", "edit"} <= problems[0].keys()
    assert run_aie("release", "claims", cwd=claims).status == 2


def test_what_will_disappoint_is_warned_of_and_is_no_mistake(claims: Path):
    """On stderr, with JSON as data; the status is 0."""
    models = claims / "models.yaml"
    where = "provider: openai_compatible, endpoint: 'http://models.example/v1', model: m"
    entry = f"  spare: {{kind: chat, {where}, local: true, context_window: 8000}}\n"
    models.write_text(models.read_text().replace("models:\n", f"models:\n{entry}", 1))
    ended = run_aie("check", cwd=claims)
    assert (ended.status, ended.out) == (0, "")
    assert "warning: models.spare.endpoint: plain http to models.example" in ended.err
    told = run_aie("check", "--format", "json", cwd=claims).data
    assert (told["problems"], len(told["warnings"])) == ([], 1)


def test_json_errors_are_json(claims: Path):
    """The object on stderr has the code, the message and the hints."""
    ended = run_aie("explain", "run_x", "--format", "json", cwd=claims)
    error = json.loads(ended.err)["error"]
    assert (error["code"], error["hints"]) == ("not-found", ["`aie runs` lists the runs"])


def test_a_reader_that_goes_away_is_no_error(claims: Path):
    """`aie schema workflow.yaml | head -0`: quiet, and nothing else is printed."""
    for arguments in (("schema", "workflow.yaml"), ("--help",)):
        with subprocess.Popen(command(*arguments), cwd=claims, env=ENVIRONMENT, stdout=-1, stderr=-1) as done:
            assert done.stdout is not None
            assert done.stderr is not None
            done.stdout.close()
            assert done.stderr.read() == b""
            assert done.wait(timeout=30) == 141


def test_sixty_columns_are_enough(claims: Path):
    """No line of tables or explanations is longer than the terminal, and nothing is coloured in a pipe."""
    run_aie("run", "claims", "examples/claim-001.json", "examples/claim-029.json", cwd=claims)
    [open_] = run_aie("review", "list", "--format", "json", cwd=claims).data
    for arguments in (("explain", open_["run"]), ("review", "list"), ("review", "show", open_["review"]), ("status",)):
        ended = run_aie(*arguments, cwd=claims, COLUMNS="60")
        assert max(len(line) for line in ended.out.splitlines()) <= 60, arguments
        assert "\x1b" not in ended.out


def test_each_command_names_the_next_one_on_stderr(claims: Path):
    """Data stays alone on stdout."""
    for arguments in (("status",), ("runs",), ("plan", "claims"), ("doctor",), ("check",)):
        ended = run_aie(*arguments, cwd=claims)
        assert "next: " not in ended.out
        if arguments != ("runs",):
            assert "next: aie " in ended.err


def test_bulk_runs_go_on_after_an_input_that_is_refused(claims: Path):
    """The refused input is told in its line, the others run, the status is 1."""
    (claims / "bad.json").write_text('{"claim_id": "X"}')
    ended = run_aie("run", "claims", "bad.json", "examples/claim-001.json", "--format", "json", cwd=claims)
    refused, done = (json.loads(line) for line in ended.out.splitlines())
    assert ended.status == 1
    assert refused["error"]["code"] == "input"
    assert done["state"] == "completed"


def test_the_demo_ends_as_it_should(tmp_path: Path):
    """Forty claims, one process killed, one claim decided, the chain verified: status 0 and the figures as JSON."""
    ended = run_aie("demo", tmp_path / "demo", "--format", "json", cwd=tmp_path)
    assert ended.status == 0, ended.err
    figures = ended.data
    told = {name: figures[name] for name in ("claims", "completed", "waiting", "set_aside", "payments", "altered")}
    assert told == {"claims": 40, "completed": 31, "waiting": 8, "set_aside": 1, "payments": 31, "altered": 0}
    assert figures["cost_micro_usd"] == 0


def test_a_slip_in_what_is_looked_for_is_refused_and_not_found_nowhere(claims: Path):
    """An empty list would be believed."""
    for arguments, hint in (
        (("runs", "--failure", "prov_down"), "did you mean `provider_down`?"),
        (("retry", "--failure", "prov_down", "--dry-run"), "did you mean `provider_down`?"),
        (("runs", "--search", "polici=NG-7"), "no workflow declares the search attribute 'polici'"),
    ):
        ended = run_aie(*arguments, cwd=claims)
        assert (ended.status, ended.out) == (2, "")
        assert hint in ended.err
    assert run_aie("runs", "--failure", "provider_down", cwd=claims).status == 0


def test_names_that_are_not_there_have_one_status_and_a_way_on(claims: Path):
    """A misspelt workflow, an environment, and a case where a run belongs."""
    ended = run_aie("run", "claim", "examples/claim-001.json", cwd=claims)
    assert (ended.status, "hint: did you mean `claims`?" in ended.err) == (3, True)
    promoted = run_aie("promote", "claims", "--to", "prod", cwd=claims)
    ran = run_aie("run", "claims", "examples/claim-001.json", "--environment", "prod", cwd=claims)
    assert (promoted.status, ran.status, promoted.err) == (3, 3, ran.err)
    run = run_aie("run", "claims", "examples/claim-001.json", "--format", "json", cwd=claims).data["run"]
    ended = run_aie("explain", "C-001", cwd=claims)
    assert (ended.status, f"hint: C-001 is a case of claims: aie explain {run}\n" in ended.err) == (3, True)


def test_without_a_tenant_named_it_is_the_first_one(claims: Path):
    """As `--help` says, whatever it is called."""
    site = claims / "aie.yaml"
    site.write_text(f"{site.read_text()}\ntenants: [north, south]\n")
    assert run_aie("release", "claims", cwd=claims).status == 0
    assert run_aie("promote", "claims", cwd=claims).status == 0
    ran = run_aie("run", "claims", "examples/claim-001.json", cwd=claims)
    assert ran.status == 0, ran.err
    listed = [run_aie("runs", *tenant, "--format", "json", cwd=claims).data for tenant in ((), ("--tenant", "north"))]
    assert listed[0] == listed[1] != run_aie("runs", "--tenant", "south", "--format", "json", cwd=claims).data
