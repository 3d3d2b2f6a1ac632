"""Normalisers: what a verbatim quote is worth as a value."""

import time
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aie.config import FieldSpec
from aie.core.money import Money
from aie.fields import normalise
from aie.fields.normalise.folding import fold

DAYS = st.dates(min_value=date(1969, 1, 1), max_value=date(2068, 12, 31))
MONTHS = (
    "January February March April May June July August September October November December".split()  # noqa: SIM905
)
ORDINALS = {1: "st", 2: "nd", 3: "rd", 21: "st", 22: "nd", 23: "rd", 31: "st"}
AMOUNTS = st.decimals(min_value=0, max_value=999_999_999, places=2, allow_nan=False)
NUMBER_WORDS = {
    1: "one",
    2: "two",
    3: "three",
    12: "twelve",
    18: "eighteen",
    24: "twenty-four",
    180: "one hundred eighty",
}


def value(quote, **field):
    return normalise(FieldSpec(**field), quote)


@given(DAYS)
def test_every_written_form_of_a_day_is_that_day(day):
    """Names of months, ordinals, figures in each order: one date."""
    month, suffix = MONTHS[day.month - 1], ORDINALS.get(day.day, "th")
    forms = [
        (f"{month} {day.day}, {day.year}", "dmy"),
        (f"{day.day} {month} {day.year}", "dmy"),
        (f"{day.day}{suffix} day of {month}, {day.year}", "mdy"),
        (f"the {day.day}{suffix}\nday of {month} {day.year}", "mdy"),
        (f"{month[:3]}. {day.day}{suffix}, {day.year}", "dmy"),
        (f"{day.day:02}-{month[:3]}-{day.year}", "mdy"),
        (f"{day.year}-{day.month:02}-{day.day:02}", "dmy"),
        (f"{day.day:02}/{day.month:02}/{day.year}", "dmy"),
        (f"{day.month}/{day.day}/{day.year % 100:02}", "mdy"),
        (f"{day.day}.{day.month}.{day.year % 100:02}", "dmy"),
        (f"{day.year % 100:02}/{day.month}/{day.day}", "ymd"),
    ]
    assert {value(quote, type="date", order=order) for quote, order in forms} == {day.isoformat()}


@pytest.mark.parametrize(
    ("quote", "order", "expected"),
    [
        ("12. März 2021", "dmy", "2021-03-12"),
        ("5 de marzo de 2020", "dmy", "2020-03-05"),
        ("1er août 2019", "dmy", "2019-08-01"),
        ("the sixth day of January, 2012", "mdy", "2012-01-06"),
        ("twenty-first day of May, 2001", "mdy", "2001-05-21"),
        ("Monday, 3 May 1999", "dmy", "1999-05-03"),
        ("01/31/69", "mdy", "1969-01-31"),
        ("01/31/68", "mdy", "2068-01-31"),
        ("31/01/2020", "mdy", None),
        ("30 February 2020", "dmy", None),
        ("2020", "dmy", None),
        ("1/2/3/4", "dmy", None),
        ("May", "dmy", None),
    ],
)
def test_dates_that_are_none_are_no_value(quote, order, expected):
    """The order is what the file says; a day that does not exist in it is not put right."""
    assert value(quote, type="date", order=order) == expected


@given(AMOUNTS)
def test_an_amount_is_the_same_in_every_convention(amount):
    """Grouped or not, either decimal mark, sign or code before or after."""
    plain, english = f"{amount:.2f}", f"{amount:,.2f}"
    german = english.translate(str.maketrans(",.", ".,"))
    spaced = english.replace(",", " ").replace(".", ",")
    quotes = [f"€{plain}", f"EUR {english}", f"{german} €", f"{german} EUR", f"{spaced} €", f"EUR{english}"]
    assert {value(quote, type="money") for quote in quotes} == {f"{plain} EUR"}
    assert value(plain, type="money", currency="MYR") == f"{plain} MYR"
    assert value(plain, type="money") is None


@pytest.mark.parametrize(
    ("quote", "expected"),
    [
        ("RM 12.50", "12.50 MYR"),
        ("$1,234.56", "1234.56 USD"),
        ("US$ 5", "5.00 USD"),
        ("(20.00)", "-20.00 USD"),
        ("-$5.00", "-5.00 USD"),
        ("EUR 1.234", "1234.00 EUR"),
        ("1'234.50 CHF", "1234.50 CHF"),
        ("0.125", "0.125 USD"),
        ("USD 5 EUR", None),
        ("five", None),
        ("1,2,3", None),
        ("Rs. 1,23,456.00", "123456.00 INR"),
        ("12,34,56,789", "123456789.00 USD"),
    ],
)
def test_money_with_signs_and_brackets(quote, expected):
    """A bare sign or number is of the field's currency."""
    assert value(quote, type="money", currency="USD") == expected


@given(
    st.text(max_size=60), st.sampled_from(["date", "money", "decimal", "integer", "duration", "name", "choice", "text"])
)
def test_any_text_is_a_value_of_its_type_or_none(quote, kind):
    """Whatever stands on the page, nothing fails, and a value is well formed and canonical."""
    made = value(quote, type=kind, choices={"a": ("b",)} if kind == "choice" else {}, currency="USD")
    if made is None:
        return
    match kind:
        case "date":
            assert date.fromisoformat(made).isoformat() == made
        case "money":
            assert str(Money.parse(made)) == made
        case "decimal":
            assert str(Decimal(made)) == made
        case "integer":
            assert isinstance(made, int)
        case "choice":
            assert made == "a"
        case _:
            assert made == value(made, type=kind)


@pytest.mark.parametrize("number", NUMBER_WORDS)
@pytest.mark.parametrize("unit", ["day", "week", "month", "year"])
def test_durations_in_words_figures_and_both(number, unit):
    """One canonical form, singular for one."""
    words = NUMBER_WORDS[number]
    units = unit if number == 1 else f"{unit}s"
    quotes = [f"{words} ({number}) {units}", f"{number} {units}", f"{words} {units}", f"{number}-{unit}"]
    quotes += [f"{number} ({words}) {units}", f"{words}\n({number})\n{units}", f"{words.upper()} {units.upper()}"]
    assert {value(quote, type="duration") for quote in quotes} == {f"{number} {units}"}


def test_a_duration_that_contradicts_itself_is_none():
    """Two (3) years is for a person to read."""
    assert value("two (3) years", type="duration") is None
    assert value("years", type="duration") is None


@pytest.mark.parametrize(
    ("quote", "expected"),
    [
        ("“Larkfield, Inc.”,", "Larkfield, Inc."),
        ("Larkfield Incorporated", "Larkfield Inc."),
        ("SMITH & SONS\nLIMITED", "SMITH and SONS Ltd."),
        ("R&D Partners", "R&D Partners"),
        ("Ada Quill.", "Ada Quill"),
        ("John Quill, Jr.", "John Quill, Jr."),
        ("(the Company)", "the Company"),
        ("Foo (Bar) GmbH", "Foo (Bar) GmbH"),
        ("“ — ”", None),
    ],
)
def test_names_lose_the_marks_that_are_not_theirs(quote, expected):
    """As written but for spaces, quotes and two spellings."""
    assert value(quote, type="name") == expected


def test_choices_by_alias_case_and_diacritics():
    """A value stands for itself even when another names it as an alias."""
    field = {"type": "choice", "choices": {"Québec": ("Quebec Province",), "Ontario": ("ON", "Québec")}}
    quotes = ["QUEBEC", "Québec.", "quebec province", "ontario", "on", "Alberta"]
    assert [value(each, **field) for each in quotes] == ["Québec", "Québec", "Québec", "Ontario", "Ontario", None]


@given(st.text())
def test_folding_keeps_every_offset(text):
    """What is found in the folded text stands at the same place of the text."""
    assert len(fold(text)) == len(text)
    assert fold(fold(text)) == fold(text)


@pytest.mark.parametrize("kind", ["date", "money", "decimal", "integer", "duration", "name"])
@pytest.mark.parametrize("hostile", ["1" + "-" * 3_998, "two " * 999, "1," * 1_999, "(" * 3_999, "1 " * 1_999])
def test_no_quote_keeps_a_reader_busy(kind, hostile):
    """Quotes come from whoever wrote the document."""
    started = time.process_time()
    value(hostile, type=kind, currency="USD")
    assert time.process_time() - started < 0.5
