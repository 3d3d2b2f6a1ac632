"""Where a YAML syntax error really is: the parser points at where it gave up, often lines below the mistake."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

import yaml

from aie.config.problems import Mark

__all__ = ["Diagnosis", "diagnose"]

MAX_TRIED: Final = 100_000
"""Characters of a text that changes are tried on; a longer one is only pointed into."""
MAX_TRIALS: Final = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """What is wrong with a text that is not YAML."""

    mark: Mark
    message: str
    hint: str
    lines: tuple[str, ...] | None = None
    """What should stand instead of the marked line; tried, so that the text is then YAML."""


def diagnose(text: str, error: yaml.MarkedYAMLError) -> Diagnosis:
    """Return where the mistake behind a parse error probably is, with a change that mends it where one was found."""
    place = error.problem_mark or error.context_mark
    line = place.line if place else 0
    lines = text.split("\n")
    message = error.problem or error.context or "it cannot be read"
    for number, start in _open_quotes(lines, line):
        quote = lines[number][start]
        for changed in islice(_with_quote(lines[number], start), MAX_TRIALS):
            if _is_yaml([*lines[:number], changed, *lines[number + 1 :]]):
                return Diagnosis(
                    mark=Mark(number + 1, start + 1),
                    message="a quote that does not end",
                    hint=f"close it with `{quote}`",
                    lines=(changed,),
                )
    opened = _open_bracket(lines, error)
    if opened is not None:
        return opened
    here = lines[line] if line < len(lines) else ""
    indent = here[: len(here) - len(here.lstrip())]
    mark = Mark(line + 1, place.column + 1 if place else 1)
    if "\t" in indent:
        for spaces in ("  ", "    ", " "):
            changed = indent.replace("\t", spaces) + here.lstrip()
            if _is_yaml([*lines[:line], changed, *lines[line + 1 :]]):
                return Diagnosis(mark=mark, message=message, hint="indent with spaces", lines=(changed,))
        return Diagnosis(mark=mark, message=message, hint="indent with spaces")
    if re.search(r": .*: ", here):
        return Diagnosis(mark=mark, message=message, hint="quote the value: it holds `: `")
    return Diagnosis(mark=mark, message=message, hint="look at quotes and indentation here and above")


def _is_yaml(lines: list[str]) -> bool:
    if sum(map(len, lines)) > MAX_TRIED:
        return False
    try:
        for _ in yaml.parse("\n".join(lines), Loader=yaml.CLoader):
            pass
    except yaml.YAMLError:
        return False
    return True


def _open_quotes(lines: list[str], last: int) -> Iterator[tuple[int, int]]:
    """Yield the first line up to the last one read whose quotes do not close within it, and the quote's column."""
    for number, line in enumerate(lines[: last + 1]):
        quote, start, at = "", 0, 0
        while at < len(line):
            char = line[at]
            if quote:
                if char == "\\" and quote == '"':
                    at += 1
                elif char == quote:
                    quote = ""
            elif char == "#" and (at == 0 or line[at - 1].isspace()):
                break
            elif char in "'\"" and (at == 0 or line[at - 1] in " \t[{,"):
                quote, start = char, at
            at += 1
        if quote:
            yield number, start
            return


def _with_quote(line: str, start: int) -> Iterator[str]:
    """Yield the line with its quote closed before each sign that could follow it, then at its end."""
    end = len(re.sub(r"\s+#.*$", "", line).rstrip())
    for at in range(start + 1, end):
        if line[at] in ":,]}" and not line[at - 1].isspace():
            yield line[:at] + line[start] + line[at:]
    yield line[:end] + line[start] + line[end:]


def _open_bracket(lines: list[str], error: yaml.MarkedYAMLError) -> Diagnosis | None:
    """Return the bracket that was opened in a line and not closed in it."""
    opened, problem = error.context_mark, error.problem_mark
    if opened is None or problem is None or "flow" not in (error.context or "") or opened.line >= problem.line:
        return None
    line = lines[opened.line]
    close = "]" if "sequence" in (error.context or "") else "}"
    end = len(re.sub(r"\s+#.*$", "", line).rstrip())
    changed = line[:end] + close + line[end:]
    mends = _is_yaml([*lines[: opened.line], changed, *lines[opened.line + 1 :]])
    return Diagnosis(
        mark=Mark(opened.line + 1, opened.column + 1),
        message="a bracket that is not closed",
        hint=f"close it with `{close}`",
        lines=(changed,) if mends else None,
    )
