"""What of each value an expression reads, as far as that is known before it runs."""

from aie.config.expressions.invocations import MACROS
from aie.config.expressions.parser import parse
from aie.config.expressions.syntax import Call, Expr, Ident, Index, LiteralValue, Paren, Select, SyntaxProblem, children

__all__ = ["paths_within", "static_paths"]


def static_paths(text: str) -> tuple[tuple[str, ...], ...]:
    """Return the longest paths that an expression reads, sorted; none where it does not parse.

    A path that goes on with something computed, such as an index, ends before it: the whole object there is read.
    """
    try:
        return tuple(sorted(paths_within(parse(text))))
    except SyntaxProblem:
        return ()


def paths_within(node: Expr) -> frozenset[tuple[str, ...]]:
    """Return the longest paths that a node reads."""
    return _paths(node, frozenset())


def _paths(node: Expr, bound: frozenset[str]) -> frozenset[tuple[str, ...]]:
    own = _static(node)
    if own is not None:
        return frozenset() if own[0] in bound else frozenset({own})
    if isinstance(node, Call) and node.target is not None and node.name in MACROS and isinstance(node.args[0], Ident):
        inner = bound | {node.args[0].name}
        found = _paths(node.target, bound)
        return found.union(*(_paths(each, inner) for each in node.args[1:]))
    return frozenset().union(*(_paths(each, bound) for each in children(node)))


def _static(node: Expr) -> tuple[str, ...] | None:
    match node:
        case Ident():
            return (node.name,)
        case Select():
            operand = _static(node.operand)
            return None if operand is None else (*operand, node.field)
        case Index(index=LiteralValue(kind="text", value=value)):
            operand = _static(node.operand)
            return None if operand is None else (*operand, str(value))
        case Paren():
            return _static(node.inner)
        case _:
            return None
