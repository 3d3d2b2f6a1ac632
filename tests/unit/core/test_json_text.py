"""Reading JSON from outside: one value, one meaning."""

import pytest

from aie.core import canonical, read_json
from aie.errors import InputError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": [1, true, null, "x"]}', {"a": [1, True, None, "x"]}),
        ("12.50", "12.50"),
        ("-0.0", "-0.0"),
        ("1e3", "1000"),
        ("123e45", "123e45"),
        ("1e99999999999999999999", "1e99999999999999999999"),
        (' "top level may be anything" ', "top level may be anything"),
    ],
)
def test_a_value_is_read_and_its_fractions_stay_as_written(text, value):
    """Nothing that is read holds a float, so everything that is read has a canonical form."""
    assert read_json(text) == value
    canonical(read_json(text))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "not JSON"),
        ("[NaN]", "not JSON: NaN"),
        ("[-Infinity]", "not JSON: -Infinity"),
        ('{"a": 1, "a": 2}', "stands twice"),
        ("[" * 100_000, "nested too deeply"),
        ("[" * 200 + "]" * 200, "nested deeper"),
        ("9" * 5_000, "a number is too long"),
        ("9007199254740993", "beyond"),
        ('"\\ud800"', "surrogate"),
    ],
)
def test_what_has_not_one_meaning_is_refused(text, why):
    """In words that say what to change, never by a traceback."""
    with pytest.raises(InputError, match=why):
        read_json(text)


def test_a_syntax_error_has_its_place():
    """Whoever names the file can say line and column."""
    with pytest.raises(InputError) as caught:
        read_json('{\n "a": }')
    assert caught.value.fields["place"] == ":2:7"
