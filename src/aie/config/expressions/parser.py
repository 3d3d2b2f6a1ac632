"""A recursive-descent parse of CEL with the place of every node."""

import re
from decimal import Decimal
from typing import Final

from aie.config.expressions.syntax import (
    RESERVED,
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
    Token,
    Unary,
    tokens,
)

__all__ = ["MAX_DEPTH", "MAX_TEXT", "parse"]

MAX_TEXT: Final = 2_000
MAX_DEPTH: Final = 24
"""Of nested brackets and operators: far below what overflows the stack of the interpreter."""
MAX_TOKENS: Final = 600

_RELATIONS: Final = frozenset({"<", "<=", ">", ">=", "==", "!=", "in"})
_WORDS: Final = {"and": "&&", "or": "||", "not": "!", "True": "true", "False": "false", "None": "null", "is": "=="}
_MACROS: Final = {"all": (2,), "exists": (2,), "exists_one": (2,), "map": (2, 3), "filter": (2,)}


def parse(text: str, *, longest: int = MAX_TEXT) -> Expr:
    """Return the tree of an expression of at most `longest` characters.

    Raises:
        SyntaxProblem: at the first place where it cannot go on.
    """
    if len(text) > longest:
        raise SyntaxProblem.of(
            code="cel-too-long",
            message=f"longer than {longest} characters",
            start=0,
            end=len(text),
            hint="divide it over several steps",
        )
    words = tokens(text)
    if len(words) > MAX_TOKENS and longest == MAX_TEXT:
        raise SyntaxProblem.of(
            code="cel-too-long",
            message=f"more than {MAX_TOKENS} words",
            start=0,
            end=len(text),
            hint="divide it over several steps",
        )
    return _Parser(words).whole()


class _Parser:
    def __init__(self, words: list[Token]) -> None:
        self._words = words
        self._at = 0
        self._depth = 0

    @property
    def _next(self) -> Token:
        return self._words[self._at]

    def _take(self) -> Token:
        token = self._words[self._at]
        self._at += 1
        return token

    def _is(self, *texts: str) -> bool:
        token = self._next
        return token.kind in {"op", "word"} and token.text in texts

    def _expect(self, text: str) -> Token:
        if not self._is(text):
            raise self._unexpected(f"`{text}` expected")
        return self._take()

    def _unexpected(self, expected: str) -> SyntaxProblem:
        token = self._next
        given = f"`{token.text}`" if token.kind != "end" else "the end"
        meant = _WORDS.get(token.text)
        return SyntaxProblem.of(
            code="cel-syntax",
            message=f"{expected}, this is {given}",
            start=token.start,
            end=token.end,
            hint=f"write `{meant}`" if meant else "look at what stands before",
            replacement=meant,
        )

    def whole(self) -> Expr:
        node = self._ternary()
        if self._next.kind != "end":
            raise self._unexpected("an operator or the end expected")
        return node

    def _ternary(self) -> Expr:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            token = self._next
            raise SyntaxProblem.of(
                code="cel-too-deep",
                message=f"nested deeper than {MAX_DEPTH} levels",
                start=token.start,
                end=token.end,
                hint="divide it over several steps",
            )
        node = self._or()
        if self._is("?"):
            self._take()
            yes = self._or()
            self._expect(":")
            no = self._ternary()
            node = Ternary(start=node.start, end=no.end, condition=node, yes=yes, no=no)
        self._depth -= 1
        return node

    def _or(self) -> Expr:
        node = self._and()
        while self._is("||"):
            node = self._binary(node, self._and)
        return node

    def _and(self) -> Expr:
        node = self._relation()
        while self._is("&&"):
            node = self._binary(node, self._relation)
        return node

    def _relation(self) -> Expr:
        node = self._sum()
        while self._is(*_RELATIONS):
            node = self._binary(node, self._sum)
        return node

    def _sum(self) -> Expr:
        node = self._product()
        while self._is("+", "-"):
            node = self._binary(node, self._product)
        return node

    def _product(self) -> Expr:
        node = self._unary()
        while self._is("*", "/", "%"):
            node = self._binary(node, self._unary)
        return node

    def _binary(self, left: Expr, operand: "object") -> Expr:
        op = self._take()
        right: Expr = operand()  # type: ignore[operator]
        return Binary(start=left.start, end=right.end, op=op.text, left=left, right=right, op_start=op.start)

    def _unary(self) -> Expr:
        if not self._is("!", "-"):
            return self._member()
        first = self._take()
        count = 1
        if first.text == "-" and self._next.kind in {"int", "float"}:
            return self._trailers(self._number(first))
        while self._is(first.text):
            self._take()
            count += 1
        if self._is("-") and self._words[self._at + 1].kind in {"int", "float"}:
            sign = self._take()
            operand = self._trailers(self._number(sign))
        else:
            operand = self._member()
        node: Expr = operand
        # Pairs of the same sign cancel in the interpreter, too; each is kept, so that types are checked.
        for _ in range(count):
            node = Unary(start=first.start, end=operand.end, op=first.text, operand=node)
        return node

    def _member(self) -> Expr:
        return self._trailers(self._primary())

    def _trailers(self, node: Expr) -> Expr:
        while self._is(".", "["):
            if self._take().text == "[":
                index = self._ternary()
                end = self._expect("]").end
                node = Index(start=node.start, end=end, operand=node, index=index)
                continue
            name = self._next
            if name.kind != "word" or name.text in {"in", "true", "false", "null"}:
                raise self._unexpected("a field name expected")
            self._take()
            if self._is("("):
                args, end = self._arguments()
                node = self._call(name, node, args, end)
            else:
                node = Select(start=node.start, end=name.end, operand=node, field=name.text, field_start=name.start)
        return node

    def _arguments(self) -> tuple[tuple[Expr, ...], int]:
        self._expect("(")
        args: list[Expr] = []
        while not self._is(")"):
            args.append(self._ternary())
            if not self._is(")"):
                self._expect(",")
                if self._is(")"):
                    raise self._unexpected("an argument expected")
        return tuple(args), self._take().end

    def _call(self, name: Token, target: Expr | None, args: tuple[Expr, ...], end: int) -> Call:
        if target is not None and len(args) in _MACROS.get(name.text, ()) and not isinstance(args[0], Ident):
            raise SyntaxProblem.of(
                code="cel-syntax",
                message=f"the first argument of `{name.text}` is a name for the item",
                start=args[0].start,
                end=args[0].end,
                hint=f"write `.{name.text}(x, …)`",
            )
        if name.text == "has" and target is None and len(args) == 1 and not isinstance(args[0], Select):
            raise SyntaxProblem.of(
                code="cel-syntax",
                message="`has` asks for a field, e.g. `has(input.note)`",
                start=args[0].start,
                end=args[0].end,
                hint="compare with null instead: `… != null`",
            )
        start = name.start if target is None else target.start
        return Call(start=start, end=end, name=name.text, name_start=name.start, target=target, args=args)

    def _primary(self) -> Expr:
        token = self._next
        if token.kind in {"int", "float"}:
            return self._number(None)
        if token.kind == "string":
            self._take()
            return LiteralValue(start=token.start, end=token.end, kind="text", value=_text(token))
        if token.kind == "word":
            return self._name()
        if self._is("("):
            self._take()
            inner = self._ternary()
            end = self._expect(")").end
            return Paren(start=token.start, end=end, inner=inner)
        if self._is("["):
            return self._list()
        if self._is("{"):
            return self._map()
        if self._is(".") and self._words[self._at + 1].kind == "word":
            raise SyntaxProblem.of(
                code="cel-unsupported",
                message="a name does not begin with a dot",
                start=token.start,
                end=token.end,
                hint="remove the dot",
                replacement="",
            )
        raise self._unexpected("a value expected")

    def _name(self) -> Expr:
        token = self._next
        if token.text in {"true", "false"}:
            self._take()
            return LiteralValue(start=token.start, end=token.end, kind="bool", value=token.text == "true")
        if token.text == "null":
            self._take()
            return LiteralValue(start=token.start, end=token.end, kind="null", value=None)
        if token.text == "in":
            raise self._unexpected("a value expected")
        self._take()
        if token.text in RESERVED:
            raise SyntaxProblem.of(
                code="cel-syntax",
                message=f"`{token.text}` is a reserved word",
                start=token.start,
                end=token.end,
                hint="a step with this name cannot be referred to; rename it",
            )
        if self._is("("):
            args, end = self._arguments()
            return self._call(token, None, args, end)
        if self._is("{"):
            raise SyntaxProblem.of(
                code="cel-unsupported",
                message="there are no named structs",
                start=token.start,
                end=token.end,
                hint="write a map: `{'name': value}`",
                replacement="",
            )
        if token.text in RESERVED:
            raise SyntaxProblem.of(
                code="cel-syntax",
                message=f"`{token.text}` is a reserved word",
                start=token.start,
                end=token.end,
                hint="a step with this name cannot be referred to; rename it",
            )
        return Ident(start=token.start, end=token.end, name=token.text)

    def _number(self, sign: Token | None) -> Expr:
        token = self._take()
        start = token.start if sign is None else sign.start
        minus = "-" if sign is not None else ""
        if token.kind == "float":
            value = Decimal(minus + token.text)
            if abs(value.adjusted()) > 30:
                raise SyntaxProblem(_range(start, token.end))
            return LiteralValue(start=start, end=token.end, kind="decimal", value=f"{value:f}")
        number = int(minus + token.text, 16 if token.text.startswith("0x") else 10)
        if not -(2**63) <= number < 2**63:
            raise SyntaxProblem(_range(start, token.end))
        return LiteralValue(start=start, end=token.end, kind="int", value=number)

    def _list(self) -> Expr:
        start = self._take().start
        items: list[Expr] = []
        if self._is(",") and self._words[self._at + 1].text == "]":
            self._take()
        while not self._is("]"):
            items.append(self._ternary())
            if not self._is("]"):
                self._expect(",")
        return ListLiteral(start=start, end=self._take().end, items=tuple(items))

    def _map(self) -> Expr:
        start = self._take().start
        items: list[tuple[Expr, Expr]] = []
        if self._is(",") and self._words[self._at + 1].text == "}":
            self._take()
        while not self._is("}"):
            key = self._ternary()
            self._expect(":")
            items.append((key, self._ternary()))
            if not self._is("}"):
                self._expect(",")
        return MapLiteral(start=start, end=self._take().end, items=tuple(items))


def _range(start: int, end: int) -> Finding:
    return Finding(
        code="cel-unsupported", message="a number out of range", start=start, end=end, hint="write a smaller one"
    )


_ESCAPED: Final = re.compile(
    r"\\(?:([0-3][0-7][0-7])|[xX]([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))", re.DOTALL
)
_CHARS: Final = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


def _text(token: Token) -> str:
    raw = token.text[0] in "rR"
    text = token.text[1:] if raw else token.text
    quotes = 3 if len(text) >= 6 and text[:3] in {"'''", '"""'} else 1
    text = text[quotes:-quotes]
    return text if raw else _ESCAPED.sub(lambda match: _unescape(match, token), text)


def _unescape(match: re.Match[str], token: Token) -> str:
    octal, byte, short, long, char = match.groups()
    if char is not None:
        return _CHARS.get(char, char)
    code = int(octal, 8) if octal else int(byte or short or long, 16)
    if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
        raise SyntaxProblem.of(
            code="cel-syntax",
            message="an escape that stands for no character",
            start=token.start,
            end=token.end,
            hint="write the character itself",
        )
    return chr(code)
