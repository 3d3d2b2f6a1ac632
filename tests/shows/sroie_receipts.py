"""Show: receipts give their fields by files alone, found by an extractor that never saw their issuer.

The receipts of sroie_receipts are divided by issuer into folds. For each fold, files say which receipts teach,
calibrate and test; `aie train`, a release, and every receipt of the fold as a durable run. Counted from the records:
how many values of company, date, address and total are the known ones, strictly (totals as numbers, dates as days,
words by letters and digits), in how many receipts company, date and total are all right, and the mean over issuers, as
a few of them have many receipts. Then what was accepted at the thresholds that calibration chose, and how much of that
is wrong.

    AIE_DATA=FOLDER python -m tests.shows.sroie_receipts --seed 1
    AIE_DATA=FOLDER python -m tests.shows.sroie_receipts --seed 1 --control   # must fail: the known values are others

A value that is given and wrong counts against precision, one that is not given against recall.
"""

import argparse
import json
import os
import random
import re
import shutil
import sys
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from tests.shows.public_data import Answer, aie, answers, cases, data_folder

__all__ = ["run_show"]

WORKSPACE = Path(__file__).parent / "workspaces" / "receipts"
FIELDS = ("company", "date", "address", "total")
CORE = ("company", "date", "total")
FOLDS = 5
LEAST_F1 = 0.80
LEAST_WHOLE = 0.50
FILE = Path("sroie_receipts") / "docs.jsonl"


@dataclass(slots=True)
class _Judged:
    """What became of one receipt."""

    issuer: str
    completed: bool
    right: dict[str, bool] = field(default_factory=dict)
    given: dict[str, bool] = field(default_factory=dict)
    accepted: dict[str, bool] = field(default_factory=dict)


def run_show(data: Path, *, seed: int, control: bool = False, folds: int = FOLDS) -> dict[str, Any]:
    """Run the show and return its counts with every limit that was missed under `missed`."""
    rows = [json.loads(line) for line in (data / FILE).read_text().splitlines()]
    fold_of = _folds(rows, folds, seed)
    taught = [_mistaught(row, random.Random(f"{seed}/{row['id']}")) for row in rows] if control else rows
    judged: list[_Judged] = []
    training: list[dict[str, Any]] = []
    seconds = 0.0
    with tempfile.TemporaryDirectory(prefix="aie-sroie-") as place:
        for fold in range(folds):
            root = _fold(Path(place), rows, taught, fold_of, fold, folds)
            os.environ["AIE_DATA"] = str(root.parent / "data")
            training.append(aie(root, "train", "receipts/receipt").out[0])
            made, took = answers(root, "receipts", cases(root, "receipts", "receipts", "test"))
            judged += [_judge(each) for each in made]
            seconds += took
        os.environ["AIE_DATA"] = str(data)
    counts = _counts(judged)
    python = [path.as_posix() for path in WORKSPACE.rglob("*.py")]
    limits = {
        "every receipt ended in a completed run": counts["completed"] == counts["attempted"] == len(rows) > 0,
        "no line of Python": not python,
        "training a fold <= 60 CPU-s": all(each["trained"]["cpu_ms"] <= 60_000 for each in training),
        f"mean F1 over four fields >= {LEAST_F1}": counts["mean_f1"] >= LEAST_F1,
        f"company, date and total all right >= {LEAST_WHOLE}": counts["core_right_share"] >= LEAST_WHOLE,
    }
    return {
        "show": "sroie_receipts",
        "seed": seed,
        "control": control,
        "folds": folds,
        **counts,
        "training_cpu_s": [round(each["trained"]["cpu_ms"] / 1000, 1) for each in training],
        "artefact_bytes": [each["trained"]["size"] for each in training],
        "reliability_first_fold": training[0]["reliability"],
        "bulk_s": round(seconds, 1),
        "missed": [limit for limit, kept in limits.items() if not kept],
    }


def _folds(rows: Sequence[Mapping[str, Any]], folds: int, seed: int) -> dict[str, int]:
    """Return the fold of each issuer: the issuers with most receipts first, each into the emptiest fold."""
    sizes: dict[str, int] = defaultdict(int)
    for row in rows:
        sizes[row["group"]] += 1
    issuers = sorted(sizes)
    random.Random(seed).shuffle(issuers)
    load, fold_of = [0] * folds, {}
    for issuer in sorted(issuers, key=lambda each: -sizes[each]):
        fold_of[issuer] = load.index(min(load))
        load[fold_of[issuer]] += sizes[issuer]
    return fold_of


def _mistaught(row: dict[str, Any], draw: random.Random) -> dict[str, Any]:
    """Return a receipt whose known values are others of its own text: what is learnt from them is worth nothing.

    Values of other receipts would stand nowhere, which training refuses; then nothing would have been shown.
    """
    lines = [line["text"] for line in row["lines"]]
    at = draw.randrange(max(1, len(lines) - 1))
    amounts = [each for line in lines for each in re.findall(r"\d+\.\d\d\b", line)]
    wrong = {
        "company": draw.choice(lines),
        "address": " ".join(lines[at : at + 2]),
        "total": draw.choice(amounts) if amounts else row["expected"]["total"],
    }
    return row | {"expected": row["expected"] | wrong}


def _fold(
    place: Path,
    rows: Sequence[dict[str, Any]],
    taught: Sequence[dict[str, Any]],
    fold_of: Mapping[str, int],
    fold: int,
    folds: int,
) -> Path:
    """Write the workspace and the data of one fold: its own receipts test, those of the next one calibrate."""
    folder = place / f"fold-{fold}"
    shutil.copytree(WORKSPACE, folder / "workspace")
    (folder / "data" / FILE).parent.mkdir(parents=True)
    with (folder / "data" / FILE).open("w") as file:
        for row, other in zip(rows, taught, strict=True):
            distance = (fold_of[row["group"]] - fold) % folds
            split = {0: "test", 1: "val"}.get(distance, "train")
            file.write(json.dumps((row if split == "test" else other) | {"split": split}) + "\n")
    return folder / "workspace"


def _judge(answer: Answer) -> _Judged:
    made = _Judged(issuer=answer.case.slice["issuer"], completed=answer.state == "completed")
    known = answer.case.expected or {}
    doubtful = answer.output.get("doubtful", list(FIELDS))
    for name in FIELDS:
        value = answer.output.get(name)
        made.given[name] = value is not None
        made.right[name] = value is not None and _same(name, str(value), str(known[name]))
        made.accepted[name] = value is not None and name not in doubtful
    return made


def _same(name: str, value: str, known: str) -> bool:
    if name == "total":
        return _number(value) == _number(known)
    if name == "date":
        return value == _day(known)
    return _plain(value) == _plain(known)


def _plain(text: str) -> str:
    return re.sub(r"[^A-Z0-9]", "", text.upper())


def _number(text: str) -> Decimal | None:
    found = re.search(r"-?\d[\d,]*(\.\d+)?", text)
    try:
        return Decimal(found[0].replace(",", "")) if found else None
    except InvalidOperation:
        return None


_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


def _day(text: str) -> str | None:
    """Return the day that a known date means: day first, as all of these issuers write; an oracle of its own."""
    numbers = re.findall(r"\d+", text)
    month = next((at for at, name in enumerate(_MONTHS, 1) if name in text.lower()), None)
    try:
        if month is not None and len(numbers) == 2:
            day, year = int(numbers[0]), int(numbers[1])
        elif len(numbers) == 3 and len(numbers[0]) == 4:
            year, month, day = map(int, numbers)
        elif len(numbers) == 3:
            day, month, year = map(int, numbers)
            day, month = (month, day) if month > 12 else (day, month)
        elif len(numbers) == 1 and len(numbers[0]) == 8:
            year, month, day = _eight(numbers[0])
        else:
            return None
        return date(year + 2000 if year < 100 else year, month, day).isoformat()
    except ValueError:
        return None


def _eight(figures: str) -> tuple[int, int, int]:
    if figures.startswith("20") and int(figures[4:6]) <= 12:
        return int(figures[:4]), int(figures[4:6]), int(figures[6:])
    return int(figures[4:]), int(figures[2:4]), int(figures[:2])


def _counts(judged: Sequence[_Judged]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name in FIELDS:
        right = sum(each.right[name] for each in judged)
        given = sum(each.given[name] for each in judged)
        accepted = [each for each in judged if each.accepted[name]]
        wrong = sum(not each.right[name] for each in accepted)
        fields[name] = {
            "f1": round(2 * right / max(1, given + len(judged)), 4),
            "right": right,
            "given": given,
            "accepted": len(accepted),
            "accepted_wrong": wrong,
            "accepted_share": round(len(accepted) / max(1, len(judged)), 4),
            "error_of_accepted": round(wrong / max(1, len(accepted)), 4),
        }
    whole = [all(each.right[name] for name in CORE) for each in judged]
    issuers: dict[str, list[_Judged]] = defaultdict(list)
    for each in judged:
        issuers[each.issuer].append(each)
    per_issuer = [sum(sum(each.right.values()) for each in own) / len(FIELDS) / len(own) for own in issuers.values()]
    per_issuer_whole = [
        sum(all(each.right[name] for name in CORE) for each in own) / len(own) for own in issuers.values()
    ]
    every = [each for each in judged if all(each.accepted.values())]
    return {
        "attempted": len(judged),
        "completed": sum(each.completed for each in judged),
        "skipped": 0,
        "accepted": len(every),
        "refused": len(judged) - len(every),
        "accepted_with_an_error": sum(not all(each.right.values()) for each in every),
        "mean_f1": round(sum(each["f1"] for each in fields.values()) / len(FIELDS), 4),
        "core_right": sum(whole),
        "core_right_share": round(sum(whole) / max(1, len(whole)), 4),
        "issuers": len(issuers),
        "issuer_mean_right": round(sum(per_issuer) / max(1, len(per_issuer)), 4),
        "issuer_mean_core_right": round(sum(per_issuer_whole) / max(1, len(per_issuer_whole)), 4),
        "fields": fields,
    }


def main() -> int:
    """Print the counts; fail on a limit that was missed, and with 2 when there is no data."""
    parser = argparse.ArgumentParser(description="Read receipts of issuers that nothing was learnt of.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--control", action="store_true", help="teach other values of each receipt: the show must fail")
    given = parser.parse_args()
    data = data_folder()
    if data is None:
        json.dump({"show": "sroie_receipts", "skipped": "AIE_DATA names no folder"}, sys.stdout)
        return 2
    report = run_show(data, seed=given.seed, control=given.control)
    json.dump(report, sys.stdout, indent=1)
    sys.stdout.write("\n")
    return 1 if report["missed"] else 0


if __name__ == "__main__":
    sys.exit(main())
