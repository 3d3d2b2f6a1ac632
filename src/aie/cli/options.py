"""Options that many verbs share, declared once."""

import getpass
import os
from pathlib import Path
from typing import Annotated

import typer

from aie.cli.screen import Format
from aie.errors import NotFound

__all__ = ["ActorOption", "FormatOption", "TenantOption", "WorkspaceOption", "acting", "find_workspace"]

FormatOption = Annotated[Format, typer.Option("--format", help="Text for people or JSON for programs.")]

WorkspaceOption = Annotated[
    Path | None,
    typer.Option(
        "--workspace",
        "-C",
        metavar="FOLDER",
        help="Folder with aie.yaml; the nearest one upwards when left out.",
        envvar="AIE_WORKSPACE",
    ),
]

ActorOption = Annotated[
    str, typer.Option("--actor", metavar="NAME", envvar="AIE_ACTOR", help="Who does this; you, when left out.")
]

TenantOption = Annotated[
    str, typer.Option("--tenant", metavar="NAME", envvar="AIE_TENANT", help="Whose data; the first when left out.")
]


def find_workspace(given: Path | None) -> Path:
    """Return the folder of the workspace.

    Raises:
        NotFound: there is none.
    """
    if given is not None:
        if not (given / "aie.yaml").is_file():
            raise NotFound(f"{given} is not a workspace: it has no aie.yaml", hints=("aie init NAME",))
        return given.resolve()
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "aie.yaml").is_file():
            return folder
    raise NotFound(
        "no aie.yaml in this folder or above it",
        hints=("aie init NAME --template claims", "name it: --workspace FOLDER"),
    )


def acting(given: str) -> str:
    """Return who acts: as given, else the user of the operating system."""
    if given:
        return given
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid-{os.getuid()}"
