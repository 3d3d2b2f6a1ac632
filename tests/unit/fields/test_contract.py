"""The one form of fields: how candidates become values, and how parts of a document become one."""

from hypothesis import given
from hypothesis import strategies as st

from aie.config import FieldSpec, mismatches, schema_of
from aie.fields import Candidate, Source, assemble, cites_of, fields_type, merge

FINDS = {
    "party": FieldSpec(type="name", many=True, keep="0.2"),
    "term": FieldSpec(type="duration", accept="0.6"),
    "day": FieldSpec(type="date", required=False),
}
TEXT = "Larkfield, Inc. LARKFIELD INCORPORATED Quill Ltd. 2 years 3 years 2026-01-31"


def at(field, quote, confidence):
    start = TEXT.index(quote)
    return Candidate(field=field, start=start, end=start + len(quote), confidence=confidence)


def test_the_surest_of_a_single_field_wins_and_the_others_stay_beside_it():
    """What is less sure than its `accept` is doubtful; required fields without a value are missing."""
    made = assemble(FINDS, [at("term", "2 years", 4_000), at("term", "3 years", 5_000)], Source(text=TEXT))
    assert made["values"] == {"party": [], "term": "3 years", "day": None}
    assert [each["value"] for each in made["found"]["term"]["others"]] == ["2 years"]
    assert (made["missing"], made["doubtful"], made["conflicts"], made["accepted"]) == (["party"], ["term"], [], False)


def test_one_name_in_two_spellings_is_one_value():
    """The surer place stands for it; what is less sure than `keep` is no value."""
    found = [at("party", "Larkfield, Inc.", 5_000), at("party", "LARKFIELD INCORPORATED", 6_000)]
    made = assemble(FINDS, [*found, at("party", "Quill Ltd.", 1_000)], Source(text=TEXT))
    assert made["values"]["party"] == ["LARKFIELD Inc."]


def test_parts_that_differ_are_a_conflict_that_is_kept():
    """Nothing is thrown away on the quiet when a long document is read in parts."""
    source = Source(text=TEXT)
    one = assemble(FINDS, [at("term", "2 years", 9_000), at("party", "Quill Ltd.", 9_000)], source)
    other = assemble(FINDS, [at("term", "3 years", 8_000), at("party", "Larkfield, Inc.", 9_000)], source)
    made = merge(FINDS, [one, other])
    assert made["values"] == {"party": ["Larkfield, Inc.", "Quill Ltd."], "term": "2 years", "day": None}
    assert (made["conflicts"], made["accepted"]) == (["term"], False)
    assert merge(FINDS, [one])["conflicts"] == []
    assert merge(FINDS, [one]) == one


@given(
    st.lists(
        st.builds(
            Candidate,
            field=st.sampled_from(sorted(FINDS)),
            start=st.integers(0, 40),
            end=st.integers(40, len(TEXT)),
            confidence=st.integers(0, 10_000),
        ),
        max_size=12,
    )
)
def test_whatever_is_proposed_has_the_promised_form_and_is_cited(candidates):
    """Types as steps downstream were compiled with; every quote verbatim, every value cited."""
    made = assemble(FINDS, candidates, Source(text=TEXT))
    assert not list(mismatches(schema_of(fields_type(FINDS)), made))
    cites = cites_of(made, "doc")
    assert all(TEXT[cite.start : cite.end] == cite.quote for cite in cites)
    assert len(cites) == len(made["values"]["party"]) + sum(
        made["values"][name] is not None for name in ("term", "day")
    )
