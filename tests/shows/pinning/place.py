"""Where the show plays: workspaces of the templates, and the command under one package or another."""

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from aie.app import open_app
from aie.core import JSON
from aie.records import Event
from tests.shows.forked import Ended, forked

__all__ = ["BREAKS", "Ended", "Package", "Place", "events_of", "newer_package", "this_package"]

SOURCE: Final = Path(__file__).parents[3] / "src"

BREAKS: Final[Mapping[str, str]] = {
    "": "",
    "release": """
import os
from aie.runs.services import Releases
sound, (old, new) = Releases.get, os.environ["PINNING_SWAP"].split(",")
Releases.get = lambda self, tenant, name: sound(self, tenant, new if name == old else name)
""",
    "runtime": """
import aie.runs.claims as claims
claims._without = lambda *_: {}
""",
    "conflict": """
import aie.app.reviewing as reviewing
from aie.records import Entry
def unguarded(services, tenant, run, decided):
    return services.journal.append(Entry(tenant=tenant, stream=run, decide=lambda _: [decided]))
reviewing.decide_review = unguarded
""",
}
"""How a control breaks what the show guards, by its name: lines that the command's own process runs first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A tree of the package."""

    source: Path
    breaks: str = ""
    """Name of what a control breaks in it; empty: nothing."""

    def environment(self, more: Mapping[str, str]) -> dict[str, str]:
        """Return the environment that makes a process import this tree."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AIE_")}
        return {**kept, "PYTHONPATH": str(self.source), "AIE_ACTOR": "show", "COLUMNS": "110", **more}


def this_package() -> Package:
    """Return the package as it is."""
    return Package(source=SOURCE)


def newer_package(folder: Path) -> Package:
    """Return a copy of the package with the next version of the check layer, which says the contrary of before."""
    source = Path(shutil.copytree(SOURCE, folder / "newer", ignore=shutil.ignore_patterns("__pycache__")))
    for file, before, after in (
        ("layer.py", "version: int = 1", "version: int = 2"),
        ("outcome.py", 'data={"passed": passed,', 'data={"passed": not passed,'),
    ):
        layer = source / "aie" / "layers" / "check" / file
        text = layer.read_text(encoding="utf-8")
        if text.count(before) != 1:
            raise ValueError(f"the check layer does not say {before!r} once: the show must follow it")
        layer.write_text(text.replace(before, after), encoding="utf-8")
    return Package(source=source)


@dataclass(slots=True, kw_only=True)
class Place:
    """A workspace made from a template."""

    root: Path
    template: str
    package: Package
    more: dict[str, str] = field(default_factory=dict)
    """Environment of the commands."""

    def aie(self, *arguments: str, package: Package | None = None) -> Ended:
        """Run the command in the workspace and return how it ended."""
        used = package or self.package
        environment = used.environment(self.more)
        before = BREAKS[used.breaks]
        return forked(used.source).run(arguments, cwd=self.root, env=environment, before=before, seconds=180)

    def do(self, *arguments: str, package: Package | None = None) -> Ended:
        """Run a command that must succeed.

        Raises:
            RuntimeError: it did not.
        """
        ended = self.aie(*arguments, package=package)
        if ended.status:
            raise RuntimeError(f"aie {' '.join(arguments)} ended with {ended.status}: {ended.err.strip()}")
        return ended

    def lock(self, package: Package | None = None) -> str:
        """Lock the workspace's files, let production use them, and return the release's id."""
        self.do("release", self.template, package=package)
        moved = self.do("promote", self.template, "--format", "json", package=package).data
        return str(moved["after"])

    def run(self, names: Sequence[str], package: Package | None = None) -> dict[str, str]:
        """Run inputs and return each one's run by the input's name; some may end badly, none may be refused."""
        ended = self.aie("run", self.template, *names, "--format", "json", package=package)
        lines = [json.loads(line) for line in ended.out.splitlines()]
        missing = [line for line in lines if "run" not in line]
        if missing or len(lines) != len(names):
            raise RuntimeError(f"aie run accepted {len(lines) - len(missing)} of {len(names)}: {ended.err.strip()}")
        return {Path(line["input"]).stem: line["run"] for line in lines}

    def review_of(self, run: str) -> dict[str, Any]:
        """Return the open review of a run as the command shows it."""
        shown: dict[str, Any] = self.do("review", "show", run, "--format", "json").data
        return shown

    def state_of(self, run: str) -> str:
        """Return the state of a run."""
        with open_app(self.root) as app:
            row = app.store.run(run)
        return row.state if row is not None else "unknown"


def events_of(place: Place, run: str) -> list[Event]:
    """Return what happened to a run."""
    with open_app(place.root) as app:
        return [each.event for each in app.store.read(run)]


def edit(path: Path, *changes: tuple[str, str]) -> None:
    """Replace texts in a file, each of which must be there.

    Raises:
        ValueError: one is not.
    """
    text = path.read_text(encoding="utf-8")
    for before, after in changes:
        if before not in text:
            raise ValueError(f"{path.name} does not say {before!r}: the show must follow it")
        text = text.replace(before, after)
    path.write_text(text, encoding="utf-8")


def write_input(path: Path, data: JSON) -> None:
    """Write one input of a run."""
    path.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
