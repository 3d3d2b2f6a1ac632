"""Where text stands on the page of a PDF, computed when somebody looks: boxes of all would make reading 4× as slow."""

import json
from dataclasses import dataclass
from typing import cast

from aie.layers.extract.sandbox import SHARED, Sandbox

__all__ = ["Box", "Places", "boxes"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A rectangle on a page, in hundredths of a point from its upper left corner."""

    left: int
    top: int
    right: int
    bottom: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where a stretch of text stands."""

    width: int
    """Of the page, in hundredths of a point."""
    height: int
    boxes: tuple[Box, ...]
    """One a line; empty where the stretch leaves no mark."""


def boxes(content: bytes, page: int, start: int, end: int, sandbox: Sandbox = SHARED) -> Places:
    """Return where characters of a page stand.

    Args:
        content: the PDF.
        page: its number in the file, from 1.
        start: first character, counted from the beginning of the page's own text.
        end: one past the last.
        sandbox: the readers.

    Raises:
        StepFailure: the PDF cannot be read, or has no such page.
    """
    asked = json.dumps({"page": page, "start": start, "end": end}).encode()
    found = sandbox.read("boxes", asked + b"\n" + content)
    rectangles = cast("list[list[int]]", found["boxes"])
    return Places(
        width=cast("int", found["width"]),
        height=cast("int", found["height"]),
        boxes=tuple(Box(left=left, top=top, right=right, bottom=bottom) for left, top, right, bottom in rectangles),
    )
