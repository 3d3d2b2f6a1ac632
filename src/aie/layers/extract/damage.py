"""A PDF that one reader refuses, as a whole or page by page: what another makes of it, and which pages nobody reads."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, cast

from aie.core import JSON
from aie.errors import Failure, StepFailure
from aie.layers.extract.parts import shows

__all__ = ["Found", "named_pages", "read_pdf"]

_END_WITHIN: Final = 2048
"""Bytes from the end in which a whole PDF has its end mark."""
_NAMED: Final = 20
"""Pages that a message names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The pages of a PDF."""

    pages: tuple[str, ...]
    missing: frozenset[int] = frozenset()
    """Positions of those that no reader could read, from 0; they are empty here."""
    notes: Mapping[str, JSON] = field(default_factory=dict)
    """`reader: pypdf` where it read what PDFium refused."""


def read_pdf(content: bytes, read: Callable[[str], Mapping[str, JSON]]) -> Found:
    """Return the pages of a PDF, those that PDFium refuses as the second reader finds them.

    Args:
        content: the PDF.
        read: reads it with the reader of a name, in the closed process.

    Raises:
        StepFailure: as `read`, where no page can be read; TRUNCATED when the end is missing.
    """
    try:
        found = _pages(read("pdf"))
    except StepFailure as error:
        if error.failure is not Failure.INVALID_INPUT:
            raise
        _check_end(content)
        again = _pages(read("pdf_again"))
        if not any(map(shows, again.pages)):
            raise  # no text in a PDF that one reader calls damaged does not make it a blank one
        return Found(pages=again.pages, missing=again.missing, notes={"reader": "pypdf"})
    if found.missing:
        _check_end(content)
        return _mended(found, read)
    return found


def _check_end(content: bytes) -> None:
    """Refuse a damaged PDF without its end: another reader would find some of its pages and not say so."""
    if b"%%EOF" not in content[-_END_WITHIN:]:
        raise StepFailure(Failure.TRUNCATED, "the PDF ends before its end mark")


def _mended(found: Found, read: Callable[[str], Mapping[str, JSON]]) -> Found:
    """Return the pages with those that were missing from the second reader, where it sees as many and text on them."""
    try:
        again = _pages(read("pdf_again"))
    except StepFailure:
        return found
    if len(again.pages) != len(found.pages):
        return found
    mended = {at for at in found.missing if shows(again.pages[at])}
    pages = tuple(again.pages[at] if at in mended else page for at, page in enumerate(found.pages))
    return Found(pages=pages, missing=found.missing - mended, notes={"reader": "pypdf"} if mended else {})


def named_pages(missing: Iterable[int], count: int) -> str:
    """Say in words which of a document's pages cannot be read."""
    numbers = [each + 1 for each in sorted(missing)]
    if len(numbers) == 1:
        return f"page {numbers[0]} of {count} cannot be read"
    more = f" and {len(numbers) - _NAMED} more" if len(numbers) > _NAMED else ""
    return f"pages {', '.join(map(str, numbers[:_NAMED]))}{more} of {count} cannot be read"


def _pages(found: Mapping[str, JSON]) -> Found:
    missing = cast("list[int]", found.get("unread_pages", []))
    return Found(pages=tuple(cast("list[str]", found["pages"])), missing=frozenset(missing))
