"""Templates of workspaces: files only, copied as they are."""

import shutil
from importlib.resources import as_file, files
from pathlib import Path
from typing import Final

from aie.errors import Conflict, InputError, NotFound

__all__ = ["list_templates", "start_workspace"]

_IGNORED: Final = "# what runs leave behind is not what people write\n.aie/\noutbox/\n"


def list_templates() -> list[str]:
    """Return the names of the templates."""
    return sorted(each.name for each in (files("aie") / "templates").iterdir() if (each / "aie.yaml").is_file())


def start_workspace(folder: Path, template: str) -> list[str]:
    """Copy a template into a folder that does not exist yet, or is empty; all of it or nothing.

    Returns:
        The files, relative to the folder.

    Raises:
        NotFound: no template has this name.
        Conflict: the folder holds something.
    """
    known = list_templates()
    if template not in known:
        raise NotFound(f"there is no template {template!r}", hints=(f"one of: {', '.join(known)}",))
    folder = folder.resolve()  # `.` and `..` have no name to build beside
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Conflict(f"{folder} is not empty", hints=("name a folder that does not exist yet",))
    # Beside its place first: a copy that is cut off must not look like a workspace.
    building = folder.with_name(f".{folder.name}.starting")
    shutil.rmtree(building, ignore_errors=True)
    try:
        with as_file(files("aie") / "templates" / template) as source:
            _copy(source, building)
        (building / ".gitignore").write_text(_IGNORED, encoding="utf-8")
        if folder.exists():  # maybe somebody stands in it: it stays, and what makes it a workspace comes last
            for part in sorted(building.iterdir(), key=lambda each: each.name == "aie.yaml"):
                part.rename(folder / part.name)
            building.rmdir()
        else:
            building.rename(folder)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise
    return sorted(each.relative_to(folder).as_posix() for each in folder.rglob("*") if each.is_file())


def _copy(source: Path, target: Path) -> None:
    try:
        shutil.copytree(source, target)
    except shutil.Error as error:  # one line for each file that failed; the first says why
        first = error.args[0][0]
        raise InputError(f"{target.parent} cannot be written: {str(first[2]).partition(': ')[0]}") from error
