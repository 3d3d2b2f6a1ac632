"""Headers of mail: bounded while they are parsed, their encoded words (RFC 2047) and raw bytes shown as text.

The library's parsers of structured headers take the square of hostile ones, and parse a header at every look at it;
none of what they find is needed here.
"""

import base64
import binascii
import quopri
import re
from collections.abc import Sequence
from email.message import Message
from email.policy import Compat32

from .charsets import decoded
from .refusing import Refused

MOST_HEADER = 1 << 15
"""Characters of one header with its continuations."""

_WORD = re.compile(r"=\?([^?\s*]{1,60})(?:\*[^?\s]{0,20})?\?([bq])\?([^?\r\n]{0,1000})\?=", re.IGNORECASE)
_BETWEEN = re.compile(r"(?<=\?=)\s+(?==\?)")
"""White space between two encoded words; it is none of the text."""
_GUESSES = ("utf-8", "cp1252", "latin-1")


class Bounded(Compat32):
    """How messages are parsed: headers stay text, and one that is too long ends it before anybody parses it."""

    def header_source_parse(self, sourcelines: list[str]) -> tuple[str, str]:
        """Return the name and the text of a header.

        Raises:
            Refused: it is too long.
        """
        if sum(map(len, sourcelines)) > MOST_HEADER:
            raise Refused("bomb", f"a header of the message has more than {MOST_HEADER} characters")
        return super().header_source_parse(sourcelines)


def header(message: Message, name: str) -> str:
    """Return the first header of a name as it is meant, on one line; empty where there is none."""
    raw = next((str(value) for each, value in message.raw_items() if each.lower() == name.lower()), "")
    return " ".join(shown(raw).split())


def shown(raw: str) -> str:
    """Return a header's text with its encoded words decoded; bytes that no standard allows are read as UTF-8."""
    text, _ = decoded(raw.encode("utf-8", "surrogateescape"), _GUESSES)
    text = _BETWEEN.sub("", text)
    made: list[str] = []
    run: list[re.Match[str]] = []
    at = 0
    for word in _WORD.finditer(text):
        if run and (run[-1].end() != word.start() or run[-1][1].lower() != word[1].lower()):
            made.append(_decoded(run))
            run = []
        made.append(text[at : word.start()])
        run.append(word)
        at = word.end()
    return "".join([*made, _decoded(run), text[at:]])


def _decoded(words: Sequence[re.Match[str]]) -> str:
    """Return the text of words that follow on each other in one encoding: a character may be cut between them."""
    if not words:
        return ""
    content = b"".join(_bytes(word[2].lower(), word[3]) for word in words)
    return decoded(content, (words[0][1], *_GUESSES))[0]


def _bytes(encoding: str, text: str) -> bytes:
    content = text.encode("ascii", "ignore")
    if encoding == "q":
        return quopri.decodestring(content, header=True)
    try:
        return base64.b64decode(content + b"=" * (-len(content) % 4))
    except binascii.Error:
        return b""
