"""Prompt templates: minijinja with fuel and strict undefined, nothing but the declared slots."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from minijinja import Environment, TemplateError

from aie.config.composing import Composed, compose
from aie.config.problems import did_you_mean, nearest
from aie.config.provenance import Untraceable, marked, unmark, without_marks
from aie.config.types import NullableType, ObjectType, Type
from aie.core import JSON, Value
from aie.errors import Failure, StepFailure

__all__ = ["Template", "TemplateFinding", "check_template", "used_slots"]

MAX_BYTES: Final = 200_000
FUEL: Final = 200_000
MAX_OUTPUT: Final = 4_000_000

_TAG: Final = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
_QUOTED: Final = re.compile(r"'[^']*'|\"[^\"]*\"")
_FOREIGN: Final = re.compile(r"\{%[-+]?\s*(include|import|from|extends)\b")
_BLOCK: Final = re.compile(r"\{%[-+]?\s*((?:end)?(?:if|for|with|filter|macro|block|autoescape))\b")
_WORDS: Final = (
    ("filter", re.compile(r"(?<!\|)\|\s*([a-zA-Z_]\w*)"), "{{ ''|%s }}"),
    ("test", re.compile(r"\bis\s+(?:not\s+)?([a-zA-Z_]\w*)"), "{{ '' is %s }}"),
)
# fmt: off
_FILTERS: Final = (
    "abs", "batch", "capitalize", "default", "dictsort", "escape", "first", "float", "groupby", "indent", "int",
    "items", "join", "last", "length", "lines", "list", "lower", "map", "max", "min", "pprint", "reject",
    "rejectattr", "replace", "reverse", "round", "safe", "select", "selectattr", "slice", "sort", "split", "string",
    "sum", "title", "tojson", "trim", "unique", "upper", "urlencode",
)
# fmt: on
_UNFENCED: Final = re.compile(r"\s*\{#-?\s*fence:\s*off\s*-?#\}")
"""First thing in a template whose author takes the untrusted values as they are."""
_REASONS: Final = {"UndefinedError": "a value is not there", "OutOfFuel": "it takes too long"}
_GLOBALS: Final = frozenset({"range", "dict", "namespace", "loop"})


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateFinding:
    """A mistake in a template; places are 1-based."""

    code: str
    message: str
    line: int
    col: int
    end_col: int
    hint: str = ""
    replacement: str | None = None
    """Text for `col..end_col` of the line that mends it."""


def check_template(content: bytes, slots: Mapping[str, Type]) -> list[TemplateFinding]:
    """Return every mistake of a template given the types of its slots."""
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return [_finding("not-utf8", "the file is not UTF-8", line, 1, 2, "save it as UTF-8")]
    if len(content) > MAX_BYTES:
        return [
            _finding("file-too-large", f"{len(content)} bytes; a template may have {MAX_BYTES}", 1, 1, 2, "shorten it")
        ]
    environment = _environment()
    try:
        used = environment.undeclared_variables_in_str(text, nested=True)
    except TemplateError as error:
        return [_syntax(text, error)]
    findings = [
        _at(
            text,
            match.start(1),
            match.end(1),
            "template-unsupported",
            f"`{match[1]}` reaches beyond this file",
            "write the text here",
        )
        for match in _FOREIGN.finditer(text)
    ]
    tags = [(match.start(), match.group()) for match in _TAG.finditer(text)]
    findings += _unknown_words(text, tags, environment)
    for path in sorted(used):
        findings += _check_path(text, tags, path.split("."), slots)
    return findings


def used_slots(content: bytes) -> frozenset[str]:
    """Return the slots that a template without mistakes uses."""
    used = _environment().undeclared_variables_in_str(content.decode(), nested=True)
    return frozenset(each.partition(".")[0] for each in used)


def _check_path(
    text: str, tags: list[tuple[int, str]], path: list[str], slots: Mapping[str, Type]
) -> list[TemplateFinding]:
    root = path[0]
    if root in slots:
        type_: Type = slots[root]
        for i, name in enumerate(path[1:], 1):
            if isinstance(type_, NullableType):
                type_ = type_.of
            if not isinstance(type_, ObjectType) or (type_.open and name not in type_.fields):
                break
            if name not in type_.fields:
                hint, near = did_you_mean(name, type_.fields, "fields"), nearest(name, type_.fields)
                places = _places(tags, path[: i + 1])
                return [
                    _at(
                        text,
                        end - len(name),
                        end,
                        "unknown-field",
                        f"no field is named `{name}` in `{root}`",
                        hint,
                        near,
                    )
                    for _, end in places
                ]
            type_ = type_.fields[name]
        return []
    if root in _GLOBALS:
        return []
    near = nearest(root, slots)
    return [
        _at(
            text,
            start,
            start + len(root),
            "unknown-slot",
            f"`{root}` is no slot of this prompt",
            f"{did_you_mean(root, slots, 'slots')}{' Else' if near else '; or'} add it to `with:`",
            near,
        )
        for start, _ in _places(tags, path)
    ]


def _places(tags: list[tuple[int, str]], path: list[str]) -> list[tuple[int, int]]:
    """Return where a dotted path stands in the tags; the first tag's begin where it stands nowhere as it is."""
    pattern = re.compile(r"(?<![\w.])" + r"\s*\.\s*".join(map(re.escape, path)) + r"(?!\w)")
    found = [
        (start + match.start(), start + match.end())
        for start, tag in tags
        for match in pattern.finditer(_QUOTED.sub(lambda quoted: " " * len(quoted[0]), tag))
    ]
    return found or [(start, start + 2) for start, tag in tags if path[0] in tag][:1]


def _unknown_words(text: str, tags: list[tuple[int, str]], environment: Environment) -> list[TemplateFinding]:
    """Report filters and tests that do not exist: the template would only fail when it is rendered."""
    findings = []
    for start, tag in tags:
        blank = _QUOTED.sub(lambda quoted: " " * len(quoted[0]), tag)
        for what, pattern, probe in _WORDS:
            for match in pattern.finditer(blank):
                if _exists(environment, probe % match[1]):
                    continue
                near = nearest(match[1], _FILTERS) if what == "filter" else None
                findings.append(
                    _at(
                        text,
                        start + match.start(1),
                        start + match.end(1),
                        f"unknown-{what}",
                        f"no {what} is named `{match[1]}`",
                        did_you_mean(match[1], _FILTERS, "filters") if near else "remove it",
                        near,
                    )
                )
    return findings


def _exists(environment: Environment, probe: str) -> bool:
    try:
        environment.render_str(probe)
    except TemplateError as error:
        return error.kind not in {"UnknownFilter", "UnknownTest"}
    return True


def _syntax(text: str, error: TemplateError) -> TemplateFinding:
    line = error.line or 1
    message = f"not a template: {error.detail or 'syntax error'}"
    shown = text.split("\n")[line - 1] if line <= text.count("\n") + 1 else ""
    for opening, closing in (("{{", "}}"), ("{%", "%}")):
        # The parser points behind an unclosed tag, often at the end of the file: the mistake is where the tag opens.
        for number, each in enumerate(text.split("\n"), 1):
            start = each.rfind(opening)
            if start < 0 or closing in each[start:] or number > line:
                continue
            word = re.match(r"\{\{-?\s*[\w.]+\s*|\{%[^{}%]*", each[start:])
            end = start + (word.end() if word else 2)
            single = closing[0] if each[end : end + 1] == closing[0] else ""
            return TemplateFinding(
                code="template-syntax",
                message=message,
                line=number,
                col=end + 1,
                end_col=end + 1 + len(single),
                hint=f"close the tag with `{closing}`",
                replacement=closing,
            )
    opened = _unclosed_block(text)
    if opened is not None:
        start, name = opened
        hint = f"close it with `{{% end{name} %}}`"
        return _at(text, start, start + 2, "template-syntax", f"`{name}` is not closed", hint)
    if error.range is not None:
        start = len(text.encode()[: error.range[0]].decode("utf-8", "ignore"))
        return _at(text, start, start + 1, "template-syntax", message, "look at what stands before")
    return _finding("template-syntax", message, line, 1, len(shown) + 1, "look at this line and the ones before")


def _unclosed_block(text: str) -> tuple[int, str] | None:
    """Return the innermost block that is still open at the end, with its word."""
    waiting: list[tuple[int, str]] = []
    for match in _BLOCK.finditer(text):
        word = match[1]
        if not word.startswith("end"):
            waiting.append((match.start(), word))
        elif waiting and waiting[-1][1] == word.removeprefix("end"):
            waiting.pop()
        else:
            return None
    return waiting[-1] if waiting else None


def _at(
    text: str, start: int, end: int, code: str, message: str, hint: str, replacement: str | None = None
) -> TemplateFinding:
    line = text.count("\n", 0, start) + 1
    col = start - (text.rfind("\n", 0, start) + 1) + 1
    return _finding(code, message, line, col, col + end - start, hint, replacement)


def _finding(
    code: str, message: str, line: int, col: int, end_col: int, hint: str, replacement: str | None = None
) -> TemplateFinding:
    return TemplateFinding(
        code=code, message=message, line=line, col=col, end_col=end_col, hint=hint, replacement=replacement
    )


class Template:
    """A template that was checked, ready to render."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._text = content.decode()
        self._marked, self._values = marked(self._text)
        self._fenced = _UNFENCED.match(self._text) is None
        self._environment = _environment()
        self._environment.add_template("plain", self._text)
        self._environment.add_template("marked", self._marked)

    def render(self, slots: Mapping[str, JSON]) -> str:
        """Return the text with its slots filled.

        Raises:
            StepFailure: EXPRESSION, without any value in its message.
        """
        return self._render("plain", slots)

    def compose(self, values: Mapping[str, Value]) -> Composed:
        """Return the prompt: the text with its slots filled, untrusted values fenced, and where all of it comes from.

        Raises:
            StepFailure: EXPRESSION, without any value in its message.
        """
        clean = {slot: _without_marks(value) for slot, value in values.items()}
        text = self._render("marked", {slot: value.data for slot, value in clean.items()})
        try:
            parts = list(unmark(text, self._values))
        except Untraceable:
            raise StepFailure(
                Failure.EXPRESSION,
                "the template filters a whole block, and where its text comes from is lost",
                hints=("filter the value instead: `{{ value | upper }}`",),
            ) from None
        return compose(parts, clean, template=self._content, fenced=self._fenced)

    def _render(self, name: str, slots: Mapping[str, JSON]) -> str:
        try:
            text: str = self._environment.render_template(name, **slots)
        except TemplateError as error:
            # `str(error)` prints the variables with their values, which may be personal.
            raise StepFailure(
                Failure.EXPRESSION, f"the template failed at line {error.line}: {_REASONS.get(error.kind, error.kind)}"
            ) from None
        if len(text) > MAX_OUTPUT:
            raise StepFailure(Failure.EXPRESSION, f"the text of the template is longer than {MAX_OUTPUT} characters")
        return text


def _without_marks(value: Value) -> Value:
    clean = without_marks(value.data)
    return value if clean is value.data else Value(data=clean, ref=value.ref, labels=value.labels, cites=value.cites)


def _environment() -> Environment:
    return Environment(
        undefined_behavior="strict",
        fuel=FUEL,
        debug=False,
        auto_escape_callback=lambda _: False,
        keep_trailing_newline=True,
        pycompat=False,
        finalizer=_shown,
    )


def _shown(value: object) -> object:
    """Write null as nothing and booleans as JSON does: prompts should not speak Python."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else value
