"""Cut sources into the passages that a recipe chooses among; every passage is verbatim and knows its place."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, cast

from semantic_text_splitter import TextSplitter

from aie.config import SelectSpec
from aie.core import JSON
from aie.errors import Failure, StepFailure
from aie.layers.context.headings import Heading, find_headings, heading_at

__all__ = ["MOST_PASSAGES", "Part", "Text", "page_at", "read_text", "select"]

MOST_PASSAGES: Final = 50_000
"""Of one step: what is held in memory and ranked is bounded, whatever the length of the sources."""

Pages = Sequence[dict[str, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """One source, as far as passages need it."""

    name: str
    """As `from:` names it."""
    ref: str
    """Reference of the value."""
    text: str
    pages: Pages
    """`{number, start, end}` in the order of the text; empty where there are none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A passage: a stretch of one source."""

    id: str
    """`p1`, `p2` … by position; with several sources the position of the source before it: `2.p1`."""
    source: int
    """Position of its source."""
    start: int
    """First character in the source's text, 0-based."""
    end: int
    """One past the last character."""
    text: str
    """Verbatim `source.text[start:end]`."""
    heading: Heading | None
    """What stands over its first character."""


def read_text(name: str, ref: str, data: JSON) -> Text:
    """Read the value of a source.

    Raises:
        StepFailure: INVALID_INPUT when it holds no text.
    """
    match data:
        case str(text):
            return Text(name=name, ref=ref, text=text, pages=())
        case {"text": str(text), **rest}:
            pages = rest.get("pages")
            return Text(name=name, ref=ref, text=text, pages=cast("Pages", pages) if isinstance(pages, list) else ())
        case _:
            raise StepFailure(Failure.INVALID_INPUT, "`from` holds no text")


def page_at(pages: Pages, at: int) -> int | None:
    """Return the page of a character; what stands between two pages belongs to the first."""
    found: int | None = None
    for page in pages:
        if page["start"] > at:
            break
        found = page["number"]
    return found


def select(sources: Sequence[Text], how: SelectSpec) -> list[Part]:
    """Cut the sources into passages, in their order.

    Raises:
        StepFailure: TOO_LARGE for more than `MOST_PASSAGES`.
    """
    parts: list[Part] = []
    for position, source in enumerate(sources):
        headings = find_headings(source.text)
        before = f"{position + 1}." if len(sources) > 1 else ""
        for number, (start, text) in enumerate(_pieces(source, headings, how), 1):
            if len(parts) == MOST_PASSAGES:
                raise StepFailure(
                    Failure.TOO_LARGE, f"more than {MOST_PASSAGES} passages", hints=("give the recipe a larger `size`",)
                )
            parts.append(
                Part(
                    id=f"{before}p{number}",
                    source=position,
                    start=start,
                    end=start + len(text),
                    text=text,
                    heading=heading_at(headings, start),
                )
            )
    return parts


def _pieces(source: Text, headings: Sequence[Heading], how: SelectSpec) -> Iterator[tuple[int, str]]:
    splitter = TextSplitter(how.size, overlap=how.overlap)
    bounds = _bounds(source, headings, how)
    for start, end in pairwise(bounds):
        for at, piece in splitter.chunk_indices(source.text[start:end]):
            yield start + at, piece


def _bounds(source: Text, headings: Sequence[Heading], how: SelectSpec) -> list[int]:
    inner: set[int] = set()
    if how.by == "sections":
        inner = {heading.start for heading in headings}
    elif how.by == "pages":
        inner = {page["start"] for page in source.pages}
    return sorted({0, *inner, len(source.text)})
