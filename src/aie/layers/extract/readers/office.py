"""Read what comes in a ZIP archive: Word, Excel, PowerPoint and their OpenDocument kin; what is inside says which."""

from . import presentation, sheets, word, writer
from .archives import Package
from .refusing import Refused, answered

_MAIN = (
    ("word/document.xml", word.read),
    ("xl/workbook.xml", sheets.read_xlsx),
    ("xl/workbook.bin", sheets.read_xlsb),
    ("ppt/presentation.xml", presentation.read),
)
"""Where the main part of an Office document stands; nobody moves it, though the format would allow it."""

_OPEN = {
    b"application/vnd.oasis.opendocument.text": writer.read,
    b"application/vnd.oasis.opendocument.spreadsheet": sheets.read_ods,
    b"application/vnd.oasis.opendocument.presentation": writer.read_slides,
}


@answered
def read(content: bytes) -> dict[str, object]:
    """Return what the reader of the format inside found."""
    package = Package(content)
    for part, reader in _MAIN:
        if part in package.names and "[Content_Types].xml" in package.names:
            return reader(package, content)
    if "mimetype" in package.names:
        kin = _OPEN.get(package.read("mimetype").strip().removesuffix(b"-template"))
        if kin is not None:
            return kin(package, content)
    raise Refused("unsupported", "an archive is not opened: its files are documents of their own")
