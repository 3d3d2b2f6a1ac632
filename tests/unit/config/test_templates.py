"""Prompt templates: checked against their slots, rendered within bounds."""

import pytest

from aie.config import AnyType, ListType, ObjectType, Template, TextType, Type, check_template
from aie.errors import Failure, StepFailure

SLOTS: dict[str, Type] = {
    "text": TextType(),
    "claim": ObjectType({"amount": TextType()}, frozenset({"amount"})),
    "rows": ListType(AnyType()),
}


@pytest.mark.parametrize(
    "text",
    [
        "plain",
        "{{ text }} {{ claim.amount|upper }}",
        "{% for row in rows %}{{ loop.index }} {{ row.anything }}{% endfor %}",
        "{% set x = claim %}{{ x.amount }}{% if text is defined %}{{ 'unknown' }}{% endif %}",
    ],
)
def test_a_template_that_keeps_to_its_slots_is_sound(text: str) -> None:
    """Names of its own and quoted words are no slots."""
    assert check_template(text.encode(), SLOTS) == []


@pytest.mark.parametrize(
    ("text", "code", "line", "col", "replacement"),
    [
        ("a\n{{ txet }}", "unknown-slot", 2, 4, "text"),
        ("{{ claim.amuont }}", "unknown-field", 1, 10, "amount"),
        ("{{ text|uper }}", "unknown-filter", 1, 9, "upper"),
        ("{{ text is strin }}", "unknown-test", 1, 12, None),
        ("{{ text }\nx", "template-syntax", 1, 9, "}}"),
        ("x\n{% if text }\ny{% endif %}", "template-syntax", 2, 12, "%}"),
        ("{% include 'x' %}", "template-unsupported", 1, 4, None),
        ("{% extends 'x' %}", "template-unsupported", 1, 4, None),
        ("a\n{% if text %}\nb", "template-syntax", 2, 1, None),
    ],
)
def test_a_mistake_is_told_at_its_place(text: str, code: str, line: int, col: int, replacement: str | None) -> None:
    """Also where the parser only noticed at the end of the file."""
    finding = check_template(text.encode(), SLOTS)[0]
    assert (finding.code, finding.line, finding.col, finding.replacement) == (code, line, col, replacement)


def test_every_place_of_a_wrong_name_is_told() -> None:
    """So that mending all of them takes one look."""
    assert [each.col for each in check_template(b"{{ txet }} {{ txet }}", SLOTS)] == [4, 15]


@pytest.mark.parametrize("content", [b"\xff", b"x" * 200_001])
def test_bytes_that_are_no_template_are_refused(content: bytes) -> None:
    """With the reason."""
    assert check_template(content, SLOTS)[0].code in {"not-utf8", "file-too-large"}


def test_values_are_written_as_they_are() -> None:
    """No escaping, no Python words for null and booleans."""
    text = Template(b"{{ a }}|{{ b }}|{{ c }}\n").render({"a": "<b> & 'x'", "b": None, "c": True})
    assert text == "<b> & 'x'||true\n"


def test_a_value_is_never_read_as_a_template() -> None:
    """What a document says stays data."""
    assert Template(b"{{ text }}").render({"text": "{{ secret }}{% for %}"}) == "{{ secret }}{% for %}"


@pytest.mark.parametrize("text", ["{{ missing }}", "{{ a.b }}", "{% for i in range(100000) %}{{ a }}{% endfor %}"])
def test_a_failure_says_the_line_and_no_value(text: str) -> None:
    """The library's own message would print the variables."""
    with pytest.raises(StepFailure) as caught:
        Template(text.encode()).render({"a": "secret"})
    assert caught.value.failure is Failure.EXPRESSION
    assert "line 1" in caught.value.message
    assert "secret" not in caught.value.message
