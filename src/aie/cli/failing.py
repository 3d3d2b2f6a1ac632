"""How a command ends badly: what is said, and with which status."""

import json
import os
import sys
from pathlib import Path
from typing import Final

import typer

from aie.core import JSON, visible
from aie.errors import AieError, ConfigError, Problem

__all__ = ["BROKEN_PIPE", "INTERRUPTED", "defect", "problem_json", "problem_lines", "silence_stdout", "tell"]

INTERRUPTED: Final = 130
"""Status after Ctrl-C, as the shell has it."""
BROKEN_PIPE: Final = 141
"""Status when the reader of stdout went away, as the shell has it."""


def tell(error: AieError | typer.TyperException | OSError, *, as_json: bool) -> int:
    """Say on stderr what went wrong and how to mend it, and return the status to exit with."""
    if as_json:
        typer.echo(visible(json.dumps(_as_json(error), ensure_ascii=False)), err=True)
    else:
        for line in _lines(error):
            typer.echo(visible(line), err=True)
    return error.exit_code if isinstance(error, AieError | typer.TyperException) else 1


def defect(error: Exception) -> AieError:
    """Return an error that nobody foresaw as one of ours: its kind and place; its words may hold values."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    place = "" if frame is None else f" at {Path(frame.tb_frame.f_code.co_filename).name}:{frame.tb_lineno}"
    return AieError(
        f"this is a defect of aie: {type(error).__name__}{place}",
        hints=("AIE_TRACEBACK=1 shows all of it; please report it",),
    )


def problem_lines(problem: Problem) -> list[str]:
    """Return a mistake as lines for people."""
    return [str(problem), *([f"  hint: {problem.hint}"] if problem.hint else [])]


def problem_json(problem: Problem) -> dict[str, JSON]:
    """Return a mistake as a JSON object."""
    edit = problem.edit
    change: JSON = None
    if edit is not None:
        change = {"file": edit.file, "line": edit.line, "end_line": edit.end_line, "lines": list(edit.lines)}
    return {
        "code": problem.code,
        "file": problem.file,
        "line": problem.line,
        "col": problem.col,
        "key": problem.key,
        "message": problem.message,
        "hint": problem.hint,
        "edit": change,
    }


def silence_stdout() -> None:
    """Let what is still buffered go nowhere: the interpreter flushes stdout once more at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _lines(error: AieError | typer.TyperException | OSError) -> list[str]:
    if isinstance(error, typer.TyperException):
        message = error.format_message()
        if message.startswith("Usage:"):  # no arguments at all: the message is the help
            return message.splitlines()
        context = getattr(error, "ctx", None)
        hint = [f"hint: {context.command_path} --help"] if context is not None else []
        return [f"error: {_plain(' '.join(message.split()))}", *hint]
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename else ""
        return [f"error: {place}{error.strerror or error}"]
    problems = error.problems if isinstance(error, ConfigError) else ()
    lines = [line for problem in problems for line in problem_lines(problem)]
    return [*lines, f"error: {error.message}", *(f"hint: {hint}" for hint in error.hints)]


def _plain(message: str) -> str:
    """Return a message of the parser in the manner of ours: no capital, no full stop, no name of an exception."""
    message = message.replace(": Value error, ", ": ")
    return (message[:1].lower() + message[1:]).rstrip(".")


def _as_json(error: AieError | typer.TyperException | OSError) -> dict[str, object]:
    if isinstance(error, AieError):
        found: dict[str, object] = {"code": error.code, "message": error.message, "hints": list(error.hints)}
        found |= {"retryable": error.retryable, **{name: _plain_json(value) for name, value in error.fields.items()}}
        if isinstance(error, ConfigError):
            found["problems"] = [problem_json(problem) for problem in error.problems]
        return {"error": found}
    code = "usage" if isinstance(error, typer.TyperException) else "system"
    return {"error": {"code": code, "message": _lines(error)[0].removeprefix("error: "), "hints": []}}


def _plain_json(value: object) -> object:
    return value if isinstance(value, str | int | bool | list | dict | None) else str(value)
