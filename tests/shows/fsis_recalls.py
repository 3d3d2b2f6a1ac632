"""Show: a second use case in the same workspace, of another shape, with no line of Python.

Recalls of food have several reasons a row, and two years of them lack reasons, which is a gap and not an answer. The
show counts what the files took and what the runs gave: micro F1 over the rows of later years that have reasons, before
any threshold, then coverage and true error of the accepted.

    AIE_DATA=FOLDER python -m tests.shows.fsis_recalls --seed 1
    AIE_DATA=FOLDER python -m tests.shows.fsis_recalls --seed 1 --control   # must fail: the labels are shuffled
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.shows.public_data import WORKSPACE, Answer, aie, answers, cases, data_folder, files_of, shuffled, workspace

__all__ = ["run_show"]

_LEAST_F1 = 0.7
"""Models of words reach about .8 on these years; shuffled labels stay far below."""


def run_show(data: Path, *, seed: int, control: bool = False) -> dict[str, Any]:
    """Run the show and return its counts with every limit that was missed under `missed`."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="aie-fsis-") as folder:
        place = Path(folder)
        if control:
            data = shuffled(data, place, "fsis_recalls/recalls.jsonl", "labels", seed=seed)
        with workspace(place, data, seed=seed) as root:
            trained = aie(root, "train", "reasons").out[0]
            made, seconds = answers(root, "recalls", cases(root, "recalls", "recalls", "test"))
    counts = _counts(made)
    files = files_of("recalls")
    python = [path.as_posix() for path in WORKSPACE.rglob("*.py")]
    limits = {
        "every case ended in a completed run": counts["completed"] == counts["attempted"] > 0,
        "no line of Python": not python,
        "rows without reasons were left out of training": trained["unlabelled"] > 0,
        f"micro F1 >= {_LEAST_F1}": counts["micro_f1"] >= _LEAST_F1,
    }
    return {
        "show": "fsis_recalls",
        "seed": seed,
        "control": control,
        **counts,
        "training": trained,
        "files": files,
        "lines": sum(files.values()),
        "lines_of_python": len(python),
        "bulk_s": round(seconds, 1),
        "seconds": round(time.monotonic() - started, 1),
        "missed": [limit for limit, kept in limits.items() if not kept],
    }


def _counts(made: list[Answer]) -> dict[str, Any]:
    completed = [each for each in made if each.state == "completed"]
    judged = [each for each in completed if each.case.expected is not None]
    pairs = [(set(each.output["reasons"]), _truth(each)) for each in judged]
    hits = sum(len(given & truth) for given, truth in pairs)
    total = sum(len(given) + len(truth) for given, truth in pairs)
    accepted = [each for each in judged if each.output["accepted"]]
    wrong = sum(set(each.output["reasons"]) != _truth(each) for each in accepted)
    return {
        "attempted": len(made),
        "completed": len(completed),
        "skipped": len(completed) - len(judged),
        "skipped_why": "nobody labelled them",
        "judged": len(judged),
        "micro_f1": round(2 * hits / max(1, total), 4),
        "accepted": len(accepted),
        "refused": len(judged) - len(accepted),
        "accepted_wrong": wrong,
        "coverage": round(len(accepted) / max(1, len(judged)), 4),
        "true_error": round(wrong / max(1, len(accepted)), 4),
    }


def _truth(answer: Answer) -> set[str]:
    return set((answer.case.expected or {})["reasons"])  # type: ignore[arg-type]


def main() -> int:
    """Print the counts; fail on a limit that was missed, and with 2 when there is no data."""
    parser = argparse.ArgumentParser(description="Label food recalls through durable runs.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--control", action="store_true", help="shuffle the labels: the show must fail")
    given = parser.parse_args()
    data = data_folder()
    if data is None:
        json.dump({"show": "fsis_recalls", "skipped": "AIE_DATA names no folder"}, sys.stdout)
        return 2
    report = run_show(data, seed=given.seed, control=given.control)
    json.dump(report, sys.stdout, indent=1)
    sys.stdout.write("\n")
    return 1 if report["missed"] else 0


if __name__ == "__main__":
    sys.exit(main())
