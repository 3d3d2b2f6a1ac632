"""Show: the terms of real non-disclosure agreements, found in their PDFs by rules that are files of a workspace.

The rules were written on agreements of which there is only a text; they are scored on those that came as PDF, each a
durable run. Every accepted value is checked again from the records: its quote stands at its span of the text that was
read, on its page, and the locked normaliser makes the value of the quote. What is accepted is counted, so that refusing
everything would show.

    AIE_DATA=FOLDER python -m tests.shows.kleister_nda --seed 1
    AIE_DATA=FOLDER python -m tests.shows.kleister_nda --seed 1 --control   # must fail: others' answers, shifted text
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from aie.app import Given, lock_release, open_app, runner
from aie.config import ExtractorSpec, FieldSpec
from aie.fields import normalise
from aie.records.events import StepFinished
from tests.shows.public_data import data_folder

__all__ = ["EXTRACTOR", "Found", "find_all", "grounding", "run_show", "scores"]

EXTRACTOR: Final = "extractor:extractors/nda.yaml"
_WORKSPACE: Final = Path(__file__).parent / "workspaces" / "nda"
_LEAST_F1: Final = 0.72
_FIELDS: Final = ("effective_date", "jurisdiction", "party", "term")


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What the records of one run say."""

    expected: Mapping[str, Any]
    state: str
    document: Mapping[str, Any]
    """Value of the step that read the file; empty when it has none."""
    fields: Mapping[str, Any]
    """Value of the step that found the fields."""


def find_all(root: Path, folder: Path, rows: Sequence[Mapping[str, Any]]) -> tuple[list[Found], dict[str, FieldSpec]]:
    """Run every agreement durably; return what the records hold, and the fields as the release pins them."""
    with open_app(root) as app:
        release = lock_release(app, "nda").release
        finds = ExtractorSpec.read(release.components[EXTRACTOR]).finds
        with runner(app) as here:
            runs = [
                here.submit(
                    Given(name=row["id"], folder=folder, data={"id": row["id"], "file": row["pdf"]}),
                    release.id,
                    queue="bulk",
                ).run
                for row in rows
            ]
            states = [here.wait(run, timeout=300).state for run in runs]
        made = []
        for row, run, state in zip(rows, runs, states, strict=True):
            events = [each.event for each in app.store.read(run)]
            steps: dict[str, Any] = {each.path: each.output for each in events if isinstance(each, StepFinished)}
            document, fields = steps.get("document", {}), steps.get("terms", {})
            made.append(Found(expected=row["expected"], state=state, document=document, fields=fields))
    return made, finds


def scores(made: Sequence[Found], *, accepted: bool = False) -> dict[str, Any]:
    """Return F1 by field and over all, values compared by their letters and digits; of the accepted values alone."""
    hits: Counter[str] = Counter()
    given: Counter[str] = Counter()
    wanted: Counter[str] = Counter()
    for each in made:
        for name in _FIELDS:
            truth = {_plain(value) for value in _listed(each.expected.get(name))}
            places = [place for place in _places(each.fields, name) if place["accepted"] or not accepted]
            found = {_plain(place["value"]) for place in places}
            hits[name] += len(truth & found)
            given[name] += len(found)
            wanted[name] += len(truth)
    return {
        "micro_f1": _f1(sum(hits.values()), sum(given.values()), sum(wanted.values())),
        "f1": {name: _f1(hits[name], given[name], wanted[name]) for name in _FIELDS},
        "precision": round(sum(hits.values()) / max(1, sum(given.values())), 4),
        "recall": round(sum(hits.values()) / max(1, sum(wanted.values())), 4),
        "values": sum(given.values()),
        "expected": sum(wanted.values()),
    }


def grounding(made: Sequence[Found], finds: Mapping[str, FieldSpec], *, shift: int = 0) -> dict[str, int]:
    """Count the values, the accepted ones, and those of them that do not stand where and as the records say.

    `shift` moves the text under the spans: what is checked has to notice.
    """
    counts: Counter[str] = Counter(values=0, accepted=0, ungrounded=0)
    for each in made:
        text = " " * shift + each.document.get("text", "")
        for name in _FIELDS:
            for place in _places(each.fields, name):
                counts["values"] += 1
                counts["accepted"] += place["accepted"]
                counts["ungrounded"] += place["accepted"] and not _stands(place, finds[name], text, each.document)
    return dict(counts)


def run_show(data: Path, *, seed: int, control: bool = False) -> dict[str, Any]:
    """Run the show and return its counts with every limit that was missed under `missed`."""
    started = time.monotonic()
    folder = data / "kleister_nda"
    rows = [json.loads(line) for line in (folder / "labels.jsonl").read_text(encoding="utf-8").splitlines()]
    rows = [row for row in rows if row["pdf"] is not None]
    if control:
        rows = _shuffled(rows, seed)
    with tempfile.TemporaryDirectory(prefix="aie-nda-") as place:
        made, finds = find_all(_copied(Path(place)), folder, rows)
    scored, grounded = scores(made), grounding(made, finds, shift=int(control))
    completed = sum(each.state == "completed" for each in made)
    guarded = {
        f"micro F1 >= {_LEAST_F1}": scored["micro_f1"] >= _LEAST_F1,
        "every accepted value stands at its span as it is quoted": grounded["ungrounded"] == 0,
    }
    limits = {
        "every agreement ended in a completed run": completed == len(made) > 0,
        "something was accepted": grounded["accepted"] > 0,
        **guarded,
    }
    if control and any(guarded.values()):
        # Two things are broken: a control in which either goes unnoticed has shown nothing.
        limits = {}
    return {
        "show": "kleister_nda",
        "seed": seed,
        "control": control,
        "attempted": len(made),
        "completed": completed,
        "accepted": grounded["accepted"],
        "refused": grounded["values"] - grounded["accepted"],
        "skipped": 0,
        "share_accepted": round(grounded["accepted"] / max(1, grounded["values"]), 4),
        "documents_accepted": sum(bool(each.fields.get("accepted")) for each in made),
        "ungrounded": grounded["ungrounded"],
        **scored,
        "of_accepted": scores(made, accepted=True),
        "seconds": round(time.monotonic() - started, 1),
        "missed": [limit for limit, kept in limits.items() if not kept],
    }


def _copied(place: Path) -> Path:
    """Copy the workspace to where its records may be written."""
    for source in _WORKSPACE.rglob("*"):
        if source.is_file() and ".aie" not in source.parts:
            target = place / "nda" / source.relative_to(_WORKSPACE)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read_bytes())
    return place / "nda"


def _stands(place: Mapping[str, Any], field: FieldSpec, text: str, document: Mapping[str, Any]) -> bool:
    start, end = place["start"], place["end"]
    page = next((each["number"] for each in document["pages"] if each["start"] <= start < each["end"]), None)
    stands: bool = text[start:end] == place["quote"] != "" and page == place["page"]
    return stands and normalise(field, place["quote"]) == place["value"]


def _places(fields: Mapping[str, Any], name: str) -> Iterator[Mapping[str, Any]]:
    yield from _listed(fields.get("found", {}).get(name))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _plain(value: str) -> str:
    return "".join(each for each in value.upper() if each.isalnum())


def _f1(hits: int, given: int, wanted: int) -> float:
    return round(2 * hits / max(1, given + wanted), 4)


def _shuffled(rows: Sequence[Mapping[str, Any]], seed: int) -> list[Mapping[str, Any]]:
    """Give every agreement the answers of another."""
    answers = [row["expected"] for row in rows]
    random.Random(seed).shuffle(answers)
    return [{**row, "expected": answer} for row, answer in zip(rows, answers, strict=True)]


def main() -> int:
    """Print the counts; fail on a limit that was missed, and with 2 when there is no data."""
    parser = argparse.ArgumentParser(description="Find the terms of agreements through durable runs.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--control", action="store_true", help="shuffled answers and shifted texts: must fail")
    given = parser.parse_args()
    data = data_folder()
    if data is None:
        json.dump({"show": "kleister_nda", "skipped": "AIE_DATA names no folder"}, sys.stdout)
        return 2
    report = run_show(data, seed=given.seed, control=given.control)
    json.dump(report, sys.stdout, indent=1)
    sys.stdout.write("\n")
    return 1 if report["missed"] else 0


if __name__ == "__main__":
    sys.exit(main())
