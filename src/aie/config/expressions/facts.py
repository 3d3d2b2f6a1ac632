"""What a condition tells about its names: after `policy != null`, `policy` is not null."""

from aie.config.expressions.syntax import Binary, Call, Expr, Ident, Index, LiteralValue, Paren, Select, Unary

__all__ = ["not_null", "path_of"]


def path_of(node: Expr) -> str | None:
    """Return the dotted path that a node reads, or None where it is computed."""
    match node:
        case Ident():
            return node.name
        case Select():
            operand = path_of(node.operand)
            return None if operand is None else f"{operand}.{node.field}"
        case Index(index=LiteralValue(kind="text", value=value)):
            operand = path_of(node.operand)
            return None if operand is None else f"{operand}.{value}"
        case Paren():
            return path_of(node.inner)
        case _:
            return None


def not_null(node: Expr, *, truth: bool) -> frozenset[str]:
    """Return the paths that cannot be null where the condition has this truth."""
    match node:
        case Paren():
            return not_null(node.inner, truth=truth)
        case Unary(op="!"):
            return not_null(node.operand, truth=not truth)
        case Binary(op="&&" | "||" as op):
            left, right = not_null(node.left, truth=truth), not_null(node.right, truth=truth)
            both = (op == "&&") is truth
            return left | right if both else left & right
        case Binary(op="==" | "!=" as op):
            return _compared(node.left, node.right, equal=(op == "==") is truth) | _compared(
                node.right, node.left, equal=(op == "==") is truth
            )
        case Binary(op="<" | "<=" | ">" | ">="):
            return frozenset()
        case Call(name="has", target=None, args=(argument,)) if truth:
            path = path_of(argument)
            return frozenset() if path is None else frozenset({f"has {path}"})
        case _:
            return frozenset()


def _compared(node: Expr, other: Expr, *, equal: bool) -> frozenset[str]:
    path = path_of(node)
    if path is None or not isinstance(other, LiteralValue):
        return frozenset()
    is_null = other.kind == "null"
    return frozenset({path}) if is_null is not equal else frozenset()
