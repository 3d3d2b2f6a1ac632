"""Fields by prompt: quotes become candidates only where they stand in the source."""

import pytest

from aie.config import FieldSpec, mismatches
from aie.fields import Source, assemble
from aie.fields.prompt import answer_schema, describe, locate

FINDS = {
    "party": FieldSpec(type="name", many=True, what="Who is bound"),
    "term": FieldSpec(type="duration"),
    "law": FieldSpec(type="choice", choices={"Ohio": (), "Utah": ()}),
}
TEXT = "Larkfield\nPaper, Inc. and “Ada Quill” agree for 21 years, then for 1 year."


def quotes(*found, sure=80):
    return [{"quote": each, "sure": sure} for each in found]


@pytest.mark.parametrize(
    ("quote", "written"),
    [
        ("1 year", "1 year"),
        ("Larkfield Paper, Inc.", "Larkfield\nPaper, Inc."),
        ('"ada quill"', "“Ada Quill”"),
        (" 21 years ", "21 years"),
        ("2 years", None),
        ("Paper, Incorporated", None),
        ("", None),
        ("x" * 5_000, None),
    ],
)
def test_a_quote_is_found_as_it_stands_or_not_at_all(quote, written):
    """Exactly, else but for white space, case and quotation marks; never inside a word."""
    located = locate(FINDS, {"party": quotes(quote), "term": None, "law": None}, Source(text=TEXT))
    assert [TEXT[each.start : each.end] for each in located.candidates] == ([written] if written else [])
    assert [field for field, _ in located.unfounded] == ([] if written else ["party"])


def test_the_value_is_the_normalised_quote_and_the_confidence_the_model_s():
    """What a model thinks the value is has no say."""
    answer = {"party": quotes("Ada Quill", sure=100), "term": quotes("21 years", sure=35)[0], "law": None}
    made = assemble(FINDS, locate(FINDS, answer, Source(text=TEXT)).candidates, Source(text=TEXT))
    assert made["values"] == {"party": ["Ada Quill"], "term": "21 years", "law": None}
    assert (made["found"]["term"]["confidence"], made["doubtful"]) == ("0.3500", ["term"])


def test_the_schema_takes_quotes_and_nothing_else():
    """Single fields are a quote or null, others lists of quotes."""
    schema = answer_schema(FINDS)
    good = {"party": quotes("x"), "term": None, "law": quotes("y")[0]}
    assert not list(mismatches(schema, good))
    for bad in ({**good, "term": "2 years"}, {**good, "party": None}, {**good, "law": {"quote": "x"}}, {"party": []}):
        assert list(mismatches(schema, bad))


def test_fields_are_described_in_words():
    """With what they mean, what they look like, and the choices."""
    assert describe(FINDS).splitlines() == [
        "- law: one of Ohio, Utah, as the document writes it",
        "- party: Who is bound: the name of a person or organisation; every one that there is",
        "- term: a number of days, weeks, months or years",
    ]
