"""Lines with their places, as a text recogniser gives them: one text over which every line keeps its box."""

from itertools import pairwise
from typing import Any, Final, cast

from aie.core import JSON
from aie.errors import Failure, StepFailure
from aie.layers.extract.advice import advised
from aie.layers.extract.parts import shows

__all__ = ["read_lines"]

MOST_LINES: Final = 100_000


def read_lines(given: JSON) -> dict[str, JSON]:
    """Return `{text, pages, lines, kind, name, parts}` of a list of `{text, box: [x1, y1, x2, y2], page?}`.

    Lines stay in the order given, each on a line of its own; a page without a number is page 1.

    Raises:
        StepFailure: INVALID_INPUT for what is no such list, or pages that go backwards; BLANK without any text.
    """
    if not isinstance(given, list) or len(given) > MOST_LINES:
        raise advised(StepFailure(Failure.INVALID_INPUT, f"`from` is not a list of at most {MOST_LINES} lines"))
    texts: list[str] = []
    lines: list[dict[str, Any]] = []
    at = 0
    for number, each in enumerate(given, 1):
        text, page, box = _line(each, number)
        lines.append({"start": at, "end": at + len(text), "page": page, "box": box})
        texts.append(text)
        at += len(text) + 1
    if any(later["page"] < earlier["page"] for earlier, later in pairwise(lines)):
        raise advised(StepFailure(Failure.INVALID_INPUT, "the pages of the lines go backwards"))
    text = "\n".join(texts)
    if not shows(text):
        raise advised(StepFailure(Failure.BLANK, "the lines hold no text"))
    parts: list[JSON] = [{"name": "", "kind": "lines", "start": 0, "end": len(text)}]
    return {
        "text": text, "pages": _pages(lines), "lines": cast("JSON", lines), "kind": "lines", "name": "", "parts": parts,
    }  # fmt: skip


def _line(given: JSON, number: int) -> tuple[str, int, list[int]]:
    if isinstance(given, dict):
        text, box, page = given.get("text"), given.get("box"), given.get("page", 1)
        placed = isinstance(box, list) and len(box) == 4 and all(isinstance(each, int) for each in box)
        if isinstance(text, str) and placed and isinstance(page, int) and page >= 1:
            return " ".join(text.split()), page, cast("list[int]", box)
    raise advised(StepFailure(Failure.INVALID_INPUT, f"line {number} is not `{{text, box: [x1, y1, x2, y2], page}}`"))


def _pages(lines: list[dict[str, Any]]) -> list[JSON]:
    pages: list[dict[str, int]] = []
    for line in lines:
        if not pages or pages[-1]["number"] != line["page"]:
            pages.append({"number": line["page"], "start": line["start"], "end": line["end"]})
        pages[-1]["end"] = line["end"]
    return cast("list[JSON]", pages)
