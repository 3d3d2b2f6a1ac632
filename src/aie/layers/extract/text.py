"""Read plain text whose encoding nobody declared: guess only what can be told apart, refuse the rest."""

import codecs
import re
from dataclasses import dataclass
from typing import Final

from aie.errors import Failure, StepFailure

__all__ = ["Decoded", "decode"]

_BOMS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""UTF-32 before UTF-16: its little-endian mark begins with the other's."""

_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f]")
_CONTROLS_AT_MOST: Final = 0.001
"""Share of control characters up to which a file still counts as text: stray ones survive in exports and logs."""

_UTF16_SHARE: Final = 0.3
"""Share of NUL on one side of the byte pairs that tells UTF-16 of a mostly Latin text without its mark."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """Text and how it was read."""

    text: str
    """Line ends are one newline; no byte order mark; no NUL."""
    encoding: str
    """`utf-8`, `utf-16`, `utf-16-le`, `utf-16-be`, `utf-32` or `cp1252` (which holds Latin-1)."""


def decode(content: bytes) -> Decoded:
    """Return the text of a file.

    Raises:
        StepFailure: WRONG_TYPE for what is not text, TRUNCATED for a file cut inside a character, INVALID_INPUT for
            damaged Unicode. Never a wrong guess where the bytes say better: mostly valid UTF-8 is not read as Latin-1.
    """
    text, encoding = _decode(content)
    if "\0" in text or len(_CONTROLS.findall(text)) > _CONTROLS_AT_MOST * len(text) + 1:
        raise StepFailure(Failure.WRONG_TYPE, "the file is not text: it holds control characters")
    return Decoded(text=text.replace("\r\n", "\n").replace("\r", "\n"), encoding=encoding)


def _decode(content: bytes) -> tuple[str, str]:
    for bom, encoding in _BOMS:
        if content.startswith(bom):
            return _strict(content, encoding), encoding.removesuffix("-sig")
    if b"\0" in content:
        side = _utf16_side(content)
        if side is None:
            raise StepFailure(Failure.WRONG_TYPE, "the file is not text: it holds NUL bytes")
        return _strict(content, side), side
    try:
        return content.decode(), "utf-8"
    except UnicodeDecodeError as error:
        return _not_utf8(content, error), "cp1252"


def _strict(content: bytes, encoding: str) -> str:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        if error.end >= len(content) and ("truncated" in error.reason or "end of data" in error.reason):
            raise StepFailure(Failure.TRUNCATED, f"the text ends inside a character ({encoding})") from None
        raise StepFailure(
            Failure.INVALID_INPUT, f"the text is {encoding} but byte {error.start} is not", hints=("save it as UTF-8",)
        ) from None


def _utf16_side(content: bytes) -> str | None:
    head = content[: 1 << 16]
    pairs = len(head) // 2
    if not pairs or len(content) % 2:
        return None
    first, second = head[0::2].count(0) / pairs, head[1::2].count(0) / pairs
    if second >= _UTF16_SHARE and first <= second / 10:
        return "utf-16-le"
    if first >= _UTF16_SHARE and second <= first / 10:
        return "utf-16-be"
    return None


def _not_utf8(content: bytes, error: UnicodeDecodeError) -> str:
    lenient = content.decode(errors="replace")
    broken = lenient.count("�") - content.count("�".encode())
    whole = sum(1 for character in lenient if character > "\x7f") - lenient.count("�")
    if error.end >= len(content) and error.reason == "unexpected end of data" and whole:
        raise StepFailure(Failure.TRUNCATED, "the text ends inside a character (utf-8)")
    if whole >= broken:
        raise StepFailure(
            Failure.INVALID_INPUT, f"the text is UTF-8 but byte {error.start} is not", hints=("save it again as UTF-8",)
        )
    try:
        return content.decode("cp1252")
    except UnicodeDecodeError:
        raise StepFailure(
            Failure.WRONG_TYPE, "the file is not text in UTF-8, UTF-16 or Latin-1", hints=("save it as UTF-8",)
        ) from None
