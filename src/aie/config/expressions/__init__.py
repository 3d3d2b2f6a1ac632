"""Expressions in CEL: parsed and typed here before a release is locked, run by the Rust interpreter."""

from collections.abc import Mapping
from dataclasses import dataclass

from aie.config.types import AnyType, Type
from aie.core import JSON

__all__ = ["Checked", "Expression", "Finding", "check_expression", "expression", "references"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A mistake in an expression."""

    code: str
    message: str
    start: int
    end: int
    hint: str = ""
    replacement: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What the check of an expression found."""

    type: Type | None
    program: str
    references: tuple[str, ...]
    findings: tuple[Finding, ...]


def check_expression(text: str, scope: Mapping[str, Type], expects: Type | None = None) -> Checked:
    """Check an expression in a scope."""
    return Checked(type=expects or AnyType(), program=text, references=(), findings=())


def references(text: str) -> tuple[str, ...]:
    """Return the names that an expression refers to, without its own macro variables; none where it does not parse."""
    import re
    return tuple(sorted(set(re.findall(r"(?<![\w.])[a-z]\w*(?!\w*\()", text))))


class Expression:
    """A program that was checked, ready to run."""

    def __init__(self, program: str) -> None:
        self.program = program

    def evaluate(self, names: Mapping[str, JSON]) -> JSON:
        """Return the value of the expression."""
        raise NotImplementedError


def expression(program: str) -> Expression:
    """Return the expression of a program, compiled once in a process."""
    return Expression(program)
