"""One walk over an expression: what it found so far, and what every part of the check asks."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from aie.config.expressions.facts import path_of
from aie.config.expressions.syntax import (
    Expr,
    Finding,
    LiteralValue,
    Select,
)
from aie.config.problems import did_you_mean, nearest
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
    fits,
    nullable,
)

__all__ = ["Typed", "Walk"]

_DOCUMENT: Final[Mapping[str, Type]] = {
    "ref": TextType(),
    "name": TextType(),
    "media_type": TextType(),
    "size": IntType(),
}


@dataclass(frozen=True, slots=True)
class Typed:
    """What is known of one node."""

    type: Type
    text: str
    """The program of the node."""


class Walk(ABC):
    """The text, the scope and the findings of one check; the subclasses know the kinds of nodes."""

    def __init__(self, text: str, scope: Mapping[str, Type]) -> None:
        self.findings: list[Finding] = []
        self._text = text
        self._scope = dict(scope)
        self._nesting = 0

    def _find(self, code: str, node: Expr, message: str, hint: str = "", replacement: str | None = None) -> Typed:
        self._at(code, node.start, node.end, message, hint, replacement)
        return Typed(AnyType(), self._text[node.start : node.end])

    def _at(
        self, code: str, start: int, end: int, message: str, hint: str = "", replacement: str | None = None
    ) -> None:
        self.findings.append(
            Finding(code=code, message=message, start=start, end=end, hint=hint, replacement=replacement)
        )

    def _source(self, node: Expr) -> str:
        return self._text[node.start : node.end]

    def _spliced(self, node: Expr, parts: Sequence[tuple[Expr, Typed]]) -> str:
        """Return the text of a node with the programs of its parts in their places."""
        found, at = "", node.start
        for part, typed in parts:
            found += self._text[at : part.start] + typed.text
            at = part.end
        return found + self._text[at : node.end]

    def expect(self, node: Expr, given: Type, wanted: Type) -> None:
        """Report a value that is not of the type wanted."""
        why = fits(given, wanted)
        if why is None:
            return
        hint, replacement = "", None
        if isinstance(wanted, TextType) and isinstance(given, IntType | BoolType | DecimalType | MoneyType | DateType):
            replacement = f"string({self._source(node)})"
            hint = f"write `{replacement}`"
        elif isinstance(wanted, TextType) and isinstance(given, TextType) and len(given.values) == 1:
            near = nearest(given.values[0], wanted.values)
            hint = did_you_mean(given.values[0], wanted.values)
            replacement = f"'{near}'" if near and isinstance(node, LiteralValue) else None
        elif isinstance(wanted, MoneyType | DecimalType | DateType) and isinstance(given, TextType):
            replacement = f"{wanted}({self._source(node)})"
            hint = f"write `{replacement}`"
        elif isinstance(given, NullableType):
            hint = "handle the null: `x != null ? x : …`, or give the step an `if`"
        elif isinstance(given, ObjectType) and not isinstance(wanted, ObjectType):
            names = [name for name, each in given.fields.items() if fits(each, wanted) is None]
            hint = "name one of its fields" + (f": `{self._source(node)}.{names[0]}`" if names else "")
            if len(names) == 1:
                replacement = f"{self._source(node)}.{names[0]}"
        self._find("cel-type", node, why, hint or f"write something that is {wanted}", replacement)

    @abstractmethod
    def visit(self, node: Expr, facts: frozenset[str]) -> Typed:
        """Return the type and the program of a node; `facts` are paths known not to be null."""

    def _narrowed(self, node: Expr, type_: Type, facts: frozenset[str]) -> Type:
        return type_.of if isinstance(type_, NullableType) and path_of(node) in facts else type_

    def _usable(self, node: Expr, typed: Typed, what: str) -> Type | None:
        """Return the type without null; report a value that may be null."""
        if isinstance(typed.type, NullableType | NullType):
            source = self._source(node)
            self._find(
                "cel-null",
                node,
                f"`{source}` may be null {what}",
                f"write `{source} != null && …` before it, or `{source} != null ? … : null`",
            )
            return None
        return typed.type

    def _condition(self, node: Expr, typed: Typed) -> None:
        type_ = self._usable(node, typed, "where true or false is needed")
        if type_ is not None and not isinstance(type_, BoolType | AnyType):
            hint = "compare it with something"
            if isinstance(type_, TextType):
                hint += f", e.g. `{self._source(node)} == '…'`"
            self._find("cel-type", node, f"true or false expected, this is {type_}", hint)

    def _field(self, node: Expr, type_: Type, name: str, start: int, text: str, facts: frozenset[str]) -> Typed:
        if isinstance(type_, DocumentType):
            type_ = ObjectType(_DOCUMENT, frozenset(_DOCUMENT))
        if not isinstance(type_, ObjectType):
            hint = (
                "read an item, e.g. `[0]`, or use a macro such as `.exists(x, …)`"
                if isinstance(type_, ListType)
                else "remove it"
            )
            self._at("unknown-field", start, start + len(name), f"`{name}` is read of something that is {type_}", hint)
            return Typed(AnyType(), text)
        found = type_.fields.get(name)
        if found is None:
            if type_.open:
                return Typed(AnyType(), text)
            near = nearest(name, type_.fields)
            replacement = near if isinstance(node, Select) else None
            self._at(
                "unknown-field",
                start,
                start + len(name),
                f"no field is named `{name}` here",
                did_you_mean(name, type_.fields, "fields"),
                replacement,
            )
            return Typed(AnyType(), text)
        path = path_of(node)
        if name not in type_.required and path not in facts:
            if f"has {path}" in facts:
                return Typed(found, text)
            # An optional field that is absent reads as null: one meaning for "not there".
            if isinstance(node, Select):
                return Typed(nullable(found), f"(has({text}) ? {text} : null)")
            return Typed(nullable(found), text)
        return Typed(self._narrowed(node, found, facts), text)
