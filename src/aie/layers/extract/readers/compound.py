"""Read what comes in an OLE compound file: old Excel workbooks; tells apart what else such files hold."""

from . import sheets
from .refusing import Refused, answered

_HOLDS = (
    ("EncryptedPackage", "encrypted", "the Office document needs a password"),
    ("WordDocument", "unsupported", "a Word document of before 2007"),
    ("PowerPoint Document", "unsupported", "a presentation of before 2007"),
    ("__properties_version1.0", "unsupported", "a message of Outlook's own format"),
)
_WORKBOOKS = ("Workbook", "Book")


@answered
def read(content: bytes) -> dict[str, object]:
    """Return the sheets of a workbook; name what else it is."""
    names = directory(content)
    if any(name in names for name in _WORKBOOKS):
        return sheets.workbook(content, "xls")
    for name, failure, why in _HOLDS:
        if name in names:
            raise Refused(failure, why)
    raise Refused("unsupported", "a compound file of an unknown kind")


def directory(content: bytes) -> set[str]:
    """Return the names of the streams of the root; see [MS-CFB] 2.6."""
    sector = 1 << int.from_bytes(content[30:32], "little") if len(content) >= 512 else 0
    if sector not in (512, 4096):
        raise Refused("truncated" if len(content) < 512 else "invalid_input", "the compound file's header is damaged")
    names: set[str] = set()
    for at in range(sector, len(content) - 127, 128):
        size, kind = int.from_bytes(content[at + 64 : at + 66], "little"), content[at + 66]
        if 2 < size <= 64 and not size % 2 and kind in (1, 2, 5):
            names.add(content[at : at + size - 2].decode("utf-16-le", "replace"))
    return names
