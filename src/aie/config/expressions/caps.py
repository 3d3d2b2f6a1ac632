"""Whether a condition bounds a value by something that no outsider writes."""

from collections.abc import Set as AbstractSet

from aie.config.expressions.parser import parse
from aie.config.expressions.paths import paths_within
from aie.config.expressions.syntax import Binary, Call, Expr, LiteralValue, Paren, SyntaxProblem

__all__ = ["is_capped"]

_LESS = frozenset({"<", "<=", "=="})
_MORE = frozenset({">", ">=", "=="})


def is_capped(text: str, paths: AbstractSet[tuple[str, ...]], anchors: AbstractSet[str]) -> bool:
    """Whether a condition can only be true where a value is at most, or equal to, something that holds.

    Args:
        text: the condition.
        paths: what the value is read from.
        anchors: names whose values hold; a literal holds as well.
    """
    try:
        return bool(paths) and _bounds(parse(text), paths, anchors)
    except SyntaxProblem:
        return False


def _bounds(node: Expr, paths: AbstractSet[tuple[str, ...]], anchors: AbstractSet[str]) -> bool:
    match node:
        case Paren():
            return _bounds(node.inner, paths, anchors)
        case Binary(op="&&"):
            return _bounds(node.left, paths, anchors) or _bounds(node.right, paths, anchors)
        case Binary(op="||"):
            return _bounds(node.left, paths, anchors) and _bounds(node.right, paths, anchors)
        case Binary(op=op) if op in _LESS and _holds(node.right, anchors):
            return paths_within(node.left) == paths
        case Binary(op=op) if op in _MORE and _holds(node.left, anchors):
            return paths_within(node.right) == paths
        case _:
            return False


def _holds(node: Expr, anchors: AbstractSet[str]) -> bool:
    read = paths_within(node)
    return all(path[0] in anchors for path in read) if read else _is_literal(node)


def _is_literal(node: Expr) -> bool:
    match node:
        case LiteralValue():
            return node.kind != "null"
        case Paren():
            return _is_literal(node.inner)
        case Call(name="money" | "decimal" | "date", target=None):
            return all(_is_literal(each) for each in node.args)
        case _:
            return False
