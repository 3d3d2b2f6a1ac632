"""label: give a dataset its first labels."""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

import typer

from aie.app import Labelling, label_form, labelling, read_given
from aie.cli.options import ActorOption, FormatOption, WorkspaceOption, acting, find_workspace
from aie.cli.screen import Screen, width
from aie.config import Case
from aie.core import SystemClock, visible, written_whole
from aie.errors import InputError

__all__ = ["label"]

_LINES = 30
"""Lines of an input that are shown at the terminal; a form shows all."""


def label(
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help="`WORKFLOW/NAME`, or a name that is unique.")],
    form_file: Annotated[
        Path | None, typer.Option("--form", metavar="FILE", help="Write a form to fill in with a browser, offline.")
    ] = None,
    from_file: Annotated[
        Path | None,
        typer.Option(
            "--from", metavar="FILE", help="Take labels from a saved form, or a CSV or Excel table with `id`."
        ),
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Also the cases that have a label.")] = False,
    split: Annotated[str, typer.Option("--split", metavar="NAME", help="Only cases of this split.")] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, max=2000, help="At most so many cases.")] = 50,
    workspace: WorkspaceOption = None,
    actor: ActorOption = "",
    form: FormatOption = "text",
) -> None:
    """Label the cases of a dataset that have no label, at the terminal, in a form, or from a table.

    The dataset's file is never changed: labels go into the file that the dataset names under `labels`, with who gave
    them and when. At the terminal an empty line skips a case, and the end of input ends; what was given is kept.
    """
    screen = Screen(form)
    opened = labelling(find_workspace(workspace), dataset)
    cases = opened.open(again=again, split=split)
    if form_file is not None:
        _write_form(screen, opened, cases[:limit], form_file)
        return
    by, clock = acting(actor), SystemClock()
    if from_file is not None:
        count = opened.label(read_given(from_file), by=by, clock=clock)
    else:
        count = 0
        for each in _asked(screen, opened, cases[:limit]):
            count += opened.label([each], by=by, clock=clock)
    screen.show({"dataset": opened.name, "labelled": count}, [f"{count} labelled  {opened.name}"])
    left = len(opened.open(split=split)) - (0 if again else count)
    screen.say(f"{max(left, 0)} of {len(opened.cases)} cases have no label")
    screen.next("aie train" if not left else f"aie label {opened.name}")


def _write_form(screen: Screen, opened: Labelling, cases: tuple[Case, ...], file: Path) -> None:
    try:
        with written_whole(file) as draft:
            draft.write_text(label_form(opened, cases), encoding="utf-8")
    except OSError as error:
        raise InputError(f"{file} cannot be written: {(error.strerror or 'error').lower()}") from error
    screen.show({"dataset": opened.name, "cases": len(cases), "file": str(file)}, [str(file)])
    screen.say(f"{len(cases)} cases; open it with a browser, save the labels")
    screen.next(f"aie label {opened.name} --from FILE")


def _asked(screen: Screen, opened: Labelling, cases: tuple[Case, ...]) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Yield what a person answers, case by case; the end of input ends."""
    for number, case in enumerate(cases, 1):
        screen.say("")
        screen.say(f"{number} of {len(cases)}  {case.id}")
        for name, value in case.input.items():
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            lines = text.splitlines() or [""]
            for line in lines[:_LINES]:
                screen.say(f"  {name}: {visible(line)[: 4 * width()]}")
            if len(lines) > _LINES:
                screen.say(f"  … {len(lines) - _LINES} more lines; --form shows all")
        answers: dict[str, str] = {}
        for field in opened.fields:
            choices = opened.choices[field]
            hint = f" ({', '.join(choices[:8])}{' …' if len(choices) > 8 else ''})" if choices else ""
            typer.echo(f"{field}{hint}: ", nl=False, err=True)
            line = sys.stdin.readline()
            if not line:
                screen.say("")
                return
            answers[field] = line.strip()
        if any(answers.values()):
            yield case.id, answers
