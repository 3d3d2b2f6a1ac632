"""From files to one text: each file by the reader of its format, what is attached to it after it."""

import base64
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, cast

from aie.core import JSON
from aie.errors import Failure, StepFailure
from aie.layers.extract.advice import advised
from aie.layers.extract.allowance import Allowance
from aie.layers.extract.damage import Found, named_pages, read_pdf
from aie.layers.extract.media import claims_another, is_delimited, media_type
from aie.layers.extract.parts import Part, shows
from aie.layers.extract.pictures import recognise_pages, recognise_picture
from aie.layers.extract.recognition import Picture, Recogniser
from aie.layers.extract.sandbox import Sandbox
from aie.layers.extract.text import decode

__all__ = ["FileReader", "Reading", "Unread", "Wanted"]

MOST_CHARACTERS: Final = 20_000_000
"""Characters of everything read for one file given."""
MOST_PARTS: Final = 200
"""Files read for one given: a message and all that is attached, at any depth."""
MOST_DEPTH: Final = 5
"""Messages within messages."""

_OFFICE: Final = ("application/vnd.oasis.", "application/vnd.openxmlformats-", "application/vnd.ms-excel.")
"""Beginnings of the media types of documents in archives; what is inside says which."""
_READERS: Final = {
    "application/rtf": "rtf",
    "application/x-ole-storage": "compound",
    "application/xml": "xml",
    "application/zip": "office",
    "message/rfc822": "mail",
    "text/csv": "delimited",
    "text/html": "html",
}
"""Reader by media type; each runs in the closed process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """A file, or pages of one, that was not read, and why."""

    name: str
    failure: Failure
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A file and what is attached to it."""

    parts: tuple[Part, ...]
    """The file first, then each attachment in order, its own attachments after it."""
    unread: tuple[Unread, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """How a step wants files to be read."""

    languages: tuple[str, ...] = ()
    """Of text in pictures."""
    partial: bool = False
    """Whether a file with pages that cannot be read is read without them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Allowed:
    """The time of one file given, with all that is attached to it."""

    reading: Allowance
    recognising: Allowance


class FileReader:
    """Reads files within the time that is left, each with all that is attached to it within a time of its own."""

    def __init__(self, sandbox: Sandbox, recogniser: Recogniser, wanted: Wanted, time_left_ms: int | None) -> None:
        self._sandbox = sandbox
        self._recogniser = recogniser
        self._wanted = wanted
        self._deadline = None if time_left_ms is None else time.monotonic() + time_left_ms / 1000
        self.isolation: Mapping[str, str] | None = None
        """How closed the readers were; None as long as none was used."""

    def read(self, name: str, content: bytes) -> Reading:
        """Read a file with everything attached to it; an attachment that cannot be read is named, not raised.

        Raises:
            StepFailure: with the class of what is wrong with the file itself.
        """
        bounds = self._sandbox.bounds
        allowed = _Allowed(reading=bounds.allowance(len(content)), recognising=Allowance(bounds.recognition_ms))
        parts: list[Part] = []
        unread: list[Unread] = []
        waiting: list[tuple[str, bytes, int]] = [(name, content, 0)]
        while waiting:
            name, content, depth = waiting.pop()
            try:
                if len(parts) + len(unread) >= MOST_PARTS or depth > MOST_DEPTH:
                    raise StepFailure(Failure.BOMB, "too many files are attached to each other")
                part, attached = self._one(name, content, allowed)
            except StepFailure as error:
                if depth == 0:
                    raise advised(error) from error
                unread.append(Unread(name=name, failure=error.failure, why=error.message))
                continue
            if parts and sum(len(page) for each in (*parts, part) for page in each.pages) > MOST_CHARACTERS:
                unread.append(Unread(name=name, failure=Failure.TOO_LARGE, why="there is too much text before it"))
                continue
            parts.append(part)
            if part.missing:
                why = named_pages(part.missing, len(part.pages))
                unread.append(Unread(name=name, failure=Failure.INVALID_INPUT, why=why))
            waiting.extend((name, content, depth + 1) for name, content in reversed(attached))
        return Reading(parts=tuple(parts), unread=tuple(unread))

    def text(self, name: str, content: bytes) -> Part:
        """Read plain text, whatever it may look like, and nothing else.

        Raises:
            StepFailure: WRONG_TYPE for every other format, or as `decode`.
        """
        _check_not_empty(content)
        media = media_type(content)
        if media not in ("text/plain", "message/rfc822"):
            raise advised(StepFailure(Failure.WRONG_TYPE, f"plain text expected, the content is {media}"))
        return self._plain(name, content)

    def _one(self, name: str, content: bytes, allowed: _Allowed) -> tuple[Part, list[tuple[str, bytes]]]:
        _check_not_empty(content)
        media = media_type(content)
        if claims_another(name, media):
            raise StepFailure(Failure.WRONG_TYPE, f"the file is not what its name says, but {media}")
        if media == "text/plain" and is_delimited(name):
            media, content = "text/csv", self._decoded(content)[0].encode()
        if media == "text/plain":
            return self._checked(self._plain(name, content)), []
        if media.startswith("image/"):
            return self._checked(recognise_picture(name, media, self._recognise(content, allowed))), []
        if media == "application/pdf":
            return self._checked(self._pdf(name, content, allowed)), []
        reader = "office" if media.startswith(_OFFICE) else _READERS.get(media)
        if reader is None:
            raise StepFailure(Failure.UNSUPPORTED, f"{media} cannot be read")
        found = self._closed(reader, content, allowed)
        pages = cast("list[str] | None", found.get("pages"))
        part = Part(
            name=name,
            kind=str(found["kind"]),
            pages=tuple(pages) if pages is not None else (cast("str", found["text"]),),
            paged=pages is not None,
            notes={**self._notes(media), **cast("dict[str, JSON]", found.get("notes", {}))},
        )
        attached = cast("list[dict[str, str]]", found.get("attachments", []))
        return self._checked(part), [(each["name"], base64.b64decode(each["content"])) for each in attached]

    def _closed(self, reader: str, content: bytes, allowed: _Allowed) -> Mapping[str, JSON]:
        """Return what a reader found, in the closed process."""
        self.isolation = self._sandbox.isolation()
        return self._sandbox.read(reader, content, self._left(), allowed.reading)

    def _pdf(self, name: str, content: bytes, allowed: _Allowed) -> Part:
        """Return a PDF, with the text of its pages that are pictures where recognition is installed.

        Raises:
            StepFailure: INVALID_INPUT for one with pages that cannot be read, where the step wants the whole.
        """
        found: Found = read_pdf(content, lambda reader: self._closed(reader, content, allowed))
        part = Part(
            name=name,
            kind="pdf",
            pages=found.pages,
            paged=True,
            missing=found.missing,
            notes={**self._notes("application/pdf"), **found.notes},
        )
        if self._recogniser.program is not None and not all(map(shows, part.pages)):
            part = recognise_pages(
                part,
                draw=lambda asked: self._closed("page_images", asked + b"\n" + content, allowed),
                recognise=lambda image: self._recognise(image, allowed),
            )
        if part.missing and not self._wanted.partial:
            raise StepFailure(
                Failure.INVALID_INPUT,
                f"the PDF is damaged: {named_pages(part.missing, len(part.pages))}",
                hints=("ask for it again; with `partial: true` the step reads the other pages",),
            )
        return part

    def _recognise(self, image: bytes, allowed: _Allowed) -> Picture:
        return self._recogniser.read(image, self._wanted.languages, self._left(), allowed.recognising)

    def _notes(self, media: str) -> dict[str, JSON]:
        """Return what is noted of every file that a closed process read."""
        return {"media_type": media, "isolation": dict(self.isolation or {})}

    def _plain(self, name: str, content: bytes) -> Part:
        text, encoding = self._decoded(content)
        return Part(name=name, kind="text", pages=(text,), notes={"media_type": "text/plain", "encoding": encoding})

    def _decoded(self, content: bytes) -> tuple[str, str]:
        if len(content) > self._sandbox.bounds.document:
            raise StepFailure(Failure.TOO_LARGE, "the text is too long")
        decoded = decode(content)
        if len(decoded.text) > MOST_CHARACTERS:
            raise StepFailure(Failure.TOO_LARGE, f"the text has more than {MOST_CHARACTERS} characters")
        return decoded.text, decoded.encoding

    def _checked(self, part: Part) -> Part:
        if not any(shows(page) for page in part.pages):
            raise StepFailure(Failure.BLANK, "the document holds no text", hints=self._about_blank())
        return part

    def _about_blank(self) -> tuple[str, ...]:
        """Return the hint where recognition was there already and found nothing either."""
        return () if self._recogniser.program is None else ("send a document whose text can be seen",)

    def _left(self) -> int | None:
        return None if self._deadline is None else max(1, int((self._deadline - time.monotonic()) * 1000))


def _check_not_empty(content: bytes) -> None:
    if not content.strip(b"\0\t\n\r\f "):
        raise StepFailure(Failure.BLANK, "the document is empty")
