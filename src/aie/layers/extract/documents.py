"""Steps that read: a file, a plain text, lines with their places, or a packet of several files."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, cast

from aie.config import (
    AnyType,
    DocumentType,
    ExtractStep,
    IntType,
    ListType,
    ObjectType,
    Site,
    TextType,
    Type,
    expression,
    fits,
)
from aie.core import JSON, Labels, Value, join
from aie.errors import Failure, StepFailure
from aie.layers.extract.advice import advised
from aie.layers.extract.lines import read_lines
from aie.layers.extract.parts import Part, joined, shows
from aie.layers.extract.reading import FileReader, Reading, Wanted
from aie.layers.extract.recognition import Recogniser
from aie.layers.extract.sandbox import Sandbox
from aie.layers.port import Compiled, Result, Task, Tools

__all__ = ["READING_FAILURES", "compile_reading", "run_reading"]

KINDS: Final = (
    *("csv", "docx", "eml", "html", "image", "lines", "msg", "odp", "ods", "odt", "pdf", "pptx", "rtf", "text"),
    *("xls", "xlsb", "xlsx", "xml"),
)
"""Formats that a document may turn out to be."""
MOST_DOCUMENTS: Final = 200
"""Documents of one packet."""
_TOP_LINES: Final = 5
"""Lines with text at the top of a page that the patterns of `starts` are looked for in."""


def _object(required: Mapping[str, Type], optional: Mapping[str, Type] | None = None) -> ObjectType:
    return ObjectType({**required, **(optional or {})}, frozenset(required))


_KIND: Final = TextType(KINDS)
_SPAN: Final = {"start": IntType(), "end": IntType()}
_DOCUMENT: Final[Mapping[str, Type]] = {
    "text": TextType(),
    "pages": ListType(_object({"number": IntType(), **_SPAN})),
    "kind": _KIND,
    "name": TextType(),
    "parts": ListType(_object({"name": TextType(), "kind": _KIND, **_SPAN})),
}
_UNREAD: Final = ListType(_object({"name": TextType(), "failure": TextType(), "why": TextType()}))
_LINES: Final = ListType(_object({**_SPAN, "page": IntType(), "box": ListType(IntType())}))

_OUTPUTS: Final[Mapping[str, ObjectType]] = {
    "document": _object({**_DOCUMENT, "unread": _UNREAD}, {"lines": _LINES}),
    "text": _object({**_DOCUMENT, "unread": _UNREAD}),
    "lines": _object({**_DOCUMENT, "lines": _LINES}),
    "packet": _object({"documents": ListType(_object(_DOCUMENT, {"lines": _LINES})), "unread": _UNREAD}),
}
_GIVEN_LINES: Final = ListType(
    ObjectType(
        {"text": TextType(), "box": ListType(IntType()), "page": IntType()}, frozenset({"text", "box"}), open=True
    )
)
_WANTED: Final[Mapping[str, Type]] = {
    "document": DocumentType(),
    "text": DocumentType(),
    "lines": _GIVEN_LINES,
    "packet": DocumentType(),
}
_IN_READERS: Final = ("document", "packet")
"""Steps whose files are read in the closed process."""
_ADVICE: Final = {"lines": "give a list of objects with `text` and `box: [x1, y1, x2, y2]`"}

READING_FAILURES: Final = frozenset(
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


def compile_reading(step: ExtractStep, site: Site) -> Compiled | None:
    """Compile a step that reads."""
    given = site.expression("from", step.from_)
    if given is None:
        return None
    why = _mismatch(step.extract, given)
    if why is not None:
        hint = _ADVICE.get(step.extract, "name a file of the input, declared with `format: document`")
        site.problem("bad-type", "from", why, hint)
        return None
    if not _check_starts(step, site):
        return None
    config: dict[str, JSON] = {"kind": step.extract}
    if step.starts:
        config["starts"] = list(step.starts)
    if step.languages:
        config["languages"] = list(step.languages)
    if step.partial:
        config["partial"] = True
    if site.workflow.risk == "high" and step.extract in _IN_READERS:
        config["closed"] = True
    return Compiled(
        conduct="slow",  # a recomputation, but one that costs up to seconds and must not change under a run's feet
        inputs={"from": step.from_},
        config=config,
        components=(),
        output=_OUTPUTS[step.extract],
        failures=frozenset({Failure.BLANK, Failure.INVALID_INPUT}) if step.extract == "lines" else READING_FAILURES,
    )


def run_reading(task: Task, tools: Tools, sandbox: Sandbox, recogniser: Recogniser) -> Result:
    """Read what is given.

    Raises:
        StepFailure: with the class of what is wrong with it.
    """
    if task.config.get("closed"):
        _check_closed(sandbox)
    given = task.inputs["from"]
    labels = join((given.labels, Labels(integrity="untrusted")))
    languages = tuple(cast("Sequence[str]", task.config.get("languages", ())))
    wanted = Wanted(languages=languages, partial=bool(task.config.get("partial")))
    files = FileReader(sandbox, recogniser, wanted, task.time_left_ms)
    try:
        data, report = _read(task, files, tools)
    except StepFailure as error:
        if files.isolation is not None:
            error.report = {"isolation": dict(files.isolation)}
        raise
    return Result(data=data, labels=labels, report=report)


def _read(task: Task, files: FileReader, tools: Tools) -> tuple[dict[str, JSON], JSON]:
    """Return what the step read, and what the record says of how."""
    given = task.inputs["from"]
    match task.config["kind"]:
        case "text":
            return _text(given, files, tools)
        case "lines":
            return read_lines(given.data), None
        case "packet":
            return _packet(given, files, tools, cast("Sequence[str]", task.config.get("starts", ())))
        case _:
            return _document(given, files, tools)


def _check_closed(sandbox: Sandbox) -> None:
    """Refuse to read for a workflow of high risk where a hostile document could reach the network."""
    if sandbox.isolation()["network"] != "none":
        raise StepFailure(
            Failure.UNSUPPORTED,
            "this machine cannot keep the readers of documents from the network, and the workflow is of high risk",
            hints=("execute runs where network namespaces are permitted: `aie doctor` tells",),
        )


def _mismatch(kind: str, given: Type) -> str | None:
    if kind == "text" and isinstance(given, TextType | AnyType):
        return None
    if kind == "packet" and isinstance(given, ListType):
        return fits(given.of, DocumentType())
    return fits(given, _WANTED[kind])


def _check_starts(step: ExtractStep, site: Site) -> bool:
    for position, pattern in enumerate(step.starts):
        try:
            _starts(pattern, "")
        except StepFailure:
            site.problem("bad-pattern", f"starts.{position}", "not a regular expression", "look at its brackets")
            return False
    return True


def _text(given: Value, files: FileReader, tools: Tools) -> tuple[dict[str, JSON], JSON]:
    if isinstance(given.data, str):
        name, report = "", None
        part = Part(name="", kind="text", pages=(given.data.replace("\r\n", "\n").replace("\r", "\n"),))
    else:
        ((name, content),) = _files(given.data, tools)
        part = files.text(name, content)
        report = dict(part.notes)
    if not shows(part.pages[0]):
        raise advised(StepFailure(Failure.BLANK, "the text is empty"))
    return {**joined([part]), "kind": "text", "name": name, "unread": []}, report


def _document(given: Value, files: FileReader, tools: Tools) -> tuple[dict[str, JSON], JSON]:
    ((name, content),) = _files(given.data, tools)
    reading = files.read(name, content)
    data = {**joined(reading.parts), "kind": reading.parts[0].kind, "name": name, "unread": _unread([reading])}
    return data, _report([reading])


def _packet(given: Value, files: FileReader, tools: Tools, starts: Sequence[str]) -> tuple[dict[str, JSON], JSON]:
    readings: list[Reading] = []
    documents: list[JSON] = []
    for position, (name, content) in enumerate(_files(given.data, tools), 1):
        try:
            readings.append(files.read(name, content))
        except StepFailure as error:
            raise StepFailure(error.failure, f"file {position}: {error.message}", hints=error.hints) from error
        for part in readings[-1].parts:
            documents.extend(_divided(part, starts))
        if len(documents) > MOST_DOCUMENTS:
            raise advised(StepFailure(Failure.TOO_LARGE, f"the packet has more than {MOST_DOCUMENTS} documents"))
    if not documents:
        raise advised(StepFailure(Failure.BLANK, "the packet has no file"))
    return {"documents": documents, "unread": _unread(readings)}, _report(readings)


def _divided(part: Part, starts: Sequence[str]) -> Iterator[JSON]:
    """Yield the documents of a file: a new one begins at every page whose top matches. Pages keep their numbers."""
    begins = [0]
    if part.paged and starts:
        begins += [at for at in range(1, len(part.pages)) if _opens(part.pages[at], starts)]
    for begin, end in zip(begins, [*begins[1:], len(part.pages)], strict=True):
        data = joined([Part(name=part.name, kind=part.kind, pages=part.pages[begin:end], paged=part.paged)])
        pages = cast("list[dict[str, int]]", data["pages"])
        data["pages"] = [{**page, "number": page["number"] + begin} for page in pages]
        yield {**data, "kind": part.kind, "name": part.name}


def _opens(page: str, starts: Sequence[str]) -> bool:
    lines = [line.strip() for line in page.splitlines() if line.strip()]
    top = "\n".join(lines[:_TOP_LINES])
    return any(_starts(pattern, top) for pattern in starts)


def _starts(pattern: str, top: str) -> bool:
    """Whether a pattern is found; by the interpreter of expressions, whose patterns take linear time on any text."""
    return expression(f"top.matches({json.dumps(pattern)})").evaluate({"top": top}) is True


def _files(given: JSON, tools: Tools) -> Iterator[tuple[str, bytes]]:
    for each in given if isinstance(given, list) else [given]:
        match each:
            case {"ref": str(ref), "name": str(name)}:
                yield name, tools.files.read(ref)
            case _:
                raise advised(StepFailure(Failure.INVALID_INPUT, "`from` is not a document"))


def _unread(readings: Sequence[Reading]) -> JSON:
    return [
        {"name": each.name, "failure": str(each.failure), "why": each.why}
        for reading in readings
        for each in reading.unread
    ]


def _report(readings: Sequence[Reading]) -> JSON:
    """Return how each part was read; of a single file just its own notes."""
    notes: list[JSON] = [dict(part.notes) for reading in readings for part in reading.parts]
    return notes[0] if len(notes) == 1 else {"parts": notes}
