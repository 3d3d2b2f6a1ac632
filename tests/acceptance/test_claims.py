"""The claims template from files to proof, with the command as a process."""

import contextlib
import json
import re
import signal
import sqlite3
import subprocess
import time
from pathlib import Path

import pytest

from tests.acceptance.conftest import ENVIRONMENT, command, run_aie

pytestmark = pytest.mark.slow


def run_claims(workspace: Path, *numbers: str) -> dict[str, dict[str, str]]:
    """Run example claims and return what was printed of each, by number."""
    ended = run_aie("run", "claims", *(f"examples/claim-{n}.json" for n in numbers), "--format", "json", cwd=workspace)
    lines = [json.loads(line) for line in ended.out.splitlines()]
    return {line["input"].removesuffix(".json")[-3:]: line for line in lines}


def test_a_claim_goes_from_its_letter_to_a_payment_that_is_explained(claims: Path):
    """The clear claim is paid without a person, and its explanation quotes the letter by page."""
    ended = run_aie("run", "claims", "examples/claim-020.json", cwd=claims)
    assert ended.status == 0
    state, run = ended.out.split()[:2]
    assert state == "completed"
    assert f"next: aie explain {run}" in ended.err

    told = run_aie("explain", run, cwd=claims)
    assert told.status == 0
    for words in (
        "completed, decided without a person",
        "495.00 USD",
        "claim-020.pdf, page 2",
        "0 USD",
        "classifier desk",
    ):
        assert words in told.out

    [payment] = (claims / "outbox").glob("*.json")
    assert "495.00 USD" in payment.read_text()


def test_what_is_doubtful_waits_and_what_cannot_be_read_is_set_aside(claims: Path):
    """Unclear desk, sum above the limit, sum and policy that the letter does not name: a person. Cut-off file: dead."""
    seen = run_claims(claims, "001", "009", "015", "017", "028", "029", "040")
    assert {number: line["state"] for number, line in seen.items()} == {
        "001": "completed",
        "009": "waiting",
        "015": "waiting",
        "017": "waiting",
        "028": "waiting",
        "029": "waiting",
        "040": "dead",
    }
    assert (seen["040"]["failure"], seen["040"]["step"]) == ("truncated", "document")
    assert seen["040"]["message"], "why, in words"
    assert len(list((claims / "outbox").glob("*.json"))) == 1


def test_a_person_corrects_a_claim_and_the_explanation_says_who_and_what(claims: Path):
    """The decision binds to what was shown; a second one is refused; the payment carries the corrected desk."""
    run = run_claims(claims, "029")["029"]["run"]
    [open_] = run_aie("review", "list", "--format", "json", cwd=claims).data
    shown = run_aie("review", "show", open_["review"], "--format", "json", cwd=claims).data
    assert shown["shown"]["fields"]["label"]["value"] == "motor"

    wrong_page = ("review", "decide", open_["review"], "approve", "--shown", "sha256:" + "0" * 64)
    assert run_aie(*wrong_page, cwd=claims).status == 4
    nonsense = run_aie("review", "decide", open_["review"], "correct", "--set", "label=spaceships", cwd=claims)
    assert (nonsense.status, "label" in nonsense.err) == (2, True)

    decide = ("review", "decide", open_["review"], "correct", "--set", "label=liability", "--reason", "third party")
    ended = run_aie(*decide, "--shown", shown["shown_hash"], "--actor", "dana", cwd=claims)
    assert (ended.status, ended.out.split()[-1]) == (0, "completed")
    assert run_aie(*decide, cwd=claims).status == 4

    explanation = run_aie("explain", run, "--format", "json", cwd=claims).data
    [review] = explanation["reviews"]
    assert (review["actor"], review["decision"], review["changed"]) == (
        "dana",
        "correct",
        {"label": ["motor", "liability"]},
    )
    assert explanation["output"]["desk"] == "liability"
    [payment] = (claims / "outbox").glob("*.json")
    assert "liability" in payment.read_text()


def test_the_same_input_again_is_the_same_run(claims: Path):
    """The case is the idempotency key: a repeat is answered, another input under the same case is a conflict."""
    first = run_claims(claims, "001")["001"]
    again = run_claims(claims, "001")["001"]
    assert (again["run"], again["repeated"]) == (first["run"], True)
    form = json.loads((claims / "examples/claim-001.json").read_text())
    (claims / "examples/other.json").write_text(json.dumps(form | {"amount": "9.00 USD"}))
    assert run_aie("run", "claims", "examples/other.json", cwd=claims).status == 4


def test_the_page_opens_offline_and_runs_nothing(claims: Path):
    """No script, no address outside, a policy that allows nothing but its own style."""
    run = run_claims(claims, "007")["007"]["run"]
    assert run_aie("explain", run, "--html", "page.html", cwd=claims).out == "page.html\n"
    page = (claims / "page.html").read_text()
    assert "default-src 'none'; style-src 'sha256-" in page
    assert "<mark" in page
    assert not re.search(r"<script|<link|<img|https?://|style=", page)


def test_records_verify_live_from_an_export_and_against_a_saved_head(claims: Path):
    """The control: one byte of an event changed in the database is found, status 7."""
    run_claims(claims, "001", "040")
    good = run_aie("verify", "--save-head", "head.json", "--export", "audit.zip", "--format", "json", cwd=claims)
    assert (good.status, good.data["intact"]) == (0, True)
    assert run_aie("verify", "audit.zip", "--head", "head.json", cwd=claims.parent / "claims").status == 0
    assert run_aie("rebuild", cwd=claims).status == 0
    assert run_aie("verify", "--head", "head.json", cwd=claims).status == 0
    with contextlib.closing(sqlite3.connect(claims / ".aie/aie.db")) as database, database:
        database.execute("UPDATE events SET body = replace(body, 'tester', 'nobody') WHERE type = 'run.submitted'")
    bad = run_aie("verify", cwd=claims)
    assert bad.status == 7
    assert "error: " in bad.err


def test_a_killed_process_loses_nothing_and_pays_nobody_twice(claims: Path):
    """SIGKILL after the first payments; the same command again ends every claim, one payment each."""
    inputs = sorted(f"examples/{path.name}" for path in (claims / "examples").glob("claim-*.json"))
    child = subprocess.Popen(command("run", "claims", *inputs), cwd=claims, env=ENVIRONMENT, stdout=-3, stderr=-3)
    until = time.monotonic() + 50
    while child.poll() is None and len(list((claims / "outbox").glob("*.json"))) < 3 and time.monotonic() < until:
        time.sleep(0.002)
    child.send_signal(signal.SIGKILL)
    child.wait()
    ended = run_aie("run", "claims", *inputs, cwd=claims)
    states = [line.split()[0] for line in ended.out.splitlines()]
    assert {state: states.count(state) for state in set(states)} == {"completed": 30, "waiting": 9, "dead": 1}
    payments = [json.loads(path.read_text()) for path in (claims / "outbox").glob("*.json")]
    cases = [json.dumps(each).split('"claim_id": "')[1][:5] for each in payments]
    assert len(cases) == len(set(cases)) == 30
    assert run_aie("verify", cwd=claims).status == 0


def test_an_interrupted_wait_loses_nothing(claims: Path):
    """Ctrl-C ends the command with 130; what was accepted goes on with the next worker."""
    inputs = sorted(f"examples/{path.name}" for path in (claims / "examples").glob("claim-*.json"))
    child = subprocess.Popen(
        command("run", "claims", *inputs), cwd=claims, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert child.stdout is not None
    child.stdout.readline()
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=50)
    assert child.returncode in (0, 1, 130), err
    assert b"Traceback" not in err
    assert run_aie("worker", "--until-idle", cwd=claims).status == 0
    rows = run_aie("runs", "--limit", "100", "--format", "json", cwd=claims).data["runs"]
    assert {row["state"] for row in rows} <= {"completed", "waiting", "dead"}


def test_a_release_travels_and_gives_the_same_answers(claims: Path, tmp_path: Path):
    """Export, import in an empty store: same id, same decision; a changed byte is refused."""
    [name] = run_aie("release", "claims", cwd=claims).out.split()[:1]
    assert run_aie("export", name, "-o", "bundle.aie", cwd=claims).status == 0
    other = tmp_path / "other"
    run_aie("init", other, cwd=tmp_path)
    assert run_aie("import", claims / "bundle.aie", cwd=other).out.strip() == name
    assert run_aie("run", "claims", "examples/claim-001.json", "--release", name, cwd=other).out.startswith("completed")
    bundle = bytearray((claims / "bundle.aie").read_bytes())
    bundle[len(bundle) // 2] ^= 1
    (other / "bad.aie").write_bytes(bundle)
    assert run_aie("import", "bad.aie", cwd=other).status == 7


def test_environments_move_forth_and_back(claims: Path):
    """A changed limit is another release; plan and diff say so in words; rollback returns to the first."""
    workflow = claims / "workflows/claims/workflow.yaml"
    first = run_aie("release", "claims", cwd=claims).out.split()[0]
    workflow.write_text(workflow.read_text().replace("time: 60 s", "time: 30 s"))
    assert "limit time 60000 ms → 30000 ms" in run_aie("plan", "claims", cwd=claims).out
    second = run_aie("release", "claims", cwd=claims).out.split()[0]
    assert second != first
    assert "limit time" in run_aie("diff", first, second, cwd=claims).out
    assert run_aie("promote", "claims", second, "--to", "production", cwd=claims).status == 0
    assert first in run_aie("rollback", "claims", "--reason", "too short", cwd=claims).out
