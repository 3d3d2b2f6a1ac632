"""The triage template from files to proof, with the command as a process."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.acceptance.conftest import ENVIRONMENT, command, run_aie

pytestmark = pytest.mark.slow


def test_from_an_empty_folder_by_commands_alone(tmp_path: Path):
    """init, train, check, release, promote, run: each names the next, and the data of each stands alone on stdout."""
    assert run_aie("init", "inbox", "--template", "triage", cwd=tmp_path).out == "inbox\n"
    untrained = run_aie("check", "-C", "inbox", cwd=tmp_path)
    assert (untrained.status, "aie train intent" in untrained.out) == (2, True)
    inbox = tmp_path / "inbox"
    assert run_aie("train", cwd=inbox).out.startswith("intent  models/intent.aie")
    checked = run_aie("check", cwd=inbox)
    assert (checked.status, checked.out) == (0, "")
    released = run_aie("release", "triage", cwd=inbox)
    assert "next: aie promote triage --to production" in released.err
    assert released.out.strip() in run_aie("promote", "triage", cwd=inbox).out
    ran = run_aie("run", "triage", "examples/refund.json", "--format", "json", cwd=inbox)
    assert (ran.status, ran.data["state"]) == (0, "completed")
    again = run_aie("release", "triage", "--format", "json", cwd=inbox)
    assert (again.data["name"], again.data["new"]) == (released.out.strip(), False)


def test_clear_messages_are_routed_and_the_unclear_one_waits(triage: Path):
    """Then a person names the intent, the message is routed, and the records verify."""
    names = ("damaged", "late", "login", "refund", "unclear")
    ended = run_aie("run", "triage", *(f"examples/{name}.json" for name in names), cwd=triage)
    states = {line.split()[2].removesuffix(".json"): line.split()[0] for line in ended.out.splitlines()}
    assert states == dict.fromkeys(names[:4], "completed") | {"unclear": "waiting"}

    [open_] = run_aie("review", "list", "--format", "json", cwd=triage).data
    decided = run_aie("review", "decide", open_["run"], "correct", "--set", "label=late_delivery", cwd=triage)
    assert (decided.status, decided.out.split()[-1]) == (0, "completed")
    assert run_aie("explain", open_["run"], "--format", "json", cwd=triage).data["output"]["intent"] == "late_delivery"
    assert len(list((triage / "outbox").glob("*.json"))) == 5
    assert run_aie("verify", cwd=triage).status == 0


def test_a_message_comes_by_pipe(triage: Path):
    """`-` reads the input from stdin."""
    message = {"id": "M-1", "text": "I sent the lamp back and my refund has not been paid."}
    done = subprocess.run(
        command("run", "triage", "-"),
        cwd=triage,
        env=ENVIRONMENT,
        input=json.dumps(message),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout.split()[0]) == (0, "completed")


def test_a_rejected_message_is_set_aside_with_its_reason(triage: Path):
    """A rejection needs a reason; the run then follows its handler."""
    ended = run_aie("run", "triage", "examples/unclear.json", cwd=triage)
    run = ended.out.split()[1]
    bare = run_aie("review", "decide", run, "reject", cwd=triage)
    assert (bare.status, "hint: --reason" in bare.err) == (2, True)
    assert (
        run_aie("review", "decide", run, "reject", "--reason", "not a customer", cwd=triage).out.split()[-1] == "dead"
    )
    told = run_aie("explain", run, cwd=triage).out
    assert "not a customer" in told
    assert "review_rejected" in told
