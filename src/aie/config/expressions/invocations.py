"""Calls in expressions: functions, methods of texts, and macros over lists."""

from collections.abc import Sequence
from datetime import date
from typing import Final

from aie.config.expressions import interpreter
from aie.config.expressions.facts import not_null
from aie.config.expressions.functions import FUNCTIONS, METHODS, Signature
from aie.config.expressions.parser import parse
from aie.config.expressions.syntax import (
    Call,
    Expr,
    Ident,
    LiteralValue,
    Select,
    SyntaxProblem,
)
from aie.config.expressions.walk import Typed, Walk
from aie.config.problems import did_you_mean, nearest
from aie.config.types import (
    AnyType,
    BoolType,
    DateType,
    DecimalType,
    IntType,
    ListType,
    MoneyType,
    ObjectType,
    TextType,
    Type,
    fits,
)
from aie.core import Money
from aie.errors import InputError

__all__ = ["MACROS", "Invocations"]

MAX_NESTING: Final = 2
MACROS: Final = frozenset({"all", "exists", "exists_one", "map", "filter"})


class Invocations(Walk):
    """The part of the check that knows what can be called."""

    def _call(self, node: Call, facts: frozenset[str]) -> Typed:
        if node.target is None and node.name == "has" and len(node.args) == 1 and isinstance(node.args[0], Select):
            argument = node.args[0]
            operand = self.visit(argument.operand, facts)
            text = self._spliced(argument, [(argument.operand, operand)])
            type_ = self._usable(argument.operand, operand, "where a field is looked for")
            if type_ is not None and not isinstance(type_, AnyType):
                self._field(argument, type_, argument.field, argument.field_start, text, facts)
            return Typed(BoolType(), f"has({text})")
        if node.target is not None and node.name in MACROS:
            return self._macro(node, facts)
        args = [self.visit(each, facts) for each in node.args]
        if node.target is None:
            return self._function(node, args)
        target = self.visit(node.target, facts)
        if node.name == "size" and not args:
            return self._size(node, node.target, target)
        return self._method(node, node.target, target, args)

    def _unknown(self, node: Call, names: Sequence[str], message: str) -> Typed:
        near = nearest(node.name, names)
        end = node.name_start + len(node.name)
        self._at("unknown-function", node.name_start, end, message, did_you_mean(node.name, names, "functions"), near)
        return Typed(AnyType(), self._source(node))

    def _function(self, node: Call, args: Sequence[Typed]) -> Typed:
        signatures = FUNCTIONS.get(node.name)
        if signatures is None:
            if node.name in METHODS or node.name in MACROS:
                self._at(
                    "unknown-function",
                    node.name_start,
                    node.name_start + len(node.name),
                    f"`{node.name}` is called on a value",
                    f"write `value.{node.name}(…)`",
                )
                return Typed(AnyType(), self._source(node))
            return self._unknown(node, sorted({*FUNCTIONS, "has"}), f"no function is named `{node.name}`")
        types: list[Type] = []
        for part, typed in zip(node.args, args, strict=True):
            type_ = self._usable(part, typed, f"where `{node.name}` is called")
            if type_ is None:
                return Typed(AnyType(), self._source(node))
            types.append(type_)
        if node.name == "size" and len(args) == 1:
            return self._size(node, node.args[0], args[0])
        constant = self._constant(node)
        if constant is not None:
            return constant
        signature = _choose(signatures, types)
        if signature is None:
            takes = " or ".join(sorted({", ".join(str(each) for each in one.takes) for one in signatures}))
            return self._find("cel-type", node, f"`{node.name}` takes {takes}", "look at what it is given")
        inner = ", ".join(each.text for each in args)
        return Typed(signature.gives, f"{signature.program}({inner})")

    def _constant(self, node: Call) -> Typed | None:
        """Check `money('…')`, `decimal('…')`, `date('…')` of a literal here and now."""
        if node.name not in {"money", "decimal", "date"} or len(node.args) != 1:
            return None
        argument = node.args[0]
        if not isinstance(argument, LiteralValue) or argument.kind != "text":
            return None
        text = str(argument.value)
        forms: dict[str, tuple[Type, str]] = {
            "money": (MoneyType(), "500.00 USD"),
            "decimal": (DecimalType(), "0.25"),
            "date": (DateType(), "2026-01-31"),
        }
        type_, example = forms[node.name]
        meant = _constant(node.name, text)
        if meant is None:
            squeezed = text.strip().upper() if node.name == "money" else text.strip().replace(",", ".")
            fixed = _constant(node.name, squeezed)
            return self._find(
                "cel-literal",
                argument,
                f"'{text}' is not {type_}",
                f"write it like '{fixed or example}'",
                f"'{fixed}'" if fixed else None,
            )
        return Typed(type_, f'"{meant}"')

    def _size(self, node: Call, part: Expr, typed: Typed) -> Typed:
        type_ = self._usable(part, typed, "where its size is asked for")
        if isinstance(type_, TextType | AnyType):
            function = "text_size" if isinstance(type_, TextType) else "size"
            return Typed(IntType(), f"{function}({typed.text})")
        if type_ is not None and not isinstance(type_, ListType | ObjectType):
            return self._find("cel-type", part, f"{type_} has no size", "ask for the size of a text or a list")
        return Typed(IntType(), f"size({typed.text})")

    def _method(self, node: Call, target_node: Expr, target: Typed, args: Sequence[Typed]) -> Typed:
        signature = METHODS.get(node.name)
        if signature is None:
            if node.name in FUNCTIONS:
                inner = ", ".join(self._source(each) for each in (target_node, *node.args))
                return self._find(
                    "unknown-function",
                    node,
                    f"`{node.name}` is not called on a value",
                    f"write `{node.name}({inner})`",
                    f"{node.name}({inner})",
                )
            return self._unknown(node, sorted({*METHODS, *MACROS, "size"}), f"no function is named `{node.name}`")
        if len(args) != 1:
            return self._find("cel-type", node, f"`{node.name}` takes one text", f"write `.{node.name}('…')`")
        for part, typed in ((target_node, target), (node.args[0], args[0])):
            type_ = self._usable(part, typed, f"where `{node.name}` is called")
            if type_ is not None:
                self.expect(part, type_, TextType())
        if node.name == "matches":
            self._pattern(node.args[0])
        parts = [(target_node, target), (node.args[0], args[0])]
        return Typed(signature.gives, self._spliced(node, parts))

    def _pattern(self, node: Expr) -> None:
        if not isinstance(node, LiteralValue) or node.kind != "text":
            self._find("cel-type", node, "a pattern is a literal text", "write the pattern in quotes")
            return
        try:
            interpreter.evaluate(f"''.matches({self._source(node)})")
        except Exception:  # noqa: BLE001 - the binding raises what it likes
            self._find("cel-literal", node, "not a regular expression", "look at its brackets and escapes")

    def _macro(self, node: Call, facts: frozenset[str]) -> Typed:
        target_node = node.target
        assert target_node is not None, "a macro is called on a value"
        counts = (2, 3) if node.name == "map" else (2,)
        if len(node.args) not in counts or not isinstance(node.args[0], Ident):
            return self._find(
                "cel-type", node, f"`{node.name}` takes a name and an expression", f"write `.{node.name}(x, …)`"
            )
        target = self.visit(target_node, facts)
        type_ = self._usable(target_node, target, f"where `{node.name}` goes over it")
        if type_ is not None and not isinstance(type_, ListType | AnyType):
            return self._find("cel-type", target_node, f"a list expected, this is {type_}", "go over a list")
        self._nesting += 1
        if self._nesting > MAX_NESTING:
            self._nesting -= 1
            return self._find(
                "cel-too-deep",
                node,
                f"`{node.name}` within more than {MAX_NESTING - 1} other such calls",
                "do the inner part in a step of its own",
            )
        item = node.args[0].name
        shadowed = self._scope.get(item)
        if shadowed is not None:
            self._find(
                "cel-type", node.args[0], f"`{item}` already names something", "choose another name for the item"
            )
        self._scope[item] = type_.of if isinstance(type_, ListType) else AnyType()
        inner = frozenset(each for each in facts if each.removeprefix("has ").split(".")[0] != item)
        bodies: list[Typed] = []
        for i, part in enumerate(node.args[1:]):
            body = self.visit(part, inner | (not_null(node.args[1], truth=True) if i == 1 else frozenset()))
            bodies.append(body)
            if node.name != "map" or (len(node.args) == 3 and i == 0):
                self._condition(part, body)
        if shadowed is None:
            del self._scope[item]
        else:
            self._scope[item] = shadowed
        self._nesting -= 1
        parts = [(target_node, target), *zip(node.args[1:], bodies, strict=True)]
        gives: Type = BoolType()
        if node.name == "map":
            gives = ListType(bodies[-1].type)
        elif node.name == "filter":
            gives = type_ if isinstance(type_, ListType) else ListType(AnyType())
        return Typed(gives, self._spliced(node, parts))


def _choose(signatures: Sequence[Signature], types: Sequence[Type]) -> Signature | None:
    for exact in (True, False):
        for each in signatures:
            if (
                len(each.takes) == len(types)
                and each.program
                and all(
                    (type(given) is type(wanted) if exact and not isinstance(wanted, ListType) else True)
                    and fits(given, wanted) is None
                    for given, wanted in zip(types, each.takes, strict=True)
                )
            ):
                return each
    return None


def _constant(name: str, text: str) -> str | None:
    """Return the wire form of a literal, or None where it is none."""
    try:
        if name == "money":
            return str(Money.parse(text))
        if name == "decimal":
            literal = parse(text)
            value = literal.value if isinstance(literal, LiteralValue) and literal.kind in {"int", "decimal"} else None
            return None if value is None else str(value)
        return text if _is_date(text) else None
    except (InputError, SyntaxProblem):
        return None


def _is_date(text: str) -> bool:
    try:
        return len(text) == 10 and bool(date.fromisoformat(text))
    except ValueError:
        return False
