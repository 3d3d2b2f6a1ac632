"""What a command prints: data on stdout as text or JSON, talk on stderr, progress only for people who watch."""

import json
import os
import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final, Literal, Protocol

import typer

from aie.core import JSON, visible

__all__ = ["Format", "Progress", "Screen", "width"]

Format = Literal["text", "json"]

_WIDEST: Final = 110
"""Lines longer than this are hard to read."""
_GAP: Final = "  "
_ID: Final = 40
"""Letters of the longest word that is kept in one piece: longer than any identifier, shorter than a digest."""


class Progress(Protocol):
    """Tells how far long work has come."""

    def __call__(self, done: int, total: int, /) -> None:
        """Say that `done` of `total` are done."""
        ...


def width() -> int:
    """Return the columns that text may take."""
    return min(shutil.get_terminal_size((100, 24)).columns, _WIDEST)


class Screen:
    """Where one command writes."""

    def __init__(self, form: Format) -> None:
        self.json = form == "json"
        self.colour = not self.json and sys.stdout.isatty() and not os.environ.get("NO_COLOR")

    def show(self, data: JSON, lines: Iterable[str]) -> None:
        """Write the command's data: the value as JSON, or the lines for people."""
        if self.json:
            typer.echo(visible(json.dumps(data, ensure_ascii=False, indent=2), keep="\n"))
        else:
            for line in lines:
                typer.echo(self._shown(line))

    def stream(self, data: JSON, *lines: str) -> None:
        """Write one of many values as soon as it is there: one line of JSON, or the lines for people."""
        for line in (json.dumps(data, ensure_ascii=False),) if self.json else lines:
            typer.echo(visible(line))
        sys.stdout.flush()

    def say(self, text: str) -> None:
        """Talk to the person who watches."""
        if not self.json:
            typer.echo(visible(text), err=True)

    def next(self, *commands: str) -> None:
        """Name what one would do next."""
        for command in commands:
            self.say(f"next: {command}")

    def bold(self, text: str) -> str:
        """Return a heading, a line of its own; it is marked where the terminal can and people want it."""
        return _Heading(text)

    def _shown(self, line: str) -> str:
        marked = self.colour and isinstance(line, _Heading)
        return f"\x1b[1m{visible(line)}\x1b[0m" if marked else visible(line)

    def table(self, head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
        """Return aligned columns, the last one wrapped; a block for each row where the terminal is too narrow."""
        body = [[visible(cell) for cell in row] for row in rows]
        if not body:
            return []
        sizes = [max(len(row[at]) for row in [head, *body]) for at in range(len(head))]
        fixed = sum(sizes[:-1]) + len(_GAP) * (len(head) - 1)
        room = width() - fixed
        longest = max(len(word) for row in [head, *body] for word in (row[-1].split() or [""]))
        # An identifier in two pieces cannot be copied.
        if room < min(sizes[-1], max(16, min(longest, _ID))):
            return _blocks(head, body)
        lines = [self.bold(_line(head, sizes))]
        for row in body:
            first, *more = textwrap.wrap(row[-1], room) or [""]
            lines.append(_line([*row[:-1], first], sizes))
            lines += [" " * fixed + each for each in more]
        return lines

    def facts(self, known: Mapping[str, str]) -> list[str]:
        """Return a line for each name with what is known under it, wrapped beside the names."""
        return _blocks([*known], [[visible(each) for each in known.values()]])

    def sentences(self, said: Iterable[str]) -> list[str]:
        """Return sentences that no column holds, each wrapped by itself."""
        return [
            line
            for each in said
            for line in textwrap.wrap(visible(each), width(), subsequent_indent="  ", break_on_hyphens=False)
        ]

    @contextmanager
    def progress(self, what: str) -> Iterator[Progress]:
        """Yield a function to call with (done, total); a bar for a person who watches and sees no data come in."""
        if not sys.stderr.isatty() or sys.stdout.isatty():
            yield lambda done, total: None
            return
        from rich.console import Console  # noqa: PLC0415 - 0.16 CPU-s that only a watched, long command pays
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn  # noqa: PLC0415
        from rich.progress import Progress as Bars  # noqa: PLC0415

        columns = (TextColumn("{task.description}"), BarColumn(24), MofNCompleteColumn(), TimeElapsedColumn())
        # Left to itself the bar takes over stdout: data would go to the terminal and not into the pipe.
        with Bars(*columns, console=Console(stderr=True), transient=True, redirect_stdout=False) as bars:
            task = bars.add_task(what, total=None)
            yield lambda done, total: bars.update(task, completed=done, total=total)


class _Heading(str):
    """A line that is a heading."""

    __slots__ = ()


def _line(cells: Sequence[str], sizes: Sequence[int]) -> str:
    return _GAP.join(cell.ljust(size) for cell, size in zip(cells, sizes, strict=True)).rstrip()


def _blocks(head: Sequence[str], body: Iterable[Sequence[str]]) -> list[str]:
    label = max(map(len, head))
    lines: list[str] = []
    for row in body:
        for name, cell in zip(head, row, strict=True):
            wrapped = textwrap.wrap(cell, max(width() - label - 2, 16), break_on_hyphens=False) or [""]
            lines.append(f"{name.ljust(label)}  {wrapped[0]}".rstrip())
            lines += [" " * (label + 2) + each for each in wrapped[1:]]
        lines.append("")
    return lines[:-1]
