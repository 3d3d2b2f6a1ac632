"""Draw pages of a PDF in grey, for the recognition of their text; asked by `{"pages": [position, …]}`, from 0."""

import base64
import struct
import zlib

import pypdfium2

from .asking import question
from .refusing import Refused, answered

DOTS_PER_INCH = 200
"""What the recognition does well with: letters of 10 points are 28 pixels high."""
MOST_PIXELS = 12_000_000
"""Pixels of one page; a larger one is drawn coarser."""


@answered
def read(content: bytes) -> dict[str, object]:
    """Return `{"images": [PNG in base64, …], "scales": [pixels of one point in thousandths, …]}`."""
    asked, document = question(content)
    images: list[str] = []
    scales: list[int] = []
    try:
        pdf = pypdfium2.PdfDocument(document)
        for number in asked["pages"]:
            page = pdf[number]
            width, height = page.get_size()
            scale = min(DOTS_PER_INCH / 72, (MOST_PIXELS / max(1.0, width * height)) ** 0.5)
            bitmap = page.render(scale=scale, grayscale=True)
            image = png(bytes(bitmap.buffer), bitmap.width, bitmap.height, bitmap.stride)
            images.append(base64.b64encode(image).decode())
            scales.append(round(scale * 1000))
            bitmap.close()
            page.close()
    except pypdfium2.PdfiumError as error:
        raise Refused("invalid_input", "a page of the PDF cannot be drawn") from error
    return {"images": images, "scales": scales}


def png(grey: bytes, width: int, height: int, stride: int) -> bytes:
    """Return a picture of one byte a pixel as PNG."""
    rows = b"".join(b"\0" + grey[at : at + width] for at in range(0, stride * height, stride))
    header = struct.pack("!IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 1)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack("!I", len(data)) + kind + data + struct.pack("!I", zlib.crc32(kind + data)) for kind, data in chunks
    )
