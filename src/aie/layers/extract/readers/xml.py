"""Read XML as it is written: its marks are part of what it says. Parsed only to refuse what is damaged or hostile."""

import codecs
import re

from lxml import etree

from .archives import has_type
from .charsets import decoded
from .refusing import Refused, answered

_DECLARED = re.compile(rb"<\?xml[^>]{0,200}encoding\s*=\s*[\"']([A-Za-z0-9._-]{1,40})[\"']")
_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))


class _Nothing:
    """A target that keeps nothing: only whether the text is well-formed is of interest."""

    def close(self) -> None:
        """Return nothing at the end."""


@answered
def read(content: bytes) -> dict[str, object]:
    """Return the file's own text, in the encoding that it declares."""
    typed = has_type(content)
    # Without a document type there are no entities, which the library's own limits of size are against.
    target = None if typed else _Nothing()
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=not typed, target=target
    )
    try:
        root = etree.fromstring(content, parser)
    except etree.XMLSyntaxError as error:
        raise _refusal(error) from error
    if typed and root.getroottree().docinfo.internalDTD is not None:
        _check_entities(root.getroottree().docinfo.internalDTD)
    mark, encoding = next((each for each in _MARKS if content.startswith(each[0])), (b"", ""))
    declared = _DECLARED.match(content)
    text, _ = decoded(content[len(mark) :], (encoding or (declared[1].decode() if declared else "utf-8"),))
    return {"kind": "xml", "text": text.replace("\r\n", "\n").replace("\r", "\n")}


def _check_entities(declared: etree.DTD) -> None:
    """Refuse entities that reach outside, and entities made of entities, which grow without bound."""
    for entity in declared.iterentities():
        value = entity.content or ""
        if value == "" or entity.orig is None:
            raise Refused("hostile", "the XML declares an entity outside of itself")
        if "&" in entity.orig:
            raise Refused("bomb", "the XML declares entities made of entities")


def _refusal(error: etree.XMLSyntaxError) -> Refused:
    codes = etree.ErrorTypes
    if error.code == codes.ERR_NO_MEMORY:
        raise MemoryError from error
    if error.code in (codes.ERR_ENTITY_LOOP, codes.ERR_ENTITY_BOUNDARY):
        return Refused("bomb", "the XML declares entities made of entities")
    if error.code == codes.ERR_RESOURCE_LIMIT:
        return Refused("bomb", "the XML is nested too deeply, or its entities grow too far")
    if error.code in (codes.ERR_DOCUMENT_END, codes.ERR_TAG_NOT_FINISHED, codes.ERR_DOCUMENT_EMPTY):
        return Refused("truncated", "the XML ends before its last element does")
    return Refused("invalid_input", "the XML is not well-formed")
