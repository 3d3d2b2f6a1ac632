"""Types of expressions: every name, field, function and operator is known before a release is locked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from aie.config.expressions import interpreter
from aie.config.expressions.facts import not_null, path_of
from aie.config.expressions.functions import FUNCTIONS, METHODS, Signature
from aie.config.expressions.operators import comparable, compute, join, order
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
from aie.core import Money
from aie.errors import InputError

__all__ = ["MACROS", "Checked", "check_expression", "references"]

MAX_NESTING: Final = 2
MACROS: Final = frozenset({"all", "exists", "exists_one", "map", "filter"})
_DOCUMENT: Final[Mapping[str, Type]] = {
    "ref": TextType(),
    "name": TextType(),
    "media_type": TextType(),
    "size": IntType(),
}


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


@dataclass(frozen=True, slots=True)
class _Typed:
    type: Type
    text: str
    """The program of the node."""


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


class _Checker:
    def __init__(self, text: str, scope: Mapping[str, Type]) -> None:
        self.findings: list[Finding] = []
        self._text = text
        self._scope = dict(scope)
        self._nesting = 0

    def _find(self, code: str, node: Expr, message: str, hint: str = "", replacement: str | None = None) -> _Typed:
        self._at(code, node.start, node.end, message, hint, replacement)
        return _Typed(AnyType(), self._text[node.start : node.end])

    def _at(
        self, code: str, start: int, end: int, message: str, hint: str = "", replacement: str | None = None
    ) -> None:
        self.findings.append(
            Finding(code=code, message=message, start=start, end=end, hint=hint, replacement=replacement)
        )

    def _source(self, node: Expr) -> str:
        return self._text[node.start : node.end]

    def _spliced(self, node: Expr, parts: Sequence[tuple[Expr, _Typed]]) -> str:
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

    def visit(self, node: Expr, facts: frozenset[str]) -> _Typed:
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
                return _Typed(ListType(join(each.type for each in items)), self._spliced(node, parts))
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
                return _Typed(inner.type, self._spliced(node, [(node.inner, inner)]))

    def _literal(self, node: LiteralValue) -> _Typed:
        text = self._source(node)
        match node.kind:
            case "int":
                if abs(int(node.value or 0)) > 2**53 - 1:
                    return self._find("cel-type", node, "an integer beyond ±(2^53−1)", "write it as text")
                return _Typed(IntType(), text)
            case "decimal":
                return _Typed(DecimalType(), f'"{node.value}"')
            case "text":
                return _Typed(TextType((str(node.value),)), text)
            case "bool":
                return _Typed(BoolType(), text)
            case "null":
                return _Typed(NullType(), text)

    def _ident(self, node: Ident, facts: frozenset[str]) -> _Typed:
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
        return _Typed(self._narrowed(node, type_, facts), node.name)

    def _narrowed(self, node: Expr, type_: Type, facts: frozenset[str]) -> Type:
        return type_.of if isinstance(type_, NullableType) and path_of(node) in facts else type_

    def _usable(self, node: Expr, typed: _Typed, what: str) -> Type | None:
        """Return the type without null; report a value that may be null."""
        if isinstance(typed.type, NullableType | NullType):
            source = self._source(node)
            self._find("cel-null", node, f"`{source}` may be null {what}", f"write `{source} != null && …` before it")
            return None
        return typed.type

    def _select(self, node: Select, facts: frozenset[str]) -> _Typed:
        operand = self.visit(node.operand, facts)
        type_ = self._usable(node.operand, operand, f"where `.{node.field}` is read")
        text = self._spliced(node, [(node.operand, operand)])
        if type_ is None or isinstance(type_, AnyType):
            return _Typed(AnyType(), text)
        return self._field(node, type_, node.field, node.field_start, text, facts)

    def _field(self, node: Expr, type_: Type, name: str, start: int, text: str, facts: frozenset[str]) -> _Typed:
        if isinstance(type_, DocumentType):
            type_ = ObjectType(_DOCUMENT, frozenset(_DOCUMENT))
        if not isinstance(type_, ObjectType):
            hint = (
                "read an item, e.g. `[0]`, or use a macro such as `.exists(x, …)`"
                if isinstance(type_, ListType)
                else "remove it"
            )
            self._at("unknown-field", start, start + len(name), f"`{name}` is read of something that is {type_}", hint)
            return _Typed(AnyType(), text)
        found = type_.fields.get(name)
        if found is None:
            if type_.open:
                return _Typed(AnyType(), text)
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
            return _Typed(AnyType(), text)
        path = path_of(node)
        if name not in type_.required and path not in facts:
            if f"has {path}" in facts:
                return _Typed(found, text)
            # An optional field that is absent reads as null: one meaning for "not there".
            if isinstance(node, Select):
                return _Typed(nullable(found), f"(has({text}) ? {text} : null)")
            return _Typed(nullable(found), text)
        return _Typed(self._narrowed(node, found, facts), text)

    def _index(self, node: Index, facts: frozenset[str]) -> _Typed:
        operand, index = self.visit(node.operand, facts), self.visit(node.index, facts)
        text = self._spliced(node, [(node.operand, operand), (node.index, index)])
        type_ = self._usable(node.operand, operand, "where it is indexed")
        if isinstance(type_, ListType):
            self.expect(node.index, index.type, IntType())
            return _Typed(type_.of, text)
        if isinstance(type_, ObjectType | DocumentType):
            if isinstance(node.index, LiteralValue) and node.index.kind == "text":
                return self._field(node, type_, str(node.index.value), node.index.start + 1, text, facts)
            self.expect(node.index, index.type, TextType())
            return _Typed(AnyType(), text)
        if type_ is not None and not isinstance(type_, AnyType):
            return self._find(
                "cel-type", node.operand, f"a list or object expected, this is {type_}", "remove the index"
            )
        return _Typed(AnyType(), text)

    def _map(self, node: MapLiteral, facts: frozenset[str]) -> _Typed:
        parts: list[tuple[Expr, _Typed]] = []
        fields: dict[str, Type] = {}
        for key, value in node.items:
            value_typed = self.visit(value, facts)
            parts += [(key, _Typed(TextType(), self._source(key))), (value, value_typed)]
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
        return _Typed(ObjectType(fields, frozenset(fields)), self._spliced(node, parts))

    def _unary(self, node: Unary, facts: frozenset[str]) -> _Typed:
        operand = self.visit(node.operand, facts)
        text = node.op + operand.text
        if node.op == "!":
            self._condition(node.operand, operand)
            return _Typed(BoolType(), text)
        type_ = self._usable(node.operand, operand, "where it is negated")
        if isinstance(type_, DecimalType):
            return _Typed(type_, f"decimal_neg({operand.text})")
        if type_ is not None and not isinstance(type_, IntType | AnyType):
            return self._find("cel-type", node.operand, f"a number expected, this is {type_}", "remove the minus")
        return _Typed(type_ or AnyType(), text)

    def _condition(self, node: Expr, typed: _Typed) -> None:
        type_ = self._usable(node, typed, "where true or false is needed")
        if type_ is not None and not isinstance(type_, BoolType | AnyType):
            hint = "compare it with something"
            if isinstance(type_, TextType):
                hint += f", e.g. `{self._source(node)} == '…'`"
            self._find("cel-type", node, f"true or false expected, this is {type_}", hint)

    def _ternary(self, node: Ternary, facts: frozenset[str]) -> _Typed:
        condition = self.visit(node.condition, facts)
        self._condition(node.condition, condition)
        yes = self.visit(node.yes, facts | not_null(node.condition, truth=True))
        no = self.visit(node.no, facts | not_null(node.condition, truth=False))
        parts = [(node.condition, condition), (node.yes, yes), (node.no, no)]
        return _Typed(join([yes.type, no.type]), self._spliced(node, parts))

    def _binary(self, node: Binary, facts: frozenset[str]) -> _Typed:
        left = self.visit(node.left, facts)
        if node.op in {"&&", "||"}:
            right = self.visit(node.right, facts | not_null(node.left, truth=node.op == "&&"))
            self._condition(node.left, left)
            self._condition(node.right, right)
            return _Typed(BoolType(), self._spliced(node, [(node.left, left), (node.right, right)]))
        right = self.visit(node.right, facts)
        if node.op in {"==", "!="}:
            return self._equality(node, left, right)
        if node.op == "in":
            return self._membership(node, left, right)
        one = self._usable(node.left, left, f"where `{node.op}` is used")
        two = self._usable(node.right, right, f"where `{node.op}` is used")
        if one is None or two is None:
            return _Typed(AnyType(), self._source(node))
        if node.op in {"<", "<=", ">", ">="}:
            function = order(node.op, one, two)
            if function is None:
                return self._no_operator(node, one, two, "cannot be ordered")
            return _Typed(BoolType(), self._operated(node, left, right, function))
        found = compute(node.op, one, two)
        if found is None:
            return self._no_operator(node, one, two, f"have no `{node.op}`")
        return _Typed(found[0], self._operated(node, left, right, found[1]))

    def _operated(self, node: Binary, left: _Typed, right: _Typed, function: str) -> str:
        if function:
            return f"{function}({left.text}, {right.text})"
        return self._spliced(node, [(node.left, left), (node.right, right)])

    def _no_operator(self, node: Binary, one: Type, two: Type, message: str) -> _Typed:
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
        return _Typed(AnyType(), self._source(node))

    def _equality(self, node: Binary, left: _Typed, right: _Typed) -> _Typed:
        function = comparable(node.op, left.type, right.type)
        if function is None:
            return self._no_operator(node, _bare(left.type), _bare(right.type), "are never equal")
        for one, two, part in ((left.type, right.type, node.right), (right.type, left.type, node.left)):
            self._possible(_bare(one), two, part)
        return _Typed(BoolType(), self._operated(node, left, right, function))

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

    def _membership(self, node: Binary, left: _Typed, right: _Typed) -> _Typed:
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
                        self._possible(_bare(left.type), TextType((str(each.value),)), each)
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
        return _Typed(BoolType(), text)

    def _call(self, node: Call, facts: frozenset[str]) -> _Typed:
        if node.target is None and node.name == "has" and len(node.args) == 1 and isinstance(node.args[0], Select):
            argument = node.args[0]
            operand = self.visit(argument.operand, facts)
            text = self._spliced(argument, [(argument.operand, operand)])
            type_ = self._usable(argument.operand, operand, "where a field is looked for")
            if type_ is not None and not isinstance(type_, AnyType):
                self._field(argument, type_, argument.field, argument.field_start, text, facts)
            return _Typed(BoolType(), f"has({text})")
        if node.target is not None and node.name in MACROS:
            return self._macro(node, facts)
        args = [self.visit(each, facts) for each in node.args]
        if node.target is None:
            return self._function(node, args)
        target = self.visit(node.target, facts)
        if node.name == "size" and not args:
            return self._size(node, node.target, target)
        return self._method(node, node.target, target, args)

    def _unknown(self, node: Call, names: Sequence[str], message: str) -> _Typed:
        near = nearest(node.name, names)
        end = node.name_start + len(node.name)
        self._at("unknown-function", node.name_start, end, message, did_you_mean(node.name, names, "functions"), near)
        return _Typed(AnyType(), self._source(node))

    def _function(self, node: Call, args: Sequence[_Typed]) -> _Typed:
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
                return _Typed(AnyType(), self._source(node))
            return self._unknown(node, sorted({*FUNCTIONS, "has"}), f"no function is named `{node.name}`")
        types: list[Type] = []
        for part, typed in zip(node.args, args, strict=True):
            type_ = self._usable(part, typed, f"where `{node.name}` is called")
            if type_ is None:
                return _Typed(AnyType(), self._source(node))
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
        return _Typed(signature.gives, f"{signature.program}({inner})")

    def _constant(self, node: Call) -> _Typed | None:
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
        return _Typed(type_, f'"{meant}"')

    def _size(self, node: Call, part: Expr, typed: _Typed) -> _Typed:
        type_ = self._usable(part, typed, "where its size is asked for")
        if isinstance(type_, TextType | AnyType):
            function = "text_size" if isinstance(type_, TextType) else "size"
            return _Typed(IntType(), f"{function}({typed.text})")
        if type_ is not None and not isinstance(type_, ListType | ObjectType):
            return self._find("cel-type", part, f"{type_} has no size", "ask for the size of a text or a list")
        return _Typed(IntType(), f"size({typed.text})")

    def _method(self, node: Call, target_node: Expr, target: _Typed, args: Sequence[_Typed]) -> _Typed:
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
        return _Typed(signature.gives, self._spliced(node, parts))

    def _pattern(self, node: Expr) -> None:
        if not isinstance(node, LiteralValue) or node.kind != "text":
            self._find("cel-type", node, "a pattern is a literal text", "write the pattern in quotes")
            return
        try:
            interpreter.evaluate(f"''.matches({self._source(node)})")
        except Exception:  # noqa: BLE001 - the binding raises what it likes
            self._find("cel-literal", node, "not a regular expression", "look at its brackets and escapes")

    def _macro(self, node: Call, facts: frozenset[str]) -> _Typed:
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
        bodies: list[_Typed] = []
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
        return _Typed(gives, self._spliced(node, parts))


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


def _is_number(node: Expr) -> bool:
    return isinstance(node, LiteralValue) and str(node.value).strip().removeprefix("-").isdigit()


def _is_date(text: str) -> bool:
    try:
        return len(text) == 10 and bool(date.fromisoformat(text))
    except ValueError:
        return False


def _bare(type_: Type) -> Type:
    return type_.of if isinstance(type_, NullableType) else type_
