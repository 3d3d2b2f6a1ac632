"""Budgets and kill switches by commands alone."""

import json
from pathlib import Path

import pytest

from aie.app import lock_release, open_app, promote_release
from aie.records.events import AttemptIntended
from aie.testing import OpenAIServer
from tests.acceptance.conftest import run_aie
from tests.shows.one_workflow import MODELS, answer, workspace

pytestmark = pytest.mark.slow


def test_a_budget_is_set_shown_and_unset(triage: Path):
    """What is set holds over what is declared; each change needs a reason."""
    settings = triage / "aie.yaml"
    declared = "{cost: 20.00 USD, tokens: 200000, per: day}"
    settings.write_text(settings.read_text() + f"budgets:\n  tenant: {declared}\n")
    [shown] = run_aie("budget", "show", "--format", "json", cwd=triage).data
    assert (shown["scope"], shown["cap"]["cost"], shown["origin"]) == ("tenant", 20_000_000, "declared")
    without = run_aie("budget", "set", "--cost", "5.00 USD", cwd=triage)
    assert (without.status, "a reason is needed" in without.err) == (2, True)
    made = run_aie(
        "budget", "set", "--workflow", "triage", "--cost", "5.00 USD", "--tokens", "1000", "--reason", "a lean month",
        cwd=triage,
    )  # fmt: skip
    assert made.out == "the budget of workflow triage is set: 5.00 USD, 1000 tokens free\n"
    assert "no longer holds" not in made.err
    looser = run_aie("budget", "set", "--cost", "30.00 USD", "--reason", "a storm", cwd=triage)
    assert looser.out == "the budget of tenant default is set: 30.00 USD free\n"
    assert "the declared cap of 200000 tokens no longer holds\n" in looser.err
    assert "the declared `per: day` no longer holds, it is `total` (--per day)\n" in looser.err
    assert "on_exhausted" not in looser.err
    assert run_aie("budget", "unset", "--reason", "over", cwd=triage).status == 0
    shown = run_aie("budget", "show", "--format", "json", cwd=triage).data
    assert [(each["scope"], each["origin"]) for each in shown] == [("tenant", "declared"), ("workflow", "set")]
    assert run_aie("budget", "unset", "--workflow", "triage", "--reason", "over", cwd=triage).status == 0
    assert run_aie("budget", "unset", "--workflow", "triage", "--reason", "over", cwd=triage).status == 4
    assert len(run_aie("budget", "show", "--format", "json", cwd=triage).data) == 1
    assert run_aie("verify", cwd=triage).status == 0


def test_a_budget_that_cannot_be_counted_is_refused_with_its_range(triage: Path):
    """Below nothing, and beyond what an integer of JSON holds."""
    for cost in ("-5.00 USD", "99999999999.00 USD"):
        refused = run_aie("budget", "set", "--cost", cost, "--reason", "a slip", cwd=triage)
        assert (refused.status, "from 0.00 USD to 9000000000.00 USD" in refused.err) == (2, True)
        assert "hint: write it as `20.00 USD`" in refused.err
    assert run_aie("budget", "set", "--tokens", "9007199254740993", "--reason", "a slip", cwd=triage).status == 2
    assert run_aie("budget", "show", "--format", "json", cwd=triage).data == []


def test_a_stop_holds_until_it_is_lifted(triage: Path):
    """A name that is a slip is refused: a switch that stops nothing would be believed in."""
    slip = run_aie("stop", "workflow", "triaje", "--reason", "wrong answers", cwd=triage)
    assert (slip.status, "workflows: triage" in slip.err) == (3, True)
    assert run_aie("stop", "workflow", "triage", "--reason", "wrong answers", cwd=triage).status == 0
    assert run_aie("stop", "workflow", "triage", "--reason", "again", cwd=triage).status == 4
    refused = run_aie("run", "triage", "examples/refund.json", cwd=triage)
    assert (refused.status, "stopped by tester: wrong answers" in refused.err) == (5, True)
    assert "stopped: workflow triage, by tester: wrong answers" in run_aie("status", cwd=triage).out
    assert run_aie("resume", "workflow", "triage", "--reason", "mended", cwd=triage).status == 0
    assert run_aie("stop", "model", "intent", "--reason", "wrong answers", cwd=triage).status == 0
    failed = run_aie("run", "triage", "examples/refund.json", cwd=triage)
    assert "model_retired" in failed.out or "waiting" in failed.out
    assert run_aie("resume", "model", "intent", "--reason", "mended", cwd=triage).status == 0
    assert run_aie("resume", "model", "intent", "--reason", "mended", cwd=triage).status == 4


def test_a_run_that_waits_for_money_says_for_which_and_how_much(tmp_path: Path):
    """The same words in `aie run`, `aie runs` and `aie explain`."""
    workspace(tmp_path, 1)
    (tmp_path / "models.yaml").write_text(MODELS["server"])
    for case in "012":
        (tmp_path / f"{case}.json").write_text(json.dumps({"id": case, "text": "you charged me twice"}))
    with open_app(tmp_path, actor="tester") as app:
        lock_release(app, "desks")
        promote_release(app, "desks", "production")
    with OpenAIServer(answer) as server:
        here = {"cwd": tmp_path, "ONE_WORKFLOW_URL": server.url}
        first = run_aie("run", "desks", "0.json", "--format", "json", **here).data["run"]
        with open_app(tmp_path) as app:
            worst = next(e.event.worst for e in app.store.read(first) if isinstance(e.event, AttemptIntended))
        # Room for one call at its worst: what the first one really costs leaves too little for the second.
        cap = f"{worst['cost'] / 1_000_000:.6f} USD"
        done = run_aie(
            "budget", "set", "--workflow", "desks", "--cost", cap, "--on-exhausted", "wait", "--reason", "x", **here
        )
        assert done.status == 0, done.err
        assert run_aie("run", "desks", "1.json", **here).out.startswith("completed")
        waits = run_aie("run", "desks", "2.json", **here)
        listed = run_aie("runs", "--state", "waiting", **here)
        [row] = run_aie("runs", "--state", "waiting", "--format", "json", **here).data["runs"]
        explained = run_aie("explain", row["run"], "--format", "json", **here).data
    [why] = explained["holds"].values()
    assert "the budget of workflow desks" in why
    assert f"2.json: waits: {why}" in waits.out
    assert "the budget of workflow desks" in " ".join(listed.out.split())
    assert row["waits"] == why
