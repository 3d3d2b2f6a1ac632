"""What a file is, by its content: names and declared types are claims of whoever sent it."""

import re
from typing import Final

__all__ = ["claims_another", "is_delimited", "media_type"]

_PDF_WITHIN: Final = 1024
"""Readers accept a PDF header this far into the file."""
_DIRECTORY_WITHIN: Final = 1 << 18
"""Bytes at the end of an archive in which its directory is looked for."""

_MAGIC: Final = (
    (b"PK\x03\x04", "application/zip"),
    (b"PK\x05\x06", "application/zip"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
    (b"BM", "image/bmp"),
    (b"\x1f\x8b", "application/gzip"),
    (b"BZh", "application/x-bzip2"),
    (b"\xfd7zXZ\0", "application/x-xz"),
    (b"(\xb5/\xfd", "application/zstd"),
    (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"Rar!\x1a\x07", "application/vnd.rar"),
    (b"\x7fELF", "application/x-elf"),
    (b"MZ", "application/x-msdownload"),
    (b"%!PS", "application/postscript"),
    (b"{\\rtf", "application/rtf"),
)

_AMBIGUOUS: Final = frozenset({"image/bmp", "application/x-msdownload", "application/x-bzip2"})
"""Letters that a text may begin with: believed only beside a NUL."""

_MARKUP: Final = ((b"<!doctype html", "text/html"), (b"<html", "text/html"), (b"<?xml", "application/xml"))
_PAGE: Final = re.compile(rb"<(?:head|body|title|meta|table|div|p|h[1-6]|ul|ol|span|center)[\s>/]")
"""A piece of a web page, at the very beginning of a file that also closes an element."""

_OFFICE: Final = (
    (b"word/document.xml", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    (b"xl/workbook.xml", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    (b"xl/workbook.bin", "application/vnd.ms-excel.sheet.binary.macroenabled.12"),
    (b"ppt/presentation.xml", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
)
_OPEN_DOCUMENT: Final = re.compile(rb"mimetype(application/vnd\.oasis\.opendocument\.[a-z-]{1,40})")

_HEADER: Final = re.compile(rb"([!-9;-~]{1,76}):[^\r\n]*(?:\r?\n[ \t][^\r\n]*)*\r?\n")
_OF_MAIL: Final = frozenset(
    b"from to cc bcc subject date sender reply-to return-path received delivered-to message-id mime-version".split()
)
_MAIL_HEADERS: Final = 3
"""Headers of mail at the top, without any other line, that make a message of a text."""
_HEADERS_WITHIN: Final = 1 << 16

_DELIMITED: Final = (".csv", ".tsv", ".tab")
_CLAIMS: Final = {
    ".pdf": "application/pdf",
    ".docx": "application/vnd.openxmlformats",
    ".xlsx": "application/vnd.openxmlformats",
    ".pptx": "application/vnd.openxmlformats",
    ".odt": "application/vnd.oasis",
    ".ods": "application/vnd.oasis",
    ".png": "image/",
    ".jpg": "image/",
    ".jpeg": "image/",
    ".tif": "image/",
    ".tiff": "image/",
}
"""Beginning of the media type that a name claims, for formats that no text can be."""


def media_type(content: bytes) -> str:
    """Return the media type of a file; `text/plain` for whatever is not known to be something else."""
    if b"%PDF-" in content[:_PDF_WITHIN]:
        return "application/pdf"
    for magic, media in _MAGIC:
        if content.startswith(magic) and (media not in _AMBIGUOUS or b"\0" in content[:_PDF_WITHIN]):
            return _archived(content) if media == "application/zip" else media
    if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        return "image/webp"
    return _text(content)


def claims_another(name: str, media: str) -> bool:
    """Whether a file's name claims a format with pages or pictures, and its content is some text instead.

    Such a file is what a failed download leaves: a page that asks to log in, named like the document.
    """
    claimed = _CLAIMS.get(_suffix(name))
    return claimed is not None and (media.startswith(("text/", "message/")) or media == "application/xml")


def is_delimited(name: str) -> bool:
    """Whether a text is a table in text: only its name can tell."""
    return _suffix(name) in _DELIMITED


def _suffix(name: str) -> str:
    return "." + name.rpartition(".")[2].lower()


def _archived(content: bytes) -> str:
    """Return the media type of a document in an archive, as far as the names of its entries tell."""
    found = _OPEN_DOCUMENT.search(content[:256])
    if found is not None:
        return found[1].decode()
    directory = content[-_DIRECTORY_WITHIN:]
    return next((media for part, media in _OFFICE if part in directory), "application/zip")


def _text(content: bytes) -> str:
    head = content[:_PDF_WITHIN].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    for mark, media in _MARKUP:
        if head.startswith(mark):
            return "text/html" if b"<html" in head else media
    if _PAGE.match(head) and b"</" in content:
        return "text/html"
    return "message/rfc822" if _is_mail(content) else "text/plain"


def _is_mail(content: bytes) -> bool:
    """Whether a text begins with headers of mail and nothing else."""
    known: set[bytes] = set()
    at = 5 if content.startswith(b"From ") else 0  # of a mailbox file: one line without a colon
    at = content.find(b"\n", 0, _PDF_WITHIN) + 1 if at else 0
    head = content[:_HEADERS_WITHIN]
    while (match := _HEADER.match(head, at)) is not None:
        if match[1].lower() in _OF_MAIL:
            known.add(match[1].lower())
        at = match.end()
    whole = head[at : at + 1] in (b"", b"\r", b"\n")
    return whole and len(known) >= _MAIL_HEADERS
