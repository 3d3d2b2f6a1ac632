"""Cascades: who is asked after an unsure answer, and what becomes of one that nobody after it may mend."""

from typing import Any

import pytest

from aie.errors import Failure, StepFailure
from aie.layers.calling import Walked, walk
from aie.models import Call, Candidate, PinnedRoute, plan

HERE = {"approved": True, "approvals": 0, "regions": None, "retention_days": None, "data_classes": None}
NAMES = ("quick", "thorough", "last")


def walked(world, *unsure: str, kind: str = "cascade", **facts: dict[str, Any]) -> Walked[str]:
    """Walk through three classifiers, of which some are not sure."""
    route = PinnedRoute(
        name="r",
        alone=False,
        candidates=tuple(Candidate(name=each, kind="text_classifier", pinned={}) for each in NAMES),
        constraints={"regions": ["eu"]},
        strategy={"kind": kind, "next_on": []},
        when_exhausted="fail",
    )
    planned = plan(route, Call(request=None), {each: HERE | facts.get(each, {}) for each in NAMES})
    return walk(planned, lambda each: each.name, world.tools(), lambda name: "0.3992" if name in unsure else None)


def test_one_that_is_not_sure_passes_on_and_the_last_is_taken_at_its_word(world) -> None:
    """The report says how sure each was that was passed over."""
    assert walked(world).value == "quick"
    made = walked(world, *NAMES)
    report: Any = made.report
    assert made.value == "last"
    assert report["tried"] == [{"model": each, "unsure": "0.3992"} for each in NAMES[:2]] + [{"model": "last"}]


@pytest.mark.parametrize(
    ("changed", "failure"),
    [
        ({"blocked": "model last was stopped by ann: test"}, Failure.MODEL_RETIRED),
        ({"circuit": "its circuit breaker is open"}, Failure.PROVIDER_DOWN),
        ({"regions": ["us"]}, Failure.NOT_PERMITTED),
    ],
)
def test_an_unsure_answer_never_stands_in_for_one_that_may_not_be_asked(world, changed, failure) -> None:
    """Being refused counts as failing, under the class of what keeps the last one from being asked."""
    with pytest.raises(StepFailure) as caught:
        walked(world, "quick", "thorough", last=changed)
    assert caught.value.failure is failure
    assert caught.value.message.startswith("thorough was not sure (0.3992), and nobody after it may be asked: last: ")
    report: Any = caught.value.report
    assert [each["model"] for each in report["route"]["tried"]] == ["quick", "thorough"]


def test_whoever_was_refused_before_it_is_no_reason(world) -> None:
    """The failure tells of those that come after."""
    with pytest.raises(StepFailure) as caught:
        walked(world, "thorough", quick={"regions": ["us"]}, last={"blocked": "it was stopped"})
    assert (caught.value.failure, caught.value.message.count("quick")) == (Failure.MODEL_RETIRED, 0)


def test_only_a_cascade_asks_the_next_one_after_an_unsure_answer(world) -> None:
    """Any other strategy asks it after a failure."""
    assert walked(world, "quick", kind="fallback").value == "quick"
