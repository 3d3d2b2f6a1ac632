"""Rules: what they take, and where they look for it."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aie.config import FieldSpec, Rule
from aie.fields import Source, assemble
from aie.fields.contract import Page
from aie.fields.rules import RuleExtractor

AGREEMENT = """\
CONFIDENTIALITY AGREEMENT
This Agreement is made as of the 6th day of January, 2012 by and between Larkfield Paper, Inc., a Delaware
corporation (the “Company”), and Ada M. Quill (“Employee”). It amends the letter dated December 1, 2010.
7. Term. This Agreement shall terminate two (2) years from the date hereof. Employee shall not solicit for 6 months.
8. It is governed by the laws of the State of New York.
LARKFIELD PAPER, INC.
By: /s/ Tom Reed
"""
INVOICE = """\
Larkfield Paper Ltd            Invoice
Invoice No:   LP-2041          Date: 03/02/2026
Item              Quantity     Amount
Paper             12           120.00
Ink               2            1.040,50
                  Total        1.160,50
"""


def found(text, rules, pages=(), lines=(), **field):
    """Return the value of one field."""
    finds = {"x": FieldSpec(**field)}
    spec = [Rule.model_validate({key.rstrip("_"): value for key, value in rule.items()}) for rule in rules]
    source = Source(text=text, pages=pages, lines=lines)
    made = assemble(finds, RuleExtractor(finds, {"x": spec}).find(source), source)
    for place in made["found"]["x"] if isinstance(made["found"]["x"], list) else [made["found"]["x"]]:
        assert place is None or source.text[place["start"] : place["end"]] == place["quote"]
    return made["values"]["x"]


def test_a_date_after_a_phrase():
    """The nearest one within reach, whatever the white space and case of the phrase."""
    rule = {"after": ["Made  As of"], "within": "20 characters"}
    assert found(AGREEMENT, [rule], type="date") == "2012-01-06"
    assert found(AGREEMENT, [{"after": ["amends"], "within": "5 characters"}], type="date") is None
    assert found(AGREEMENT, [{"before": ["by and between"], "within": "5 characters"}], type="date") == "2012-01-06"


@pytest.mark.parametrize("currency", [None, "EUR"])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Total INR 1,23,456.00 now", ["123456.00 INR"]),
        ("Total 1,23,456.00 INR now", ["123456.00 INR"]),
        ("See USD 12.5.3 there", []),
        ("on 12.03.2124 500 EUR", ["500.00 EUR"]),
    ],
)
def test_an_amount_is_never_a_piece_of_a_longer_number(text, expected, currency):
    """Neither the beginning nor the end of one: a total cut short would be cited, and wrong by far."""
    assert found(text, [{"find": "money"}], type="money", many=True, currency=currency) == expected


def test_names_by_their_form():
    """Companies by legal form, persons by capitals; one name in two spellings is one value."""
    assert found(AGREEMENT, [{"find": "company"}], type="name", many=True) == ["Larkfield Paper, Inc."]
    rule = {"find": "person", "before": ['("Employee"'], "within": "5 characters"}
    assert found(AGREEMENT, [rule], type="name") == "Ada M. Quill"
    both = {"find": "party", "after": ["between"], "within": "120 characters"}
    assert found(AGREEMENT, [both], type="name", many=True) == ["Larkfield Paper, Inc.", "Ada M. Quill"]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("between Smith & Sons Ltd., a company", ["Smith & Sons Ltd."]),
        ("the Board of Directors of Quill Corp. met", ["Quill Corp."]),
        ("a Delaware Corporation and the Company", []),
        ("Quill Savings and Trust Company of Ohio", ["Quill Savings and Trust Company of Ohio"]),
        ("in Englewood, CO and AGREED AS follows", []),
        ("Larkfield Sdn. Bhd. and Quill S.p.A. agree", ["Larkfield Sdn. Bhd.", "Quill S.p.A."]),
        ("Larkfield Holdings, LLC, Quill Co., Ltd. and", ["Larkfield Holdings, LLC", "Quill Co., Ltd."]),
        ("resTORbio-like Labs, Inc.", ["resTORbio-like Labs, Inc."]),
    ],
)
def test_companies(text, names):
    """What belongs to a name, and what only stands before it."""
    expected = [name.replace(" & ", " and ") for name in names]
    assert found(text, [{"find": "company"}], type="name", many=True) == expected


def test_a_duration_that_must_not_stand_near_something():
    """`not_near` tells the term from other periods."""
    rules = [{"find": "duration", "not_near": ["solicit"], "within": "1 line"}]
    assert found(AGREEMENT.replace("hereof. Employee", "hereof.\nEmployee"), rules, type="duration", many=True) == [
        "2 years"
    ]


def test_a_choice_near_a_phrase():
    """Values and aliases are found as whole words."""
    choices = {"New York": ["NY"], "York": []}
    assert found(AGREEMENT, [{"after": ["laws of"]}], type="choice", choices=choices) == "New York"


def test_parts_of_a_document():
    """Pages, lines, shares and characters from either end."""
    pages = (Page(number=1, start=0, end=10), Page(number=2, start=12, end=22))
    text = "in 1 month\n\nin 2 years"
    for part, expected in {
        "first page": "1 month",
        "last page": "2 years",
        "last line": "2 years",
        "first 2 lines": "1 month",
        "first 50%": "1 month",
        "last 10 characters": "2 years",
    }.items():
        assert found(text, [{"in": part}], pages=pages, type="duration") == expected


def test_cells_of_a_table_in_text():
    """Column by its heading, row by a phrase, right of and below a phrase; the field's currency for bare numbers."""
    money = {"type": "money", "currency": "EUR"}
    assert found(INVOICE, [{"column": ["Amount"], "row": ["Total"]}], **money) == "1160.50 EUR"
    assert found(INVOICE, [{"column": ["amount"]}], many=True, **money) == ["120.00 EUR", "1040.50 EUR", "1160.50 EUR"]
    assert found(INVOICE, [{"row": ["Ink"], "find": "integer"}], type="integer") == 2
    assert found(INVOICE, [{"right_of": ["Invoice No"], "find": "code"}], type="text") == "LP-2041"
    assert found(INVOICE, [{"below": ["Quantity"], "find": "integer"}], type="integer") == 12
    assert found("a\tAmount\nb\t7\n", [{"column": ["Amount"], "find": "integer"}], type="integer") == 7


def test_cells_by_boxes():
    """Boxes count where the document has them, however its text is ordered."""
    text = "Total\nDate\n9.00\n5.00"
    places = [(0, 5, [0, 50, 30, 60]), (6, 10, [0, 0, 30, 10]), (11, 15, [60, 51, 90, 61]), (16, 20, [60, 20, 90, 30])]
    lines = tuple({"start": start, "end": end, "page": 1, "box": box} for start, end, box in places)
    assert found(text, [{"right_of": ["total"]}], lines=lines, type="money", currency="MYR") == "9.00 MYR"


def test_rules_that_agree_make_a_value_surer():
    """Taken as independent: 0.6 and 0.5 make 0.8; the surest value wins."""
    finds = {"x": FieldSpec(type="date", order="mdy")}
    rules = [Rule(after=("dated",), confidence="0.7"), Rule(in_="first 200 characters", confidence="0.6")]
    rules.append(Rule(after=("as of",), confidence="0.5"))
    source = Source(text=AGREEMENT)
    made = assemble(finds, RuleExtractor(finds, {"x": rules}).find(source), source)["found"]["x"]
    assert (made["value"], made["confidence"]) == ("2012-01-06", "0.8000")
    assert [(each["value"], each["confidence"]) for each in made["others"]] == [("2010-12-01", "0.7000")]


@pytest.mark.parametrize(("take", "expected"), [("first", "1 day"), ("last", "3 days"), ("most_frequent", "2 days")])
def test_which_of_several(take, expected):
    """By place, or by how often the value is written."""
    assert found("1 day, 2 days, two days, 3 days", [{"take": take}], type="duration") == expected


def test_a_pattern_takes_its_group():
    """The group `value` is the quote, else the whole match; what is refused by name is not taken."""
    rule = {"pattern": r"No\. (?P<value>[A-Z]{2}-\d{1,6})", "but_not": ["ab-1"]}
    assert found("No. AB-1, No. CD-2", [rule], type="text") == "CD-2"
    assert found("x" * 5_000 + " No. CD-2", [rule], type="text") == "CD-2"


@pytest.mark.parametrize(
    "hostile",
    [
        "A. " * 40_000,
        "Inc. " * 40_000,
        "1,000 " * 30_000,
        "(" * 100_000,
        "a\t" * 60_000,
        "1" + " " * 99_999,
        "1 " + "-" * 99_999,
    ],
)
def test_time_grows_with_the_text_only(hostile):
    """No form, phrase or cell takes more than a moment for a hostile text of a hundred thousand characters."""
    rules = [{"find": each} for each in ("company", "person", "date", "money", "duration", "code")]
    rules += [{"after": ["a"], "find": "date"}, {"pattern": r"[A-Z]{1,20}\d{1,3}x"}]
    started = time.process_time()
    for rule in rules:
        found(hostile[:100_000], [rule], type="text", many=True)
    assert time.process_time() - started < 20


@given(st.text(max_size=300), st.sampled_from(["party", "date", "money", "duration", "code", "line", "integer"]))
def test_whatever_is_found_is_quoted_verbatim(text, form):
    """Any text, any form: quotes stand where they are said to."""
    found(text, [{"find": form}], type="text", many=True)
