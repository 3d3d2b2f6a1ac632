"""Read what comes in an OLE compound file: old Excel workbooks, messages of Outlook; tell what else there is."""

from . import outlook, sheets
from .cfb import CompoundFile
from .refusing import Refused, answered

_HOLDS = (
    ("EncryptedPackage", "encrypted", "the Office document needs a password"),
    ("WordDocument", "unsupported", "a Word document of before 2007 cannot be read"),
    ("PowerPoint Document", "unsupported", "a presentation of before 2007 cannot be read"),
)


@answered
def read(content: bytes) -> dict[str, object]:
    """Return what the reader of the format inside found."""
    file = CompoundFile(content)
    names = file.names()
    if {"Workbook", "Book"} & names:
        return sheets.workbook(content, "xls")
    if outlook.PROPERTIES in names:
        return outlook.read(file)
    for name, failure, why in _HOLDS:
        if name in names:
            raise Refused(failure, why)
    raise Refused("unsupported", "a compound file of an unknown kind cannot be read")
