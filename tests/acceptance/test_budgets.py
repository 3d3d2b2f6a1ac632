"""Budgets and kill switches by commands alone."""

from pathlib import Path

import pytest

from tests.acceptance.conftest import run_aie

pytestmark = pytest.mark.slow


def test_a_budget_is_set_shown_and_unset(triage: Path):
    """What is set holds over what is declared; each change needs a reason."""
    settings = triage / "aie.yaml"
    settings.write_text(settings.read_text() + "budgets:\n  tenant: {cost: 20.00 USD, per: day}\n")
    [declared] = run_aie("budget", "show", "--format", "json", cwd=triage).data
    assert (declared["scope"], declared["cap"]["cost"], declared["origin"]) == ("tenant", 20_000_000, "declared")
    without = run_aie("budget", "set", "--cost", "5.00 USD", cwd=triage)
    assert (without.status, "a reason is needed" in without.err) == (2, True)
    made = run_aie(
        "budget", "set", "--workflow", "triage", "--cost", "5.00 USD", "--tokens", "1000", "--reason", "a lean month",
        cwd=triage,
    )  # fmt: skip
    assert made.out == "the budget of workflow triage is set: 5.00 USD, 1000 tokens free\n"
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
