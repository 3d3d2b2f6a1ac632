"""Text of pictures by tesseract, where the operator installed it; every line with its place on the picture."""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Final

from aie.core import JSON
from aie.errors import Failure, StepFailure
from aie.layers.extract.allowance import Allowance

__all__ = ["Line", "Picture", "Recogniser"]

_HERE: Final = Path(__file__).parent
_MEMORY_MIB: Final = 512
_CPU_S: Final = 60
_WALL_MS: Final = 120_000
"""Milliseconds of one picture, at the most."""
_MOST_PIXELS: Final = 100_000_000
"""Pixels of one picture: an A3 page at 600 dots per inch has 70 million."""
_PNG_SIZE: Final = re.compile(rb"\x89PNG\r\n\x1a\n....IHDR(....)(....)", re.DOTALL)
_VERSION: Final = re.compile(r"tesseract v?([0-9][0-9A-Za-z.-]*)")
_WORD: Final = "5"
"""Level of a word in tesseract's table; the others are the boxes around."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a picture."""

    text: str
    box: tuple[int, int, int, int]
    """Left, top, right, bottom in pixels from the upper left corner."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """What stands on a picture; some formats hold several, each a page."""

    pages: tuple[tuple[Line, ...], ...]
    notes: Mapping[str, JSON]
    """`recogniser` and, where there are words, the mean of their `confidence` in percent."""


class Recogniser:
    """Runs tesseract, each time in a closed process of its own."""

    def __init__(self, program: str | None = None) -> None:
        """Take a program, or whatever is named `tesseract` on the path when it is first needed."""
        self._given = program
        self._slots = threading.BoundedSemaphore(max(1, (os.cpu_count() or 2) // 2))

    @cached_property
    def program(self) -> str | None:
        """Where tesseract is; None where it is not installed."""
        return self._given or shutil.which("tesseract")

    @cached_property
    def version(self) -> str:
        """What the record says of who recognised: output depends on it."""
        assert self.program is not None
        made = subprocess.run([self.program, "--version"], capture_output=True, text=True, timeout=10, check=False)
        found = _VERSION.search(made.stdout + made.stderr)
        return f"tesseract {found[1] if found else 'of unknown version'}"

    def read(self, content: bytes, languages: tuple[str, ...], wall_ms: int | None, allowance: Allowance) -> Picture:
        """Return the lines of a picture.

        Args:
            content: the picture, in any format that tesseract reads.
            languages: names that tesseract gives the languages of the text; none: its own choice.
            wall_ms: milliseconds until an answer is of no use, waiting for a place to work in included.
            allowance: what is left for all the pictures of the document.

        Raises:
            StepFailure: UNSUPPORTED without tesseract or without one of the languages; BOMB, TIMEOUT, INVALID_INPUT.
        """
        if self.program is None:
            raise StepFailure(
                Failure.UNSUPPORTED,
                "a picture needs text recognition, which is not installed here",
                hints=("install tesseract where runs execute (Debian: apt install tesseract-ocr)",),
            )
        _check_size(content)
        with self._place(wall_ms) as left, allowance.spending():
            table = self._run(content, languages, max(1, min(_WALL_MS, left, allowance.left_ms)))
        pages, confidences = _lines(table)
        if not pages:
            raise StepFailure(Failure.INVALID_INPUT, "the picture is damaged: the recognition finds no page in it")
        mean = {"confidence": sum(confidences) // len(confidences)} if confidences else {}
        return Picture(pages=pages, notes={"recogniser": self.version, **mean})

    @contextmanager
    def _place(self, wall_ms: int | None) -> Iterator[int]:
        """Wait for a place to work in; give the milliseconds that are then left, `_WALL_MS` where nothing presses."""
        begun = time.monotonic()
        if not self._slots.acquire(timeout=None if wall_ms is None else max(0.001, wall_ms / 1000)):
            raise StepFailure(Failure.TIMEOUT, f"no text recognition was free within {wall_ms} ms")
        try:
            yield _WALL_MS if wall_ms is None else wall_ms - round((time.monotonic() - begun) * 1000)
        finally:
            self._slots.release()

    def _run(self, content: bytes, languages: tuple[str, ...], wall_ms: int) -> str:
        command = [
            *(sys.executable, "-I", str(_HERE / "closed.py"), str(_CPU_S), str(_MEMORY_MIB)),
            *(str(self.program), "stdin", "stdout", *(("-l", "+".join(languages)) if languages else ()), "tsv"),
        ]
        environment = {"LC_ALL": "C.UTF-8", "OMP_THREAD_LIMIT": "1"}  # it may start no thread as it may no process
        try:
            made = subprocess.run(
                command, input=content, capture_output=True, env=environment, timeout=wall_ms / 1000, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise StepFailure(Failure.TIMEOUT, f"recognising the text took more than {wall_ms} ms") from error
        if made.returncode == -signal.SIGXCPU:
            raise StepFailure(Failure.TIMEOUT, f"recognising the text took more than {_CPU_S} s of processor")
        if made.returncode < 0:
            raise StepFailure(Failure.HOSTILE, "the picture crashed the text recognition")
        if b"Failed loading language" in made.stderr:
            raise StepFailure(
                Failure.UNSUPPORTED,
                f"the text recognition lacks a language of {'+'.join(languages) or 'eng'}",
                hints=("install the language for tesseract (Debian: apt install tesseract-ocr-…)",),
            )
        if made.returncode:
            raise StepFailure(Failure.INVALID_INPUT, "the picture is damaged, or of a kind the recognition cannot read")
        return made.stdout.decode("utf-8", "replace")


def _check_size(content: bytes) -> None:
    """Refuse a picture that few bytes blow up; other formats meet the limit of memory."""
    match = _PNG_SIZE.match(content)
    if match is not None and int.from_bytes(match[1]) * int.from_bytes(match[2]) > _MOST_PIXELS:
        raise StepFailure(Failure.BOMB, f"the picture has more than {_MOST_PIXELS} pixels")


def _lines(table: str) -> tuple[tuple[tuple[Line, ...], ...], list[int]]:
    """Return the lines of each page and the confidence of each word, from tesseract's table of boxes."""
    rows = [row.split("\t") for row in table.splitlines()[1:]]
    words = [row for row in rows if len(row) == 12 and row[0] == _WORD and row[11].strip()]
    pages: dict[str, list[Line]] = {row[1]: [] for row in rows if len(row) == 12}
    for place, group in groupby(words, key=lambda row: row[1:5]):
        pages[place[0]].append(_line(list(group)))
    return tuple(map(tuple, pages.values())), [int(row[10].partition(".")[0]) for row in words]


def _line(words: list[list[str]]) -> Line:
    boxes = [[int(number) for number in word[6:10]] for word in words]
    return Line(
        text=" ".join(word[11].strip() for word in words),
        box=(
            min(left for left, _, _, _ in boxes),
            min(top for _, top, _, _ in boxes),
            max(left + width for left, _, width, _ in boxes),
            max(top + height for _, top, _, height in boxes),
        ),
    )
