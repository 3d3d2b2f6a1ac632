"""Thresholds: chosen so that at most the wanted share of the accepted is wrong, and no stricter than that."""

from hypothesis import given
from hypothesis import strategies as st

from aie.models.calibration import calibrate, choose_threshold
from aie.models.decisions import NEVER, Judge, Prediction, decimal, ten_thousandths


def predictions(confidences: list[int]) -> list[Prediction]:
    """Return decisions for label `a` with these confidences."""
    return [
        Prediction(task="single", labels=("a",), confidence=each, accepted=True, scores={"a": each})
        for each in confidences
    ]


@given(st.lists(st.tuples(st.integers(0, 10_000), st.booleans()), max_size=40), st.sampled_from([0.0, 0.02, 0.1, 0.5]))
def test_the_accepted_are_within_the_rate_and_no_lower_threshold_would_be(
    rows: list[tuple[int, bool]], rate: float
) -> None:
    """Compared with every threshold there is."""
    truths = [("a",) if right else ("b",) for _, right in rows]
    chosen = choose_threshold(predictions([confidence for confidence, _ in rows]), truths, None, rate)
    within = [
        least
        for least in {confidence for confidence, _ in rows}
        if sum(not right for confidence, right in rows if confidence >= least)
        <= rate * sum(confidence >= least for confidence, _ in rows)
    ]
    if not within:
        assert (chosen.threshold, chosen.accepted) == (NEVER, 0)
        return
    accepted = [right for confidence, right in rows if confidence >= chosen.threshold]
    assert accepted.count(False) == chosen.errors <= rate * len(accepted)
    assert len(accepted) == chosen.accepted == sum(confidence >= min(within) for confidence, _ in rows)


def test_answers_with_the_label_that_is_never_accepted_do_not_count() -> None:
    """They are not among the accepted, right or wrong."""
    chosen = choose_threshold(predictions([9000, 8000]), [("b",), ("a",)], "a", 0.0)
    assert chosen.accepted == 0


def test_no_two_decisions_sit_on_the_edge_of_a_threshold() -> None:
    """It stands between the last accepted and the first refused."""
    chosen = choose_threshold(predictions([9000, 8000]), [("a",), ("b",)], None, 0.0)
    assert chosen.threshold == 8500


def test_chances_of_overconfident_margins_are_brought_down() -> None:
    """Margins that are right half of the time give chances near a half."""
    margins = [[3.0, -3.0]] * 20
    truths = [("a",), ("b",)] * 10
    judge = calibrate(Judge(task="single", labels=("a", "b")), margins, truths)
    assert judge.decide(margins[0]).confidence < 7000


def test_a_label_without_validation_examples_keeps_its_cut_at_a_half() -> None:
    """Nothing is learnt from nothing."""
    judge = calibrate(Judge(task="multi", labels=("a", "b")), [[1.0, -1.0], [-1.0, -1.0]] * 5, [("a",), ()] * 5)
    assert judge.cuts[1] == 5000
    assert judge.decide([1.0, -1.0]).labels == ("a",)


def test_decimals_are_read_as_they_are_written_and_never_lowered() -> None:
    """0.93125 is more than 0.9312."""
    assert [ten_thousandths(each) for each in ("0.5", "0.9312", "0.93125", "1")] == [5000, 9312, 9313, 10_000]
    assert [decimal(each) for each in (0, 5, 9312, 10_000)] == ["0.0000", "0.0005", "0.9312", "1.0000"]
