"""train."""

from pathlib import Path
from typing import Annotated

import typer

from aie.app import Taught, teach, teachable, trainable
from aie.app import train as train_model
from aie.cli.options import FormatOption, WorkspaceOption, find_workspace
from aie.cli.screen import Screen
from aie.core import JSON
from aie.errors import InputError
from aie.fields.reliability import FieldReliability

__all__ = ["train"]


def train(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="MODEL or WORKFLOW/EXTRACTOR", help="All of them, when left out."),
    ] = None,
    workspace: WorkspaceOption = None,
    form: FormatOption = "text",
) -> None:
    """Fit the classifiers that models.yaml declares, and the extractors that workflows name.

    The same data, recipe and seed give the same artefact. Nothing changes for runs until a release locks it.
    """
    screen = Screen(form)
    root = find_workspace(workspace)
    wanted = names or [*trainable(root), *teachable(root)]
    if not wanted:
        raise InputError(
            "the workspace declares nothing to train",
            hints=("add a model of kind text_classifier or tabular_classifier, or an extractor file with `learns`",),
        )
    with screen.progress("models") as tick:
        for done, name in enumerate(wanted, 1):
            if "/" in name:
                taught = teach(root, name)
                screen.stream(taught.to_json(root), *_told(taught, root))
            else:
                _train(screen, root, name)
            tick(done, len(wanted))
    screen.next("aie check", "aie release WORKFLOW")


def _train(screen: Screen, root: Path, name: str) -> None:
    path, report = train_model(root, name)
    told = (
        f"{report.train} cases, {report.right} of {report.val} right on val; accepts {report.accepted} "
        f"at {report.threshold}, {report.errors} wrong; {report.cpu_ms / 1000:.1f} CPU-s"
    )
    file = str(path.relative_to(root))
    data: dict[str, JSON] = {"model": name, "artefact": file, **report.to_json()}
    screen.stream(data, f"{name}  {file}  {told}")


def _told(taught: Taught, root: Path) -> list[str]:
    lines = [f"{taught.name}  {'  '.join(str(path.relative_to(root)) for path in taught.files)}"]
    if taught.trained is not None:
        lines.append(f"  trained in {taught.trained.cpu_ms / 1000:.1f} CPU-s")
        lines += [
            f"    {name}: {each.cases} cases teach it, {each.not_found} hold its value nowhere; {each.places} places"
            for name, each in taught.trained.fields.items()
        ]
    for name, each in taught.reliability.items():
        lines += _reliability(name, each)
    return lines


def _reliability(name: str, each: FieldReliability) -> list[str]:
    data = each.to_json()
    error, raw = data["expected_calibration_error"], data["expected_calibration_error_raw"]
    told = (
        f"  {name}: {each.right} of {each.values} values right in {each.cases} cases; calibration error {error} "
        f"(raw {raw}); at {data['threshold']} accepts {each.accepted}, {each.errors} wrong"
    )
    lines = [told]
    lines += [
        f"    predicted {predicted}  observed {observed}  {'#' * max(1, 40 * one.values // each.values)} {one.values}"
        for one in each.bins
        for predicted, observed in [(_percent(one.predicted), _percent(one.observed))]
    ]
    return lines


def _percent(ten_thousandths: int) -> str:
    return f"{ten_thousandths // 100:3d}%"
