"""The words and the tree of CEL.

The grammar is that of the Rust interpreter, so that both accept the same texts;
what it accepts and we leave out (structs, bytes, unsigned integers, leading dots) is refused by name.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Literal, Self, TypeAlias

__all__ = [
    "RESERVED",
    "Binary",
    "Call",
    "Expr",
    "Finding",
    "Ident",
    "Index",
    "ListLiteral",
    "LiteralValue",
    "MapLiteral",
    "Paren",
    "Select",
    "SyntaxProblem",
    "Ternary",
    "Token",
    "Unary",
    "children",
    "tokens",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A mistake in an expression; offsets are into its text."""

    code: str
    message: str
    start: int
    end: int
    """One past the last character."""
    hint: str = ""
    replacement: str | None = None
    """Text for `start..end` that mends it; None when a person must choose."""


class SyntaxProblem(Exception):
    """The text is not an expression."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.message)
        self.finding = finding

    @classmethod
    def of(
        cls, *, code: str, message: str, start: int, end: int, hint: str = "", replacement: str | None = None
    ) -> Self:
        """Return the problem of a mistake, as `Finding` describes one."""
        return cls(Finding(code=code, message=message, start=start, end=end, hint=hint, replacement=replacement))


@dataclass(frozen=True, slots=True)
class Token:
    """One word of the text."""

    kind: Literal["int", "float", "string", "word", "op", "end"]
    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Node:
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LiteralValue(_Node):
    """`1`, `0.5`, `'text'`, `true`, `null`."""

    kind: Literal["int", "decimal", "text", "bool", "null"]
    value: int | str | bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ident(_Node):
    """A name."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Select(_Node):
    """`operand.field`."""

    operand: "Expr"
    field: str
    field_start: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Index(_Node):
    """`operand[index]`."""

    operand: "Expr"
    index: "Expr"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(_Node):
    """`name(args)` or `target.name(args)`."""

    name: str
    name_start: int
    target: "Expr | None"
    args: tuple["Expr", ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListLiteral(_Node):
    """`[a, b]`."""

    items: tuple["Expr", ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MapLiteral(_Node):
    """`{'a': b}`."""

    items: tuple[tuple["Expr", "Expr"], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unary(_Node):
    """`!a`, `-a`."""

    op: str
    operand: "Expr"


@dataclass(frozen=True, slots=True, kw_only=True)
class Binary(_Node):
    """`a op b`."""

    op: str
    left: "Expr"
    right: "Expr"
    op_start: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ternary(_Node):
    """`condition ? yes : no`."""

    condition: "Expr"
    yes: "Expr"
    no: "Expr"


@dataclass(frozen=True, slots=True, kw_only=True)
class Paren(_Node):
    """`(inner)`; kept, so that the text of a node always stands for itself."""

    inner: "Expr"
    note: None = field(default=None, repr=False)


Expr: TypeAlias = (
    LiteralValue | Ident | Select | Index | Call | ListLiteral | MapLiteral | Unary | Binary | Ternary | Paren
)


def children(node: Expr) -> Iterator[Expr]:
    """Yield the direct parts of a node, in the order of the text."""
    match node:
        case Select():
            yield node.operand
        case Index():
            yield from (node.operand, node.index)
        case Call():
            if node.target is not None:
                yield node.target
            yield from node.args
        case ListLiteral():
            yield from node.items
        case MapLiteral():
            for pair in node.items:
                yield from pair
        case Unary():
            yield node.operand
        case Binary():
            yield from (node.left, node.right)
        case Ternary():
            yield from (node.condition, node.yes, node.no)
        case Paren():
            yield node.inner
        case LiteralValue() | Ident():
            pass


RESERVED: Final = frozenset(
    [
        "as",
        "break",
        "const",
        "continue",
        "else",
        "for",
        "function",
        "if",
        "import",
        "let",
        "loop",
        "package",
        "namespace",
        "return",
        "var",
        "void",
        "while",
    ]
)
"""Words that cannot be names, only fields."""

_ESCAPE = r"\\(?:[abfnrtv\"'?`\\]|[0-3][0-7][0-7]|[xX][0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8})"
_STRING = (
    rf"'''(?:{_ESCAPE}|[^\\])*?'''"
    rf'|"""(?:{_ESCAPE}|[^\\])*?"""'
    rf"|'(?:{_ESCAPE}|[^\\'\n\r])*'"
    rf'|"(?:{_ESCAPE}|[^\\"\n\r])*"'
)
_RAW = r"'''(?:.|\n)*?'''" + r'|"""(?:.|\n)*?"""' + r"|'[^'\n\r]*'" + r'|"[^"\n\r]*"'
_TOKEN: Final = re.compile(
    rf"(?P<skip>[\t \r\n\f]+|//[^\n]*)"
    rf"|(?P<bytes>[bB][rR]?['\"])"
    rf"|(?P<raw>[rR](?:{_RAW}))"
    rf"|(?P<string>{_STRING})"
    rf"|(?P<float>\d+\.\d+(?:[eE][-+]?\d+)?|\d+[eE][-+]?\d+|\.\d+(?:[eE][-+]?\d+)?)"
    rf"|(?P<uint>(?:0x[0-9a-fA-F]+|\d+)[uU])"
    rf"|(?P<int>0x[0-9a-fA-F]+|\d+)"
    rf"|(?P<word>[a-zA-Z_][a-zA-Z0-9_]*)"
    rf"|(?P<op>&&|\|\||==|!=|<=|>=|[-+*/%!<>?:.,()\[\]{{}}])",
    re.DOTALL,
)
_MEANT: Final = {"=": "==", "&": "&&", "|": "||", "“": "'", "”": "'", "‘": "'", "’": "'"}


def tokens(text: str) -> list[Token]:
    """Return the words of a text, ending with an `end`.

    Raises:
        SyntaxProblem: at the first character that begins no word.
    """
    found: list[Token] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise SyntaxProblem(_stray(text, at))
        kind = match.lastgroup
        if kind in {"bytes", "uint"}:
            what = "bytes" if kind == "bytes" else "an unsigned integer"
            raise SyntaxProblem.of(
                code="cel-unsupported",
                message=f"{what} cannot be used here",
                start=at,
                end=match.end(),
                hint="use text and plain integers",
            )
        if kind != "skip":
            name: Literal["int", "float", "string", "word", "op", "end"]
            name = "string" if kind == "raw" else kind  # type: ignore[assignment]
            found.append(Token(name, match[0], at, match.end()))
        at = match.end()
    found.append(Token("end", "", len(text), len(text)))
    return found


def _stray(text: str, at: int) -> Finding:
    char = text[at]
    if char in "'\"":
        return Finding(
            code="cel-syntax",
            message="a text that does not end, or an unknown escape in it",
            start=at,
            end=len(text),
            hint="close the quote; write a backslash as `\\\\`",
        )
    meant = _MEANT.get(char)
    return Finding(
        code="cel-syntax",
        message=f"`{char}` means nothing here",
        start=at,
        end=at + 1,
        hint=f"write `{meant}`" if meant else "remove it",
        replacement=meant,
    )
