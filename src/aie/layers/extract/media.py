"""What a file is, by its content: names and declared types are claims of whoever sent it."""

from typing import Final

__all__ = ["media_type"]

_PDF_WITHIN: Final = 1024
"""Readers accept a PDF header this far into the file."""

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
    (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"Rar!\x1a\x07", "application/vnd.rar"),
    (b"\x7fELF", "application/x-elf"),
    (b"MZ", "application/x-msdownload"),
    (b"%!PS", "application/postscript"),
    (b"{\\rtf", "application/rtf"),
)

_AMBIGUOUS: Final = frozenset({"image/bmp", "application/x-msdownload"})
"""Two letters that a text may begin with: believed only beside a NUL."""

_MARKUP: Final = ((b"<!doctype html", "text/html"), (b"<html", "text/html"), (b"<?xml", "application/xml"))


def media_type(content: bytes) -> str:
    """Return the media type of a file; `text/plain` for whatever is not known to be something else."""
    if b"%PDF-" in content[:_PDF_WITHIN]:
        return "application/pdf"
    for magic, media in _MAGIC:
        if content.startswith(magic) and (media not in _AMBIGUOUS or b"\0" in content[:_PDF_WITHIN]):
            return media
    head = content[:_PDF_WITHIN].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    for mark, media in _MARKUP:
        if head.startswith(mark):
            return media
    return "text/plain"
