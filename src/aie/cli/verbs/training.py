"""train."""

from typing import Annotated

import typer

from aie.app import train as train_model
from aie.app import trainable
from aie.cli.options import FormatOption, WorkspaceOption, find_workspace
from aie.cli.screen import Screen
from aie.core import JSON
from aie.errors import InputError

__all__ = ["train"]


def train(
    models: Annotated[list[str] | None, typer.Argument(metavar="MODEL", help="All of them, when left out.")] = None,
    workspace: WorkspaceOption = None,
    form: FormatOption = "text",
) -> None:
    """Fit the text classifiers that models.yaml declares.

    The same data, recipe and seed give the same artefact. Nothing changes for runs until a release locks it.
    """
    screen = Screen(form)
    root = find_workspace(workspace)
    names = models or trainable(root)
    if not names:
        raise InputError("models.yaml declares nothing to train", hints=("add a model of kind text_classifier",))
    with screen.progress("models") as tick:
        for done, name in enumerate(names, 1):
            path, report = train_model(root, name)
            told = (
                f"{report.train} texts, {report.right} of {report.val} right on val; accepts {report.accepted} "
                f"at {report.threshold}, {report.errors} wrong; {report.cpu_ms / 1000:.1f} CPU-s"
            )
            file = str(path.relative_to(root))
            data: dict[str, JSON] = {"model": name, "artefact": file, **report.to_json()}
            screen.stream(data, f"{name}  {file}  {told}")
            tick(done, len(names))
    screen.next("aie check", "aie release WORKFLOW")
