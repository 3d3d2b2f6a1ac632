"""Read the text of a PDF, page by page. Loaded by `jail.py` in a process of its own: imports nothing of the engine."""

import pypdfium2
import pypdfium2.raw

MOST_PAGES = 5_000
MOST_CHARACTERS = 20_000_000
END_MARKS = (b"%%EOF", b"startxref")
"""One of the last two lines of a PDF: with either, everything before them arrived."""
END_MARK_WITHIN = 2048
"""Bytes from the end in which an end mark must stand: writers append remarks, mail gateways append lines."""

_ERRORS = {
    pypdfium2.raw.FPDF_ERR_PASSWORD: ("encrypted", "the PDF needs a password"),
    pypdfium2.raw.FPDF_ERR_SECURITY: ("encrypted", "the PDF is protected in a way that cannot be opened"),
}


def read(content: bytes) -> dict[str, object]:
    """Return `{"pages": [text, …], "unread_pages": [position, …]}`, or `{"failure", "why"}`.

    A page that cannot be read is empty and among the unread; where that is every page, the PDF is refused.

    A PDF without an end mark is refused although PDFium mends some: a mended one lacks pages without saying so.
    Line ends become one newline. PDFium marks a hyphen at the end of a line as U+FFFE and drops the line end: it
    becomes the hyphen that stands on the page.
    """
    end = content.rstrip(b"\0\t\n\r ")[-END_MARK_WITHIN:]
    if not any(mark in end for mark in END_MARKS):
        return {"failure": "truncated", "why": "the PDF ends before its end mark"}
    try:
        document = pypdfium2.PdfDocument(content)
    except pypdfium2.PdfiumError as error:
        return _refusal(error)
    try:
        if len(document) > MOST_PAGES:
            return {"failure": "too_large", "why": f"the PDF has {len(document)} pages; {MOST_PAGES} are read at most"}
        pages: list[str] = []
        unread: list[int] = []
        total = 0
        for number in range(len(document)):
            try:
                text = _text(document, number)
            except pypdfium2.PdfiumError:
                text = ""
                unread.append(number)
            total += len(text)
            if total > MOST_CHARACTERS:
                return {"failure": "too_large", "why": f"the PDF holds more than {MOST_CHARACTERS} characters"}
            pages.append(text)
    except pypdfium2.PdfiumError as error:
        return _refusal(error)
    if unread and len(unread) == len(pages):
        return {"failure": "invalid_input", "why": "the PDF is damaged: none of its pages can be read"}
    return {"pages": pages, "unread_pages": unread}


def _text(document: pypdfium2.PdfDocument, number: int) -> str:
    page = document[number]
    textpage = page.get_textpage()
    text: str = textpage.get_text_range()
    textpage.close()
    page.close()
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\ufffe", "-").replace("\0", "")


def _refusal(error: pypdfium2.PdfiumError) -> dict[str, object]:
    known = _ERRORS.get(getattr(error, "err_code", None) or 0)
    if known is not None:
        return {"failure": known[0], "why": known[1]}
    return {"failure": "invalid_input", "why": "the PDF is damaged: it cannot be read"}


SAMPLE = (
    b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
    b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 99 99]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>>>endobj\n"
    b"4 0 obj<</Length 33>>stream\nBT /F 9 Tf 9 9 Td (ready) Tj ET   \nendstream endobj\n"
    b"5 0 obj<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
)
"""Read once at the start: it loads what PDFium loads late."""
