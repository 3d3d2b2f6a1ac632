"""Operators of expressions: `&&`, `==`, `<`, `in`, `+`, `? :` and what they mean for each pair of types."""

from aie.config.expressions.facts import not_null
from aie.config.expressions.operators import bare, comparable, compute, join, order
from aie.config.expressions.syntax import (
    Binary,
    Expr,
    ListLiteral,
    LiteralValue,
    Paren,
    Ternary,
    Unary,
    children,
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
)

__all__ = ["Operations"]


class Operations(Walk):
    """The part of the check that knows operators."""

    def _unary(self, node: Unary, facts: frozenset[str]) -> Typed:
        operand = self.visit(node.operand, facts)
        text = node.op + operand.text
        if node.op == "!":
            self._condition(node.operand, operand)
            return Typed(BoolType(), text)
        type_ = self._usable(node.operand, operand, "where it is negated")
        if isinstance(type_, DecimalType):
            return Typed(type_, f"decimal_neg({operand.text})")
        if type_ is not None and not isinstance(type_, IntType | AnyType):
            return self._find("cel-type", node.operand, f"a number expected, this is {type_}", "remove the minus")
        return Typed(type_ or AnyType(), text)

    def _ternary(self, node: Ternary, facts: frozenset[str]) -> Typed:
        condition = self.visit(node.condition, facts)
        self._condition(node.condition, condition)
        yes = self.visit(node.yes, facts | not_null(node.condition, truth=True))
        no = self.visit(node.no, facts | not_null(node.condition, truth=False))
        parts = [(node.condition, condition), (node.yes, yes), (node.no, no)]
        return Typed(join([yes.type, no.type]), self._spliced(node, parts))

    def _binary(self, node: Binary, facts: frozenset[str]) -> Typed:
        left = self.visit(node.left, facts)
        if node.op in {"&&", "||"}:
            right = self.visit(node.right, facts | not_null(node.left, truth=node.op == "&&"))
            self._condition(node.left, left)
            self._condition(node.right, right)
            return Typed(BoolType(), self._spliced(node, [(node.left, left), (node.right, right)]))
        right = self.visit(node.right, facts)
        if node.op in {"==", "!="}:
            return self._equality(node, left, right)
        if node.op == "in":
            return self._membership(node, left, right)
        one = self._usable(node.left, left, f"where `{node.op}` is used")
        two = self._usable(node.right, right, f"where `{node.op}` is used")
        if one is None or two is None:
            return Typed(AnyType(), self._source(node))
        if node.op in {"<", "<=", ">", ">="}:
            function = order(node.op, one, two)
            if function is None:
                return self._no_operator(node, one, two, "cannot be ordered")
            return Typed(BoolType(), self._operated(node, left, right, function))
        found = compute(node.op, one, two)
        if found is None:
            return self._no_operator(node, one, two, f"have no `{node.op}`")
        return Typed(found[0], self._operated(node, left, right, found[1]))

    def _operated(self, node: Binary, left: Typed, right: Typed, function: str) -> str:
        if function:
            return f"{function}({left.text}, {right.text})"
        return self._spliced(node, [(node.left, left), (node.right, right)])

    def _no_operator(self, node: Binary, one: Type, two: Type, message: str) -> Typed:
        wanted: Type | None = None
        side, given = node.right, two
        for target, other, part in ((one, two, node.right), (two, one, node.left)):
            if isinstance(target, MoneyType | DecimalType | DateType) and isinstance(other, TextType):
                wanted, side, given = target, part, other
            elif node.op == "+" and isinstance(target, TextType) and not isinstance(other, TextType):
                wanted, side, given = TextType(), part, other
            elif (isinstance(target, MoneyType) and isinstance(other, IntType | DecimalType) and node.op != "*") or (
                isinstance(target, IntType) and isinstance(other, TextType) and _is_number(part)
            ):
                wanted, side, given = target, part, other
        if wanted is None:
            return self._find("cel-type", node, f"{one} and {two} {message}", "compare values of one type")
        source = self._source(side)
        replacement: str | None = f"{wanted}({source})"
        if isinstance(wanted, TextType):
            replacement = f"string({source})"
        elif isinstance(wanted, MoneyType) and isinstance(given, IntType | DecimalType):
            replacement = f"money('{source} USD')" if isinstance(side, LiteralValue) else None
        elif isinstance(wanted, IntType) and isinstance(side, LiteralValue):
            replacement = str(side.value).strip()
        hint = f"write `{replacement}`" if replacement else "say the currency, e.g. `money('10.00 USD')`"
        self._at("cel-type", side.start, side.end, f"{one} and {two} {message}", hint, replacement)
        return Typed(AnyType(), self._source(node))

    def _equality(self, node: Binary, left: Typed, right: Typed) -> Typed:
        function = comparable(node.op, left.type, right.type)
        if function is None:
            return self._no_operator(node, bare(left.type), bare(right.type), "are never equal")
        for one, two, part in ((left.type, right.type, node.right), (right.type, left.type, node.left)):
            self._possible(bare(one), two, part)
        return Typed(BoolType(), self._operated(node, left, right, function))

    def _possible(self, known: Type, given: Type, part: Expr) -> None:
        """Report a literal that is none of the only values possible."""
        literal = isinstance(part, LiteralValue) and part.kind == "text"
        if not literal or not isinstance(known, TextType) or len(known.values) < 2 or not isinstance(given, TextType):
            return
        value = given.values[0]
        if value not in known.values:
            near = nearest(value, known.values)
            self._find(
                "cel-type",
                part,
                f"'{value}' is never the value",
                did_you_mean(value, known.values, "values"),
                f"'{near}'" if near else None,
            )

    def _membership(self, node: Binary, left: Typed, right: Typed) -> Typed:
        type_ = self._usable(node.right, right, "where `in` looks")
        text = self._spliced(node, [(node.left, left), (node.right, right)])
        if isinstance(type_, ListType):
            function = comparable("==", left.type, type_.of)
            if function is None:
                self._find(
                    "cel-type",
                    node.left,
                    f"{left.type} is never in a {type_}",
                    f"look for something that is {type_.of}",
                )
            elif function:
                self._find("cel-type", node, f"`in` does not compare {left.type} exactly", "write `.exists(x, x == …)`")
            elif isinstance(node.right, ListLiteral | Paren):
                for each in children(node.right):
                    if isinstance(each, LiteralValue) and each.kind == "text":
                        self._possible(bare(left.type), TextType((str(each.value),)), each)
        elif isinstance(type_, ObjectType):
            self.expect(node.left, left.type, TextType())
        elif type_ is not None and not isinstance(type_, AnyType):
            self._find(
                "cel-type",
                node.right,
                f"a list expected, this is {type_}",
                f"write `[{self._source(node.right)}]`",
                f"[{self._source(node.right)}]",
            )
        return Typed(BoolType(), text)


def _is_number(node: Expr) -> bool:
    return isinstance(node, LiteralValue) and str(node.value).strip().removeprefix("-").isdigit()
