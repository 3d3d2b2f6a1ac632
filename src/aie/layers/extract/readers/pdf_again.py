"""Read a PDF that PDFium refuses: pypdf rebuilds tables of objects that PDFium gives up on. Slower, so only then."""

import io
import logging

import pypdf

from .refusing import MOST_CHARACTERS, Refused, answered

MOST_PAGES = 500
"""Pages that the time of one document suffices for."""

logging.disable(logging.CRITICAL)  # pypdf writes of every oddity; nobody reads a closed process


@answered
def read(content: bytes) -> dict[str, object]:
    """Return the text of each page, and the positions of those that cannot be read."""
    try:
        document = pypdf.PdfReader(io.BytesIO(content))
        if document.is_encrypted and not document.decrypt(""):
            raise Refused("encrypted", "the PDF needs a password")
        if len(document.pages) > MOST_PAGES:
            raise Refused("too_large", f"a damaged PDF of more than {MOST_PAGES} pages")
        pages: list[str] = []
        unread: list[int] = []
        for number in range(len(document.pages)):
            try:
                text = document.pages[number].extract_text()
            except MemoryError:
                raise
            except Exception:  # noqa: BLE001 — see below; the other pages may be whole
                text = ""
                unread.append(number)
            pages.append(text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", ""))
            if sum(map(len, pages)) > MOST_CHARACTERS:
                raise Refused("too_large", f"the PDF holds more than {MOST_CHARACTERS} characters")
    except (Refused, MemoryError):
        raise
    except Exception as error:  # pypdf promises no list of what it raises at damaged files
        raise Refused("invalid_input", "the PDF is damaged: two readers refuse it") from error
    if unread and len(unread) == len(pages):
        raise Refused("invalid_input", "the PDF is damaged: two readers refuse it")
    return {"kind": "pdf", "pages": pages, "unread_pages": unread}


SAMPLE = (
    b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
    b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 99 99]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>>>endobj\n"
    b"4 0 obj<</Length 50/Filter/ASCIIHexDecode>>stream\n4254202f46203920546620392039205464202861292054 6a204554>\n"
    b"endstream endobj\n5 0 obj<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>endobj\ntrailer<</Root 1 0 R>>\n"
    b"startxref\n0\n%%EOF\n"
)
"""Read once at the start: it loads what pypdf loads late."""
