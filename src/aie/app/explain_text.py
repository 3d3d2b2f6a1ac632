"""An explanation as text: legible without colour, from 60 columns on."""

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from aie.app.tools_used import tool_lines
from aie.app.wording import (
    about,
    asked_lines,
    cost_line,
    delivery,
    duration,
    headline,
    last_trouble,
    limit_lines,
    plain,
    refused_lines,
    said,
    step_line,
    trouble_line,
    used_line,
    ways_on,
    who_decided,
    who_moved,
)
from aie.core import iso
from aie.releases import short
from aie.runs import Explanation, StepStory

__all__ = ["explain_text"]

_INDENT: Final = "  "
_LABEL: Final = 12
_TIMELINE: Final = 40
"""Moments shown; `--format json` has all."""
_QUOTES: Final = 40
"""Quotes shown, and passages that were left out; `--format json` has all."""
_QUOTED: Final = 400
"""Characters of one quote."""
_ITEMS: Final = 3
"""Items of a map whose steps are shown."""


def explain_text(explanation: Explanation, *, width: int = 100) -> list[str]:
    """Return the lines of an explanation, the answer first."""
    blocks = [
        _head(explanation, width),
        _block("Ways on", _pairs(ways_on(explanation), width)),
        _block("Decided", _decided(explanation, width)),
        _block("Because", _because(explanation, width)),
        _block("Evidence", _evidence(explanation, width)),
        _block("Left out", _dropped(explanation, width)),
        _block("People", _people(explanation, width)),
        _block("Models asked", _asked(explanation, width)),
        _block("Models refused", _refused(explanation, width)),
        _block("Tools", (line for each in tool_lines(explanation.steps) for line in _wrap(each, width))),
        _block("Done outside", _effects(explanation, width)),
        _block("Failures", _failures(explanation, width)),
        _block("Policy", (line for each in explanation.policy for line in _wrap(each, width))),
        _block("Versions", _versions(explanation, width)),
        _block("Limits", _pairs(limit_lines(explanation), width)),
        _block("Cost", _wrap(cost_line(explanation), width)),
        _block("Timeline", _timeline(explanation, width)),
    ]
    return [line for block in blocks if block for line in [*block, ""]][:-1]


def _head(explanation: Explanation, width: int) -> list[str]:
    through = f" through {explanation.environment}" if explanation.environment else ""
    lines = [
        *textwrap.wrap(headline(explanation), width),
        f"run {explanation.run}",
        *textwrap.wrap(f"pinned for life to {short(explanation.release, explanation.workflow)}{through}", width),
    ]
    for moved in who_moved(explanation):
        lines += textwrap.wrap(moved, width)
    for alert in explanation.alerts:
        lines += textwrap.wrap(alert, width)
    if explanation.erased:
        lines += textwrap.wrap("The personal data of this run was erased: its words can no longer be read.", width)
    return lines


def _block(title: str, lines: Iterable[str]) -> list[str]:
    body = [f"{_INDENT}{line}" for line in lines]
    return [title, *body] if body else []


def _decided(explanation: Explanation, width: int) -> Iterator[str]:
    if isinstance(explanation.output, dict):
        yield from _pairs(((name, plain(value)) for name, value in explanation.output.items()), width)
    if explanation.failure:
        yield from _wrap(f"nothing: {explanation.failed_at or 'the run'} failed, {explanation.failure}", width)
        yield from _wrap(last_trouble(explanation), width)


def _because(explanation: Explanation, width: int) -> Iterator[str]:
    shown, hidden = _few_items(explanation.steps)
    yield from _pairs(((step.path, step_line(step)) for step in shown), width)
    yield from _more(hidden, "steps of items")


def _evidence(explanation: Explanation, width: int) -> Iterator[str]:
    for each in explanation.evidence[:_QUOTES]:
        page = f", page {each.page}" if each.page is not None else ""
        yield from _wrap(f"{about(each)}: “{_quoted(each.quote)}”", width)
        yield from _wrap(f"  {each.document}{page}, characters {each.start}–{each.end}", width)
    yield from _more(len(explanation.evidence) - _QUOTES, "quotes")


def _quoted(quote: str) -> str:
    text = " ".join(quote.split())
    return text if len(text) <= _QUOTED else f"{text[:_QUOTED]} …"


def _dropped(explanation: Explanation, width: int) -> Iterator[str]:
    for each in explanation.dropped[:_QUOTES]:
        page = f", page {each.page}" if each.page is not None else ""
        words = f"“{_quoted(each.quote)}”" if each.quote else said(each.what)
        yield from _wrap(f"{each.step}: {words}{page}", width)
    yield from _more(len(explanation.dropped) - _QUOTES, "passages")


def _people(explanation: Explanation, width: int) -> Iterator[str]:
    for review in explanation.reviews:
        for line in who_decided(review):
            yield from _wrap(line, width)


def _asked(explanation: Explanation, width: int) -> Iterator[str]:
    lines = list(asked_lines(explanation.asked_models))
    for each in lines[:_QUOTES]:
        yield from _wrap(each, width)
    yield from _more(len(lines) - _QUOTES, "steps that asked")


def _refused(explanation: Explanation, width: int) -> Iterator[str]:
    for each in refused_lines(explanation):
        yield from _wrap(each, width)


def _effects(explanation: Explanation, width: int) -> Iterator[str]:
    for effect in explanation.effects:
        yield from _wrap(f"{effect.path}: {delivery(effect)}, {plain(effect.request)}", width)
        yield from _wrap(f"  key {plain(effect.key)}, {effect.semantics}, attempts: {effect.attempts}", width)


def _failures(explanation: Explanation, width: int) -> Iterator[str]:
    for step in explanation.steps:
        for trouble in step.troubles:
            why = trouble_line(trouble.message, trouble.causes)
            yield from _wrap(f"{step.path}: {trouble.failure}{f': {why}' if why else ''}", width)


def _versions(explanation: Explanation, width: int) -> Iterator[str]:
    yield from _pairs(_versions_used(explanation), width)


def _versions_used(explanation: Explanation) -> Iterator[tuple[str, str]]:
    for step in _few_items(explanation.steps, most=1)[0]:
        used = [f"{used_line(each)} {each.digest.removeprefix('sha256:')[:12]}" for each in step.components]
        version = [f"layer {step.layer} {step.version}"] if step.version is not None else []
        if used or version:
            yield step.path, ", ".join([*version, *used])


def _few_items(steps: Sequence[StepStory], most: int = _ITEMS) -> tuple[list[StepStory], int]:
    """Return the steps with those of the first items of each map only, and how many that leaves out."""
    seen: dict[str, set[str]] = {}
    shown = []
    for step in steps:
        map_path, bracket, rest = step.path.partition("[")
        items = seen.setdefault(map_path, set())
        if bracket and len(items | {rest.rpartition("]")[0]}) > most:
            continue
        items.add(rest.rpartition("]")[0])
        shown.append(step)
    return shown, len(steps) - len(shown)


def _more(count: int, what: str) -> Iterator[str]:
    if count > 0:
        yield f"… and {count} more {what}; --format json has all"


def _timeline(explanation: Explanation, width: int) -> Iterator[str]:
    moments = explanation.timeline
    for moment in moments[-_TIMELINE:]:
        yield from _wrap(f"{iso(moment.at)[11:23]}  {moment.who}: {moment.text}", width, hanging=14)
    hidden = len(moments) - _TIMELINE
    if hidden > 0:
        yield f"{hidden} earlier moments: aie explain {explanation.run} --format json"
    if explanation.finished_at is not None:
        yield f"{duration(explanation.finished_at - explanation.submitted_at)} from submission to end"


def _pairs(pairs: Iterable[tuple[str, str]], width: int) -> Iterator[str]:
    listed = list(pairs)
    label = min(max((len(name) for name, _ in listed), default=0), 24)
    label = max(label, min(_LABEL, label + 2))
    for name, text in listed:
        room = max(width - len(_INDENT) - label - 2, 24)
        first, *more = textwrap.wrap(text, room, break_on_hyphens=False) or [""]
        yield f"{name.ljust(label)}  {first}".rstrip()
        yield from (f"{' ' * label}  {line}" for line in more)


def _wrap(text: str, width: int, hanging: int = 2) -> list[str]:
    return textwrap.wrap(
        text, width - len(_INDENT), subsequent_indent=" " * hanging, break_on_hyphens=False, drop_whitespace=True
    )
