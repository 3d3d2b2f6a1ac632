"""Read XML as it is written: its marks are part of what it says. Parsed only to refuse what is damaged or hostile."""

from lxml import etree

from .archives import has_type
from .charsets import decoded
from .refusing import Refused, answered


@answered
def read(content: bytes) -> dict[str, object]:
    """Return the file's own text, in the encoding that it declares."""
    # Without a document type there are no entities, which the library's own limits of size are against.
    large = not has_type(content)
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=large)
    try:
        info = etree.fromstring(content, parser).getroottree().docinfo
    except etree.XMLSyntaxError as error:
        raise _refusal(error) from error
    if info.internalDTD is not None:
        _check_entities(info.internalDTD)
    text, _ = decoded(content, (info.encoding or "utf-8",))
    return {"kind": "xml", "text": text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")}


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
    if error.code in (codes.ERR_ENTITY_LOOP, codes.ERR_ENTITY_BOUNDARY):
        return Refused("bomb", "the XML declares entities made of entities")
    if error.code in (codes.ERR_DOCUMENT_END, codes.ERR_TAG_NOT_FINISHED, codes.ERR_DOCUMENT_EMPTY):
        return Refused("truncated", "the XML ends before its last element does")
    return Refused("invalid_input", "the XML is not well-formed")
