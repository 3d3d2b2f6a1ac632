"""Public data through the product: train, lock and run a workspace made of files alone, and count what came out.

The workspace is copied away and used as anybody would: `aie train` and one cold `aie run` as processes, so that what
they use is theirs alone, then every test case as a durable run of one bulk.
"""

import json
import os
import random
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aie.app import Given, lock_release, open_app, runner
from aie.config import Case, load_workspace, read_dataset
from aie.records.events import RunFinished

__all__ = ["WORKSPACE", "Answer", "Cost", "aie", "answers", "cases", "data_folder", "files_of", "shuffled", "workspace"]

ROOT = Path(__file__).parents[2]
WORKSPACE = Path(__file__).parent / "workspaces" / "public"
_ENTRY = "import sys; from aie.cli import main; sys.exit(main())"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What became of one case."""

    case: Case
    state: str
    """State the run ended in; `refused` when its input was not accepted."""
    output: Mapping[str, Any]
    """Empty unless completed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a process used, and what it printed."""

    cpu_s: float
    out: list[Any]
    """JSON that it printed, a value a line."""


def data_folder() -> Path | None:
    """Return the folder named by AIE_DATA; None when there is none, which is a skip and never a pass."""
    given = os.environ.get("AIE_DATA")
    return Path(given) if given and Path(given).is_dir() else None


@contextmanager
def workspace(place: Path, data: Path, *, seed: int, of: Path = WORKSPACE) -> Iterator[Path]:
    """Copy a workspace to a place, with this seed and this folder of data, and work there."""
    root = place / "workspace"
    shutil.copytree(of, root)
    models = root / "models.yaml"
    models.write_text(models.read_text().replace("seed: 7", f"seed: {seed}"))
    before = os.environ.get("AIE_DATA")
    os.environ["AIE_DATA"] = str(data)
    try:
        yield root
    finally:
        if before is not None:
            os.environ["AIE_DATA"] = before


def aie(root: Path, *arguments: str) -> Cost:
    """Run a command as a process of its own; its bytecode is kept beside the workspace, as an installer keeps it.

    Raises:
        RuntimeError: it failed; with what it said.
    """
    environ = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTHONPYCACHEPREFIX": str(root.parent / "bytecode")}
    environ.pop("PYTHONDONTWRITEBYTECODE", None)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-c", _ENTRY, *arguments, "--format", "json"],
        cwd=root,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise RuntimeError(f"aie {' '.join(arguments)} ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(
        cpu_s=round(cpu, 2), out=[json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    )


def cases(root: Path, workflow: str, dataset: str, split: str) -> list[Case]:
    """Return the cases of one split, as the workspace declares them."""
    spec = load_workspace(root).workflows[workflow]
    return list(read_dataset(spec.datasets[dataset], root / spec.folder, environ=os.environ, splits=frozenset({split})))


def answers(root: Path, workflow: str, given: Sequence[Case]) -> tuple[list[Answer], float]:
    """Run every case durably, as one bulk; return the answers and the seconds it took.

    An answer is read back from the records, not from what the run returned.
    """
    with open_app(root) as app:
        release = lock_release(app, workflow).release.id
        started = time.monotonic()
        with runner(app) as here:
            runs = [
                here.submit(Given(name=case.id, folder=root, data=case.input), release, queue="bulk").run
                for case in given
            ]
            states = [here.wait(run, timeout=300).state for run in runs]
        seconds = time.monotonic() - started
        outputs = []
        for run in runs:
            finished = [each.event for each in app.store.read(run) if isinstance(each.event, RunFinished)]
            outputs.append(finished[-1].output if finished else None)
    made = [
        Answer(case=case, state=state, output=output if isinstance(output, dict) else {})
        for case, state, output in zip(given, states, outputs, strict=True)
    ]
    return made, seconds


def files_of(workflow: str) -> dict[str, int]:
    """Return the lines of each file that a workflow of the workspace is made of."""
    folder = WORKSPACE / "workflows" / workflow
    return {
        path.relative_to(WORKSPACE).as_posix(): len(path.read_text().splitlines())
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def shuffled(data: Path, place: Path, file: str, key: str, *, seed: int) -> Path:
    """Return a folder of data in which one field of a file was shuffled: the negative control of a show.

    What is broken is the data that the product learns from, so a show that still passes measures something else.
    """
    folder = place / "shuffled"
    shutil.copytree(data / Path(file).parent, folder / Path(file).parent)
    path = folder / file
    path.chmod(0o600)
    path.parent.chmod(0o700)
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    values = [row[key] for row in rows]
    random.Random(seed).shuffle(values)
    path.write_text("".join(json.dumps(row | {key: value}) + "\n" for row, value in zip(rows, values, strict=True)))
    return folder
