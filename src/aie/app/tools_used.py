"""What agent steps wanted of their tools, in words: what was done, what was refused and why."""

from collections.abc import Iterable, Iterator
from typing import Any, cast

from aie.app.wording import plain
from aie.core import JSON
from aie.runs import StepStory

__all__ = ["tool_lines"]


def tool_lines(steps: Iterable[StepStory]) -> Iterator[str]:
    """Yield a line for each turn of each step that has any, also of steps that failed."""
    for step in steps:
        reports = [*(each.report for each in step.troubles), step.report] if step.layer == "agent" else []
        for report in reports:
            turns = report.get("turns") if isinstance(report, dict) else None
            for turn in cast("list[dict[str, Any]]", turns or []):
                why = f" ({turn['why']})" if turn["why"] else ""
                yield f"{step.path}: {_call(turn['call'])}: {turn['outcome']}{why}"


def _call(call: JSON) -> str:
    match call:
        case {"tool": tool, "arguments": list() as arguments}:
            given = cast("list[dict[str, JSON]]", arguments)
            words = ", ".join(f"{plain(each['name'])}: {plain(each['value'])}" for each in given)
            return f"{plain(tool)}({words})"
        case _:
            return "no tool"
