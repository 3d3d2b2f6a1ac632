"""Named kinds of mistakes, made in files that have none; each knows its line from where it was made.

Places are found by a reader of our own here (PyYAML's, and regular expressions), never by the code under test.
"""

import random
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

__all__ = ["KINDS", "Mutant", "files_of", "mutants"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One mistake."""

    kind: str
    file: str
    line: int
    """1-based line of the changed text where the mistake is."""
    text: str
    """The whole file with the mistake."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """One `key: value` of a YAML file; lines and columns from 0."""

    path: tuple[str, ...]
    key: yaml.ScalarNode | None
    value: yaml.Node
    parent_line: int
    flow: bool
    """True inside `{…}` or `[…]`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    name: str
    text: str
    places: tuple[_Place, ...] = ()

    @property
    def lines(self) -> list[str]:
        return self.text.split("\n")

    def changed(self, kind: str, line: int, start: int, end: int, new: str) -> Mutant:
        """Replace columns of one line; the mistake is in that line."""
        lines = self.lines
        lines[line] = lines[line][:start] + new + lines[line][end:]
        return Mutant(kind=kind, file=self.name, line=line + 1, text="\n".join(lines))

    def scalar(self, place: _Place, kind: str, new: str) -> Mutant:
        mark, end = place.value.start_mark, place.value.end_mark
        return self.changed(kind, mark.line, mark.column, end.column, new)


Random = random.Random
Maker = Callable[[_File, Random], Iterator[Mutant]]

_NAMES: Final = frozenset(
    [
        "desks",
        "receivers",
        "lookups",
        "models",
        "routes",
        "workflows",
        "labels",
        "endorse",
        "key",
        "sums",
        "ordered",
        "steps",
        "with",
        "rules",
        "search",
        "result",
        "datasets",
        "where",
        "on",
        "before",
        "shares",
        "default",
        "file",
    ]
)
"""Maps whose keys are names that people choose."""
_EXPRESSIONS: Final = frozenset(["if", "unless", "over", "key", "from", "case", "subject"])
_TEXTS: Final = re.compile(
    r"(input\.(text|id|claim_id|supplier|complaint_id|policy_number|invoice_id|name)|(document|passages|reply)\.text|line\.text"
    r"|decision\.(label|order)|fields\.order|kind\.topic|signed\.topic)"
)
_INTS: Final = frozenset(
    [
        "tokens",
        "steps",
        "model_calls",
        "retries",
        "seed",
        "context_window",
        "max_output",
        "at_most",
        "max_tokens",
        "min_count",
        "max_features",
    ]
)
_REQUIRED: Final = frozenset(
    [
        "workflow",
        "case",
        "input",
        "output",
        "result",
        "over",
        "url",
        "folder",
        "semantics",
        "provider",
        "endpoint",
        "model",
        "context_window",
        "train",
        "artefact",
        "format",
        "query",
        "fit",
        "from",
        "of",
        "at_most",
    ]
)
_ENUMS: Final = frozenset(
    ["risk", "engine", "kind", "extract", "check", "format", "semantics", "provider", "features", "empty", "context"]
)
_FILES: Final = frozenset(["prompt", "returns", "schema", "input", "output"])
_NOT_LISTED: Final = frozenset({"of", "file", "default"})


def typo(word: str, rng: Random) -> str:
    """Return the word with one slip of the finger."""
    at = rng.randrange(len(word))
    if len(word) > 3 and rng.random() < 0.4:
        return word[:at] + word[at + 1 :] if at else word[1:]
    if len(word) > 3 and at + 1 < len(word) and word[at] != word[at + 1] and rng.random() < 0.6:
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    return word[: at + 1] + word[at] + word[at + 1 :]


def files_of(root: Path) -> dict[str, str]:
    """Return the text of every file that people write in a workspace."""
    kinds = ("*.yaml", "workflows/*/*.yaml", "workflows/*/schemas/*.json", "workflows/*/prompts/*.md")
    paths = sorted(each for kind in kinds for each in root.glob(kind))
    return {path.relative_to(root).as_posix(): path.read_text() for path in paths}


def mutants(root: Path, kind: str, rng: Random) -> list[Mutant]:
    """Return every mutant of one kind that a workspace has room for, shuffled."""
    found: dict[tuple[str, str], Mutant] = {}
    for name, text in files_of(root).items():
        places = tuple(_places(text)) if name.endswith(".yaml") else ()
        for mutant in KINDS[kind](_File(name=name, text=text, places=places), rng):
            if mutant.text != text:
                found[mutant.file, mutant.text] = mutant
    every = list(found.values())
    rng.shuffle(every)
    return every


def _places(text: str) -> Iterator[_Place]:
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    assert isinstance(root, yaml.MappingNode)
    yield from _inside(root, (), 0, flow=False)


def _inside(node: yaml.Node, path: tuple[str, ...], parent_line: int, *, flow: bool) -> Iterator[_Place]:
    flow = flow or bool(getattr(node, "flow_style", False))
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            here = (*path, key.value)
            yield _Place(path=here, key=key, value=value, parent_line=parent_line, flow=flow)
            yield from _inside(value, here, key.start_mark.line, flow=flow)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield _Place(path=(*path, "-"), key=None, value=value, parent_line=parent_line, flow=flow)
            yield from _inside(value, (*path, "-"), parent_line, flow=flow)


def _is_scalar(place: _Place) -> bool:
    value = place.value
    return (
        isinstance(value, yaml.ScalarNode)
        and value.style not in {"|", ">"}
        and value.start_mark.line == value.end_mark.line
    )


def _chosen(place: _Place) -> bool:
    """Tell whether the key is a name that people choose, or lies within a free value."""
    parents = place.path[:-1]
    if "default" in parents:
        return True
    dataset_map = bool(parents) and parents[-1] == "map" and "datasets" in parents
    return bool(parents) and (parents[-1] in _NAMES or dataset_map) and parents != ("models", "models")


def _schema_places(file: _File) -> Iterator[_Place]:
    return (place for place in file.places if place.key is not None and not _chosen(place))


def _text_of(place: _Place) -> str:
    return str(place.value.value)


def _expressions(file: _File) -> Iterator[tuple[_Place, int, str]]:
    """Yield every expression with the column where its text begins."""
    for place in file.places:
        if (
            not _is_scalar(place)
            or "default" in place.path
            or not file.name.endswith("workflow.yaml")
            or "datasets" in place.path
        ):
            continue
        last, before = place.path[-1], place.path[-2] if len(place.path) > 1 else ""
        listed = last == "-" and before in {"of", "show"}
        checked = last == "of" and place.key is not None
        if last in _EXPRESSIONS or listed or checked or before in {"with", "rules", "result", "search"}:
            start = file.lines[place.value.start_mark.line].find(_text_of(place), place.value.start_mark.column)
            if start >= 0:
                yield place, start, _text_of(place)


def _unknown_key(file: _File, rng: Random) -> Iterator[Mutant]:
    for place in _schema_places(file):
        assert place.key is not None
        mark = place.key.start_mark
        yield file.changed("unknown-key", mark.line, mark.column, place.key.end_mark.column, typo(place.path[-1], rng))


def _extra_key(file: _File, rng: Random) -> Iterator[Mutant]:
    for place in _schema_places(file):
        if _is_scalar(place):
            name = rng.choice(["colour", "x_note", "zebra", "qwerty"])
            yield _beside(file, place, "extra-key", f"{name}: 1")


def _beside(file: _File, place: _Place, kind: str, pair: str) -> Mutant:
    """Put another pair right behind a pair, in its own line where the map is a block."""
    assert place.key is not None
    line, end = place.value.end_mark.line, place.value.end_mark.column
    if place.flow:
        return file.changed(kind, line, end, end, f", {pair}")
    lines = file.lines
    lines.insert(line + 1, " " * place.key.start_mark.column + pair)
    return Mutant(kind=kind, file=file.name, line=line + 2, text="\n".join(lines))


def _duplicate_key(file: _File, rng: Random) -> Iterator[Mutant]:
    for place in file.places:
        if place.key is not None and _is_scalar(place):
            start, end = place.key.start_mark, place.value.end_mark
            if start.line == end.line:
                yield _beside(file, place, "duplicate-key", file.lines[start.line][start.column : end.column])


def _missing_key(file: _File, rng: Random) -> Iterator[Mutant]:
    ruled = {place.path[:-1] for place in file.places if place.path[-1] == "rules"}
    for place in _schema_places(file):
        assert place.key is not None
        if place.path[-1] not in _REQUIRED or not _is_scalar(place):
            continue
        if len(place.path) > 1 and (place.path[-1] == "model" and "steps" in place.path):
            continue  # the layer's own key: another kind of step is no step with a key missing
        if place.path[-1] == "of" and place.path[:-1] in ruled:
            continue  # rules name what they read: only the other checks need a value of their own
        if place.path[-1] in {"at_most", "semantics", "folder"} and ("map" in place.path or "file" in _text_of(place)):
            continue
        if place.path[-2:] == ("retry", "at_most"):
            continue
        line, start, end = place.key.start_mark.line, place.key.start_mark.column, place.value.end_mark.column
        text = file.lines[line]
        if place.flow:
            if text[end : end + 2] == ", ":
                yield file.changed("missing-key", line, start, end + 2, "")
            elif text[start - 2 : start] == ", ":
                yield file.changed("missing-key", line, start - 2, end, "")
            continue
        lines = file.lines
        del lines[line]
        at = place.parent_line if place.parent_line < line else 0
        yield Mutant(
            kind="missing-key", file=file.name, line=(at if len(place.path) > 1 else 0) + 1, text="\n".join(lines)
        )


def _listed(file: _File, rng: Random) -> Iterator[Mutant]:
    for place in _schema_places(file):
        if _is_scalar(place) and place.path[-1] not in _NOT_LISTED:
            mark, end = place.value.start_mark, place.value.end_mark
            written = file.lines[mark.line][mark.column : end.column]
            yield file.scalar(place, "listed-scalar", f"[{written}]")


def _integers(file: _File) -> Iterator[_Place]:
    for place in _schema_places(file):
        if _is_scalar(place) and place.path[-1] in _INTS and re.fullmatch(r"\d+", _text_of(place)):
            yield place


def _worded_number(file: _File, rng: Random) -> Iterator[Mutant]:
    for place in _integers(file):
        for word in ("pieces", "of them", "units"):
            yield file.scalar(place, "number-with-words", f"{_text_of(place)} {word.split()[0]}")


def _yaml_number(file: _File, rng: Random) -> Iterator[Mutant]:
    for place in _integers(file):
        number = int(_text_of(place))
        for form in (
            f"0{number}",
            f"0x{number:x}",
            f"0o{number:o}",
            f"{str(number)[0]}_{str(number)[1:] or 0}",
            f"+{number}",
        ):
            yield file.scalar(place, "yaml-number", form)


def _yaml_word(file: _File, rng: Random) -> Iterator[Mutant]:
    for place in _schema_places(file):
        if _is_scalar(place) and place.path[-1] in {"owner", "query", "name", "folder"}:
            for word in ("true", "false", "null", "2026", "~"):
                yield file.scalar(place, "yaml-word", word)


def _anchor(file: _File, rng: Random) -> Iterator[Mutant]:
    for place in file.places:
        if _is_scalar(place):
            mark = place.value.start_mark
            yield file.changed("anchor", mark.line, mark.column, mark.column, "&one ")


def _tag(file: _File, rng: Random) -> Iterator[Mutant]:
    for place in file.places:
        if _is_scalar(place):
            mark = place.value.start_mark
            yield file.changed("tag", mark.line, mark.column, mark.column, rng.choice(["!!str ", "!one ", "!!int "]))


def _tab(file: _File, rng: Random) -> Iterator[Mutant]:
    for number, line in enumerate(file.lines):
        spaces = len(line) - len(line.lstrip())
        if spaces and file.places:
            yield file.changed("tab", number, 0, spaces, "\t" * (spaces // 2))


def _unclosed_flow(file: _File, rng: Random) -> Iterator[Mutant]:
    for place in file.places:
        if getattr(place.value, "flow_style", False) and not place.flow:
            end = place.value.end_mark
            yield file.changed("unclosed-flow", end.line, end.column - 1, end.column, "")


def _unclosed_quote(file: _File, rng: Random) -> Iterator[Mutant]:
    for place in file.places:
        nodes = [
            each for each in (place.key, place.value) if isinstance(each, yaml.ScalarNode) and each.style in {"'", '"'}
        ]
        for node in nodes:
            yield file.changed("unclosed-quote", node.end_mark.line, node.end_mark.column - 1, node.end_mark.column, "")
    for place in _schema_places(file):
        if _is_scalar(place) and not place.flow and place.value.style is None:
            mark = place.value.start_mark
            yield file.changed("unclosed-quote", mark.line, mark.column, mark.column, '"')


def _missing_unit(file: _File, rng: Random) -> Iterator[Mutant]:
    for place in file.places:
        match = (
            re.fullmatch(r"([\d.]+)( ?(?:%|s|min|h|hours|days|USD))", _text_of(place)) if _is_scalar(place) else None
        )
        if match is not None:
            yield file.scalar(place, "missing-unit", match[1])


def _enum(file: _File, rng: Random) -> Iterator[Mutant]:
    for place in _schema_places(file):
        if _is_scalar(place) and place.path[-1] in _ENUMS and "parameters" not in place.path:
            yield file.scalar(place, "bad-word", typo(_text_of(place), rng))


def _names(file: _File) -> frozenset[str]:
    steps = {each.path[-1] for each in file.places if len(each.path) > 1 and each.path[-2] == "steps"}
    return frozenset({"input", *steps})


def _unknown_name(file: _File, rng: Random) -> Iterator[Mutant]:
    names = _names(file)
    for place, start, text in _expressions(file):
        for match in re.finditer(
            r"(?<![\w.'])([a-z_]+)\b(?!\s*\()", re.sub(r"'[^']*'", lambda each: "'" * len(each[0]), text)
        ):
            if match[1] in names:
                line = place.value.start_mark.line
                word = typo(match[1], rng)
                if word not in names:
                    yield file.changed("unknown-name", line, start + match.start(), start + match.end(), word)


def _unknown_field(file: _File, rng: Random) -> Iterator[Mutant]:
    for place, start, text in _expressions(file):
        blank = re.sub(r"'[^']*'", lambda each: "'" * len(each[0]), text)
        for match in re.finditer(r"\.([a-z_]+)\b(?!\s*\()", blank):
            line = place.value.start_mark.line
            yield file.changed("unknown-field", line, start + match.start(1), start + match.end(1), typo(match[1], rng))


def _conditions(file: _File) -> Iterator[tuple[_Place, int, str]]:
    for place, start, text in _expressions(file):
        if place.path[-1] in {"if", "unless"} or (len(place.path) > 1 and place.path[-2] == "rules"):
            yield place, start, text


def _cel_syntax(file: _File, rng: Random) -> Iterator[Mutant]:
    meant = {"&&": "and", "||": "or", "==": "="}
    for place, start, text in _conditions(file):
        line = place.value.start_mark.line
        for match in re.finditer(r"&&|\|\||==", text):
            yield file.changed("cel-syntax", line, start + match.start(), start + match.end(), meant[match[0]])
        end = start + len(text)
        yield file.changed("cel-syntax", line, end, end, " and true")
        yield file.changed("cel-syntax", line, end, end, " = true")


def _cel_type(file: _File, rng: Random) -> Iterator[Mutant]:
    for place, start, text in _expressions(file):
        line = place.value.start_mark.line
        for match in re.finditer(r"money\('([\d.]+) USD'\)", text):
            yield file.changed("cel-type", line, start + match.start(), start + match.end(), match[1])
        for match in re.finditer(r">= (0\.\d)", text):
            yield file.changed("cel-type", line, start + match.start(1), start + match.end(1), f"'{match[1]}'")
        if _TEXTS.fullmatch(text) and place.path[-1] != "-" and place.path[-1] not in {"from", "over", "of", "key"}:
            end = start + len(text)
            yield file.changed("cel-type", line, end, end, f" + {rng.randrange(9)}")


def _unknown_function(file: _File, rng: Random) -> Iterator[Mutant]:
    for place, start, text in _expressions(file):
        line = place.value.start_mark.line
        blank = re.sub(r"'[^']*'", lambda each: "'" * len(each[0]), text)
        for match in re.finditer(r"([a-zA-Z_]+)\(", blank):
            yield file.changed(
                "unknown-function", line, start + match.start(1), start + match.end(1), typo(match[1], rng)
            )
        if _TEXTS.fullmatch(text) and place.path[-1] != "-" and place.path[-1] not in {"from", "over", "of", "key"}:
            yield file.changed("unknown-function", line, start, start + len(text), f"{typo('lower', rng)}({text})")


def _unknown_reference(file: _File, rng: Random) -> Iterator[Mutant]:
    for place in file.places:
        if not _is_scalar(place):
            continue
        text, mark = _text_of(place), place.value.start_mark
        in_step = "steps" in place.path and place.path[-1] in {"model", "review", "act"}
        if in_step and place.path[-2] != "steps":
            yield file.scalar(place, "unknown-reference", typo(text, rng))
        if file.name == "models.yaml" and place.path[-1] == "train":
            yield file.scalar(place, "unknown-reference", typo(text, rng).replace("//", "/"))
        match = re.search(r"escalate ([a-z-]+)", text)
        if match is not None:
            start = file.lines[mark.line].find(text, mark.column) + match.start(1)
            yield file.changed("unknown-reference", mark.line, start, start + len(match[1]), typo(match[1], rng))


def _missing_file(file: _File, rng: Random) -> Iterator[Mutant]:
    for place in file.places:
        if _is_scalar(place) and place.path[-1] in _FILES and "/" in _text_of(place):
            folder, _, name = _text_of(place).rpartition("/")
            for _ in range(2):
                yield file.scalar(
                    place, "missing-file", f"{folder}/{typo(name.partition('.')[0], rng)}.{name.partition('.')[2]}"
                )


def _slot(file: _File, rng: Random) -> Iterator[Mutant]:
    if file.name.endswith(".md"):
        for number, line in enumerate(file.lines):
            for match in re.finditer(r"(?:\{\{|\{% if) ([a-z_]+)", line):
                for _ in range(2):
                    yield file.changed("template-slot", number, match.start(1), match.end(1), typo(match[1], rng))


def _template_syntax(file: _File, rng: Random) -> Iterator[Mutant]:
    if file.name.endswith(".md"):
        for number, line in enumerate(file.lines):
            for match in re.finditer(r"\{\{ [^}]*(\}\})|\{% [^%]*(%\})", line):
                end = match.end()
                yield file.changed("template-syntax", number, end - 1, end, "")
                yield file.changed("template-syntax", number, end - 2, end, "")


def _schema_type(file: _File, rng: Random) -> Iterator[Mutant]:
    if file.name.endswith(".json"):
        for number, line in enumerate(file.lines):
            for match in re.finditer(r'"type": "([a-z]+)"', line):
                yield file.changed("schema-type", number, match.start(1), match.end(1), typo(match[1], rng))


def _json_comma(file: _File, rng: Random) -> Iterator[Mutant]:
    if file.name.endswith(".json"):
        for number, line in enumerate(file.lines):
            if line.endswith(","):
                yield file.changed("json-comma", number, len(line) - 1, len(line), "")


def _cycle(file: _File, rng: Random) -> Iterator[Mutant]:
    for place, start, text in _expressions(file):
        if (len(place.path) > 3 and place.path[0] == "steps" and place.path[2] != "map") or (
            len(place.path) == 3 and place.path[0] == "steps"
        ):
            yield file.changed("cycle", place.value.start_mark.line, start, start + len(text), place.path[1])


def _failure_class(file: _File, rng: Random) -> Iterator[Mutant]:
    for place in file.places:
        if place.key is not None and len(place.path) > 1 and place.path[-2] == "on":
            mark = place.key.start_mark
            if place.path[-1] != "*":
                for _ in range(3):
                    yield file.changed(
                        "failure-class", mark.line, mark.column, place.key.end_mark.column, typo(place.path[-1], rng)
                    )
            words = ("retry", "escalate", "dead_letter", "fail", "then")
            for match in re.finditer(r"[a-z_]+", _text_of(place) if _is_scalar(place) else ""):
                if match[0] in words:
                    value = place.value.start_mark
                    start = file.lines[value.line].find(_text_of(place), value.column) + match.start()
                    yield file.changed("failure-class", value.line, start, start + len(match[0]), typo(match[0], rng))


KINDS: Final[Mapping[str, Maker]] = {
    "anchor": _anchor,
    "bad-word": _enum,
    "cel-syntax": _cel_syntax,
    "cel-type": _cel_type,
    "cycle": _cycle,
    "duplicate-key": _duplicate_key,
    "extra-key": _extra_key,
    "failure-class": _failure_class,
    "json-comma": _json_comma,
    "listed-scalar": _listed,
    "missing-file": _missing_file,
    "missing-key": _missing_key,
    "missing-unit": _missing_unit,
    "number-with-words": _worded_number,
    "schema-type": _schema_type,
    "tab": _tab,
    "tag": _tag,
    "template-slot": _slot,
    "template-syntax": _template_syntax,
    "unclosed-flow": _unclosed_flow,
    "unclosed-quote": _unclosed_quote,
    "unknown-field": _unknown_field,
    "unknown-function": _unknown_function,
    "unknown-key": _unknown_key,
    "unknown-name": _unknown_name,
    "unknown-reference": _unknown_reference,
    "yaml-number": _yaml_number,
    "yaml-word": _yaml_word,
}
"""Makers of mutants by the name of the mistake."""
