"""The console transcripts of a document, run and compared, or run and rewritten.

    python -m scripts.transcripts README.md            compare, exit status 1 when something differs
    python -m scripts.transcripts --write README.md    put what was printed into the document

A fenced block whose language is `console` is a transcript. A line `$ command` is run by the shell, the lines after it
are what it printed (stdout and stderr together). All blocks of a document share one empty folder, in their order; `cd`
lasts. A line `…` alone stands for any number of lines, and stays where it is when the document is rewritten. After
`<!-- file: PATH -->` the next fenced block is no transcript: it must be the text of PATH in that folder or part of it.
After `<!-- write: PATH -->` the next fenced block is written there, as a reader of the document would do it.

Identifiers, times and durations differ from run to run. They are compared by their shape; an identifier that a document
shows and uses again in a later command is replaced there by the one that was really printed.
"""

import argparse
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ANY_LINES = "…"
_TIMEOUT = 180
_SOURCE = Path(__file__).resolve().parent.parent / "src"
_CODE = f"import sys; sys.path.insert(0, {str(_SOURCE)!r}); from aie.cli import main; main()"
_AIE = shlex.join([sys.executable, "-c", _CODE])
_ID = re.compile(r"\b[a-z]{2,8}_[0-9a-hjkmnp-tv-z]{26}\b|\b(?<=@)[0-9a-f]{12}\b")
_SHAPES = (
    (_ID, "<id>"),
    # A trained classifier may differ in its last digits between processors, and so does what is named after it.
    (re.compile(r"\b(?=[0-9a-f]*\d)[0-9a-f]{12,64}\b"), "<digest>"),
    (re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?: ?(?:Z|UTC)|[+-]\d\d:\d\d)?"), "<time>"),
    (re.compile(r"\b\d\d:\d\d:\d\d(?:\.\d+)?\b"), "<time>"),
    (re.compile(r"\b\d+(?:\.\d+)? ?(?:ms|µs|s|min|h|CPU-s)\b"), "<duration>"),
    # Records are sealed by time: how many blocks there are, and of how many events, differs with the load.
    (re.compile(r"\b\d+ (events|rows|blocks)\b|\bblocks? (?:after )?\d+\b"), "<count>"),
    (re.compile(r" +"), " "),
)


@dataclass(slots=True, kw_only=True)
class Command:
    """One command of a transcript."""

    line: str
    """As documented, without the prompt."""
    number: int
    """Its line in the document, from 1."""
    printed: list[str] = field(default_factory=list)
    """Lines that the document says it prints."""


@dataclass(slots=True, kw_only=True)
class Block:
    """One fenced block that is checked."""

    start: int
    """Index of its first line inside the fence."""
    end: int
    """Index of the closing fence."""
    file: str = ""
    """Path whose text it shows; empty for a transcript."""
    writes: bool = False
    """Its text is written to the path, not compared with it."""
    commands: list[Command] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Place:
    """Where commands run."""

    folder: Path
    """The working folder, as the last `cd` left it."""
    bin: Path
    """Holds `aie` as it is in this checkout, and `python`: the one that runs this script."""


def read_blocks(lines: list[str]) -> Iterator[Block]:
    """Yield the checked blocks of a document."""
    index, file, writes = 0, "", False
    while index < len(lines):
        line = lines[index]
        if found := re.match(r"<!-- (file|write): (\S+) -->$", line):
            file, writes = found[2], found[1] == "write"
        elif line.startswith("```"):
            end = next(i for i in range(index + 1, len(lines)) if lines[i] == "```")
            if line == "```console":
                yield Block(start=index + 1, end=end, commands=_commands(lines, index + 1, end))
            elif file:
                yield Block(start=index + 1, end=end, file=file, writes=writes)
            index, file = end, ""
        index += 1


def run_document(text: str, folder: Path, *, aie: str = _AIE) -> tuple[str, list[str]]:
    """Run every transcript in the folder; return the document with what was printed, and what differs from it.

    Args:
        text: the document.
        folder: an empty one.
        aie: the words with which a shell starts the command; its arguments follow.
    """
    with tempfile.TemporaryDirectory() as bin_folder:
        _put(Path(bin_folder, "aie"), f'exec {aie} "$@"')
        _put(Path(bin_folder, "python"), f'PYTHONPATH={shlex.quote(str(_SOURCE))} exec {sys.executable} "$@"')
        return _run_blocks(text.splitlines(), Place(folder=folder, bin=Path(bin_folder)))


def alike(documented: list[str], actual: list[str]) -> bool:
    """Tell whether the output has the documented shape; `…` stands for any number of lines."""
    pattern = "".join(r"(?:.*\n)*" if line == ANY_LINES else re.escape(_shape(line)) + r"\n" for line in documented)
    return re.fullmatch(pattern, "".join(_shape(line) + "\n" for line in actual)) is not None


def main() -> int:
    """Compare or rewrite the documents named."""
    parser = argparse.ArgumentParser(description="Run the console transcripts of documents.")
    parser.add_argument("--write", action="store_true", help="put what was printed into the documents")
    parser.add_argument("documents", nargs="+", type=Path)
    options = parser.parse_args()
    failed = 0
    for document in options.documents:
        text = document.read_text(encoding="utf-8")
        with tempfile.TemporaryDirectory() as folder:
            fresh, differences = run_document(text, Path(folder))
        if options.write:
            document.write_text(fresh, encoding="utf-8")
        for difference in differences:
            print(difference)
        commands = sum(len(block.commands) for block in read_blocks(text.splitlines()))
        print(f"transcripts: {document}: attempted {commands}, different {len(differences)}, skipped 0")
        failed += bool(differences) and not options.write
    return 1 if failed else 0


def _put(command: Path, line: str) -> None:
    command.write_text(f"#!/bin/sh\n{line}\n", encoding="utf-8")
    command.chmod(0o755)


def _run_blocks(lines: list[str], place: Place) -> tuple[str, list[str]]:
    differences: list[str] = []
    changed: list[tuple[Block, list[str]]] = []
    known: dict[str, str] = {}
    for block in read_blocks(lines):
        shown = lines[block.start : block.end]
        if block.writes:
            fresh = shown
            written = place.folder / block.file
            written.parent.mkdir(parents=True, exist_ok=True)
            written.write_text("\n".join(shown) + "\n", encoding="utf-8")
        elif block.file:
            fresh, problem = _compare_file(shown, place.folder / block.file)
            differences += [f"line {block.start}: {block.file}: {problem}"] if problem else []
        else:
            fresh = []
            for command in block.commands:
                actual = _run(_replace_ids(command.line, known), place)
                if not alike(command.printed, actual):
                    differences.append(_difference(command, actual))
                _learn_ids(command.printed, actual, known)
                fresh += [f"$ {_replace_ids(command.line, known)}", *_abridge(command.printed, actual)]
        changed.append((block, fresh))
    for block, fresh in reversed(changed):
        lines[block.start : block.end] = fresh
    return "\n".join(lines) + "\n", differences


def _commands(lines: list[str], start: int, end: int) -> list[Command]:
    commands: list[Command] = []
    for index in range(start, end):
        if lines[index].startswith("$ "):
            commands.append(Command(line=lines[index][2:], number=index + 1))
        elif commands:
            commands[-1].printed.append(lines[index])
    return commands


def _run(line: str, place: Place) -> list[str]:
    keep = {"LANG", "LC_ALL", "VIRTUAL_ENV"}
    # Nothing of the reader's machine gets in: not the width of the terminal, not a colour, not a folder of data.
    env = {name: value for name, value in os.environ.items() if name in keep}
    path = os.pathsep.join([str(place.bin), os.environ["PATH"]])
    env |= {"PATH": path, "COLUMNS": "110", "NO_COLOR": "1", "TERM": "dumb", "HOME": str(place.bin), "USER": "you"}
    done = subprocess.run(
        ["bash", "-c", f"{line}\npwd > {shlex.quote(str(place.bin / 'pwd'))}"],  # noqa: S607 - the reader's shell
        cwd=place.folder,
        env=env,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        timeout=_TIMEOUT,
        check=False,
    )
    place.folder = Path((place.bin / "pwd").read_text(encoding="utf-8").strip())
    return [text.rstrip() for text in done.stdout.splitlines()]


def _shape(line: str) -> str:
    for pattern, name in _SHAPES:
        line = pattern.sub(name, line)
    return line.rstrip()


def _replace_ids(line: str, known: dict[str, str]) -> str:
    return _ID.sub(lambda found: known.get(found[0], found[0]), line)


def _learn_ids(documented: list[str], actual: list[str], known: dict[str, str]) -> None:
    """Pair the identifiers of both texts in the order in which they appear."""
    old = dict.fromkeys(_ID.findall("\n".join(documented)))
    new = dict.fromkeys(_ID.findall("\n".join(actual)))
    if ANY_LINES in documented or len(old) != len(new):
        # What is abridged may hide identifiers: pair line by line, by the shape around them.
        shapes = {_shape(line): _ID.findall(line) for line in reversed(actual)}
        for line in documented:
            known |= dict(zip(_ID.findall(line), shapes.get(_shape(line), ()), strict=False))
    else:
        known |= dict(zip(old, new, strict=True))


def _abridge(documented: list[str], actual: list[str]) -> list[str]:
    """Return the actual lines, abridged where the document is: only a shared beginning and end are kept."""
    if ANY_LINES not in documented:
        return actual
    head = documented.index(ANY_LINES)
    tail = len(documented) - 1 - head
    if len(actual) <= head + tail:
        return actual
    return [*actual[:head], ANY_LINES, *actual[len(actual) - tail :]]


def _compare_file(shown: list[str], path: Path) -> tuple[list[str], str]:
    if not path.is_file():
        return shown, "there is no such file"
    text = path.read_text(encoding="utf-8")
    part = "\n".join(shown)
    return (shown, "") if part in text else (text.splitlines(), "the document shows another text")


def _difference(command: Command, actual: list[str]) -> str:
    documented = "\n".join(f"  - {line}" for line in command.printed)
    printed = "\n".join(f"  + {line}" for line in actual)
    return f"line {command.number}: $ {command.line}\n{documented}\n{printed}"


if __name__ == "__main__":
    sys.exit(main())
