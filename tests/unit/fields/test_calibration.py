"""Calibration: what scores are worth, the same winner as before, and a report that can be believed."""

import random
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aie.config import FieldSpec
from aie.errors import InputError
from aie.fields import Candidate, Source
from aie.fields.calibration import Calibration, Curve
from aie.fields.reliability import Found, calibrate, found_values
from aie.fields.trained import value_in
from aie.fields.truth import known
from aie.models import write_artefact

FINDS = {"total": FieldSpec(type="decimal")}


def drawn(many: int, seed: int = 1) -> list[dict[str, list[Found]]]:
    """Return values whose scores boast: at score s, s² of them are right."""
    draw = random.Random(seed)
    raws = [draw.randrange(10_000) for _ in range(many)]
    return [{"total": [Found(raw=raw, right=draw.random() < (raw / 10_000) ** 2)]} for raw in raws]


def test_boasting_scores_are_brought_down_to_what_they_are_worth() -> None:
    """And the report, on values that the curve did not see, says that it holds."""
    calibration, reports = calibrate(FINDS, drawn(2000), error_rate=None, made=None)
    assert abs(calibration.curves["total"].chance(7_000) - 4_900) < 800
    assert reports["total"].error < 500 < reports["total"].raw_error


def test_the_threshold_keeps_the_wrong_share_of_the_accepted_below_the_rate() -> None:
    """On the very cases that it was chosen on, and it accepts as many as that allows."""
    calibration, reports = calibrate(FINDS, drawn(2000), error_rate=Fraction(1, 10), made=None)
    report = reports["total"]
    assert report.accepted > 0
    assert report.errors * 10 <= report.accepted
    assert calibration.finds(FINDS)["total"].accept == f"0.{report.threshold:04}"


def test_where_everything_is_wrong_nothing_is_accepted() -> None:
    """The threshold is above what any confidence reaches."""
    wrong = [{"total": [Found(raw=raw, right=False)]} for raw in range(0, 10_000, 100)]
    calibration, reports = calibrate(FINDS, wrong, error_rate=Fraction(1, 20), made=None)
    assert reports["total"].accepted == 0
    assert calibration.finds(FINDS)["total"].accept == "1.0001"


@given(
    st.lists(st.tuples(st.integers(0, 10_000), st.booleans()), min_size=1, max_size=80),
    st.lists(st.integers(0, 10_000), min_size=1, max_size=8),
)
@settings(max_examples=150, deadline=None)
def test_a_calibration_never_changes_which_value_wins(seen: list[tuple[int, bool]], raws: list[int]) -> None:
    """Higher scores stay higher, whatever the cases were; only at zero do they meet."""
    found = [{"total": [Found(raw=raw, right=right)]} for raw, right in seen]
    calibration, _ = calibrate(FINDS, found, error_rate=None, made=None)
    candidates = [Candidate(field="total", start=at, end=at + 1, confidence=raw) for at, raw in enumerate(raws)]
    made = {each.start: each.confidence for each in calibration.apply(candidates)}
    for left, one in enumerate(raws):
        for right, other in enumerate(raws):
            if one > other:
                assert made[left] > made[right] or made[right] == 0


def test_an_artefact_is_read_as_it_was_written_and_refused_when_damaged() -> None:
    """Points that fall are no calibration."""
    calibration, _ = calibrate(FINDS, drawn(200), error_rate=Fraction(1, 20), made={"by": "x"})
    again = Calibration.load(write_artefact(calibration.artefact()))
    assert (again.curves, again.made) == (calibration.curves, {"by": "x"})
    falling = Calibration({"total": Curve(points=((10, 900), (20, 800)))})
    with pytest.raises(InputError, match="do not rise"):
        Calibration.load(write_artefact(falling.artefact()))


@pytest.mark.parametrize(
    ("spec", "expected", "value"),
    [
        (FieldSpec(type="decimal"), "EUR 8.20", "8.20"),
        (FieldSpec(type="decimal"), "8.2", "8.20"),
        (FieldSpec(type="name"), "Alder, Mills inc.", "ALDER MILLS INC"),
        (FieldSpec(type="date"), "5 May 2020", "2020-05-05"),
    ],
)
def test_known_values_are_compared_by_what_they_mean(spec: FieldSpec, expected: str, value: str) -> None:
    """However they were typed into a data set."""
    truth = known(spec, expected, value_in)
    assert truth is not None
    assert truth.holds(value)


def test_what_cannot_be_read_is_not_known_and_nothing_is_known_to_be_nothing() -> None:
    """A value of no such type is no label; an empty one says that there is none."""
    assert known(FieldSpec(type="date"), "soon", value_in) is None
    none = known(FieldSpec(type="date"), None, value_in)
    assert none is not None
    assert not none.holds("2020-05-05")


def test_a_value_where_there_is_none_counts_as_wrong() -> None:
    """Otherwise an extractor that always answers would look sure."""
    source = Source(text="TOTAL 3.50")
    none = known(FINDS["total"], None, value_in)
    assert none is not None
    candidate = Candidate(field="total", start=6, end=10, confidence=9_000)
    assert found_values(FINDS, [candidate], source, {"total": none}) == {"total": [Found(raw=9_000, right=False)]}
