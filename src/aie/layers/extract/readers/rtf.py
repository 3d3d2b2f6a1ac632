"""Read Rich Text Format: its text without its control words, as the specification 1.9.1 defines them."""

import re

from .charsets import decoded
from .refusing import Refused, answered

MOST_DEPTH = 1_000

_TOKEN = re.compile(
    rb"\\(?P<word>[a-z]{1,32})(?P<number>-?[0-9]{1,10})? ?|\\'(?P<code>[0-9a-fA-F]{2})|\\(?P<symbol>[^a-z])"
    rb"|(?P<brace>[{}])|[\r\n]+|(?P<text>[^\\{}\r\n]+)",
    re.DOTALL,
)
_MARKS = {
    b"par": "\n",
    b"line": "\n",
    b"row": "\n",
    b"sect": "\n\n",
    b"page": "\n\n",
    b"tab": "\t",
    b"cell": "\t",
    b"emdash": "—",
    b"endash": "–",
    b"bullet": "•",
    b"emspace": " ",
    b"enspace": " ",
    b"lquote": "‘",
    b"rquote": "’",
    b"ldblquote": "“",
    b"rdblquote": "”",
}
_SYMBOLS = {b"~": "\u00a0", b"_": "-", b"\n": "\n", b"\r": "\n", b"\\": "\\", b"{": "{", b"}": "}"}
_UNSEEN = frozenset(
    {
        *(b"fonttbl", b"colortbl", b"stylesheet", b"info", b"pict", b"object", b"listtable", b"listoverridetable"),
        *(b"generator", b"themedata", b"datastore", b"colorschememapping", b"latentstyles", b"rsidtbl", b"xmlnstbl"),
        *(b"fldinst", b"bkmkstart", b"bkmkend"),
    }
)
"""Destinations that show nothing."""


@answered
def read(content: bytes) -> dict[str, object]:
    """Return the text; destinations that show nothing, hidden text and pictures are passed over."""
    document = _Document()
    for match in _TOKEN.finditer(content):
        kind = match.lastgroup
        if kind is not None:
            document.take("word" if kind == "number" else kind, match)
    if document.groups:
        raise Refused("truncated", "the document ends inside a group")
    return {"kind": "rtf", "text": "".join(document.shown).strip()}


class _Document:
    """What is shown so far, and the state that groups save and restore."""

    def __init__(self) -> None:
        self.shown: list[str] = []
        self.groups: list[tuple[bool, int]] = []
        self._silent = False
        self._stand_ins = 1
        """Characters after a `\\u` that stand in for it where Unicode is not known."""
        self._skip = 0
        self._encoding = "cp1252"

    def take(self, kind: str, match: re.Match[bytes]) -> None:
        """Follow one token."""
        token = match[kind]
        if kind == "brace":
            self._group(opens=token == b"{")
        elif kind == "word":
            self._word(token, int(match["number"]) if match["number"] else None)
        elif kind == "symbol":
            self._silent = self._silent or token == b"*"
            self._show(_SYMBOLS.get(token, ""))
        else:
            characters = bytes([int(token, 16)]) if kind == "code" else token
            kept = characters[self._skip :]
            self._skip = max(0, self._skip - len(characters))
            self._show(self._decoded(kept))

    def _group(self, *, opens: bool) -> None:
        if opens:
            self.groups.append((self._silent, self._stand_ins))
            if len(self.groups) > MOST_DEPTH:
                raise Refused("bomb", "the document's groups are nested too deeply")
        elif self.groups:
            self._silent, self._stand_ins = self.groups.pop()

    def _word(self, word: bytes, value: int | None) -> None:
        if word in _UNSEEN:
            self._silent = True
        elif word == b"v":  # hidden text, until switched off
            self._silent = value != 0
        elif word == b"ansicpg":
            self._encoding = f"cp{value}"
        elif word == b"uc":
            self._stand_ins = value or 0
        elif word == b"u" and value is not None:
            self._skip = self._stand_ins
            self._show(chr(value % 65_536))
        else:
            self._show(_MARKS.get(word, ""))

    def _show(self, text: str) -> None:
        if not self._silent:
            self.shown.append(text)

    def _decoded(self, content: bytes) -> str:
        text, _ = decoded(content, (self._encoding, "cp1252", "latin-1"))
        return text
