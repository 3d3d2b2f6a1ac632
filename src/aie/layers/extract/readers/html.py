"""Read what a web page shows: its text in blocks, rows of tables as lines with cells between tabs."""

import codecs
import re

from selectolax.lexbor import LexborHTMLParser, LexborNode

from .charsets import decoded
from .refusing import MOST_CHARACTERS, Refused, answered

_UNSEEN = frozenset(
    {
        *("head", "script", "style", "template", "noscript", "noframes", "iframe", "object", "embed"),
        *("svg", "math", "canvas", "audio", "video", "select", "datalist", "textarea", "dialog"),
    }
)
_BLOCKS = frozenset(
    {
        *(
            "address",
            "article",
            "aside",
            "blockquote",
            "body",
            "caption",
            "center",
            "dd",
            "details",
            "dir",
            "div",
            "dl",
        ),
        *("dt", "fieldset", "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header"),
        *("hgroup", "hr", "html", "legend", "li", "main", "menu", "nav", "ol", "p", "pre", "section", "summary"),
        *("table", "tbody", "tfoot", "thead", "tr", "ul"),
    }
)
_CELLS = frozenset({"td", "th"})
_APART = frozenset(
    {
        *("p", "h1", "h2", "h3", "h4", "h5", "h6", "table", "ul", "ol", "dl", "pre", "blockquote", "section"),
        "article",
    }
)
"""Blocks with an empty line around them."""
_HIDING = re.compile(r"(?:display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse))", re.IGNORECASE)
_CHARSET = re.compile(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?\s*([A-Za-z0-9_.:-]{1,40})", re.IGNORECASE)
_CHARSET_WITHIN = 4096
_NESTING = re.compile(r"<(/?)(?:b|big|blockquote|div|em|font|i|section|small|span|strong|table|ul|ol)\b", re.IGNORECASE)
"""Elements that stay open until they are closed, so that they can be nested at will."""
MOST_DEPTH = 4_000
"""Such elements open at once: the parser takes the square of them."""
_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))


@answered
def read(content: bytes) -> dict[str, object]:
    """Return the visible text, as far as the page itself says what is visible: style sheets are not computed."""
    text, encoding = _decode(content)
    return {"kind": "html", "text": visible(text), "notes": {"encoding": encoding}}


def visible(html: str) -> str:
    """Return what a page shows as text."""
    _check_depth(html)
    page = _Page()
    root = LexborHTMLParser(html[:MOST_CHARACTERS]).root
    waiting: list[tuple[LexborNode, bool]] = [] if root is None else [(root, False)]
    while waiting:
        node, left = waiting.pop()
        if left:
            page.leave(node.tag or "")
        elif node.is_text_node:
            page.write(node.text_content or "")
        elif _seen(node):
            page.enter(node.tag or "", flat=_flat(node))
            waiting.append((node, True))
            waiting.extend((each, False) for each in reversed(list(node.iter(include_text=True))))
    return page.text()


def _check_depth(html: str) -> None:
    depth = 0
    for match in _NESTING.finditer(html):
        depth = max(0, depth - 1) if match[1] else depth + 1
        if depth > MOST_DEPTH:
            raise Refused("bomb", f"more than {MOST_DEPTH} elements are nested in each other")


class _Page:
    """The text of a page as it grows: white space is one space, but inside of `pre`."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._pending = ""
        """White space that the next text comes after; a stronger one replaces a weaker."""
        self._kept = 0
        """Elements open that keep white space."""
        self._cells: list[bool] = []
        """Cells open, each with whether all of it is one line."""

    def enter(self, tag: str, *, flat: bool) -> None:
        if tag == "br":
            self._ask("\n")
        elif tag in _CELLS:
            self._cells.append(flat or any(self._cells[-1:]))
        else:
            self._edge(tag)
            self._kept += tag == "pre"

    def leave(self, tag: str) -> None:
        if tag not in _CELLS:
            self._kept -= tag == "pre"
            self._edge(tag)
        elif self._cells.pop() and not any(self._cells[-1:]):
            self._pending = self._pending.rstrip(" ") + "\t"
        else:
            self._ask("\n")

    def write(self, text: str) -> None:
        if self._kept:
            self._put(text)
            return
        words = " ".join(text.split())
        if text[:1].isspace():
            self._ask(" ")
        if words:
            self._put(words)
            if text[-1:].isspace():
                self._ask(" ")

    def text(self) -> str:
        return "".join(self._parts).strip()

    def _edge(self, tag: str) -> None:
        if tag in _APART:
            self._ask("\n\n")
        elif tag in _BLOCKS:
            self._ask("\n")

    def _ask(self, space: str) -> None:
        """Come at least this far from what stands before; the tabs of cells without text end with their row."""
        if space == " " or any(self._cells[-1:]):
            self._pending = self._pending or " "
        else:
            self._pending = max(self._pending.strip(" \t"), space, key=len)

    def _put(self, text: str) -> None:
        if self._parts:
            self._parts.append(self._pending)
        self._pending = ""
        self._parts.append(text)


def _seen(node: LexborNode) -> bool:
    if not node.is_element_node or node.tag in _UNSEEN:
        return node.is_document_node
    attributes = node.attributes
    return "hidden" not in attributes and _HIDING.search(attributes.get("style") or "") is None


def _flat(node: LexborNode) -> bool:
    """Whether a cell is one of a table of data, not of a table that arranges blocks on the page."""
    if node.tag not in _CELLS:
        return False
    blocks = [each.tag for each in node.iter() if each.tag in _BLOCKS]
    return len(blocks) <= 1 and "table" not in blocks


def _decode(content: bytes) -> tuple[str, str]:
    """Return the text and its encoding: the mark, the declared one, UTF-8 if it is, Windows-1252."""
    for mark, encoding in _BOMS:
        if content.startswith(mark):
            return content[len(mark) :].decode(encoding, "replace"), encoding
    declared = _CHARSET.search(content[:_CHARSET_WITHIN])
    return decoded(content, (declared[1].decode("ascii") if declared else "utf-8", "utf-8", "cp1252", "latin-1"))
