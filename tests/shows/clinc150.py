"""Show: requests get their intents by files alone, through durable runs.

`aie train`, a release, and all 1,833 test requests of clinc150 as runs. Counted from the records: how many of the 1,500
requests that have an intent get it, before any threshold; then how many are accepted, and how many of the accepted are
wrong. The threshold was chosen on validation requests, of which fewer fit no intent than of the test requests.

    AIE_DATA=FOLDER python -m tests.shows.clinc150 --seed 1
    AIE_DATA=FOLDER python -m tests.shows.clinc150 --seed 1 --control    # must fail: the training labels are shuffled

Limits are asserted: accuracy .92, artefact 25 MB, training 60 CPU-s and 1 GB, one cold run 2 CPU-s. Speeds are printed.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.shows.public_data import Answer, aie, answers, cases, data_folder, shuffled, workspace

__all__ = ["run_show"]

_NO_INTENT = "oos"


def run_show(data: Path, *, seed: int, control: bool = False) -> dict[str, Any]:
    """Run the show and return its counts with every limit that was missed under `missed`."""
    with tempfile.TemporaryDirectory(prefix="aie-clinc150-") as folder:
        place = Path(folder)
        if control:
            data = shuffled(data, place, "clinc150/train.jsonl", "label", seed=seed)
        with workspace(place, data, seed=seed) as root:
            trained = aie(root, "train", "intent").out[0]
            given = cases(root, "intents", "requests", "test")
            made, seconds = answers(root, "intents", given)
            first, cold = (_cold_run(root, given[0].input, name) for name in ("first", "cold"))
    counts = _counts(made)
    limits = {
        "every case ended in a completed run": counts["completed"] == counts["attempted"] == 1833,
        "argmax accuracy of 1,500 requests with an intent >= .92": counts["right"] >= 0.92 * counts["with_intent"],
        "all 1,500 requests with an intent were judged": counts["with_intent"] == 1500,
        "artefact <= 25 MB": trained["size"] <= 25_000_000,
        "training <= 60 CPU-s": trained["cpu_ms"] <= 60_000,
        "training <= 1 GB": trained["peak_mb"] <= 1024,
        "one cold run <= 2 CPU-s": cold <= 2.0,
    }
    return {
        "show": "clinc150",
        "seed": seed,
        "control": control,
        **counts,
        "training": trained,
        "first_run_cpu_s": first,
        "cold_run_cpu_s": cold,
        "bulk_s": round(seconds, 1),
        "runs_per_s": round(len(given) / seconds),
        "missed": [limit for limit, kept in limits.items() if not kept],
    }


def _counts(made: list[Answer]) -> dict[str, Any]:
    completed = [each for each in made if each.state == "completed"]
    with_intent = [each for each in completed if _truth(each) != _NO_INTENT]
    right = sum(each.output["label"] == _truth(each) for each in with_intent)
    accepted = [each for each in completed if each.output["accepted"]]
    wrong = sum(each.output["label"] != _truth(each) for each in accepted)
    return {
        "attempted": len(made),
        "completed": len(completed),
        "skipped": 0,
        "with_intent": len(with_intent),
        "right": right,
        "accuracy": round(right / max(1, len(with_intent)), 4),
        "accepted": len(accepted),
        "refused": len(completed) - len(accepted),
        "accepted_wrong": wrong,
        "coverage": round(len(accepted) / max(1, len(made)), 4),
        "true_error": round(wrong / max(1, len(accepted)), 4),
    }


def _truth(answer: Answer) -> object:
    return (answer.case.expected or {})["intent"]


def _cold_run(root: Path, given: Any, name: str) -> float:
    """Return the CPU-seconds of one `aie run` in a new process, done and acknowledged.

    The very first one also compiles the bytecode that an installer would have compiled.
    """
    message = root / "message.json"
    message.write_text(json.dumps({**given, "id": name}))
    return aie(root, "run", "intents", str(message)).cpu_s


def main() -> int:
    """Print the counts; fail on a limit that was missed, and with 2 when there is no data."""
    parser = argparse.ArgumentParser(description="Label every test request of clinc150 through durable runs.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--control", action="store_true", help="shuffle the training labels: the show must fail")
    given = parser.parse_args()
    data = data_folder()
    if data is None:
        json.dump({"show": "clinc150", "skipped": "AIE_DATA names no folder"}, sys.stdout)
        return 2
    report = run_show(data, seed=given.seed, control=given.control)
    json.dump(report, sys.stdout, indent=1)
    sys.stdout.write("\n")
    return 1 if report["missed"] else 0


if __name__ == "__main__":
    sys.exit(main())
