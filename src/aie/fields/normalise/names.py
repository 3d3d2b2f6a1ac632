"""Names of persons and organisations: as written, but for spaces, marks that are not theirs, and two spellings."""

import re
from typing import Final

__all__ = ["read_name"]

_AROUND: Final = " \t\"'“”‘’„«»`,;:*_"
_OPENING: Final = {")": "(", "]": "["}
_ABBREVIATED: Final = re.compile(
    r"(?:\b[A-Za-z]|\.[A-Za-z]{1,2}|\b(?:inc|corp|co|ltd|llc|jr|sr|bros|esq|bhd|sdn|pty|pte|intl|assn|st))\.$",
    re.IGNORECASE,
)
"""A full stop that belongs to the name: an initial, `Inc.`, `Jr.`, `Corp.`, `S.A.`."""


_SPELLINGS: Final = (
    (re.compile(r"(?<=\s)&(?=\s)"), "and"),
    (re.compile(r"\bincorporated$", re.IGNORECASE), "Inc."),
    (re.compile(r"\blimited$", re.IGNORECASE), "Ltd."),
)
"""One spelling for what is written in two ways in one and the same document."""


def read_name(text: str) -> str | None:
    """Return the name that a quote holds, or None when it holds no letter or digit."""
    name = " ".join(text.split())
    for pattern, spelling in _SPELLINGS:
        name = pattern.sub(spelling, name)
    while (shorter := _stripped(name)) != name:
        name = shorter
    return name if any(each.isalnum() for each in name) else None


def _stripped(name: str) -> str:
    name = name.strip(_AROUND)
    if name.endswith(".") and not _ABBREVIATED.search(name):
        name = name[:-1]
    for closing, opening in _OPENING.items():
        if name.endswith(closing) and name.count(opening) < name.count(closing):
            name = name[:-1]
        if name.startswith(opening) and name.count(opening) > name.count(closing):
            name = name[1:]
        if name.startswith(opening) and name.endswith(closing):
            name = name[1:-1]
    return name
