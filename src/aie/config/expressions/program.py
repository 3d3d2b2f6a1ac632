"""Running a checked expression on the Rust interpreter, without floats, without values in its errors."""

import re
import threading
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from aie.config.expressions import interpreter
from aie.config.expressions.functions import NATIVE, Calls
from aie.config.expressions.invocations import MACROS
from aie.config.expressions.parser import parse
from aie.config.expressions.syntax import Call, Expr, Ident, SyntaxProblem, children
from aie.core import JSON
from aie.errors import Failure, StepFailure

__all__ = ["Expression", "expression"]

MAX_ITEMS: Final = (20_000, 1_000)
"""Items a list may have under one macro and under two nested ones: evaluation has no cost limit and holds the
interpreter lock."""
MAX_INT: Final = 2**53 - 1
MAX_DEPTH: Final = 60

_PATH: Final = re.compile(r"[a-z]\w*(\.[A-Za-z_]\w*)+")


class Expression:
    """A program that was checked, ready to run in any thread."""

    def __init__(self, program: str) -> None:
        """Compile a program, i.e. `Checked.program`.

        Raises:
            StepFailure: EXPRESSION; it is not an expression.
        """
        self.program = program
        try:
            node = parse_program(program)
            self._compiled = interpreter.compile_program(program)
        except (SyntaxProblem, ValueError) as error:
            raise StepFailure(Failure.EXPRESSION, f"`{program[:120]}` is not an expression") from error
        self.path = tuple(program.split(".")) if _PATH.fullmatch(program) else ()
        """The names of a program that leads to a part of a value and does nothing else; none of any other."""
        self._names = _names(node)
        self._functions = frozenset(each.name for each in _calls(node)) & NATIVE.keys()
        self._nesting = _nesting(node)
        self._items = MAX_ITEMS[self._nesting > 1]

    def evaluate(self, names: Mapping[str, JSON]) -> JSON:
        """Return the value of the expression.

        Args:
            names: Values of the names it may use; those it does not use cost nothing.

        Raises:
            StepFailure: EXPRESSION, without any value in its message.
        """
        found = self._at_path(names)
        if found is not None:
            self._check_result(found, 0)
            return found
        calls = Calls()
        variables = {name: names[name] for name in self._names if name in names}
        if self._nesting:
            for value in variables.values():
                self._check_size(value)
        try:
            context = interpreter.Context(variables, calls.functions(self._functions))
            result: JSON = self._compiled.execute(context)
        except Exception as error:  # noqa: BLE001 - the binding raises what it likes
            raise self._failure(calls.error or _reason(error)) from None
        except BaseException as error:
            # A panic of the interpreter is no exception of Python's own tree.
            if type(error).__name__ != "PanicException":
                raise
            raise self._failure("the interpreter gave up") from None
        if calls.error:
            raise self._failure(calls.error)
        self._check_result(result, 0)
        return result

    def _at_path(self, names: Mapping[str, JSON]) -> JSON:
        """Return what a program that is a path leads to, without the interpreter, which takes in whole values.

        None is left to the interpreter: it knows a null from a field that is not there.
        """
        value = names.get(self.path[0]) if self.path else None
        for name in self.path[1:]:
            value = value.get(name) if isinstance(value, dict) else None
        return value

    def _failure(self, reason: str) -> StepFailure:
        return StepFailure(Failure.EXPRESSION, f"`{self.program[:120]}`: {reason}")

    def _check_size(self, value: JSON) -> None:
        waiting = [value]
        while waiting:
            each = waiting.pop()
            if isinstance(each, list):
                if len(each) > self._items:
                    raise self._failure(f"a list has more than {self._items} items")
                waiting.extend(each)
            elif isinstance(each, dict):
                waiting.extend(each.values())

    def _check_result(self, value: JSON, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise self._failure("its value is nested too deeply")
        if value is None or isinstance(value, bool | str):
            return
        if isinstance(value, int):
            if abs(value) > MAX_INT:
                raise self._failure("an integer beyond ±(2^53−1)")
        elif isinstance(value, list | tuple):
            for each in value:
                self._check_result(each, depth + 1)
        elif isinstance(value, dict):
            for key, each in value.items():
                if not isinstance(key, str):
                    raise self._failure("a key that is not a text")
                self._check_result(each, depth + 1)
        else:
            raise self._failure("its value is no JSON without floats")


def expression(program: str) -> Expression:
    """Return the expression of a program, compiled once in each thread of a process."""
    return _cache.get(program)


class _Cache(threading.local):
    """Programs of one thread: the binding's programs are not shared between threads."""

    def __init__(self) -> None:
        self.get = lru_cache(maxsize=2_000)(Expression)


_cache = _Cache()


def parse_program(program: str) -> Expr:
    """Return the tree of a program; rewritten programs may be longer than what people may write."""
    return parse(program, longest=50_000)


def _reason(error: Exception) -> str:
    match error:
        case ZeroDivisionError():
            return "division by zero"
        case OverflowError():
            return "a number is too large"
        case KeyError():
            return "a field is not there"
        case IndexError():
            return "a list has fewer items"
        case TypeError():
            return "a value is not of the type declared for it"
        case _:
            return "it has no value"


def _calls(node: Expr) -> list[Call]:
    found = [node] if isinstance(node, Call) else []
    for each in children(node):
        found += _calls(each)
    return found


def _names(node: Expr) -> frozenset[str]:
    own = frozenset({node.name}) if isinstance(node, Ident) else frozenset()
    return own.union(*(_names(each) for each in children(node)))


def _nesting(node: Expr) -> int:
    inner = max((_nesting(each) for each in children(node)), default=0)
    return inner + 1 if isinstance(node, Call) and node.target is not None and node.name in MACROS else inner
