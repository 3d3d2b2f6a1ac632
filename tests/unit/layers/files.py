"""Documents made on the spot, each as small as its format allows."""

import io
import struct
import zipfile
import zlib
from email.message import EmailMessage

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


def compound(streams: dict[str, bytes]) -> bytes:
    """Return a compound file of streams by path, `folder/stream`; short ones lie in the stream of short ones."""
    entries: list[tuple[str, int, int, int, int]] = []
    """Name, kind, right neighbour, child, and for a stream its first short sector."""
    mini, mini_fat, none = b"", [], 0xFFFFFFFF
    tops = list(dict.fromkeys(path.partition("/")[0] for path in streams))
    numbers = {path: at for at, path in enumerate([*tops, *(path for path in streams if "/" in path)], 1)}
    sizes = {}
    for path, content in streams.items():
        count = max(1, -(-len(content) // 64))
        sizes[path] = (len(mini_fat), len(content))
        mini_fat += [*range(len(mini_fat) + 1, len(mini_fat) + count), 0xFFFFFFFE]
        mini += content.ljust(64 * count, b"\0")
    for path in numbers:
        folder = path in tops and path not in streams
        inside = [each for each in numbers if each.startswith(f"{path}/")] if folder else []
        siblings = (
            tops if path in tops else [each for each in numbers if each.startswith(path.rpartition("/")[0] + "/")]
        )
        after = siblings[siblings.index(path) + 1 :]
        right = numbers[after[0]] if after else none
        child = numbers[inside[0]] if inside else none
        entries.append((path.rpartition("/")[2], 1 if folder else 2, right, child, *sizes.get(path, (0, 0))))
    directory = _entry("Root Entry", 5, none, 1 if entries else none, 3, len(mini))
    directory += b"".join(_entry(*each) for each in entries)
    blocks = [directory.ljust(-(-len(directory) // 512) * 512, b"\0"), mini.ljust(-(-len(mini) // 512) * 512, b"\0")]
    first = 2 + len(blocks[0]) // 512
    directory = blocks[0].replace(struct.pack("<IQ", 3, len(mini)), struct.pack("<IQ", first, len(mini)), 1)
    fat = [0xFFFFFFFD, 0xFFFFFFFE]
    for block in (directory, blocks[1]):
        count = len(block) // 512
        fat += [*range(len(fat) + 1, len(fat) + count), 0xFFFFFFFE] if count else []
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<HHHHH", 62, 3, 0xFFFE, 9, 6) + bytes(10)
    header += struct.pack("<IIIIIIII", 1, 2, 0, 4096, 1, 1, 0xFFFFFFFE, 0) + struct.pack("<109I", 0, *[none] * 108)
    tables = [struct.pack(f"<{len(each)}I", *each).ljust(512, b"\xff") for each in (fat, mini_fat)]
    return header + b"".join([*tables, directory, blocks[1]])


def _entry(name: str, kind: int, right: int, child: int, start: int, size: int) -> bytes:
    raw = name.encode("utf-16-le")
    links = struct.pack("<HBBIII", len(raw) + 2, kind, 1, 0xFFFFFFFF, right, child)
    return raw.ljust(64, b"\0") + links + bytes(36) + struct.pack("<IQ", start, size)


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


def message(*, subject: str = "Claim 7") -> EmailMessage:
    """Return a message with a plain text."""
    made = EmailMessage()
    made["From"] = "Ana <ana@example.org>"
    made["To"] = "claims@example.org"
    made["Subject"] = subject
    made["Date"] = "Mon, 02 Mar 2026 10:00:00 +0000"
    made.set_content("Please find the bill.\n")
    return made
