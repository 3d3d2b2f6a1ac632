"""Opening the ZIP archives that Office documents are, without trusting what they declare of themselves."""

import io
import zipfile
import zlib

from lxml import etree

from . import charsets  # noqa: F401 — names of entries are in an encoding that would load lazily
from .refusing import Refused

MOST_ENTRIES = 10_000
MOST_BYTES = 256 << 20
"""Bytes that the entries may unpack to, together."""
MOST_RATIO = 200
"""Times that an archive may grow; XML of real documents stays below 50."""
RATIO_FROM = 10 << 20
"""Bytes unpacked from which the ratio counts: small documents of few words repeat themselves."""


class Package:
    """A checked archive. Nothing is ever unpacked to disk, so names of entries lead nowhere."""

    def __init__(self, content: bytes) -> None:
        try:
            self._archive = zipfile.ZipFile(io.BytesIO(content))
        except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError) as error:
            raise Refused(*_damaged(content)) from error
        entries = self._archive.infolist()
        if len(entries) > MOST_ENTRIES:
            raise Refused("bomb", f"the archive has {len(entries)} entries; {MOST_ENTRIES} are read at most")
        size = sum(entry.file_size for entry in entries)
        if size > MOST_BYTES or (size > RATIO_FROM and size > MOST_RATIO * len(content)):
            raise Refused("bomb", f"the archive of {len(content)} bytes unpacks to {size}")
        if any(entry.flag_bits & 1 for entry in entries):
            raise Refused("encrypted", "entries of the archive need a password")
        self.names = frozenset(entry.filename for entry in entries)
        if len(self.names) < len(entries):
            raise Refused("hostile", "two entries of the archive have one name")

    def read(self, name: str) -> bytes:
        """Return an entry's bytes: as many as it declared, or a refusal."""
        try:
            return self._archive.read(name)
        except KeyError:
            raise Refused("invalid_input", "a part of the document is missing") from None
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError, OSError) as error:
            raise Refused("invalid_input", "a part of the document is damaged") from error

    def tree(self, name: str) -> etree._Element:
        """Return an XML entry as a tree. Office formats forbid document types, where entity bombs are made."""
        return tree(self.read(name))


def tree(content: bytes) -> etree._Element:
    """Return an XML document that has no document type."""
    if has_type(content):
        raise Refused("hostile", "a part of the document declares entities, which its format forbids")
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True, huge_tree=True
    )
    try:
        root = etree.fromstring(content, parser)
    except etree.XMLSyntaxError as error:
        if error.code == etree.ErrorTypes.ERR_NO_MEMORY:
            raise MemoryError from error
        if error.code == etree.ErrorTypes.ERR_RESOURCE_LIMIT:
            raise Refused("bomb", "a part of the document is nested too deeply") from error
        raise Refused("invalid_input", "a part of the document is no well-formed XML") from error
    except ValueError as error:
        raise Refused("invalid_input", "a part of the document is no well-formed XML") from error
    if root is None or root.getroottree().docinfo.doctype:
        raise Refused("hostile", "a part of the document declares entities, which its format forbids")
    return root


def has_type(content: bytes) -> bool:
    """Whether an XML document declares a type, in any encoding of one or more bytes a letter."""
    return b"<!DOCTYPE" in content or (b"\0" in content and b"<!DOCTYPE" in content.replace(b"\0", b""))


def _damaged(content: bytes) -> tuple[str, str]:
    """Say what is wrong with an archive that does not open: a whole one ends with its directory."""
    if b"PK\x05\x06" not in content[-66_000:]:
        return "truncated", "the archive ends before its directory"
    return "invalid_input", "the archive is damaged"
