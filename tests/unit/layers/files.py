"""Documents made on the spot, each as small as its format allows."""

import io
import struct
import zipfile
import zlib

import docx

_SHEET = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_ODF = "urn:oasis:names:tc:opendocument:xmlns"
_TYPES = '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>'


def archive(entries: dict[str, str | bytes]) -> bytes:
    """Return a ZIP archive."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in entries.items():
            file.writestr(name, content)
    return made.getvalue()


def word(build) -> bytes:
    """Return a Word document; `build` fills it."""
    document = docx.Document()
    build(document)
    made = io.BytesIO()
    document.save(made)
    return made.getvalue()


def workbook(sheets: dict[str, str], hidden: tuple[str, ...] = ()) -> bytes:
    """Return an Excel workbook; sheets by name, each the XML of its rows. Style 1 shows a number as a date."""
    named = ""
    for at, name in enumerate(sheets, 1):
        state = ' state="hidden"' if name in hidden else ""
        named += f'<sheet name="{name}" sheetId="{at}" r:id="r{at}"{state}/>'
    related = "".join(
        f'<Relationship Id="r{at}" Type="{_OFFICE}/worksheet" Target="worksheets/sheet{at}.xml"/>'
        for at in range(1, len(sheets) + 1)
    )
    styles = '<cellXfs count="2"><xf numFmtId="0"/><xf numFmtId="14"/></cellXfs>'
    entries: dict[str, str | bytes] = {
        "[Content_Types].xml": _TYPES,
        "_rels/.rels": f'<Relationships xmlns="{_RELATIONS}"><Relationship Id="r" Type="{_OFFICE}/officeDocument" '
        'Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{_SHEET}" xmlns:r="{_OFFICE}"><sheets>{named}</sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_RELATIONS}">{related}</Relationships>',
        "xl/styles.xml": f'<styleSheet xmlns="{_SHEET}">{styles}</styleSheet>',
    }
    for at, rows in enumerate(sheets.values(), 1):
        body = f'<worksheet xmlns="{_SHEET}"><sheetData>{rows}</sheetData></worksheet>'
        entries[f"xl/worksheets/sheet{at}.xml"] = body
    return archive(entries)


def slides(*texts: str) -> bytes:
    """Return a presentation of one paragraph a slide; the file names run against the order shown."""
    schemas = "http://schemas.openxmlformats.org"
    drawing, presentation = f"{schemas}/drawingml/2006/main", f"{schemas}/presentationml/2006/main"
    count = len(texts)
    listed = "".join(f'<p:sldId id="{256 + at}" r:id="r{at}"/>' for at in range(count))
    related = "".join(
        f'<Relationship Id="r{at}" Type="{_OFFICE}/slide" Target="slides/slide{count - at}.xml"/>'
        for at in range(count)
    )
    entries: dict[str, str | bytes] = {
        "[Content_Types].xml": _TYPES,
        "ppt/presentation.xml": f'<p:presentation xmlns:p="{presentation}" xmlns:r="{_OFFICE}"><p:sldIdLst>{listed}'
        "</p:sldIdLst></p:presentation>",
        "ppt/_rels/presentation.xml.rels": f'<Relationships xmlns="{_RELATIONS}">{related}</Relationships>',
    }
    for at, text in enumerate(texts):
        entries[f"ppt/slides/slide{count - at}.xml"] = (
            f'<p:sld xmlns:p="{presentation}" xmlns:a="{drawing}"><a:p><a:r><a:t>{text}</a:t></a:r></a:p></p:sld>'
        )
    return archive(entries)


def open_text(body: str) -> bytes:
    """Return an OpenDocument text."""
    names = " ".join(f'xmlns:{each}="{_ODF}:{each}:1.0"' for each in ("office", "text", "table"))
    return archive(
        {
            "mimetype": "application/vnd.oasis.opendocument.text",
            "content.xml": f"<office:document-content {names}><office:body><office:text>{body}</office:text>"
            "</office:body></office:document-content>",
        }
    )


def compound(*streams: str) -> bytes:
    """Return the first sectors of a compound file with a directory of these names, as old Office files begin."""
    header = bytearray(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".ljust(512, b"\0"))
    header[30:32] = struct.pack("<H", 9)
    entries = b""
    for kind, name in ((5, "Root Entry"), *((2, each) for each in streams)):
        raw = name.encode("utf-16-le")
        entries += (raw.ljust(64, b"\0") + struct.pack("<HB", len(raw) + 2, kind)).ljust(128, b"\0")
    return bytes(header) + entries.ljust(512, b"\0")


def png(width: int, height: int) -> bytes:
    """Return a PNG that is white all over; its header may promise more than there is."""
    rows = b"".join(b"\0" + b"\xff" * width for _ in range(min(height, 64)))
    made = b"\x89PNG\r\n\x1a\n"
    for kind, data in (
        (b"IHDR", struct.pack("!IIBBBBB", width, height, 8, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    ):
        made += struct.pack("!I", len(data)) + kind + data + struct.pack("!I", zlib.crc32(kind + data))
    return made
