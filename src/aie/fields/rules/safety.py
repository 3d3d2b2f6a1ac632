"""Whether a regular expression can be tried in a bounded number of ways at each place of a text.

Python's engine goes back over every choice that it has made, so a hostile document can make an unlucky pattern run for
years. A choice costs nothing where the next character decides it; so for each repeat and each alternative the
characters that it may begin with are compared with those that may follow instead. Where they overlap, the number of
ways counts, and a pattern with more than `MOST_WAYS` is refused when the release is made. (The engines that never go
back are foreign code; a process with a time limit for each pattern would cost more than the patterns.)
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final

__all__ = ["MOST_WAYS", "why_unsafe"]

MOST_WAYS: Final = 100
"""Ways in which a match may be tried from one place of the text."""

_parser: Final = import_module("re._parser")
"""The parser of `re` itself: what it reads is what will run."""
_c: Final = import_module("re._constants")

_SAMPLE: Final = frozenset(map(chr, range(0x180))) | frozenset("Ωω中あ—–‘’“”€…\u00a0\u2009\u3000٣")
_CLASSES: Final[dict[Any, frozenset[str]]] = {
    getattr(_c, f"CATEGORY_{name}"): frozenset(each for each in _SAMPLE if re.match(written, each))
    for name, written in {
        "DIGIT": r"\d",
        "NOT_DIGIT": r"\D",
        "SPACE": r"\s",
        "NOT_SPACE": r"\S",
        "WORD": r"\w",
        "NOT_WORD": r"\W",
    }.items()
}
_NONE: Final = frozenset[str]()


class _Unsafe(Exception):
    """Why a pattern is refused."""


@dataclass(frozen=True, slots=True)
class _Part:
    """What the walk knows of a piece of a pattern."""

    first: frozenset[str]
    """Characters that it may begin with, of the sample and the pattern's own."""
    empty: bool
    """Whether it may match nothing."""
    ways: int
    """In how many ways it may match from one place, given what follows."""


def why_unsafe(pattern: str) -> str | None:
    """Return why a pattern is refused, or None when it is not."""
    try:
        re.compile(pattern, re.MULTILINE)
        tree = _parser.parse(pattern, re.MULTILINE)
        ways = _Walk(pattern, ignore_case=bool(tree.state.flags & re.IGNORECASE)).sequence(tree, _NONE).ways
    except re.error as error:
        return str(error)
    except (OverflowError, RecursionError):
        return "it is too deep"
    except _Unsafe as why:
        return str(why)
    return None if ways <= MOST_WAYS else f"it can match in {ways} ways from one place, {MOST_WAYS} are allowed"


class _Walk:
    def __init__(self, pattern: str, *, ignore_case: bool) -> None:
        self._sample = _SAMPLE | frozenset(pattern)
        self._ignore_case = ignore_case

    def sequence(self, items: Iterable[Any], follow: frozenset[str]) -> _Part:
        """Walk a sequence from its end: what follows a piece is what the rest may begin with."""
        first, empty, ways = follow, True, 1
        for op, argument in reversed(list(items)):
            part = self._piece(op, argument, first)
            first = part.first | first if part.empty else part.first
            empty &= part.empty
            ways = _counted(ways * part.ways)
        return _Part(first, empty, ways)

    def _piece(self, op: Any, argument: Any, follow: frozenset[str]) -> _Part:
        if op in (_c.LITERAL, _c.NOT_LITERAL, _c.IN, _c.ANY):
            return _Part(self._characters(op, argument), empty=False, ways=1)
        if op is _c.AT:
            return _Part(_NONE, empty=True, ways=1)
        if op in (_c.ASSERT, _c.ASSERT_NOT):
            return _Part(_NONE, empty=True, ways=self.sequence(argument[1], _NONE).ways)
        if op is _c.SUBPATTERN:
            return self.sequence(argument[-1], follow)
        if op is _c.BRANCH:
            return self._branches(argument[1], follow)
        if op in (_c.MAX_REPEAT, _c.MIN_REPEAT):
            least, most, body = argument
            return self._repeat(least, most, body, follow)
        raise _Unsafe("only characters, classes, groups, alternatives, repeats and looking around may be used")

    def _branches(self, branches: Iterable[Any], follow: frozenset[str]) -> _Part:
        first, empty, ways = _NONE, False, 0
        for each in branches:
            part = self.sequence(each, follow)
            ways = ways + part.ways if first & part.first else max(ways, part.ways)
            first |= part.first
            empty |= part.empty
        return _Part(first, empty, _counted(ways))

    def _repeat(self, least: int, most: int, body: Any, follow: frozenset[str]) -> _Part:
        start = self.sequence(body, _NONE)
        endless = most == _c.MAXREPEAT
        inner = self.sequence(body, (start.first | follow) if most > 1 else follow)
        if start.empty and most > 1:
            raise _Unsafe("it repeats what may be empty")
        ways = 1
        if inner.ways > 1 and most > 1:
            if endless:
                raise _Unsafe("a repeat without an end holds another whose end is not clear: write {0,20}")
            ways = _counted(inner.ways ** min(most, MOST_WAYS))
        else:
            ways = inner.ways
        if least != most and start.first & follow:
            if endless:
                raise _Unsafe("a repeat without an end may also match what follows it: write {0,60} instead of * or +")
            ways = _counted(ways * (most - least + 1))
        return _Part(start.first, least == 0 or start.empty, ways)

    def _characters(self, op: Any, argument: Any) -> frozenset[str]:
        if op is _c.ANY:
            return self._sample - {"\n"}
        if op is _c.LITERAL:
            return self._cased({chr(argument)})
        if op is _c.NOT_LITERAL:
            return self._sample - {chr(argument)}
        found: set[str] = set()
        for kind, value in argument:
            if kind is _c.LITERAL:
                found.add(chr(value))
            elif kind is _c.RANGE:
                found |= {each for each in self._sample if value[0] <= ord(each) <= value[1]}
            elif kind is _c.CATEGORY:
                found |= _CLASSES[value]
        negated = any(kind is _c.NEGATE for kind, _ in argument)
        return self._sample - found if negated else self._cased(found)

    def _cased(self, found: set[str]) -> frozenset[str]:
        return frozenset(found | {each.swapcase() for each in found}) if self._ignore_case else frozenset(found)


def _counted(ways: int) -> int:
    """Return a number of ways, kept small: past the bound it does not matter how far."""
    return min(ways, 1_000_000)
