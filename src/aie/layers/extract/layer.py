"""The extract layer: from a document to its text."""

import unicodedata
from collections.abc import Callable, Mapping
from typing import Final, cast

from aie.config import (
    DOCUMENTS,
    AnyType,
    DocumentType,
    ExtractStep,
    IntType,
    ListType,
    ObjectType,
    Site,
    StepSpec,
    TextType,
    Type,
    fits,
)
from aie.core import JSON, Labels, Value, join
from aie.errors import Failure, StepFailure
from aie.layers.extract.fields import FIELDS, compile_fields, run_fields
from aie.layers.extract.media import media_type
from aie.layers.extract.sandbox import SHARED, Sandbox
from aie.layers.extract.text import decode
from aie.layers.port import Compiled, LayerName, Result, Task, Tools
from aie.models import Chat, connect

__all__ = ["ExtractLayer"]

_BETWEEN_PAGES: Final = "\n\n"

_PAGE: Final = ObjectType(
    {"number": IntType(), "start": IntType(), "end": IntType()}, frozenset({"number", "start", "end"})
)
_OUTPUT: Final = ObjectType(
    {"text": TextType(), "pages": ListType(_PAGE), "kind": TextType(("pdf", "text")), "name": TextType()},
    frozenset({"text", "pages", "kind", "name"}),
)

_FAILURES: Final = frozenset(
    {
        Failure.BLANK,
        Failure.BOMB,
        Failure.ENCRYPTED,
        Failure.HOSTILE,
        Failure.INVALID_INPUT,
        Failure.TIMEOUT,
        Failure.TOO_LARGE,
        Failure.TRUNCATED,
        Failure.UNSUPPORTED,
        Failure.WRONG_TYPE,
    }
)


class ExtractLayer:
    """Reads documents.

    Output: `{text, pages: [{number, start, end}], kind, name}`. Offsets count characters of `text`, `end` is exclusive;
    plain text has no pages. What comes out is untrusted: whoever wrote the document is outside the tenant's control.
    """

    name: LayerName = "extract"
    version: int = 1

    def __init__(self, sandbox: Sandbox = SHARED, connect: Callable[[str], Chat] = connect) -> None:
        self._sandbox = sandbox
        self._connect = connect
        """Returns the adapter of a provider, for extractors that ask a model."""

    def compile(self, step: StepSpec, site: Site) -> Compiled | None:
        """Compile an `extract` step."""
        assert isinstance(step, ExtractStep)
        if step.extract not in DOCUMENTS:
            return compile_fields(step, site)
        given = site.expression("from", step.from_)
        if given is None:
            return None
        wanted: Type = DocumentType()
        takes_text = step.extract == "text" and isinstance(given, TextType | AnyType)
        why = None if takes_text else fits(given, wanted)
        if why is not None:
            site.problem("bad-type", "from", why, "name a file of the input, declared with `format: document`")
            return None
        return Compiled(
            conduct="slow",  # a recomputation, but one that costs up to seconds and must not change under a run's feet
            inputs={"from": step.from_},
            config={"kind": step.extract},
            components=(),
            output=_OUTPUT,
            failures=_FAILURES,
        )

    def run(self, task: Task, tools: Tools) -> Result:
        """Read the document, or find the fields in what was read.

        Raises:
            StepFailure: with the class that says what is wrong with it.
        """
        if task.config["kind"] == FIELDS:
            return run_fields(task, tools, self._connect)
        given = task.inputs["from"]
        name, content = _content(given, tools)
        if isinstance(content, str):
            data, report = _plain(content.replace("\r\n", "\n").replace("\r", "\n")), None
        else:
            data, report = self._read(content, task)
        text = cast("str", data["text"])
        if not any(_shows(character) for character in text):
            hint = (
                "a scan needs text recognition before it is sent" if data["kind"] == "pdf" else "send the text itself"
            )
            raise StepFailure(Failure.BLANK, "the document holds no text", hints=(hint,))
        labels = join((given.labels, Labels(integrity="untrusted")))
        return Result(data={**data, "name": name}, labels=labels, report=report)

    def _read(self, content: bytes, task: Task) -> tuple[dict[str, JSON], JSON]:
        only_text = task.config["kind"] == "text"
        media = media_type(content)
        if not content.strip(b"\0\t\n\r\f "):
            raise StepFailure(Failure.BLANK, "the document is empty")
        if media == "application/pdf" and not only_text:
            found = self._sandbox.read("pdf", content, task.time_left_ms)
            return _paged(cast("list[str]", found["pages"])), {"media_type": media}
        if media == "text/plain":
            if len(content) > self._sandbox.bounds.document:
                raise StepFailure(Failure.TOO_LARGE, "the text is too long", hints=("split it",))
            decoded = decode(content)
            return _plain(decoded.text), {"media_type": media, "encoding": decoded.encoding}
        if only_text:
            raise StepFailure(Failure.WRONG_TYPE, f"plain text expected, the content is {media}")
        raise StepFailure(Failure.UNSUPPORTED, f"{media} cannot be read", hints=("send a PDF or plain text",))


def _content(given: Value, tools: Tools) -> tuple[str, bytes | str]:
    match given.data:
        case str(text):
            return "", text
        case {"ref": str(ref), "name": str(name)}:
            return name, tools.files.read(ref)
        case _:
            raise StepFailure(Failure.INVALID_INPUT, "`from` is neither a document nor a text")


def _plain(text: str) -> dict[str, JSON]:
    return {"text": text, "pages": [], "kind": "text"}


def _paged(pages: list[str]) -> dict[str, JSON]:
    places: list[Mapping[str, int]] = []
    at = 0
    for number, page in enumerate(pages, 1):
        places.append({"number": number, "start": at, "end": at + len(page)})
        at += len(page) + len(_BETWEEN_PAGES)
    return {"text": _BETWEEN_PAGES.join(pages), "pages": cast("JSON", places), "kind": "pdf"}


def _shows(character: str) -> bool:
    """Whether a character leaves a mark on paper: neither space nor control nor invisible."""
    return not character.isspace() and unicodedata.category(character) not in ("Cc", "Cf")
