"""Steps that give all of a text in parts: `{context: sections, from: document}`, for a map over them."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final, cast

from semantic_text_splitter import TextSplitter

from aie.config import ContextStep, IntType, ListType, NullableType, ObjectType, Site, TextType, Type
from aie.core import JSON
from aie.errors import Failure, StepFailure
from aie.layers.context.given import given_sources, refuse_unused
from aie.layers.context.headings import Heading, find_headings, heading_at
from aie.layers.context.selecting import Text, page_at, read_text
from aie.layers.port import Compiled, Result, Task

__all__ = ["SECTIONS", "compile_sections", "run_sections"]

SECTIONS: Final = "sections"
_SIZE: Final = 6_000
"""Characters of a section at most, unless the step says so: about 1,500 tokens."""
_AT_MOST: Final = 300
"""Sections at most, unless the step says so."""

_PAGE: Final = ObjectType(
    {"number": IntType(), "start": IntType(), "end": IntType()}, frozenset({"number", "start", "end"})
)
_FIELDS: Final[dict[str, Type]] = {
    "id": TextType(),
    "heading": NullableType(TextType()),
    "text": TextType(),
    "page": NullableType(IntType()),
    "start": IntType(),
    "end": IntType(),
    "pages": ListType(_PAGE),
}
_OUTPUT: Final = ObjectType({"sections": ListType(ObjectType(_FIELDS, frozenset(_FIELDS)))}, frozenset({"sections"}))


def compile_sections(step: ContextStep, site: Site) -> Compiled | None:
    """Compile a step that cuts a text into sections."""
    inputs = given_sources(step, site, several=False)
    if refuse_unused(step, site, ("query", "fit")) or inputs is None:
        return None
    return Compiled(
        conduct="pure",
        inputs=inputs,
        config={"kind": SECTIONS, "size": step.size or _SIZE, "at_most": step.at_most or _AT_MOST},
        components=(),
        output=_OUTPUT,
        failures=frozenset({Failure.TOO_LARGE, Failure.INVALID_INPUT}),
    )


def run_sections(task: Task) -> Result:
    """Cut the text.

    Raises:
        StepFailure: INVALID_INPUT for something without text, TOO_LARGE for more sections than the step allows.
    """
    value = task.inputs["from"]
    source = read_text("from", value.ref, value.data)
    size, at_most = cast("int", task.config["size"]), cast("int", task.config["at_most"])
    headings = find_headings(source.text)
    places = list(_places(source.text, headings, size))
    if len(places) > at_most:
        raise StepFailure(
            Failure.TOO_LARGE,
            f"{len(places)} sections of {size} characters, at most {at_most} are allowed",
            hints=("raise `size` or `at_most`",),
        )
    sections = [_section(source, headings, number, *place) for number, place in enumerate(places, 1)]
    return Result(
        data={"sections": cast("JSON", sections)},
        report={"size": size, "at_most": at_most, "sections": len(places), "headings": len(headings)},
    )


def _places(text: str, headings: Sequence[Heading], size: int) -> Iterator[tuple[int, int]]:
    """Yield where the sections stand: neighbours are one as long as they fit, and one that does not fit is cut."""
    bounds = sorted({0, *(heading.start for heading in headings), len(text)})
    splitter = TextSplitter(size)
    held: tuple[int, int] | None = None
    for start, end in pairwise(bounds):
        if held is not None and end - held[0] <= size:
            held = (held[0], end)
            continue
        if held is not None:
            yield from _pieces(text, splitter, *held)
        held = (start, end)
    if held is not None:
        yield from _pieces(text, splitter, *held)


def _pieces(text: str, splitter: TextSplitter, start: int, end: int) -> Iterator[tuple[int, int]]:
    for at, piece in splitter.chunk_indices(text[start:end]):
        yield start + at, start + at + len(piece)


def _section(source: Text, headings: Sequence[Heading], number: int, start: int, end: int) -> dict[str, JSON]:
    heading = heading_at(headings, start)
    pages = [page for page in source.pages if page["start"] < end and start < page["end"]]
    return {
        "id": f"s{number}",
        "heading": None if heading is None else heading.text,
        "text": source.text[start:end],
        "page": page_at(source.pages, start),
        "start": start,
        "end": end,
        "pages": cast("JSON", [dict(page) for page in pages]),
    }
