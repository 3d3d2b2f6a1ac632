"""Find where characters of a PDF's page stand; asked by `{"page", "start", "end"}`, offsets in the page's text."""

import pypdfium2
import pypdfium2.raw

from .asking import question
from .refusing import Refused, answered

_HUNDREDTHS = 100


@answered
def read(content: bytes) -> dict[str, object]:
    """Return `{"width", "height", "boxes": [[left, top, right, bottom], …]}` in hundredths of a point.

    The origin is the upper left corner of the page; a stretch over several lines has a box for each.
    """
    asked, document = question(content)
    try:
        page = pypdfium2.PdfDocument(document)[asked["page"] - 1]
        textpage = page.get_textpage()
        places = kept(textpage.get_text_range())[asked["start"] : asked["end"]]
        width, height = page.get_size()
        boxes = _boxes(textpage, places, height) if places else []
    except (pypdfium2.PdfiumError, IndexError) as error:
        raise Refused("invalid_input", "the PDF has no such page that can be read") from error
    return {"width": round(width * _HUNDREDTHS), "height": round(height * _HUNDREDTHS), "boxes": boxes}


def kept(raw: str) -> list[int]:
    """Return the place in PDFium's text of each character that the reader of PDFs keeps: one for both of a line end."""
    return [
        at
        for at, character in enumerate(raw)
        if character != "\0" and not (character == "\n" and at and raw[at - 1] == "\r")
    ]


def _boxes(textpage: pypdfium2.PdfTextPage, places: list[int], height: float) -> list[list[int]]:
    first, last = (pypdfium2.raw.FPDFText_GetCharIndexFromTextIndex(textpage, at) for at in (places[0], places[-1]))
    if first < 0 or last < first:
        return []
    rectangles = (textpage.get_rect(at) for at in range(textpage.count_rects(first, last - first + 1)))
    return [
        [round(each * _HUNDREDTHS) for each in (left, height - top, right, height - bottom)]
        for left, bottom, right, top in rectangles
    ]
