"""The reference pages, written from the code: what it cannot say of itself is not in them.

python -m scripts.reference            compare, exit status 1 when a page is not what the code says
python -m scripts.reference --write    write the pages
"""

import ast
import contextlib
import inspect
import io
import os
import sys
from collections.abc import Iterator
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Final

from aie.cli.main import VERBS, command
from aie.cli.main import main as aie
from aie.errors import AieError, Failure
from aie.records.events import EVENTS, Event
from scripts.configuration import configuration_page

FOLDER = Path(__file__).parent.parent / "docs" / "reference"
_HEAD = "<!-- Written by `make docs` from the code; edits here are lost. -->\n\n"
_CLI = f"""{_HEAD}# Command line

Data goes to stdout and talk to stderr. Every command takes `--format json`, asks nothing, and ends by naming the next
one. The exit status tells what went wrong: see [errors](errors.md).
"""
_ERRORS = f"""{_HEAD}# Errors

Every error has a stable code. A command that ends with one exits with its status and, with `--format json`, prints it
as an object with `code`, `message`, `hints` and the facts of the case.

| Code | Exit status | Same call may succeed later | Meaning |
|---|---|---|---|
{{rows}}

## Classes of failure

Why a step or a run could not go on; `on:` declares what happens then: {{failures}}.
"""
_EVENTS = f"""{_HEAD}# Events

What happened, append-only. *Sealed* fields are encrypted under the data key of the run's subject; erasing the key
erases them, and the chain still verifies.
"""


def errors_page() -> str:
    """Return the error tree and the classes of failure."""
    rows = [
        f"| `{kind.code}` | {kind.exit_code} | {'yes' if kind.retryable else ''} | {_first_sentence(kind)} |"
        for kind in _tree(AieError)
        if kind.__module__ == AieError.__module__
    ]
    return _ERRORS.format(rows="\n".join(rows), failures=", ".join(f"`{failure.value}`" for failure in Failure))


def events_page() -> str:
    """Return every event with its fields."""
    parts = [_EVENTS]
    for name, kind in sorted(EVENTS.items()):
        notes = _field_docs(kind)
        rows = [_field_row(item, notes.get(item.name, "")) for item in fields(kind)]
        table = "\n| Field | Type | | Meaning |\n|---|---|---|---|\n" + "\n".join(rows) + "\n" if rows else ""
        parts.append(f"## `{name}`\n\n{inspect.getdoc(kind)}\n{table}")
    return "\n".join(parts)


def cli_page() -> str:
    """Return the help of every command."""
    words = [[], *([verb] for verb in VERBS)]
    every = [path for verb in words for path in (verb, *([*verb, child] for child in _children(verb)))]
    return "\n".join([_CLI, *(_help(path) for path in every)])


PAGES: Final = {
    "cli.md": cli_page,
    "configuration.md": configuration_page,
    "errors.md": errors_page,
    "events.md": events_page,
}
"""What writes each page."""


def main() -> int:
    """Write the pages, or say which differ."""
    wrong = []
    for name, write in PAGES.items():
        page, text = FOLDER / name, write()
        if "--write" in sys.argv[1:]:
            page.parent.mkdir(parents=True, exist_ok=True)
            page.write_text(text, encoding="utf-8")
        elif not page.is_file() or page.read_text(encoding="utf-8") != text:
            wrong.append(name)
    print(f"reference: attempted {len(PAGES)}, different {len(wrong)}, skipped 0 {' '.join(wrong)}".rstrip())
    return 1 if wrong else 0


def _tree(kind: type[AieError]) -> Iterator[type[AieError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from _tree(child)


def _first_sentence(kind: type) -> str:
    return (inspect.getdoc(kind) or "").partition("\n\n")[0].replace("\n", " ")


def _field_docs(kind: type[Event]) -> dict[str, str]:
    """Return the text written under each field of a class."""
    body = ast.parse(inspect.getsource(kind)).body[0]
    assert isinstance(body, ast.ClassDef)
    found: dict[str, str] = {}
    for item, note in zip(body.body, body.body[1:], strict=False):
        if isinstance(item, ast.AnnAssign) and isinstance(note, ast.Expr) and isinstance(note.value, ast.Constant):
            assert isinstance(item.target, ast.Name)
            found[item.target.id] = inspect.cleandoc(str(note.value.value)).replace("\n", " ")
    return found


def _field_row(item: "Field[object]", note: str) -> str:
    traits = [
        "sealed" if item.metadata.get("private") else "",
        "" if item.default is MISSING and item.default_factory is MISSING else "optional",
    ]
    kind = item.type.__name__ if isinstance(item.type, type) else str(item.type)
    kind = "JSON" if "ForwardRef" in kind or len(kind) > 40 else kind.replace("|", "\\|")
    return f"| `{item.name}` | {kind} | {', '.join(filter(None, traits))} | {note} |"


def _children(words: list[str]) -> list[str]:
    if not words:
        return []
    loaded = command().get_command(None, words[0])
    return sorted(getattr(loaded, "commands", {}))


def _help(words: list[str]) -> str:
    printed = io.StringIO()
    width = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = "100"
    try:
        with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
            aie([*words, "--help"])
    finally:
        os.environ.pop("COLUMNS")
        os.environ |= {} if width is None else {"COLUMNS": width}
    text = "\n".join(line.rstrip() for line in printed.getvalue().strip().splitlines())
    return f"## `{' '.join(['aie', *words])}`\n\n```text\n{text}\n```\n"


if __name__ == "__main__":
    sys.exit(main())
