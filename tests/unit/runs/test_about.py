"""What a run is about, told from its input."""

from dataclasses import replace

import pytest

from aie.core import JSON
from aie.errors import InputError
from aie.releases import Plan
from aie.runs import tell_about
from aie.testing.stage import make_release, scripted


@pytest.fixture
def plan() -> Plan:
    """A plan with a case, a subject and an attribute."""
    made = make_release([scripted("a")]).plan
    return replace(made, subject="input.person", search={"desk": "input.desk"})


def test_case_subject_and_attributes_are_told(plan: Plan):
    """Numbers as text; an attribute that is null is left out."""
    about = tell_about(plan, {"id": 7, "person": "Ann", "desk": "home"})
    assert (about.case, about.subject, about.search) == ("7", "Ann", {"desk": "home"})
    assert tell_about(plan, {"id": "7", "person": "Ann", "desk": None}).search == {}


def test_without_a_subject_the_case_is_the_subject(plan: Plan):
    assert tell_about(replace(plan, subject=None), {"id": "7", "desk": "home"}).subject == "7"


@pytest.mark.parametrize(
    ("value", "why"),
    [("", "is empty"), (None, "is empty"), ("x" * 1001, "1001 characters"), ([], "neither"), ({}, "neither")],
)
def test_an_identity_that_is_none_is_refused(plan: Plan, value: JSON, why: str):
    """Nothing, everything and a list would make one case of many."""
    with pytest.raises(InputError, match=why):
        tell_about(plan, {"id": value, "person": "Ann", "desk": "home"})


@pytest.mark.parametrize("field", ["id", "person", "desk"])
def test_an_input_that_does_not_tell_is_refused_without_its_values(plan: Plan, field: str):
    """An error is read by others than those who may read the input."""
    data: dict[str, JSON] = {"id": "secret", "person": "secret", "desk": "secret"}
    for broken in ({k: v for k, v in data.items() if k != field}, data | {field: "sec\0ret"}):
        with pytest.raises(InputError) as caught:
            tell_about(plan, broken)
        assert "sec" not in caught.value.message
