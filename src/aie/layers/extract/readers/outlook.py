"""Read a message as Outlook stores it: properties by number in a compound file, see [MS-OXMSG] and [MS-OXPROPS]."""

import base64
import datetime as dt
import struct

from .cfb import CompoundFile
from .charsets import decoded
from .html import visible
from .refusing import Refused

PROPERTIES = "__properties_version1.0"
MOST_DEPTH = 5
"""Messages within messages."""

_SUBJECT, _BODY, _HTML, _TO, _CC = 0x0037, 0x1000, 0x1013, 0x0E04, 0x0E03
_SENDER, _ADDRESSES = 0x0C1A, (0x5D01, 0x0C1F)
_SENT = (0x00390040, 0x0E060040)
"""When it was sent; when it came, for a message without that."""
_DATA, _NAMES = 0x3701, (0x3707, 0x3704)
_EMBEDDED = "__substg1.0_3701000D"
_EPOCH = dt.datetime(1601, 1, 1, tzinfo=dt.UTC)


def read(file: CompoundFile) -> dict[str, object]:
    """Return headers and text as of any message, and its attachments; a message attached is attached as its text."""
    attachments: list[dict[str, str]] = []
    return {"kind": "msg", "text": _message(file, "", attachments, 0), "attachments": attachments}


def _message(file: CompoundFile, folder: str, attachments: list[dict[str, str]], depth: int) -> str:
    if depth > MOST_DEPTH:
        raise Refused("bomb", "too many messages are attached to each other")
    addresses = [_text(file, folder, number) for number in _ADDRESSES]
    address = next((each for each in addresses if "@" in each), "")
    sender = _text(file, folder, _SENDER)
    headers = {
        "From": f"{sender} <{address}>".strip() if address and address != sender else sender or address,
        "To": _text(file, folder, _TO),
        "Cc": _text(file, folder, _CC),
        "Date": _sent(file, folder, header=24 if depth else 32),
        "Subject": _text(file, folder, _SUBJECT),
    }
    for each in file.folders(f"{folder}__attach_version1.0_"):
        name = next(filter(None, (_text(file, f"{each}/", number) for number in _NAMES)), "")
        content, inner = file.read(f"{each}/__substg1.0_{_DATA:04X}0102"), list[dict[str, str]]()
        if f"{each}/{_EMBEDDED}" in file.folders(f"{each}/"):
            name = name or "message.txt"
            content = _message(file, f"{each}/{_EMBEDDED}/", inner, depth + 1).encode()
        attachments += [{"name": name, "content": base64.b64encode(content).decode()}, *inner]
    shown = "\n".join(f"{name}: {' '.join(value.split())}" for name, value in headers.items() if value)
    return f"{shown}\n\n{_body(file, folder)}".strip()


def _body(file: CompoundFile, folder: str) -> str:
    plain = _text(file, folder, _BODY).strip()
    if plain:
        return plain.replace("\r\n", "\n").replace("\r", "\n")
    html = file.read(f"{folder}__substg1.0_{_HTML:04X}0102")
    return visible(decoded(html, ("utf-8", "cp1252", "latin-1"))[0])


def _text(file: CompoundFile, folder: str, number: int) -> str:
    """Return a text property, which is stored as UTF-16 or in eight bits."""
    wide = file.read(f"{folder}__substg1.0_{number:04X}001F")
    if wide:
        return wide.decode("utf-16-le", "replace").rstrip("\0")
    return decoded(file.read(f"{folder}__substg1.0_{number:04X}001E"), ("utf-8", "cp1252", "latin-1"))[0].rstrip("\0")


def _sent(file: CompoundFile, folder: str, header: int) -> str:
    """Return when the message was sent, in UTC as ISO 8601; properties of fixed size stand in a table."""
    table = file.read(folder + PROPERTIES)[header:]
    times = {
        struct.unpack_from("<I", table, at)[0]: struct.unpack_from("<Q", table, at + 8)[0]
        for at in range(0, len(table) - 15, 16)
    }
    for tag in _SENT:
        if times.get(tag):
            try:
                return (_EPOCH + dt.timedelta(microseconds=times[tag] // 10)).isoformat(" ", "seconds")
            except OverflowError:
                continue
    return ""
