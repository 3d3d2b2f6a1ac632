"""What a step failed for, of each model that it asked."""

from aie.core import JSON
from aie.runs.causes import causes_of

DOWN = "the provider turned the call away with HTTP status 503"


def report(*tried: tuple[str, str]) -> JSON:
    """Return the report of a step that tried these models in vain."""
    return {"route": {"tried": [{"model": model, "failure": "provider_down", "why": why} for model, why in tried]}}


def test_what_models_failed_with_is_told_though_the_last_one_was_only_not_asked() -> None:
    """The same cause in a row is counted."""
    message = "no model may be asked: dublin: its circuit breaker is open for another 9.0 s"
    tried = report(("frankfurt", "no answer in time"), ("dublin", DOWN), ("dublin", DOWN), ("dublin", message))
    assert [*causes_of(tried, message)] == [
        "frankfurt failed: no answer in time",
        f"dublin failed twice: {DOWN}",
    ]


def test_a_message_that_does_not_name_its_model_is_told_with_it() -> None:
    """So the reader of one line knows who it was."""
    assert [*causes_of(report(("dublin", DOWN)), DOWN)] == [f"dublin failed: {DOWN}"]


def test_reports_of_before_and_those_of_other_layers_tell_no_cause() -> None:
    """Also one that is erased."""
    before: JSON = {"route": {"tried": [{"model": "dublin", "failure": "timeout"}]}}
    assert [[*causes_of(each, "x")] for each in (before, {"route": None}, {"dropped": []}, None)] == [[], [], [], []]
