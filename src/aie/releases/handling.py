"""Who handles which failure: the step's own entry, else the workflow's, else the engine's for its own classes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, assert_never

from aie.config import Handler as HandlerSpec
from aie.config import Source
from aie.errors import Edit, Failure
from aie.releases.plan import FAIL, Handler

__all__ = ["ENGINE_FAILURES", "HandlerEntry", "add_handlers", "entry_of", "resolve_handlers", "unhandled"]

ENGINE_FAILURES: Final = frozenset({Failure.INTERNAL, Failure.LIMIT_REACHED, Failure.EXPRESSION})
"""Classes that the engine itself raises, at any step. They end the run unless an entry says otherwise: asking for a
handler of each at every workflow would teach people to write `"*": fail`, which hides the classes that matter."""

_ANY: Final = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class HandlerEntry:
    """The entry of an `on` that handles a class."""

    spec: HandlerSpec
    key: str
    """The class, or `*`."""
    own: bool
    """True for the step's own entry, false for the workflow's."""


def entry_of(
    failure: Failure, step: Mapping[str, HandlerSpec], workflow: Mapping[str, HandlerSpec]
) -> HandlerEntry | None:
    """Return the entry that handles a class: the step's own before the workflow's, the class before `*`."""
    for entries, own in ((step, True), (workflow, False)):
        for key in (failure.value, _ANY):
            if key in entries:
                return HandlerEntry(spec=entries[key], key=key, own=own)
    return None


def resolve_handlers(
    failures: Iterable[Failure], step: Mapping[str, HandlerSpec], workflow: Mapping[str, HandlerSpec]
) -> dict[Failure, Handler]:
    """Return the handler of each class that has one, sorted by class; the engine's classes always have one."""
    found: dict[Failure, Handler] = {}
    for failure in sorted({*failures, *ENGINE_FAILURES}):
        entry = entry_of(failure, step, workflow)
        if entry is not None:
            found[failure] = _planned(entry.spec)
        elif failure in ENGINE_FAILURES:
            found[failure] = FAIL
    return found


def unhandled(
    failures: Iterable[Failure], step: Mapping[str, HandlerSpec], workflow: Mapping[str, HandlerSpec]
) -> tuple[Failure, ...]:
    """Return the classes that a step may raise and nobody handles, sorted."""
    return tuple(sorted(set(failures) - set(resolve_handlers(failures, step, workflow))))


def add_handlers(source: Source, missing: Iterable[Failure]) -> Edit | None:
    """Return the edit that adds `<class>: fail` for each class to the workflow's own `on`."""
    entries = [f"{failure}: fail" for failure in missing]
    lines = source.lines()
    on = source.root.items.get("on")
    if on is None:
        last = len(lines)
        return Edit(file=source.file, line=last, end_line=last, lines=(*_without_end(lines), _flow(entries), ""))
    if on.kind != "map" or (on.line != on.end_line and on.flow):
        return None
    line = lines[on.line - 1]
    if on.flow:
        inner, rest = line[: on.end_col - 2].rstrip(), line[on.end_col - 2 :]
        comma = "" if inner.endswith(("{", ",")) else ","
        space = "" if inner.endswith("{") else " "
        return Edit(
            file=source.file,
            line=on.line,
            end_line=on.line,
            lines=(f"{inner}{comma}{space}{', '.join(entries)}{rest}",),
        )
    indent = line[: len(line) - len(line.lstrip())]
    return Edit(
        file=source.file, line=on.line, end_line=on.line, lines=(*(f"{indent}{entry}" for entry in entries), line)
    )


def _without_end(lines: list[str]) -> tuple[str, ...]:
    """Return what stands on the last line, which is nothing in a file that ends as files should."""
    return (lines[-1],) if lines[-1] else ()


def _flow(entries: list[str]) -> str:
    return f"on: {{{', '.join(entries)}}}"


def _planned(spec: HandlerSpec) -> Handler:
    ending = _ending(spec)
    return Handler(kind="retry", times=spec.retries, then=ending) if spec.retries else ending


def _ending(spec: HandlerSpec) -> Handler:
    match spec.action:
        case "fail":
            return FAIL
        case "dead_letter":
            return Handler(kind="dead_letter")
        case "escalate":
            return Handler(kind="escalate", desk=spec.desk)
        case "default":
            return Handler(kind="default", value=spec.value)
        case _:
            assert_never(spec.action)
