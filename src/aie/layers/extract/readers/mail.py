"""Read a message: who wrote to whom, its text, and what is attached, which the engine reads on its own."""

import base64
import email
from email.message import Message
from typing import cast

from .charsets import decoded
from .headers import Bounded, header, shown
from .html import visible
from .refusing import Refused, answered

MOST_PARTS = 1_000
_SHOWN = ("From", "To", "Cc", "Date", "Subject")


@answered
def read(content: bytes) -> dict[str, object]:
    """Return headers and body as text, and the attachments in their order."""
    try:
        message = email.message_from_bytes(content, policy=Bounded())
    except (Refused, MemoryError, RecursionError):
        raise
    except Exception as error:  # the library promises no list of what it raises at hostile messages
        raise Refused("invalid_input", "the message cannot be parsed") from error
    bodies: list[tuple[str, str]] = []
    attachments: list[dict[str, str]] = []
    _collect(message, bodies, attachments)
    body = "\n\n".join(text for text, _ in bodies).strip()
    headers = "\n".join(f"{name}: {value}" for name in _SHOWN if (value := header(message, name)))
    return {"kind": "eml", "text": f"{headers}\n\n{body}".strip(), "attachments": attachments}


def _collect(message: Message, bodies: list[tuple[str, str]], attachments: list[dict[str, str]]) -> None:
    """Sort the leaves of a message: of alternatives the plain one is its text, what is no text is attached."""
    waiting: list[Message] = [message]
    seen = 0
    while waiting:
        part = waiting.pop()
        seen += 1
        if seen > MOST_PARTS:
            raise Refused("bomb", f"the message has more than {MOST_PARTS} parts")
        kind = part.get_content_type()
        if kind == "message/rfc822":
            attachments.append(_attached_message(part))
        elif part.is_multipart():
            parts = cast("list[Message]", part.get_payload())
            waiting.extend(reversed(_best(parts) if kind == "multipart/alternative" else parts))
        elif kind in ("text/plain", "text/html") and not _is_attachment(part):
            text = _text(part)
            bodies.append((visible(text) if kind == "text/html" else text.strip(), kind))
        else:
            attachments.append({"name": _name(part), "content": base64.b64encode(_bytes(part)).decode()})


def _best(parts: list[Message]) -> list[Message]:
    """Return the alternative to read: plain text where it says something, else the last, which is the richest."""
    plain = [each for each in parts if each.get_content_type() == "text/plain" and _text(each).strip()]
    return plain[:1] or parts[-1:]


def _is_attachment(part: Message) -> bool:
    return part.get_content_disposition() == "attachment" or bool(_name(part))


def _attached_message(part: Message) -> dict[str, str]:
    inner = part.get_payload()
    first = inner[0] if isinstance(inner, list) and inner else None
    whole = first.as_bytes() if isinstance(first, Message) else _bytes(part)
    return {"name": _name(part) or "message.eml", "content": base64.b64encode(whole).decode()}


def _bytes(part: Message) -> bytes:
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


def _text(part: Message) -> str:
    """Return a text part in its declared encoding; UTF-8 or Windows-1252 where that is none."""
    text, _ = decoded(_bytes(part), (part.get_content_charset("utf-8"), "utf-8", "cp1252", "latin-1"))
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _name(part: Message) -> str:
    try:
        return shown(part.get_filename("") or "")
    except (ValueError, LookupError):  # it declares an encoding that does not fit; an attachment without a name is read
        return ""


SAMPLE = b"""From: a@example.org\r\nTo: "b, c" <b@example.org>\r\nDate: Mon, 02 Mar 2026 10:00:00 +0000\r
Subject: =?utf-8?q?r=C3=A9?= =?utf-8?b?YWR5?=\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n\r
--x\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=C3=A9\r
--x\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: 8bit\r\n\r\n<p>ready</p>\r
--x\r\nContent-Type: message/rfc822\r\n\r\nFrom: d@example.org\r\n\r\nin\r
--x\r\nContent-Type: application/x; name*=utf-8''%C3%A9\r\nContent-Transfer-Encoding: base64\r\n\r\nYQ==\r\n--x--\r\n"""
"""Read once at the start: it loads what the library loads late."""
