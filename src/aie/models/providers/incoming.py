"""An answer of HTTP/1.1 as its bytes come in: parsed by llhttp, bounded and unpacked here."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

__all__ = ["Answered", "Incoming", "NotHTTP", "Unreadable"]

_LONGEST: Final = 32_000_000
"""Bytes of a body, packed or not."""
_HEAD: Final = 65_536
"""Bytes up to the body, with all that says only that it will come; and those in a row that bring nothing of it."""
_HEADERS: Final = 100
_PACKED: Final = frozenset({"gzip", "x-gzip"})


class NotHTTP(Exception):
    """It is no whole answer."""


class Unreadable(Exception):
    """The answer is longer than any of the protocol, or packed in a way that was not asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A whole answer, whatever it says."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    content: bytes
    """Unpacked."""
    stays: bool
    """Whether the connection may be used again."""


class Incoming:
    """One answer on its way; `answer` is None until it is whole."""

    def __init__(self) -> None:
        self.answer: Answered | None = None
        self._parser: Any = HttpResponseParser(self)
        self._idle = 0
        """Bytes that came since the last ones of the body, or since the beginning."""
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self._size = 0
        self._in_body = False
        self._is_empty = True
        self._stays = False
        self._unpacking: Any = None
        self._wrong: Exception | None = None
        """What a call of the parser's found: it would wrap whatever is raised there."""

    def take(self, data: bytes) -> None:
        """Take the next bytes; none: the connection was closed.

        Raises:
            NotHTTP: no whole answer can come of them.
            Unreadable: it cannot be one of the protocol.
        """
        if not data:
            self._end()
            return
        self._idle += len(data)
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            if self.answer is None:
                raise self._wrong or NotHTTP(type(error).__name__) from error
            self._says_more()
        if self._wrong is not None:
            raise self._wrong
        if self.answer is None and (self._idle > _HEAD or len(self._headers) > _HEADERS):
            raise NotHTTP("a head, or what follows a body, without an end")

    def _end(self) -> None:
        """The end of the connection is that of a body which says no other."""
        if not self._in_body or {"content-length", "transfer-encoding"} & self._headers.keys():
            raise NotHTTP("the connection was closed before the answer was whole")
        self._finish(stays=False)

    # ------------------------------------------------------------ called by the parser

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take one header."""
        if not self._in_body:
            self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """Turn to the body, unless a head says only that another one follows."""
        if self._in_body:
            return
        if self._parser.get_status_code() < 200:
            self._headers.clear()
            return
        self._in_body = True
        self._stays = self._parser.should_keep_alive()
        packing = self._headers.get("content-encoding", "identity").lower()
        if packing in _PACKED:
            self._unpacking = zlib.decompressobj(16 + zlib.MAX_WBITS)
        elif packing != "identity":
            self._wrong = Unreadable(f"it is packed as {packing[:20]}")

    def on_body(self, data: bytes) -> None:
        """Take a piece of the body."""
        if self.answer is not None or self._wrong is not None:
            return
        self._idle, self._is_empty = 0, False
        if self._unpacking is not None:
            try:
                data = self._unpacking.decompress(data, _LONGEST + 1 - self._size)
            except zlib.error as error:
                self._wrong = NotHTTP(str(error))
                return
        self._size += len(data)
        self._body.append(data)
        if self._size > _LONGEST or (self._unpacking is not None and self._unpacking.unconsumed_tail):
            self._wrong = Unreadable(f"it is longer than {_LONGEST} bytes")

    def on_message_complete(self) -> None:
        """Close the answer; what comes after it is none."""
        if self._in_body and self.answer is None and self._wrong is None:
            self._finish(stays=self._stays)

    def on_message_begin(self) -> None:
        """Begin with the answer, or find that another one follows that nobody asked for."""
        self._says_more()

    def _says_more(self) -> None:
        """Keep no connection that says more than it was asked for; the answer itself is whole, and paid for."""
        if self.answer is not None:
            self.answer = replace(self.answer, stays=False)

    def _finish(self, *, stays: bool) -> None:
        if self._unpacking is not None and not self._unpacking.eof and not self._is_empty:
            self._wrong = NotHTTP("the packed body has no end")
            raise self._wrong
        self.answer = Answered(
            status=self._parser.get_status_code(), headers=self._headers, content=b"".join(self._body), stays=stays
        )
