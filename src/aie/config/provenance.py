"""Where each character of a rendered prompt comes from: marks are put into the template, and taken out of the text.

Marks are noncharacters of Unicode, which no text may hold for exchange; those that a value holds all the same are
replaced one for one before it is rendered, so nothing that is filled in can pretend to be the template.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from aie.core import JSON

__all__ = ["Stretch", "Untraceable", "marked", "unmark", "without_marks"]

_LINE, _OPEN, _CLOSE, _END = "\ufdd0", "\ufdd1", "\ufdd2", "\ufdd3"
_MARKED: Final = re.compile(rf"(.*)([{_LINE}{_OPEN}{_CLOSE}])(\d+)", re.DOTALL)
_CLEAN: Final = {ord(mark): "\ufffd" for mark in (_LINE, _OPEN, _CLOSE, _END)}

_QUOTED: Final = r"""(?:"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')"""
_TAG: Final = re.compile(
    rf"""(?P<comment>\{{\#.*?\#\}})
      | (?P<raw>\{{%[-+]?\s*raw\s*[-+]?%\}}.*?\{{%[-+]?\s*endraw\s*[-+]?%\}})
      | (?P<block>\{{%(?:[^"'%]|{_QUOTED}|%(?!\}}))*%\}})
      | \{{\{{(?P<left>[-+]?)(?P<value>(?:[^"'}}]|{_QUOTED}|\}}(?!\}}))*?)(?P<right>[-+]?)\}}\}}""",
    re.DOTALL | re.VERBOSE,
)


class Untraceable(Exception):
    """What was rendered has lost marks: a filter around a whole block changed them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """A part of what was rendered."""

    text: str
    line: int
    """Line of the template that it begins on, 1-based."""
    value: str | None
    """The expression that gave it; None for the template's own text."""


def without_marks(value: JSON) -> JSON:
    """Return a value in which no text holds a mark; each is replaced by one other character."""
    match value:
        case str():
            return value.translate(_CLEAN) if _holds_mark(value) else value
        case list():
            return [without_marks(each) for each in value]
        case dict():
            return {key: without_marks(each) for key, each in value.items()}
        case _:
            return value


def marked(template: str) -> tuple[str, tuple[str, ...]]:
    """Return the template with its marks, and the expressions that they number; what it renders else is the same."""
    template = template.translate(_CLEAN)
    made: list[str] = []
    values: list[str] = []
    at = 0
    for tag in _TAG.finditer(template):
        made.append(_marked_text(template, at, tag.start()))
        if tag["value"] is None:
            made.append(tag[0])
        else:
            # The trim of `{{- … -}}` must reach past the marks to the text around: an empty value carries it.
            left = f'{{{{{tag["left"]} "" }}}}' if tag["left"] else ""
            right = f'{{{{ "" {tag["right"]}}}}}' if tag["right"] else ""
            number = len(values)
            made.append(f"{left}{_OPEN}{number}{_END}{{{{{tag['value']}}}}}{_CLOSE}{_line(template, tag)}{_END}{right}")
            values.append(tag["value"].strip())
        at = tag.end()
    made.append(_marked_text(template, at, len(template)))
    return "".join(made), tuple(values)


def _marked_text(template: str, start: int, end: int) -> str:
    """Return text of the template with the number of its first line, behind the white space that a tag may trim."""
    text = template[start:end]
    shown = text.lstrip()
    if not shown:
        return text
    space = text[: len(text) - len(shown)]
    line = template.count("\n", 0, start + len(space)) + 1
    return f"{space}{_LINE}{line}{_END}{shown}"


def _line(template: str, tag: re.Match[str]) -> int:
    return template.count("\n", 0, tag.start()) + 1


def unmark(rendered: str, values: tuple[str, ...]) -> Iterator[Stretch]:
    """Yield the parts of what a marked template rendered, in order; together they are the text without marks.

    Raises:
        Untraceable: marks are missing.
    """
    open_: list[str] = []
    line, pending = 1, ""
    *pieces, last = rendered.split(_END)
    for piece in pieces:
        mark = _MARKED.fullmatch(piece)
        if mark is None:
            raise Untraceable
        text, kind, number = mark[1], mark[2], int(mark[3])
        if open_:
            yield from _stretch(text, line, open_[-1])
        else:
            pending += text
        if kind == _LINE:
            if not open_:
                yield from _stretch(pending, line, None)
                pending = ""
            line = number
        elif kind == _OPEN:
            yield from _stretch(pending, line, None)
            pending = ""
            if number >= len(values):
                raise Untraceable
            open_.append(values[number])
        else:
            if not open_:
                raise Untraceable
            open_.pop()
            line = number
    if open_:
        raise Untraceable
    yield from _stretch(pending + last, line, None)


def _stretch(text: str, line: int, value: str | None) -> Iterator[Stretch]:
    if _holds_mark(text):
        raise Untraceable
    if text:
        yield Stretch(text=text, line=line, value=value)


def _holds_mark(text: str) -> bool:
    """Tell whether a text holds a mark. Looking for each is a fortieth of looking for a class of characters."""
    return _OPEN in text or _CLOSE in text or _LINE in text or _END in text
