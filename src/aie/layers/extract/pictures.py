"""Pages that are pictures: files of pictures, and the pages of a PDF that carry no text."""

import base64
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final, cast

from aie.core import JSON
from aie.errors import Failure, StepFailure
from aie.layers.extract.parts import Part, PlacedLine, shows
from aie.layers.extract.recognition import Line, Picture

__all__ = ["recognise_pages", "recognise_picture"]

MOST_PAGES: Final = 300
"""Pages without text of one PDF; each takes seconds."""
_DRAWN_AT_ONCE: Final = 8
"""Pages drawn by one process, some MB each."""


def recognise_picture(name: str, media: str, picture: Picture) -> Part:
    """Return a file of pictures as a part; each picture is a page."""
    pages = [_text(lines) for lines in picture.pages]
    placed = [line for number, lines in enumerate(picture.pages) for line in _placed(lines, number, 1000)]
    notes = {"media_type": media, **picture.notes}
    return Part(name=name, kind="image", pages=tuple(pages), paged=True, lines=tuple(placed), notes=notes)


def recognise_pages(
    part: Part, draw: Callable[[bytes], Mapping[str, JSON]], recognise: Callable[[bytes], Picture]
) -> Part:
    """Return a PDF with the text of its pages that carry none.

    Args:
        part: the PDF as it was read; its missing pages are left alone.
        draw: returns the images of a range of pages, as the reader `page_images`.
        recognise: returns what stands on an image.

    Raises:
        StepFailure: TOO_LARGE for a PDF of pictures only, of more pages than can be recognised in any useful time;
            UNSUPPORTED, TIMEOUT. Pages that cannot be drawn or recognised beside others with text are missing.
    """
    empty = [number for number, page in enumerate(part.pages) if not shows(page) and number not in part.missing]
    if len(empty) > MOST_PAGES and len(empty) == len(part.pages):
        raise StepFailure(Failure.TOO_LARGE, f"{len(empty)} pages carry no text; {MOST_PAGES} are recognised at most")
    pages, placed, pictures = list(part.pages), list(part.lines), list[Picture]()
    try:
        for number, image, scale in _images(empty[:MOST_PAGES], draw):
            picture = recognise(image)
            lines = picture.pages[0] if picture.pages else ()
            pages[number] = _text(lines)
            placed.extend(_placed(lines, number, scale))
            pictures.append(picture)
    except StepFailure as error:
        if error.failure in (Failure.TIMEOUT, Failure.UNSUPPORTED) or len(empty) == len(part.pages):
            raise
    missing = part.missing.union(empty[len(pictures) :])
    return replace(
        part,
        pages=tuple(pages),
        lines=tuple(placed),
        missing=missing,
        notes={**part.notes, **_notes(pictures), "unrecognised_pages": len(empty) - len(pictures)},
    )


def _notes(pictures: Sequence[Picture]) -> dict[str, JSON]:
    """Return the notes of several pictures: of their confidences the lowest."""
    notes: dict[str, JSON] = {"recognised_pages": len(pictures)}
    for picture in pictures:
        notes |= {name: value for name, value in picture.notes.items() if name != "confidence"}
    confidences = [cast("int", each.notes["confidence"]) for each in pictures if "confidence" in each.notes]
    return {**notes, "confidence": min(confidences)} if confidences else notes


def _images(numbers: Sequence[int], draw: Callable[[bytes], Mapping[str, JSON]]) -> Iterator[tuple[int, bytes, int]]:
    for at in range(0, len(numbers), _DRAWN_AT_ONCE):
        some = numbers[at : at + _DRAWN_AT_ONCE]
        drawn = draw(json.dumps({"pages": some}).encode())
        images, scales = cast("list[str]", drawn["images"]), cast("list[int]", drawn["scales"])
        for number, image, scale in zip(some, images, scales, strict=True):
            yield number, base64.b64decode(image), scale


def _text(lines: Sequence[Line]) -> str:
    return "\n".join(line.text for line in lines)


def _placed(lines: Sequence[Line], page: int, scale: int) -> Iterator[PlacedLine]:
    """Yield the lines with their places in the page's text; `scale` is thousandths of a pixel a unit of the boxes."""
    at = 0
    for line in lines:
        left, top, right, bottom = (edge * 1000 // scale for edge in line.box)
        yield PlacedLine(page=page, start=at, end=at + len(line.text), box=(left, top, right, bottom))
        at += len(line.text) + 1
