"""JSON Schema files: the part of the language that gives every value one type, and nothing beyond it."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from aie.config.problems import nearest
from aie.config.types import (
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
    TextType,
    Type,
    nullable,
)
from aie.core import JSON

__all__ = ["JSONSyntaxError", "SchemaError", "read_schema", "schema_of", "type_of"]

MAX_BYTES: Final = 200_000
MAX_DEPTH: Final = 20

_FORMATS: Final[Mapping[str, Type]] = {
    "decimal": DecimalType(),
    "money": MoneyType(),
    "date": DateType(),
}
_FORMATS_KNOWN: Final = (*_FORMATS, "document")
"""Formats with a meaning of their own; every other one, e.g. `email`, says only what people should write."""
_STANDARD: Final = frozenset({"date-time", "email", "idn-email", "time"})
"""Formats of JSON Schema that would pass for a misspelling of one of ours."""
_MEANT: Final[Mapping[str, str]] = {
    "text": "string",
    "str": "string",
    "int": "integer",
    "float": "number",
    "bool": "boolean",
    "list": "array",
    "dict": "object",
    "map": "object",
}
"""Types as other languages call them."""
_NOTES: Final = frozenset({"$schema", "$id", "title", "description", "examples", "default", "$comment"})
_KEYWORDS: Final[Mapping[str, frozenset[str]]] = {
    "object": frozenset({"properties", "required", "additionalProperties"}),
    "array": frozenset({"items", "minItems", "maxItems", "uniqueItems"}),
    "string": frozenset({"enum", "const", "format", "minLength", "maxLength", "pattern"}),
    "integer": frozenset({"enum", "minimum", "maximum"}),
    "number": frozenset({"minimum", "maximum"}),
    "boolean": frozenset(),
    "null": frozenset(),
    "document": frozenset(),
}


class SchemaError(ValueError):
    """A schema that this product does not read."""

    def __init__(self, message: str, pointer: Sequence[str], hint: str = "", *, meant: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.pointer = tuple(pointer)
        """Keys from the root to what is wrong."""
        self.hint = hint
        self.meant = meant
        """JSON text that should stand where the pointer points; None when a person must choose."""


class JSONSyntaxError(SchemaError):
    """A schema file that is not JSON; its place is a character, not a pointer."""

    def __init__(self, error: json.JSONDecodeError) -> None:
        super().__init__(f"not JSON: {error.msg}", (), "look at what stands before")
        comma = error.msg == "Expecting ',' delimiter"
        self.at = len(error.doc[: error.pos].rstrip()) if comma else error.pos
        """Offset in the text. A comma is missing behind what stands before, often a line above."""
        self.insert = "," if comma else ""
        """Text that may mend it there."""


def read_schema(content: bytes) -> dict[str, JSON]:
    """Return the JSON of a schema file, its numbers intact and its keys single.

    Raises:
        SchemaError: not JSON, not an object, a duplicate key.
    """
    if len(content) > MAX_BYTES:
        raise SchemaError(f"{len(content)} bytes; a schema may have {MAX_BYTES}", ())
    try:
        schema = json.loads(content, object_pairs_hook=_single)
    except RecursionError as error:
        raise SchemaError("nested too deeply", ()) from error
    except ValueError as error:
        if isinstance(error, SchemaError):
            raise
        if isinstance(error, json.JSONDecodeError):
            raise JSONSyntaxError(error) from error
        raise SchemaError("not JSON: not UTF-8", ()) from error
    if not isinstance(schema, dict):
        raise SchemaError("a JSON Schema is an object", ())
    return schema


def _single(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise SchemaError(f"`{twice}` stands twice", (twice,), "keep one of the two")
    return found


def type_of(schema: JSON, pointer: tuple[str, ...] = ()) -> Type:
    """Return the type that a schema describes.

    Raises:
        SchemaError: a keyword or form outside the part that has one meaning here.
    """
    if len(pointer) > 2 * MAX_DEPTH:
        raise SchemaError(f"nested deeper than {MAX_DEPTH} levels", pointer)
    if schema is True or schema == {}:
        return AnyType()
    if not isinstance(schema, dict):
        raise SchemaError("a schema is an object", pointer)
    kind = schema.get("type")
    if isinstance(kind, list):
        rest = [each for each in kind if each != "null"]
        if len(rest) != 1 or len(kind) != 2:
            raise SchemaError(
                "a list of types may only add null to one", (*pointer, "type"), 'write ["string", "null"]'
            )
        return nullable(type_of({**schema, "type": rest[0]}, pointer))
    if kind is None and "enum" in schema:
        kind = "string"
    if kind is None and set(schema) <= _NOTES:
        return AnyType()
    if not isinstance(kind, str) or kind not in _KEYWORDS:
        known = ", ".join(each for each in _KEYWORDS)
        if kind is None:
            raise SchemaError("`type` is missing", pointer, f'add "type": one of {known}')
        near = _MEANT.get(kind) or nearest(kind, _KEYWORDS) if isinstance(kind, str) else None
        hint = f"one of {known}" if near is None else f"did you mean `{near}`?"
        if isinstance(kind, str) and kind in _FORMATS:
            hint, near = f'write "type": "string", "format": "{kind}"', None
        meant = json.dumps(near) if near is not None and schema.get("type") == kind else None
        raise SchemaError(f"no type is named {json.dumps(kind)}", (*pointer, "type"), hint, meant=meant)
    for keyword in schema:
        if keyword not in _NOTES and keyword != "type" and keyword not in _KEYWORDS[kind]:
            raise SchemaError(f"`{keyword}` means nothing here", (*pointer, keyword), "remove it, or say it as a check")
    return _typed(kind, schema, pointer)


def _typed(kind: str, schema: Mapping[str, JSON], pointer: tuple[str, ...]) -> Type:
    match kind:
        case "object":
            return _object(schema, pointer)
        case "array":
            return ListType(type_of(schema.get("items", {}), (*pointer, "items")))
        case "string":
            return _string(schema, pointer)
        case "integer":
            return IntType()
        case "number":
            return DecimalType()
        case "boolean":
            return BoolType()
        case "null":
            return NullType()
        case _:
            return DocumentType()


def _object(schema: Mapping[str, JSON], pointer: tuple[str, ...]) -> ObjectType:
    properties = schema.get("properties", {})
    if not isinstance(properties, dict):
        raise SchemaError("`properties` is an object", (*pointer, "properties"))
    required = schema.get("required", [])
    if not isinstance(required, list):
        raise SchemaError("`required` is a list", (*pointer, "required"))
    for name in required:
        if name not in properties:
            raise SchemaError(f"`{name}` is required, but not among the properties", (*pointer, "required"))
    extra = schema.get("additionalProperties", True)
    if not isinstance(extra, bool):
        raise SchemaError("`additionalProperties` is true or false", (*pointer, "additionalProperties"))
    fields = {name: type_of(each, (*pointer, "properties", name)) for name, each in properties.items()}
    return ObjectType(fields, frozenset(str(name) for name in required), open=extra and not properties)


def _string(schema: Mapping[str, JSON], pointer: tuple[str, ...]) -> Type:
    if "const" in schema:
        return TextType((str(schema["const"]),))
    values = schema.get("enum")
    if values is not None:
        if not isinstance(values, list) or not values:
            raise SchemaError("`enum` is a list of values", (*pointer, "enum"))
        texts = tuple(sorted({str(each) for each in values if each is not None}))
        return NullableType(TextType(texts)) if None in values else TextType(texts)
    form = schema.get("format")
    if form is None:
        return TextType()
    if not isinstance(form, str):
        raise SchemaError("`format` is text", (*pointer, "format"))
    if form == "document":
        return DocumentType()
    near = None if form in _FORMATS_KNOWN or form in _STANDARD else nearest(form, _FORMATS_KNOWN)
    if near is not None:
        raise SchemaError(
            f"no format is named {json.dumps(form)}",
            (*pointer, "format"),
            f"did you mean `{near}`?",
            meant=json.dumps(near),
        )
    return _FORMATS.get(form, TextType())


def schema_of(type_: Type) -> dict[str, JSON]:
    """Return the JSON Schema of a type, with `money`, `decimal`, `date` and `document` as formats."""
    match type_:
        case AnyType():
            return {}
        case NullType():
            return {"type": "null"}
        case BoolType():
            return {"type": "boolean"}
        case IntType():
            return {"type": "integer"}
        case DecimalType():
            return {"type": "string", "format": "decimal"}
        case MoneyType():
            return {"type": "string", "format": "money"}
        case DateType():
            return {"type": "string", "format": "date"}
        case TextType(values):
            return {"type": "string", "enum": list(values)} if values else {"type": "string"}
        case ListType(of):
            return {"type": "array", "items": schema_of(of)}
        case DocumentType():
            return {"type": "string", "format": "document"}
        case NullableType(of):
            inner = schema_of(of)
            if isinstance(inner.get("enum"), list):
                inner["enum"] = [*inner["enum"], None]  # type: ignore[misc]
            types: list[JSON] = [inner["type"], "null"] if "type" in inner else []
            return {**inner, "type": types} if types else inner
        case ObjectType(fields, required, open_):
            return {
                "type": "object",
                "properties": {name: schema_of(each) for name, each in fields.items()},
                "required": [*sorted(required)],
                "additionalProperties": open_,
            }
