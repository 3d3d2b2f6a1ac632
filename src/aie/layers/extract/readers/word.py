"""Read a Word document in reading order: paragraphs, tables and text boxes, then notes, headers and footers.

The tree is walked here, because the text of content controls, tracked insertions and text boxes is visible on paper and
python-docx passes over it. Deleted and hidden text is not on paper and not read. Numbers that Word counts itself ("1.",
"(a)") are counted here as Word does (see `numbering.py`), each story for itself.
"""

from collections.abc import Iterator

from lxml import etree

from .archives import Package
from .numbering import Counter, Numbering, numbering
from .rows import line

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
M_TEXT = "{http://schemas.openxmlformats.org/officeDocument/2006/math}t"
FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
BOX = W + "txbxContent"
_MARKS = {
    W + "tab": "\t",
    W + "ptab": "\t",
    W + "br": "\n",
    W + "cr": "\n",
    W + "noBreakHyphen": "-",
}
_UNSEEN = frozenset({W + "del", W + "moveFrom", FALLBACK, BOX})
"""What is not read where it stands: removed text, the second form of a drawing, boxes (read after their paragraph)."""
_APART = (
    ("word/footnotes.xml", W + "footnote"),
    ("word/endnotes.xml", W + "endnote"),
)


def read(package: Package, content: bytes) -> dict[str, object]:
    """Return the text; headers come first, notes and footers last, each distinct one once."""
    body, numbered = package.tree("word/document.xml"), numbering(package)
    parts = [
        *_margins(package, "word/header", numbered),
        _text(body, numbered),
        *(note for part, tag in _APART for note in _notes(package, part, tag, numbered)),
        *_margins(package, "word/footer", numbered),
    ]
    return {"kind": "docx", "text": "\n\n".join(part for part in parts if part), "notes": {"hidden": _hidden(body)}}


def _text(root: etree._Element, numbered: Numbering) -> str:
    counter = Counter(numbered)
    return "\n\n".join(block for block in _blocks(root, counter) if block.strip()).strip("\n")


def _margins(package: Package, prefix: str, numbered: Numbering) -> Iterator[str]:
    names = sorted(name for name in package.names if name.startswith(prefix) and name.endswith(".xml"))
    yield from dict.fromkeys(_text(package.tree(name), numbered) for name in names)


def _notes(package: Package, part: str, tag: str, numbered: Numbering) -> Iterator[str]:
    if part not in package.names:
        return
    for note in package.tree(part).iter(tag):
        if note.get(W + "type") in (None, "normal"):  # the others are the lines that separate notes from text
            yield f"[{note.get(W + 'id')}] {_text(note, numbered)}"


def _blocks(root: etree._Element, counter: Counter) -> Iterator[str]:
    """Yield the text of each paragraph and table below, in order; a list of items is one block."""
    items: list[str] = []
    for kind, block in _elements(root):
        if kind == "item":
            items.append(counter.label(block) + _paragraph(block))
            continue
        if items:
            yield "\n".join(items)
            items = []
        if kind == "table":
            yield _table(block, counter)
            continue
        yield counter.label(block) + _paragraph(block)
        for box in _outermost(block, BOX):
            yield from _blocks(box, counter)
    if items:
        yield "\n".join(items)


def _elements(root: etree._Element) -> Iterator[tuple[str, etree._Element]]:
    """Yield paragraphs and tables in order, looking through whatever wraps them."""
    waiting = list(reversed(root))
    while waiting:
        element = waiting.pop()
        if element.tag == W + "tbl":
            yield "table", element
        elif element.tag == W + "p":
            item = element.find(f"{W}pPr/{W}numPr") is not None and not any(_outermost(element, BOX))
            yield "item" if item else "paragraph", element
        elif element.tag not in _UNSEEN:
            waiting.extend(reversed(element))


def _paragraph(paragraph: etree._Element) -> str:
    """Return the text that a paragraph shows."""
    shown: list[str] = []
    waiting = [paragraph]
    while waiting:
        element = waiting.pop()
        if element.tag in (W + "t", M_TEXT):
            shown.append(element.text or "")
        elif element.tag in _MARKS:
            shown.append(_MARKS[element.tag])
        elif element.tag in (W + "footnoteReference", W + "endnoteReference"):
            shown.append(f"[{element.get(W + 'id')}]")
        elif element.tag not in _UNSEEN and not _vanishes(element):
            waiting.extend(reversed(element))
    return "".join(shown).strip("\n")


def _table(table: etree._Element, counter: Counter) -> str:
    """Return rows as lines, cells between tabs; a table inside a cell is part of the cell's text."""
    rows = [line(_cell(cell, counter) for cell in _outermost(row, W + "tc")) for row in _outermost(table, W + "tr")]
    return "\n".join(row for row in rows if row)


def _cell(cell: etree._Element, counter: Counter) -> str:
    merged = cell.find(f"{W}tcPr/{W}vMerge")
    if merged is not None and merged.get(W + "val") != "restart":
        return ""  # it belongs to the cell above, which was read
    return " ".join(_blocks(cell, counter))


def _outermost(root: etree._Element, tag: str) -> Iterator[etree._Element]:
    """Yield the elements of a name below, without those inside of one; fallbacks of drawings are passed over."""
    waiting = list(reversed(root))
    while waiting:
        element = waiting.pop()
        if element.tag == tag:
            yield element
        elif element.tag != FALLBACK:
            waiting.extend(reversed(element))


def _vanishes(element: etree._Element) -> bool:
    mark = element.find(f"{W}rPr/{W}vanish") if element.tag == W + "r" else None
    return mark is not None and mark.get(W + "val") not in ("0", "false", "off")


def _hidden(root: etree._Element) -> int:
    """Return the number of runs of hidden text."""
    return sum(1 for run in root.iter(W + "r") if _vanishes(run))
