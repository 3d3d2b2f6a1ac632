"""Collecting mistakes: places, did-you-mean, and edits that a machine can apply."""

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from aie.errors import ConfigError, Edit, Problem

__all__ = ["Mark", "Problems", "apply", "did_you_mean", "nearest"]

MAX_NAME: Final = 100
"""A longer name is no slip of a known one."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in a file, both 1-based."""

    line: int
    col: int


class Problems:
    """Every mistake found so far; the same mistake at the same place counts once."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, int, int, str, str], Problem] = {}

    def add(self, problem: Problem) -> None:
        """Keep a mistake."""
        self._found.setdefault((problem.file, problem.line, problem.col, problem.code, problem.message), problem)

    def __iter__(self) -> Iterator[Problem]:
        return iter(sorted(self._found.values(), key=lambda each: (each.file, each.line, each.col, each.code)))

    def __len__(self) -> int:
        return len(self._found)

    def raise_if_any(self) -> None:
        """Raise when something was found.

        Raises:
            ConfigError: with all of it, by file and line.
        """
        if self._found:
            raise ConfigError(tuple(self))


def nearest(name: str, names: Iterable[str]) -> str | None:
    """Return the one name that was probably meant, or None when nothing is near."""
    if len(name) > MAX_NAME:
        return None
    known = list(names)
    folded = {each.casefold().replace("-", "_"): each for each in known}
    exact = folded.get(name.casefold().replace("-", "_"))
    if exact is not None:
        return exact
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    if close:
        return close[0]
    longer = [each for each in known if each.startswith(f"{name}_")]
    return longer[0] if len(longer) == 1 else None


def did_you_mean(name: str, names: Iterable[str], what: str = "") -> str:
    """Return `did you mean `x`?`, or the list of what exists."""
    known = sorted(set(names))
    near = nearest(name, known)
    if near is not None:
        return f"did you mean `{near}`?"
    if not known:
        return f"there {'are' if what.endswith('s') else 'is'} no {what} here" if what else ""
    shown = ", ".join(f"`{each}`" for each in known[:12])
    many = f" {what}{'s' if len(known) > 1 and not what.endswith('s') else ''}" if what else ""
    return f"known{many}: {shown}{' …' if len(known) > 12 else ''}"


def apply(text: str, edit: Edit) -> str:
    """Return the text of a file with one edit made."""
    lines = text.split("\n")
    lines[edit.line - 1 : edit.end_line] = edit.lines
    return "\n".join(lines)
