"""JSON Schema as types, and back."""

import json

import pytest

from aie.config import (
    AnyType,
    BoolType,
    DateType,
    DecimalType,
    DocumentType,
    IntType,
    ListType,
    MoneyType,
    NullableType,
    NullType,
    ObjectType,
    SchemaError,
    TextType,
    Type,
    read_schema,
    schema_of,
    type_of,
)
from aie.core import JSON


@pytest.mark.parametrize(
    "type_",
    [
        AnyType(),
        NullType(),
        BoolType(),
        IntType(),
        DecimalType(),
        MoneyType(),
        DateType(),
        DocumentType(),
        TextType(),
        TextType(("a", "b")),
        ListType(MoneyType()),
        NullableType(TextType(("a", "b"))),
        NullableType(ListType(IntType())),
        ObjectType({"a": IntType(), "b": NullableType(DateType())}, frozenset({"a"})),
        ObjectType(open=True),
    ],
)
def test_a_type_survives_its_schema(type_: Type) -> None:
    """What is written into a release is read back as the same type."""
    assert type_of(schema_of(type_)) == type_


def test_an_object_without_a_word_about_others_allows_only_what_it_names() -> None:
    """A field that nobody declared cannot be consumed."""
    schema: JSON = {"type": "object", "properties": {"a": {"type": "string"}}}
    assert type_of(schema) == ObjectType({"a": TextType()})


@pytest.mark.parametrize(
    ("schema", "pointer"),
    [
        ({"type": "strng"}, ("type",)),
        ({"type": "object", "properties": {"a": {"type": "array", "items": {"type": "x"}}}},
         ("properties", "a", "items", "type")),
        ({"type": ["string", "integer"]}, ("type",)),
        ({"type": "string", "oneOf": []}, ("oneOf",)),
        ({"type": "object", "required": ["a"]}, ("required",)),
        ({"properties": {}}, ()),
        ({"type": "string", "enum": []}, ("enum",)),
        (3, ()),
    ],
)  # fmt: skip
def test_what_has_no_single_type_is_refused_where_it_stands(schema: JSON, pointer: tuple[str, ...]) -> None:
    """The pointer leads to the keyword."""
    with pytest.raises(SchemaError) as caught:
        type_of(schema)
    assert caught.value.pointer == pointer


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'{"a": 1, "a": 2}', b"\xff", b"[" * 100_000, b"x" * 300_000])
def test_a_file_that_is_no_schema_is_refused(content: bytes) -> None:
    """Never with a traceback."""
    with pytest.raises(SchemaError):
        read_schema(content)


def test_a_schema_nested_too_deeply_is_refused() -> None:
    """Before the stack ends."""
    schema: dict[str, JSON] = {"type": "string"}
    for _ in range(60):
        schema = {"type": "array", "items": schema}
    with pytest.raises(SchemaError, match="nested deeper"):
        type_of(read_schema(json.dumps(schema).encode()))


@pytest.mark.parametrize(
    ("schema", "hint"),
    [
        ({"type": "string", "format": "monney"}, "did you mean `money`?"),
        ({"type": "string", "format": "decimals"}, "did you mean `decimal`?"),
        ({"type": "money"}, 'write "type": "string", "format": "money"'),
        ({"type": "text"}, "did you mean `string`?"),
    ],
)
def test_a_misspelt_type_or_format_says_what_to_write(schema: JSON, hint: str) -> None:
    """A format that is nearly ours would else be text on the quiet."""
    with pytest.raises(SchemaError) as caught:
        type_of(schema)
    assert caught.value.hint == hint


@pytest.mark.parametrize("form", ["date-time", "email", "idn-email", "time", "uri", "uuid", "hostname", "duration"])
def test_formats_of_json_schema_that_have_no_meaning_here_are_text(form: str) -> None:
    """They say what people should write."""
    assert type_of({"type": "string", "format": form}) == TextType()
