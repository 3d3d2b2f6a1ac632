"""Files of every format, made here from words: what shows read, mutate and measure. Nothing in them is anybody's."""

import csv
import io
import json
import random
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from email.message import EmailMessage
from typing import Final

__all__ = ["MAKERS", "docx", "eml", "html", "long_pdf", "odt", "pdf", "png", "prose", "xlsx"]

_VOCABULARY: Final = """
account agreement amount annex balance buyer carriage charge claim clause condition contract cover credit customer
damage date delivery document due duty entry event excess fee field goods holder hour interest invoice item law
letter limit line loss market mile month notice number office order owner paper part party payment period person
place plan policy port price process product quantity rate receipt record report right risk road sale schedule
seller service share sheet side sign site stock sum supply tax term text time title total trade unit value vehicle
vendor week weight work year
"""
_WORDS: Final = _VOCABULARY.split()

_LINES_OF_A_PAGE: Final = 45


def prose(rng: random.Random, lines: int, words: int = 9) -> list[str]:
    """Return lines of made-up prose."""
    return [" ".join(rng.choices(_WORDS, k=words)).capitalize() + "." for _ in range(lines)]


def pdf(pages: Sequence[Sequence[str]]) -> bytes:
    """Return a PDF with a page for each list of lines, compressed and with a true table of objects."""
    objects = [b"<</Type/Catalog/Pages 2 0 R>>", b"", b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"]
    kids = []
    for lines in pages:
        shown = b" ".join(b"(%s) ' " % _escaped(line) for line in lines)
        content = zlib.compress(b"BT /F 9 Tf 11 TL 50 760 Td " + shown + b"ET")
        kids.append(len(objects) + 1)
        objects.append(
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents %d 0 R/Resources<</Font<</F 3 0 R>>>>>>"
            % (len(objects) + 2)
        )
        objects.append(b"<</Length %d/Filter/FlateDecode>>stream\n%s\nendstream" % (len(content), content))
    objects[1] = b"<</Type/Pages/Count %d/Kids[%s]>>" % (len(kids), b" ".join(b"%d 0 R" % kid for kid in kids))
    return _assembled(objects)


def _escaped(line: str) -> bytes:
    return line.encode("latin-1").replace(b"\\", b"\\\\").replace(b"(", b"\\(").replace(b")", b"\\)")


def _assembled(objects: Sequence[bytes]) -> bytes:
    made = io.BytesIO()
    made.write(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
    places = []
    for number, body in enumerate(objects, 1):
        places.append(made.tell())
        made.write(b"%d 0 obj%s endobj\n" % (number, body))
    table = made.tell()
    made.write(b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1))
    made.writelines(b"%010d 00000 n \n" % place for place in places)
    made.write(b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, table))
    return made.getvalue()


def docx(paragraphs: Sequence[str], rows: Sequence[Sequence[str]] = ()) -> bytes:
    """Return a Word document with paragraphs and one table."""
    word = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    body = "".join(_paragraph(text) for text in paragraphs)
    if rows:
        cells = "".join(f"<w:tr>{''.join(f'<w:tc>{_paragraph(cell)}</w:tc>' for cell in row)}</w:tr>" for row in rows)
        body += f"<w:tbl><w:tblPr/><w:tblGrid/>{cells}</w:tbl>"
    document = f'<w:document xmlns:w="{word}"><w:body>{body}<w:sectPr/></w:body></w:document>'
    return _office("word/document.xml", "wordprocessingml.document", {"word/document.xml": document})


def _paragraph(text: str) -> str:
    return f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>"


def xlsx(rows: Sequence[Sequence[str | int]]) -> bytes:
    """Return an Excel workbook of one sheet."""
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    relations = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    cells = "".join(
        f'<row r="{number}">{"".join(_cell(value, column, number) for column, value in enumerate(row))}</row>'
        for number, row in enumerate(rows, 1)
    )
    return _office(
        "xl/workbook.xml",
        "spreadsheetml.sheet",
        {
            "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{relations}"><sheets>'
            '<sheet name="Items" sheetId="1" r:id="rId1"/></sheets></workbook>',
            "xl/_rels/workbook.xml.rels": _relations({"rId1": ("worksheet", "worksheets/sheet1.xml")}),
            "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{main}"><sheetData>{cells}</sheetData></worksheet>',
        },
    )


def _cell(value: str | int, column: int, row: int) -> str:
    place = f"{chr(ord('A') + column)}{row}"
    if isinstance(value, int):
        return f'<c r="{place}"><v>{value}</v></c>'
    return f'<c r="{place}" t="inlineStr"><is><t>{value}</t></is></c>'


def _office(main: str, kind: str, parts: Mapping[str, str]) -> bytes:
    types = "http://schemas.openxmlformats.org/package/2006/content-types"
    declared = (
        f'<Types xmlns="{types}"><Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Default Extension="xml" ContentType="application/xml"/>'
        f'<Override PartName="/{main}" ContentType="application/vnd.openxmlformats-officedocument.{kind}.main+xml"/>'
        + "".join(
            f'<Override PartName="/{name}" '
            'ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/>'
            for name in parts
            if name.startswith("xl/worksheets")
        )
        + "</Types>"
    )
    whole = {"[Content_Types].xml": declared, "_rels/.rels": _relations({"rId1": ("officeDocument", main)}), **parts}
    return _zipped({name: text.encode() for name, text in whole.items()})


def _relations(targets: Mapping[str, tuple[str, str]]) -> str:
    of = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    each = "".join(
        f'<Relationship Id="{name}" Type="{of}/{kind}" Target="{target}"/>' for name, (kind, target) in targets.items()
    )
    return f'<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{each}</Relationships>'


def odt(paragraphs: Sequence[str]) -> bytes:
    """Return an OpenDocument text."""
    of = "urn:oasis:names:tc:opendocument:xmlns"
    body = "".join(f"<text:p>{text}</text:p>" for text in paragraphs)
    content = (
        f'<office:document-content xmlns:office="{of}:office:1.0" xmlns:text="{of}:text:1.0" office:version="1.3">'
        f"<office:body><office:text>{body}</office:text></office:body></office:document-content>"
    )
    kind = "application/vnd.oasis.opendocument.text"
    manifest = (
        f'<manifest:manifest xmlns:manifest="{of}:manifest:1.0"><manifest:file-entry manifest:full-path="/" '
        f'manifest:media-type="{kind}"/></manifest:manifest>'
    )
    parts = {"mimetype": kind, "content.xml": content, "META-INF/manifest.xml": manifest}
    return _zipped({name: text.encode() for name, text in parts.items()})


def _zipped(parts: Mapping[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return made.getvalue()


def eml(lines: Sequence[str], attached: Mapping[str, bytes]) -> bytes:
    """Return a message with what is attached to it."""
    message = EmailMessage()
    message["From"], message["To"] = "anna@larkfield.example", "claims@harbour.example"
    message["Date"], message["Subject"] = "Mon, 02 Mar 2026 09:00:00 +0000", "Documents of the case"
    message.set_content("\n".join(lines))
    for name, content in attached.items():
        message.add_attachment(content, maintype="application", subtype="octet-stream", filename=name)
    message.set_boundary("=====made=====")
    return message.as_bytes()


def html(lines: Sequence[str], rows: Sequence[Sequence[str]] = ()) -> bytes:
    """Return a page with paragraphs and a table."""
    body = "".join(f"<p>{line}</p>" for line in lines)
    cells = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    page = f"<!doctype html><html><head><title>Terms</title></head><body>{body}<table>{cells}</table></body></html>"
    return page.encode()


def png(width: int, height: int) -> bytes:
    """Return a grey picture."""
    rows = b"".join(b"\0" + bytes((x * 7 + y) % 256 for x in range(width)) for y in range(height))

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack("!I", len(content)) + kind + content + struct.pack("!I", zlib.crc32(kind + content))

    header = struct.pack("!IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def _table(rng: random.Random) -> list[list[str]]:
    return [["item", "quantity", "price"]] + [
        [rng.choice(_WORDS), str(rng.randint(1, 90)), f"{rng.randint(1, 900)}.{rng.randint(10, 99)}"] for _ in range(8)
    ]


def _csv(rng: random.Random) -> bytes:
    made = io.StringIO()
    csv.writer(made).writerows(_table(rng))
    return made.getvalue().encode()


def _json(rng: random.Random) -> bytes:
    rows = [dict(zip(("item", "quantity", "price"), row, strict=True)) for row in _table(rng)[1:]]
    return json.dumps({"case": rng.choice(_WORDS), "rows": rows, "total": 12.5}, indent=1).encode()


def _yaml(rng: random.Random) -> bytes:
    rows = "".join(f"  - {{item: {item}, quantity: {count}}}\n" for item, count, _ in _table(rng)[1:])
    return f"case: {rng.choice(_WORDS)}\nnote: |\n  {prose(rng, 1)[0]}\nrows:\n{rows}".encode()


def _rtf(rng: random.Random) -> bytes:
    return ("{\\rtf1\\ansi{\\fonttbl{\\f0 Arial;}}" + "\\par ".join(prose(rng, 8)) + "}").encode()


def _xml(rng: random.Random) -> bytes:
    rows = "".join(f'<item name="{item}"><price>{price}</price></item>' for item, _, price in _table(rng)[1:])
    return f'<?xml version="1.0" encoding="UTF-8"?><order>{rows}</order>'.encode()


MAKERS: Final[Mapping[str, Callable[[random.Random], bytes]]] = {
    "pdf": lambda rng: pdf([prose(rng, 20) for _ in range(3)]),
    "docx": lambda rng: docx(prose(rng, 8), _table(rng)),
    "xlsx": lambda rng: xlsx([[item, int(count), price] for item, count, price in _table(rng)[1:]]),
    "odt": lambda rng: odt(prose(rng, 8)),
    "eml": lambda rng: eml(prose(rng, 5), {"terms.pdf": pdf([prose(rng, 5)]), "items.csv": _csv(rng)}),
    "html": lambda rng: html(prose(rng, 8), _table(rng)),
    "rtf": _rtf,
    "xml": _xml,
    "csv": _csv,
    "json": _json,
    "yaml": _yaml,
    "txt": lambda rng: "\n".join(prose(rng, 20)).encode(),
    "utf16.txt": lambda rng: "\n".join(prose(rng, 20)).encode("utf-16"),
    "png": lambda rng: png(rng.randint(8, 40), rng.randint(8, 40)),
    "zip": lambda rng: _zipped({"terms.pdf": pdf([prose(rng, 5)]), "items.csv": _csv(rng)}),
}
"""A file of each format, by its extension."""


def long_pdf(rng: random.Random, pages: int, planted: str) -> bytes:
    """Return a PDF of full pages with a line planted in the middle of the last one."""
    made = [prose(rng, _LINES_OF_A_PAGE) for _ in range(pages)]
    made[-1][_LINES_OF_A_PAGE // 2] = planted
    return pdf(made)
