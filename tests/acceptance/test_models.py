"""The shows of models, short: one workflow on any kind of model, and no failure that widens a region."""

import pytest

from tests.shows import calendars, one_workflow, residency

pytestmark = pytest.mark.slow


def test_one_workflow_runs_on_a_classifier_and_on_a_chat_model_unchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every case of every kind is accepted; the third party has a test of its own."""
    monkeypatch.delenv("AIE_TEST_OPENAI_URL", raising=False)
    monkeypatch.setenv("ONE_WORKFLOW_URL", "set by the show")
    shown = one_workflow.show(3, 1)
    assert shown.holds()
    assert (shown.attempted, list(shown.skipped)) == (6, ["third party"])


@pytest.mark.parametrize("broken", ["files", "answers"])
def test_another_file_or_an_undeclared_answer_would_be_seen(monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    """The negative controls."""
    monkeypatch.delenv("AIE_TEST_OPENAI_URL", raising=False)
    monkeypatch.setenv("ONE_WORKFLOW_URL", "set by the show")
    assert not one_workflow.show(2, 1, control=broken).holds()


@pytest.mark.parametrize("control", [False, True])
def test_nothing_reaches_another_region_unless_the_catalog_is_wrong(
    monkeypatch: pytest.MonkeyPatch, control: bool
) -> None:
    """With its negative control: a catalog that calls the server European."""
    for name in ("GONE", "DOWN", "US"):
        monkeypatch.setenv(f"RESIDENCY_{name}", "set by the show")
    assert residency.show(4, 1, control=control).holds() != control


@pytest.mark.parametrize("control", [False, True])
def test_the_calendar_of_a_model_and_of_its_prices_is_kept(monkeypatch: pytest.MonkeyPatch, control: bool) -> None:
    """With its negative control: a catalog without the dates."""
    monkeypatch.setenv("ONE_WORKFLOW_URL", "set by the show")
    assert bool(calendars.run_show(control=control).missed) == control
