"""Expressions in CEL: parsed and typed here before a release is locked, run by the Rust interpreter."""

from aie.config.expressions.caps import is_capped
from aie.config.expressions.checker import Checked, check_expression, references
from aie.config.expressions.parser import parse
from aie.config.expressions.paths import static_paths
from aie.config.expressions.program import Expression, expression
from aie.config.expressions.syntax import Finding, SyntaxProblem

__all__ = [
    "Checked",
    "Expression",
    "Finding",
    "SyntaxProblem",
    "check_expression",
    "expression",
    "is_capped",
    "parse",
    "references",
    "static_paths",
]
