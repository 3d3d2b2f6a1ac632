"""The triage template from files to proof, with the command as a process."""

import json
from pathlib import Path

import pytest

from tests.acceptance.conftest import run_aie

pytestmark = pytest.mark.slow


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
    import subprocess

    from tests.acceptance.conftest import ENVIRONMENT, command

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
