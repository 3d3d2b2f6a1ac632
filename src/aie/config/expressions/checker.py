"""Types of expressions: every name, field, function and operator is known before a release is locked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aie.config.expressions.facts import not_null
from aie.config.expressions.invocations import MACROS, Invocations
from aie.config.expressions.operations import Operations
from aie.config.expressions.operators import join
from aie.config.expressions.parser import parse
from aie.config.expressions.syntax import (
    Binary,
    Call,
    Expr,
    Finding,
    Ident,
    Index,
    ListLiteral,
    LiteralValue,
    MapLiteral,
    Paren,
    Select,
    SyntaxProblem,
    Ternary,
    Unary,
    children,
)
from aie.config.expressions.walk import Typed
from aie.config.problems import did_you_mean, nearest
from aie.config.types import (
    AnyType,
    BoolType,
    DecimalType,
    DocumentType,
    IntType,
    ListType,
    NullType,
    ObjectType,
    TextType,
    Type,
)

__all__ = ["Checked", "check_expression", "references"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What the check of an expression found."""

    type: Type | None
    """None where something is wrong."""
    program: str
    """What the interpreter runs: exact functions stand where decimals and money are computed."""
    references: tuple[str, ...]
    """Names it reads, sorted, without the variables of its own macros."""
    findings: tuple[Finding, ...]


def check_expression(
    text: str, scope: Mapping[str, Type], expects: Type | None = None, *, given: Sequence[str] = ()
) -> Checked:
    """Check an expression in a scope.

    Args:
        text: What was written.
        scope: Types of the names it may use.
        expects: Type its value must have; None: any.
        given: Conditions known to be true where it is evaluated, e.g. the step's own `if`.
    """
    try:
        node = parse(text)
    except SyntaxProblem as error:
        return Checked(type=None, program=text, references=(), findings=(error.finding,))
    facts: frozenset[str] = frozenset()
    for each in given:
        try:
            facts |= not_null(parse(each), truth=True)
        except SyntaxProblem:
            continue  # reported where it is written
    checker = _Checker(text, scope)
    typed = checker.visit(node, facts)
    if not checker.findings and expects is not None:
        checker.expect(node, typed.type, expects)
    names = tuple(sorted(_names(node, frozenset())))
    type_ = None if checker.findings else typed.type
    return Checked(type=type_, program=typed.text, references=names, findings=tuple(checker.findings))


def references(text: str) -> tuple[str, ...]:
    """Return the names that an expression reads, sorted; none where it does not parse."""
    try:
        return tuple(sorted(_names(parse(text), frozenset())))
    except SyntaxProblem:
        return ()


def _names(node: Expr, bound: frozenset[str]) -> frozenset[str]:
    if isinstance(node, Ident):
        return frozenset() if node.name in bound else frozenset({node.name})
    if isinstance(node, Call) and node.target is not None and node.name in MACROS and isinstance(node.args[0], Ident):
        inner = bound | {node.args[0].name}
        found = _names(node.target, bound)
        for each in node.args[1:]:
            found |= _names(each, inner)
        return found
    return frozenset().union(*(_names(each, bound) for each in children(node)))


class _Checker(Operations, Invocations):
    """The whole check: names, fields, literals, and the parts above."""

    def visit(self, node: Expr, facts: frozenset[str]) -> Typed:
        """Return the type and the program of a node; `facts` are paths known not to be null."""
        match node:
            case LiteralValue():
                return self._literal(node)
            case Ident():
                return self._ident(node, facts)
            case Select():
                return self._select(node, facts)
            case Index():
                return self._index(node, facts)
            case Call():
                return self._call(node, facts)
            case ListLiteral():
                items = [self.visit(each, facts) for each in node.items]
                parts = list(zip(node.items, items, strict=True))
                return Typed(ListType(join(each.type for each in items)), self._spliced(node, parts))
            case MapLiteral():
                return self._map(node, facts)
            case Unary():
                return self._unary(node, facts)
            case Binary():
                return self._binary(node, facts)
            case Ternary():
                return self._ternary(node, facts)
            case Paren():
                inner = self.visit(node.inner, facts)
                return Typed(inner.type, self._spliced(node, [(node.inner, inner)]))

    def _literal(self, node: LiteralValue) -> Typed:
        text = self._source(node)
        match node.kind:
            case "int":
                if abs(int(node.value or 0)) > 2**53 - 1:
                    return self._find("cel-type", node, "an integer beyond ±(2^53−1)", "write it as text")
                return Typed(IntType(), text)
            case "decimal":
                return Typed(DecimalType(), f'"{node.value}"')
            case "text":
                return Typed(TextType((str(node.value),)), text)
            case "bool":
                return Typed(BoolType(), text)
            case "null":
                return Typed(NullType(), text)

    def _ident(self, node: Ident, facts: frozenset[str]) -> Typed:
        type_ = self._scope.get(node.name)
        if type_ is None:
            near = nearest(node.name, self._scope)
            return self._find(
                "unknown-name",
                node,
                f"nothing is named `{node.name}` here",
                did_you_mean(node.name, self._scope, "names"),
                near,
            )
        return Typed(self._narrowed(node, type_, facts), node.name)

    def _select(self, node: Select, facts: frozenset[str]) -> Typed:
        operand = self.visit(node.operand, facts)
        type_ = self._usable(node.operand, operand, f"where `.{node.field}` is read")
        text = self._spliced(node, [(node.operand, operand)])
        if type_ is None or isinstance(type_, AnyType):
            return Typed(AnyType(), text)
        return self._field(node, type_, node.field, node.field_start, text, facts)

    def _index(self, node: Index, facts: frozenset[str]) -> Typed:
        operand, index = self.visit(node.operand, facts), self.visit(node.index, facts)
        text = self._spliced(node, [(node.operand, operand), (node.index, index)])
        type_ = self._usable(node.operand, operand, "where it is indexed")
        if isinstance(type_, ListType):
            self.expect(node.index, index.type, IntType())
            return Typed(type_.of, text)
        if isinstance(type_, ObjectType | DocumentType):
            if isinstance(node.index, LiteralValue) and node.index.kind == "text":
                return self._field(node, type_, str(node.index.value), node.index.start + 1, text, facts)
            self.expect(node.index, index.type, TextType())
            return Typed(AnyType(), text)
        if type_ is not None and not isinstance(type_, AnyType):
            return self._find(
                "cel-type", node.operand, f"a list or object expected, this is {type_}", "remove the index"
            )
        return Typed(AnyType(), text)

    def _map(self, node: MapLiteral, facts: frozenset[str]) -> Typed:
        parts: list[tuple[Expr, Typed]] = []
        fields: dict[str, Type] = {}
        for key, value in node.items:
            value_typed = self.visit(value, facts)
            parts += [(key, Typed(TextType(), self._source(key))), (value, value_typed)]
            if not isinstance(key, LiteralValue) or key.kind != "text":
                self._find(
                    "cel-type",
                    key,
                    "a key is a text in quotes",
                    f"write `'{self._source(key)}'`",
                    f"'{self._source(key)}'" if isinstance(key, Ident) else None,
                )
            elif str(key.value) in fields:
                self._find("cel-type", key, f"`{key.value}` stands twice", "keep one of the two")
            else:
                fields[str(key.value)] = value_typed.type
        return Typed(ObjectType(fields, frozenset(fields)), self._spliced(node, parts))
