"""YAML as data with places: the part of YAML 1.2 that has no surprises, read by the C parser.

Refused, because two readers of one file would see two things: anchors, aliases, tags, merge keys, duplicate keys,
several documents. A plain scalar is text unless it is `null`, `true`, `false` or a decimal integer: `NO`, `12:30`,
`1.10` and `2026-01-31` stay what was typed. Numbers that YAML 1.1 would have read another way (`010`, `0x1F`, `1_000`)
are refused.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

import yaml

from aie.config.problems import Mark
from aie.config.yaml_syntax import diagnose
from aie.core import JSON
from aie.errors import ConfigError, Edit, Problem

__all__ = ["MAX_PROBLEMS", "Node", "Source", "parse_yaml"]

MAX_BYTES: Final = 1_000_000
MAX_DEPTH: Final = 40
MAX_NODES: Final = 50_000
MAX_PROBLEMS: Final = 100
"""Of one file: whoever has made as many will run the check again."""

_INT: Final = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_ODD_INT: Final = re.compile(
    r"[-+]?(0[0-9_]+|0o[0-7_]+|0x[0-9a-fA-F_]+|0b[01_]+|[0-9][0-9_]*_[0-9_]*|[0-9]{19,})|\+[0-9]+"
)
_ODD_CHARACTER: Final = re.compile("[\0\r\x85\u2028\u2029]")
_WORDS: Final = {"null": None, "~": None, "true": True, "false": False, "": None}


@dataclass(slots=True, eq=False)
class Node:
    """One value of a YAML file with its place."""

    kind: Literal["map", "list", "scalar"]
    line: int
    """1-based, where the value begins."""
    col: int
    end_line: int = 0
    """Where the value ends; the column is one past its last character."""
    end_col: int = 0
    text: str = ""
    """A scalar's text, as quoted or plain."""
    plain: bool = False
    """True for a scalar without quotes and not in block form."""
    flow: bool = False
    """True for `{…}` and `[…]`."""
    items: dict[str, "Node"] = field(default_factory=dict)
    """A map's values by key."""
    keys: dict[str, "Node"] = field(default_factory=dict)
    """A map's keys, for their places."""
    members: list["Node"] = field(default_factory=list)
    """A list's values."""

    def data(self) -> JSON:
        """Return the value as JSON; never a float."""
        if self.kind == "map":
            return {key: node.data() for key, node in self.items.items()}
        if self.kind == "list":
            return [node.data() for node in self.members]
        return self.scalar()

    def scalar(self) -> str | int | bool | None:
        """Return a scalar's value: text, an integer, true, false or null."""
        if not self.plain:
            return self.text
        if self.text in _WORDS:
            return _WORDS[self.text]
        return int(self.text) if _INT.fullmatch(self.text) else self.text


@dataclass(slots=True, eq=False)
class Source:
    """One file as read: its text and the tree of its values."""

    file: str
    """Path relative to the workspace."""
    text: str
    root: Node

    def find(self, path: Sequence[str | int]) -> tuple[Node, Node | None, int]:
        """Return the value at a key path, its key, and how much of the path exists."""
        node, key, depth = self.root, None, 0
        for part in path:
            if node.kind == "map" and part in node.items:
                key, node = node.keys[str(part)], node.items[str(part)]
            elif node.kind == "list" and isinstance(part, int) and part < len(node.members):
                key, node = None, node.members[part]
            else:
                break
            depth += 1
        return node, key, depth

    def mark(self, path: Sequence[str | int], *, at_key: bool = False) -> Mark:
        """Return the place of a value, or of its key; of the nearest parent's key where the path ends early."""
        node, key, depth = self.find(path)
        if (at_key or depth < len(path)) and key is not None:
            node = key
        return Mark(node.line, node.col)

    def lines(self) -> list[str]:
        """Return the lines of the text."""
        return self.text.split("\n")

    def replace(self, node: Node, text: str) -> Edit | None:
        """Return the edit that puts other text where a one-line value stands."""
        if node.line != node.end_line:
            return None
        line = self.lines()[node.line - 1]
        changed = line[: node.col - 1] + text + line[node.end_col - 1 :]
        return Edit(file=self.file, line=node.line, end_line=node.line, lines=(changed,))

    def remove(self, path: Sequence[str | int]) -> Edit | None:
        """Return the edit that takes a key and its value out of the file."""
        node, key, depth = self.find(path)
        parent = self.find(path[:-1])[0]
        if depth < len(path) or key is None or len(parent.items) == 1:
            return None
        return remove_pair(self, parent, key, node)


def remove_pair(source: Source, parent: Node, key: Node, value: Node) -> Edit | None:
    """Return the edit that takes one `key: value` out of a block map or a one-line flow map."""
    lines = source.lines()
    if not parent.flow:
        if key.col - 1 != len(lines[key.line - 1]) - len(lines[key.line - 1].lstrip()):
            return None
        last = max(value.end_line - (1 if value.end_col == 1 and value.end_line > key.line else 0), key.line)
        return Edit(file=source.file, line=key.line, end_line=last, lines=())
    if key.line != value.end_line:
        return None
    line = lines[key.line - 1]
    before, after = line[: key.col - 1], line[value.end_col - 1 :]
    if after.lstrip().startswith(","):
        changed = before + after.lstrip()[1:].lstrip()
    else:
        changed = before.rstrip().removesuffix(",") + after
    return Edit(file=source.file, line=key.line, end_line=key.line, lines=(changed,))


def parse_yaml(content: bytes, file: str) -> Source:
    """Read one YAML file.

    Raises:
        ConfigError: every mistake that can be told before a syntax error stops the reading.
    """
    text = _decode(content, file)
    builder = _Builder(file, text)
    try:
        for event in yaml.parse(text, Loader=yaml.CLoader):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        builder.syntax(error)
    except yaml.reader.ReaderError as error:
        place = text.count("\n", 0, error.position) + 1
        builder.report(
            "control-character", Mark(place, 1), "a character that YAML does not allow", "remove or escape it"
        )
    except _Stop:
        pass
    if builder.problems:
        raise ConfigError(builder.problems)
    if builder.root is None:
        builder.root = Node(kind="map", line=1, col=1, end_line=1, end_col=1)
    return Source(file, text, builder.root)


def _decode(content: bytes, file: str) -> str:
    if len(content) > MAX_BYTES:
        raise _one(file, "file-too-large", 1, f"{len(content)} bytes; a file may have {MAX_BYTES}", "split the file")
    try:
        # A byte order mark is skipped: editors add it, and it never means anything in UTF-8.
        text = content.removeprefix(b"\xef\xbb\xbf").decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _one(file, "not-utf8", line, "the file is not UTF-8", "save the file as UTF-8") from error
    text = text.replace("\r\n", "\n")
    # The C parser ends quietly at a NUL, and takes the others for line breaks, which no editor does.
    odd = _ODD_CHARACTER.search(text)
    if odd is not None:
        line = text.count("\n", 0, odd.start()) + 1
        raise _one(file, "control-character", line, "a character that a YAML file may not hold", "remove it")
    return text


def _one(file: str, code: str, line: int, message: str, hint: str) -> ConfigError:
    return ConfigError([Problem(code=code, file=file, line=line, col=1, key="", message=message, hint=hint)])


class _Stop(Exception):
    """The rest of the file has no meaning after what was reported."""


class _Builder:
    """Makes nodes of parse events, without recursion, and reports what is outside our part of YAML."""

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.text = text
        self.root: Node | None = None
        self.problems: list[Problem] = []
        self._open: list[Node] = []
        self._keys: list[Node | None] = []
        self._count = 0
        self._documents = 0

    def report(self, code: str, mark: Mark, message: str, hint: str = "", edit: Edit | None = None) -> None:
        key = ".".join(each.text for each in self._keys if each is not None)
        if len(self.problems) >= MAX_PROBLEMS:
            return
        self.problems.append(
            Problem(
                code=code, file=self.file, line=mark.line, col=mark.col, key=key, message=message, hint=hint, edit=edit
            )
        )

    def syntax(self, error: yaml.MarkedYAMLError) -> None:
        """Report what the parser could not read, where it probably begins."""
        found = diagnose(self.text, error)
        edit = None
        if found.lines is not None:
            edit = Edit(file=self.file, line=found.mark.line, end_line=found.mark.line, lines=found.lines)
        self.report("yaml-syntax", found.mark, f"not YAML: {found.message}", found.hint, edit)

    def take(self, event: yaml.Event) -> None:
        """Take in one parse event."""
        if len(self.problems) >= MAX_PROBLEMS:
            raise _Stop
        if isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                self.report("several-documents", _mark(event), "a second YAML document", "keep one document to a file")
                raise _Stop
        elif isinstance(event, yaml.AliasEvent):
            self.report(
                "alias", _mark(event), "an alias (`*name`)", "write the value out: a file must read the same to all"
            )
            raise _Stop
        elif isinstance(event, yaml.ScalarEvent):
            self._marked(event)
            self._add(self._scalar(event))
        elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            self._marked(event)
            kind: Literal["map", "list"] = "map" if isinstance(event, yaml.MappingStartEvent) else "list"
            node = Node(kind=kind, line=_mark(event).line, col=_mark(event).col, flow=bool(event.flow_style))
            self._add(node)
            self._open.append(node)
            self._keys.append(None)
            if len(self._open) > MAX_DEPTH:
                self.report("too-deep", _mark(event), f"nested deeper than {MAX_DEPTH} levels", "flatten the value")
                raise _Stop
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            node = self._open.pop()
            self._keys.pop()
            if self._keys:
                self._keys[-1] = None
            node.end_line, node.end_col = _last(node) if not node.flow else _end(event.end_mark)

    def _marked(self, event: yaml.Event) -> None:
        """Refuse anchors and tags."""
        anchor, tag = getattr(event, "anchor", None), getattr(event, "tag", None)
        if anchor is not None:
            edit = self._without(event, f"&{anchor}")
            self.report("anchor", _mark(event), f"an anchor (`&{anchor}`)", "remove it and write values out", edit)
        if tag is not None:
            shown = self.text.split("\n")[_mark(event).line - 1][_mark(event).col - 1 :].split(" ")[0]
            edit = self._without(event, shown) if shown.startswith("!") else None
            self.report("tag", _mark(event), f"a tag (`{shown[:40]}`)", "remove it: types come from the key", edit)

    def _without(self, event: yaml.Event, word: str) -> Edit | None:
        mark = _mark(event)
        line = self.text.split("\n")[mark.line - 1]
        start = line.find(word, mark.col - 1)
        if start < 0:
            return None
        changed = line[:start] + line[start + len(word) :].lstrip()
        return Edit(file=self.file, line=mark.line, end_line=mark.line, lines=(changed,))

    def _scalar(self, event: yaml.ScalarEvent) -> Node:
        mark, (end_line, end_col) = _mark(event), _end(event.end_mark)
        plain = event.style in (None, "") and bool(event.implicit[0])
        return Node(
            kind="scalar",
            line=mark.line,
            col=mark.col,
            end_line=end_line,
            end_col=end_col,
            text=event.value,
            plain=plain,
        )

    def _add(self, node: Node) -> None:
        self._count += 1
        if self._count > MAX_NODES:
            self.report("too-large", Mark(node.line, node.col), f"more than {MAX_NODES} values", "split the file")
            raise _Stop
        if not self._open:
            self.root = node
            return
        parent = self._open[-1]
        if parent.kind == "list":
            self._odd(node)
            parent.members.append(node)
        elif self._keys[-1] is None:
            self._keys[-1] = self._key(node)
        else:
            self._odd(node)
            self._pair(parent, self._keys[-1], node)
            if node.kind == "scalar":
                self._keys[-1] = None

    def _key(self, node: Node) -> Node:
        if node.kind != "scalar":
            self.report(
                "key-not-text", Mark(node.line, node.col), "a key must be text", "write one name before the colon"
            )
            raise _Stop
        if node.text == "<<" and node.plain:
            self.report("merge-key", Mark(node.line, node.col), "a merge key (`<<`)", "write the keys out")
            raise _Stop
        return node

    def _pair(self, parent: Node, key: Node, value: Node) -> None:
        if key.text in parent.items:
            first = parent.keys[key.text].line
            edit = None
            if value.kind == "scalar":
                edit = remove_pair(Source(self.file, self.text, parent), parent, key, value)
            self.report(
                "duplicate-key",
                Mark(key.line, key.col),
                f"`{key.text}` stands twice; first in line {first}",
                "keep one of the two",
                edit,
            )
            return
        parent.items[key.text] = value
        parent.keys[key.text] = key

    def _odd(self, node: Node) -> None:
        if node.kind == "scalar" and node.plain and _ODD_INT.fullmatch(node.text):
            source = Source(self.file, self.text, node)
            meant = _decimal_digits(node.text)
            self.report(
                "yaml-number",
                Mark(node.line, node.col),
                f"`{node.text}` reads as different numbers in different YAML versions",
                f"write `{meant}`",
                source.replace(node, meant),
            )


def _decimal_digits(text: str) -> str:
    """Return the number that YAML 1.2 reads, in plain digits; in quotes where it is too long for one."""
    plain = text.removeprefix("+").replace("_", "")
    sign = "-" if plain.startswith("-") else ""
    digits = plain.removeprefix("-").lower()
    base = {"0x": 16, "0o": 8, "0b": 2}.get(digits[:2], 10)
    meant = sign + str(int(digits[2:] if base != 10 else digits, base)) if len(digits) < 20 else ""
    return meant if _INT.fullmatch(meant) else f'"{text}"'


def _mark(event: yaml.Event) -> Mark:
    return Mark(*_end(event.start_mark))


class _Place(Protocol):
    """A mark of either parser, counted from 0."""

    line: int
    column: int


def _end(mark: _Place | None) -> tuple[int, int]:
    assert mark is not None, "the parser marks every event"
    return mark.line + 1, mark.column + 1


def _last(node: Node) -> tuple[int, int]:
    """Return where the last value of a block ends: the parser says where the next thing begins."""
    values = [*node.items.values(), *node.members]
    return max(((each.end_line, each.end_col) for each in values), default=(node.line, node.col))
