"""Show: a mistake in a workspace is refused at its line, and its hint, applied, removes it.

The workspaces are every template, and one beside this file that has what no template has: prompts, chat models, a map.

Run `python -m tests.shows.mutations --seed 1 --each 25`; counts go to standard output as JSON. Exit status 0: every
attempt was refused at the line where it was made, and at least four of five hints removed the mistake.
"""

import argparse
import json
import random
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from aie.app import list_templates, start_workspace, train, trainable
from aie.config import apply
from aie.errors import Problem
from aie.releases import check
from tests.shows.mutants import KINDS, Mutant, mutants

__all__ = ["Counts", "Report", "run", "templates"]

WORKSPACE: Final = Path(__file__).parent / "workspace"
MENDED_AT_LEAST: Final = 0.8

Check = Callable[[Path], Sequence[Problem]]


@dataclass(slots=True)
class Counts:
    """What happened to the mutants of one kind."""

    attempted: int = 0
    refused: int = 0
    """Refused at the line of the mistake."""
    elsewhere: int = 0
    """Refused, but at other lines only."""
    accepted: int = 0
    """Not refused at all."""
    mended: int = 0
    """The edit of the problem at that line leaves a workspace without problems."""


@dataclass(slots=True)
class Report:
    """The whole show."""

    seed: int
    clean: bool = True
    """The files without a mistake passed, before and after."""
    kinds: dict[str, Counts] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    """The mutants not refused at their line, for the reader."""

    @property
    def passed(self) -> bool:
        """Tell whether the show holds."""
        total = self.total()
        return (
            self.clean
            and total.attempted > 0
            and total.refused == total.attempted
            and (total.mended >= MENDED_AT_LEAST * total.attempted)
        )

    def total(self) -> Counts:
        """Return the sum over all kinds."""
        names = Counts.__dataclass_fields__
        return Counts(**{name: sum(getattr(each, name) for each in self.kinds.values()) for name in names})


def run(
    roots: Sequence[Path], *, seed: int, each: int, check: Check = check, kinds: Sequence[str] = tuple(KINDS)
) -> Report:
    """Make `each` mutants of each kind, over all the workspaces together, and check every one."""
    report, rng = Report(seed=seed), random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        copies = []
        for number, root in enumerate(roots):
            copy = Path(folder) / str(number)
            shutil.copytree(root, copy)
            copies.append(copy)
            report.clean &= not check(copy)
        for kind in kinds:
            counts = report.kinds[kind] = Counts()
            every = [(copy, mutant) for copy in copies for mutant in mutants(copy, kind, rng)]
            rng.shuffle(every)
            for copy, mutant in every[:each]:
                _attempt(copy, mutant, counts, report, check)
        report.clean &= not any(check(copy) for copy in copies)
    return report


def _attempt(root: Path, mutant: Mutant, counts: Counts, report: Report, check: Check) -> None:
    path = root / mutant.file
    before = path.read_text()
    counts.attempted += 1
    try:
        path.write_text(mutant.text)
        problems = check(root)
        here = [each for each in problems if (each.file, each.line) == (mutant.file, mutant.line)]
        if here:
            counts.refused += 1
            counts.mended += any(_mends(root, each, check) for each in here)
        else:
            counts.elsewhere += bool(problems)
            counts.accepted += not problems
            shown = "; ".join(map(str, list(problems)[:3])) or "accepted"
            line = mutant.text.split("\n")[mutant.line - 1]
            report.failures.append(f"{mutant.kind} {mutant.file}:{mutant.line}: {line.strip()} -> {shown}")
    finally:
        path.write_text(before)


def _mends(root: Path, problem: Problem, check: Check) -> bool:
    if problem.edit is None:
        return False
    path = root / problem.edit.file
    before = path.read_text()
    try:
        path.write_text(apply(before, problem.edit))
        return not check(root)
    finally:
        path.write_text(before)


def templates(folder: Path) -> list[Path]:
    """Start a workspace of every template, with its models trained: without them its files have mistakes."""
    roots = []
    for name in list_templates():
        root = folder / name
        start_workspace(root, name)
        for model in trainable(root):
            train(root, model)
        roots.append(root)
    return roots


def main(arguments: Sequence[str]) -> int:
    """Run the show from a command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--each", type=int, default=25, help="mutants of each kind")
    parser.add_argument("--kind", action="append", choices=sorted(KINDS), help="only these kinds")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        roots = [WORKSPACE, *templates(Path(folder))]
        report = run(roots, seed=options.seed, each=options.each, kinds=options.kind or tuple(KINDS))
    total = report.total()
    print(json.dumps({**asdict(report), "total": asdict(total), "passed": report.passed}, indent=1))
    return 0 if report.passed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
