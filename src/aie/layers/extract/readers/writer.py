"""Read an OpenDocument text or presentation: paragraphs and tables in the order of the file."""

from collections.abc import Iterator

from lxml import etree

from .archives import Package
from .rows import line

TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
DRAW = "{urn:oasis:names:tc:opendocument:xmlns:drawing:1.0}"
OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
_MARKS = {TEXT + "tab": "\t", TEXT + "line-break": "\n"}
_UNSEEN = frozenset({TEXT + "tracked-changes", OFFICE + "annotation", TEXT + "sequence-decls"})
_MOST_SPACES = 100
"""Spaces that one mark may stand for."""


def read(package: Package, content: bytes) -> dict[str, object]:
    """Return the text of a document."""
    body = package.tree("content.xml").find(f".//{OFFICE}text")
    return {"kind": "odt", "text": "" if body is None else "\n\n".join(block for block in _blocks(body) if block)}


def read_slides(package: Package, content: bytes) -> dict[str, object]:
    """Return the text of each slide."""
    slides = package.tree("content.xml").iter(DRAW + "page")
    return {"kind": "odp", "pages": ["\n".join(block for block in _blocks(slide) if block) for slide in slides]}


def _blocks(root: etree._Element) -> Iterator[str]:
    waiting = list(reversed(root))
    while waiting:
        element = waiting.pop()
        if element.tag in (TEXT + "p", TEXT + "h"):
            yield _inline(element).strip()
        elif element.tag == TABLE + "table":
            rows = (line(_cells(row)) for row in _rows(element))
            yield "\n".join(row for row in rows if row)
        elif element.tag not in _UNSEEN:
            waiting.extend(reversed(element))


def _rows(table: etree._Element) -> Iterator[etree._Element]:
    """Yield a table's own rows; those of tables inside its cells are part of the cells' text."""
    waiting = list(reversed(table))
    while waiting:
        element = waiting.pop()
        if element.tag == TABLE + "table-row":
            yield element
        else:
            waiting.extend(reversed(element))


def _cells(row: etree._Element) -> Iterator[str]:
    for cell in row.iterchildren(TABLE + "table-cell", TABLE + "covered-table-cell"):
        yield " ".join(_blocks(cell))


def _inline(root: etree._Element) -> str:
    """Return the text of a paragraph, its marks for spaces written out."""
    shown: list[str] = []
    waiting: list[etree._Element | str] = [root]
    while waiting:
        element = waiting.pop()
        if isinstance(element, str):
            shown.append(element)
            continue
        if element is not root and element.tail:
            shown_after = element.tail
            waiting.append(shown_after)
        if element.tag in _UNSEEN or not isinstance(element.tag, str):
            continue
        if element.tag == TEXT + "s":
            count = element.get(TEXT + "c", "1")
            shown.append(" " * min(int(count) if count.isdigit() else 1, _MOST_SPACES))
        elif element.tag in _MARKS:
            shown.append(_MARKS[element.tag])
        else:
            waiting.extend(reversed(element))
            if element.text:
                waiting.append(element.text)
    return "".join(shown)
