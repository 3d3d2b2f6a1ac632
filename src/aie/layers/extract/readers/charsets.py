"""Text in encodings that documents declare."""

import codecs
import encodings
import pkgutil
from collections.abc import Iterable

from .refusing import Refused

_ELSEWHERE = frozenset({"mbcs", "oem", "idna", "punycode", "undefined", "raw_unicode_escape", "unicode_escape"})
"""No encodings of documents: some exist on Windows only, some are escapes."""


def _known() -> frozenset[str]:
    names = set()
    for module in pkgutil.iter_modules(encodings.__path__):
        try:
            b"".decode(module.name)  # refuses what encodes bytes, such as base64
            found = codecs.lookup(module.name)
        except LookupError:
            continue
        if module.name not in _ELSEWHERE:
            names.add(found.name)
    return frozenset(names)


KNOWN = _known()


def decoded(content: bytes, names: Iterable[str]) -> tuple[str, str]:
    """Return the text in the first of these encodings that it is in, and the encoding's name.

    Raises:
        Refused: it is in none of them.
    """
    for name in names:
        try:
            found = codecs.lookup(name)
            if found.name in KNOWN:
                return content.decode(found.name), found.name
        except (UnicodeDecodeError, LookupError):
            continue
    raise Refused("invalid_input", "the text is not in the encoding that it declares")
