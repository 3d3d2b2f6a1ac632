"""Whether a value is what a schema says: exact, complete, and silent about the value."""

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aie.config import mismatches, type_of

SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 5, "pattern": "^[a-z]"},
        "kind": {"type": ["string", "null"], "enum": ["a", "b", None]},
        "count": {"type": "integer", "minimum": 1, "maximum": 9},
        "tags": {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 3, "uniqueItems": True},
        "flag": {"type": "boolean"},
        "nothing": {"type": "null"},
        "inner": {"type": "object", "properties": {"a/b": {"type": "integer"}}, "required": ["a/b"]},
    },
    "required": ["name", "count"],
    "additionalProperties": False,
}
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 12), st.sampled_from(["", "a", "b", "abc", "Z", "abcdefg"])
)
VALUES = st.one_of(
    LEAVES, st.lists(LEAVES, max_size=4), st.fixed_dictionaries({}, optional={"a/b": LEAVES, "x": LEAVES})
)
OBJECTS = st.fixed_dictionaries({}, optional={**dict.fromkeys(SCHEMA["properties"], VALUES), "more": LEAVES})


@given(value=st.one_of(OBJECTS, VALUES))
def test_it_agrees_with_the_reference_where_both_speak(value):
    """For values without floats, on the part of the language that both have."""
    validator = jsonschema.Draft202012Validator(SCHEMA)
    assert bool(list(mismatches(SCHEMA, value))) is not validator.is_valid(value)


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ({"type": "number", "minimum": 0.1, "maximum": 2}, ["0.1", "2.00", 1], ["0.09", "2.01", "x", 0.5, True, None]),
        ({"type": "string", "format": "decimal"}, ["-1.50"], ["1,5", "NaN", "1e3", "", 1]),
        ({"type": "string", "format": "money"}, ["5.00 USD"], ["5.00", "$5", "5 usd"]),
        ({"type": "string", "format": "date"}, ["2026-02-28"], ["2026-02-30", "28.2.2026", "20260228"]),
        ({"type": "integer"}, [2**53 - 1], [2**53, True, "1", 1.0]),
        ({"type": "string", "const": "x"}, ["x"], ["y"]),
        ({"type": "integer", "enum": [1, 2]}, [1], [3]),
        ({"type": ["integer", "null"]}, [None, 1], ["1"]),
        ({"enum": ["a"]}, ["a"], ["b", 1]),
        ({}, [None, 1, "x", []], []),
        (
            {"type": "document"},
            [{"ref": "r", "name": "n", "media_type": "m", "size": 1}],
            ["r", {"ref": "r"}, {"ref": "r", "name": "n", "media_type": "m", "size": "1"}],
        ),
    ],
)
def test_each_form_takes_what_it_means(schema, good, bad):
    """Decimals are exact, and floats are refused everywhere."""
    type_of(schema)
    assert [value for value in good if list(mismatches(schema, value))] == []
    assert [value for value in bad if not list(mismatches(schema, value))] == []


def test_every_place_is_named_and_no_value():
    """JSON pointers, escaped."""
    value = {"name": "Secret", "kind": "Secret", "count": 0, "tags": [], "inner": {"a/b": "Secret"}, "Secret2": 1}
    found = list(mismatches(SCHEMA, value))
    assert [each.path for each in found] == ["/name", "/name", "/kind", "/count", "/tags", "/inner/a~1b", "/Secret2"]
    assert not any("Secret" in each.why for each in found)
