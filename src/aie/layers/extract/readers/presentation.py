"""Read the slides of a PowerPoint presentation: a page a slide, in the order they are shown."""

from collections.abc import Iterator

from lxml import etree

from .archives import Package
from .rows import line

A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
P = "{http://schemas.openxmlformats.org/presentationml/2006/main}"
R_ID = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
RELATION = "{http://schemas.openxmlformats.org/package/2006/relationships}Relationship"
FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"


def read(package: Package, content: bytes) -> dict[str, object]:
    """Return the text of each slide; notes of the speaker and hidden slides are not shown, so not read."""
    targets = {
        each.get("Id"): each.get("Target", "")
        for each in package.tree("ppt/_rels/presentation.xml.rels").iter(RELATION)
    }
    pages, hidden = [], 0
    for each in package.tree("ppt/presentation.xml").iter(P + "sldId"):
        target = targets.get(each.get(R_ID), "")
        name = target.removeprefix("/") if target.startswith("/") else f"ppt/{target}"
        slide = package.tree(name)
        if slide.get("show") in ("0", "false"):
            hidden += 1
        else:
            pages.append("\n".join(_blocks(slide)))
    return {"kind": "pptx", "pages": pages, "notes": {"hidden_slides": hidden}}


def _blocks(slide: etree._Element) -> Iterator[str]:
    """Yield paragraphs and rows of tables, in the order of the file, which is the order of drawing."""
    waiting = [slide]
    while waiting:
        element = waiting.pop()
        if element.tag == A + "p":
            yield _paragraph(element)
        elif element.tag == A + "tr":
            yield line(" ".join(map(_paragraph, cell.iter(A + "p"))) for cell in element.iter(A + "tc"))
        elif element.tag != FALLBACK:
            waiting.extend(reversed(element))


def _paragraph(paragraph: etree._Element) -> str:
    shown = ["\n" if each.tag == A + "br" else each.text or "" for each in paragraph.iter(A + "t", A + "br")]
    return "".join(shown)
