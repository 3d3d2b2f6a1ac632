"""Show: the right clause of a contract stands in a context of 3,000 tokens, however long the contract is.

Ten clause types, each with a recipe file written from the type's plain description and the ordinary language of
contracts. They are the ten that most of the contracts have, leaving out the four that describe the first page (name,
parties, agreement date, effective date), so nobody chose them for being easy. Every contract is a durable run of one
workflow made of files; what was found is read back from the records.

A clause counts as found when at least 90% of the characters that the lawyers marked stand in the packed passages. The
same command measures plain BM25 with the type's description as its query: the best five passages of 1,000 characters,
and as many as fit the same 3,000 tokens; and, to tell the recipes' words from their machinery, plain BM25 with the
recipe's own words in the same tokens.

    AIE_DATA=FOLDER python -m tests.shows.cuad --seed 1
    AIE_DATA=FOLDER python -m tests.shows.cuad --seed 1 --control   # must fail: each type gets the recipe of another
"""

import argparse
import csv
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pypdfium2

from aie.app import App, Given, lock_release, open_app, runner
from aie.config import Case, RecipeSpec, load_workspace, parse_yaml, read_dataset
from aie.layers.context.passages import Passage, pack, rank, split
from aie.records.events import StepFinished
from tests.shows.public_data import data_folder

__all__ = ["TYPES", "run_show"]

ROOT = Path(__file__).parents[2]
WORKSPACE = Path(__file__).parent / "workspaces" / "clauses"
_ENTRY = """
import re, sys
from pathlib import Path
from aie.cli import main
try:
    main()
finally:
    Path("peak.txt").write_text(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
"""
"""The process writes down its own peak: what `wait4` tells of a child begins with the peak of its parent."""

TYPES = {
    "governing_law": "Governing Law",
    "expiration_date": "Expiration Date",
    "anti_assignment": "Anti-Assignment",
    "cap_on_liability": "Cap On Liability",
    "license_grant": "License Grant",
    "audit_rights": "Audit Rights",
    "termination_for_convenience": "Termination For Convenience",
    "renewal_term": "Renewal Term",
    "exclusivity": "Exclusivity",
    "post_termination_services": "Post-Termination Services",
}
"""Clause types by the step that looks for them."""

_BUDGET = 3_000
_SHARE = 90
"""Percent of a clause's characters that must stand in kept passages."""
_LEAST_RECALL = 0.95
_TOP = 5
_SIZE = 1_000
"""Characters of a passage of plain BM25."""
_PEAK_MB = 400
"""Of the process that runs one contract, its interpreter and libraries included."""
_FLAT = 1.5
"""Peak of the longest contract against that of the shortest, at most."""

Span = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a run packed for one contract."""

    case: Case
    state: str
    text: str
    pages: list[dict[str, int]]
    spans: Mapping[str, list[Span]]
    """Places in `text` by type."""
    cites: list[dict[str, Any]]
    tokens: Mapping[str, int]
    """Estimated tokens of each type's context."""


def run_show(data: Path, *, control: bool = False) -> dict[str, Any]:
    """Run the show and return its counts with every limit that was missed under `missed`."""
    started = time.monotonic()
    os.environ["AIE_DATA"] = str(data)
    with tempfile.TemporaryDirectory(prefix="aie-cuad-") as folder:
        place = Path(folder)
        # The PDFs are contracts of the first dataset again, the same business cases: they get a store of their own.
        texts, seconds = _run(_workspace(place / "texts", swapped=control), "texts", data)
        pdfs, _ = _run(_workspace(place / "pdfs", swapped=control), "pdfs", data)
        peaks = _peaks(place, texts)
    recall = _recall(texts)
    plain = _plain(texts, data)
    quotes = _quotes(pdfs)
    medians = {name: _median(each) for name, each in {"recipes": recall, **plain}.items()}
    tokens = [count for each in (*texts, *pdfs) for count in each.tokens.values()]
    flat = max(peaks.values()) <= _FLAT * min(peaks.values())
    limits = {
        "every contract ended in a completed run": all(each.state == "completed" for each in (*texts, *pdfs)),
        f"median recall over types >= {_LEAST_RECALL}": medians["recipes"] >= _LEAST_RECALL,
        "ahead of plain BM25, the best five": medians["recipes"] > medians["bm25_top5"],
        "ahead of plain BM25 in the same tokens": medians["recipes"] > medians["bm25_same_tokens"],
        f"no context above {_BUDGET} tokens": max(tokens) <= _BUDGET,
        "every quote of the PDFs is on its page": quotes["checked"] == quotes["on_page"] > 0,
        f"peak memory flat in length and below {_PEAK_MB} MB": flat and max(peaks.values()) < _PEAK_MB,
    }
    return {
        "show": "cuad",
        "control": control,
        "attempted": len(texts) + len(pdfs),
        "completed": sum(each.state == "completed" for each in (*texts, *pdfs)),
        "not_completed": {each.case.id: each.state for each in (*texts, *pdfs) if each.state != "completed"},
        "clauses": {
            name: sum(1 for each in texts for _ in _clauses(each.case, label)) for name, label in TYPES.items()
        },
        "recall": recall,
        "recall_of_contracts": _recall_of_contracts(texts),
        "baselines": plain,
        "medians": medians,
        "context_tokens_by_length": _by_length(texts),
        "peak_mb_by_length": peaks,
        "quotes": quotes,
        "bulk_s": round(seconds, 1),
        "seconds": round(time.monotonic() - started, 1),
        "missed": [limit for limit, kept in limits.items() if not kept],
    }


def _swap(recipes: Path) -> None:
    """Give each type the recipe of the next: nothing else changes, so a show that still passes measures nothing."""
    files = sorted(recipes.glob("*.yaml"))
    contents = [each.read_bytes() for each in files]
    for path, content in zip(files, contents[1:] + contents[:1], strict=True):
        path.write_bytes(content)


def _workspace(root: Path, *, swapped: bool) -> Path:
    shutil.copytree(WORKSPACE, root)
    if swapped:
        _swap(root / "workflows" / "clauses" / "recipes")
    return root


def _run(root: Path, dataset: str, data: Path) -> tuple[list[Found], float]:
    """Run every contract durably, in one bulk; return what the records say of them and the seconds it took."""
    spec = load_workspace(root).workflows["clauses"]
    cases = list(read_dataset(spec.datasets[dataset], root / spec.folder, environ=os.environ))
    with open_app(root) as app:
        release = lock_release(app, "clauses").release.id
        began = time.monotonic()
        with runner(app) as here:
            given = [Given(name=case.id, folder=data, data=case.input) for case in cases]
            runs = [here.submit(each, release, queue="bulk").run for each in given]
            states = [here.wait(run, timeout=900).state for run in runs]
        seconds = time.monotonic() - began
        return [_found(app, case, run, state) for case, run, state in zip(cases, runs, states, strict=True)], seconds


def _found(app: App, case: Case, run: str, state: str) -> Found:
    events = [each.event for each in app.store.read(run)]
    steps = {each.path: each for each in events if isinstance(each, StepFinished)}
    read = steps.get("document")
    document: Any = {"text": "", "pages": []} if read is None else read.output
    contexts = {name: steps[name] for name in TYPES if name in steps}
    packed: dict[str, Any] = {name: step.output for name, step in contexts.items()}
    reports: dict[str, Any] = {name: step.report for name, step in contexts.items()}
    cites: list[Any] = [cite for step in contexts.values() for cite in step.cites or ()]
    return Found(
        case=case,
        state=state,
        text=document["text"],
        pages=document["pages"],
        spans={name: [(each["start"], each["end"]) for each in data["passages"]] for name, data in packed.items()},
        cites=cites,
        tokens={name: report["tokens"] for name, report in reports.items()},
    )


def _clauses(case: Case, label: str) -> Iterator[Span]:
    """Yield the places of a contract's clauses of one type; clauses that the data could not place are left out."""
    fields: Any = (case.expected or {})["fields"]
    for each in fields.get(label, {}).get("clauses", ()):
        if each["start"] is not None:
            yield each["start"], each["end"]


def _holds(spans: Sequence[Span], clause: Span) -> bool:
    start, end = clause
    inside = sum(max(0, min(end, there) - max(start, here)) for here, there in spans)
    return inside * 100 >= _SHARE * (end - start)


def _recall(texts: Sequence[Found]) -> dict[str, float]:
    shares = {}
    for name, label in TYPES.items():
        held = [_holds(each.spans.get(name, ()), clause) for each in texts for clause in _clauses(each.case, label)]
        shares[name] = round(sum(held) / max(1, len(held)), 4)
    return shares


def _recall_of_contracts(texts: Sequence[Found]) -> dict[str, float]:
    """Return the share of contracts with a clause of a type for which at least one of them was packed."""
    shares = {}
    for name, label in TYPES.items():
        found = [
            any(_holds(each.spans.get(name, ()), clause) for clause in clauses)
            for each in texts
            if (clauses := list(_clauses(each.case, label)))
        ]
        shares[name] = round(sum(found) / max(1, len(found)), 4)
    return shares


def _median(recall: Mapping[str, float]) -> float:
    return round(statistics.median(recall.values()), 4)


def _plain(texts: Sequence[Found], data: Path) -> dict[str, dict[str, float]]:
    """Return the recall of plain BM25 by type: the best five, the same tokens, and the recipe's words in them."""
    descriptions, words = _descriptions(data), _words()
    held: dict[str, Counter[str]] = {
        "bm25_top5": Counter(),
        "bm25_same_tokens": Counter(),
        "bm25_same_words": Counter(),
    }
    present: Counter[str] = Counter()
    for each in texts:
        passages = split(each.text, _SIZE)
        for name, label in TYPES.items():
            clauses = list(_clauses(each.case, label))
            if not clauses:
                continue
            present[name] += len(clauses)
            ranked = rank(passages, descriptions[name])
            chosen = {
                "bm25_top5": ranked[:_TOP],
                "bm25_same_tokens": pack(ranked, _BUDGET).kept,
                "bm25_same_words": pack(rank(passages, words[name]), _BUDGET).kept,
            }
            for way, kept in chosen.items():
                spans = _spans(kept)
                held[way][name] += sum(_holds(spans, clause) for clause in clauses)
    return {
        way: {name: round(counts[name] / max(1, present[name]), 4) for name in TYPES} for way, counts in held.items()
    }


def _spans(passages: Sequence[Passage]) -> list[Span]:
    """Return the places of passages; the white space between two in a row belongs to them."""
    spans: list[Span] = []
    for each in sorted(passages, key=lambda passage: passage.start):
        if spans and each.start - spans[-1][1] <= 2:
            spans[-1] = (spans[-1][0], each.end)
        else:
            spans.append((each.start, each.end))
    return spans


def _descriptions(data: Path) -> dict[str, str]:
    """Return what the lawyers' own table says of each type."""
    with (data / "cuad" / "categories.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file))
    said = {
        row[0].removeprefix("Category:").strip().lower(): row[1].removeprefix("Description:").strip() for row in rows
    }
    return {name: said[label.lower()] for name, label in TYPES.items()}


def _words() -> dict[str, str]:
    words = {}
    for name in TYPES:
        path = WORKSPACE / "workflows" / "clauses" / "recipes" / f"{name}.yaml"
        recipe = RecipeSpec.model_validate(parse_yaml(path.read_bytes(), path.name).root.data())
        words[name] = " ".join(phrase for query in recipe.rank.queries for phrase in query.any)
    return words


def _by_length(texts: Sequence[Found]) -> list[dict[str, int]]:
    """Return the tokens of the largest context of each fifth of the contracts by length."""
    ordered = sorted(texts, key=lambda each: len(each.text))
    fifths = [ordered[len(ordered) * i // 5 : len(ordered) * (i + 1) // 5] for i in range(5)]
    return [
        {
            "characters_at_most": len(fifth[-1].text),
            "tokens_median": int(statistics.median(count for each in fifth for count in each.tokens.values())),
            "tokens_most": max(count for each in fifth for count in each.tokens.values()),
        }
        for fifth in fifths
        if fifth
    ]


def _peaks(place: Path, texts: Sequence[Found]) -> dict[int, int]:
    """Return the peak memory, in MB, of a process that runs one contract, by the contract's characters."""
    ordered = sorted(texts, key=lambda each: len(each.text))
    peaks = {}
    for position, share in enumerate((0, 50, 90, 100)):
        each = ordered[min(len(ordered) - 1, len(ordered) * share // 100)]
        root = _workspace(place / f"alone-{position}", swapped=False)
        given = dict(each.case.input)
        shutil.copy(str(given["file"]), root / "contract.txt")
        (root / "input.json").write_text(json.dumps(given | {"file": "contract.txt"}))
        _alone(root, "release", "clauses")
        peaks[len(each.text)] = _alone(root, "run", "clauses", "input.json")
    return peaks


def _alone(root: Path, *arguments: str) -> int:
    """Run a command as a process of its own and return its peak resident memory in MB."""
    command = [sys.executable, "-c", _ENTRY, *arguments, "--format", "json"]
    environ = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(command, cwd=root, env=environ, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"aie {arguments[0]} ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    return int((root / "peak.txt").read_text()) // 1024


def _quotes(pdfs: Sequence[Found]) -> dict[str, int]:
    """Look up every cited quote on its page, as a bare reader of PDFs gives the page; only its letters are compared."""
    counts: Counter[str] = Counter()
    for each in pdfs:
        path: Any = each.case.input["file"]
        with pypdfium2.PdfDocument(path) as document:
            pages = {
                number: _letters(page.get_textpage().get_text_bounded()) for number, page in enumerate(document, 1)
            }
        ends = {page["number"]: page["end"] for page in each.pages}
        for cite in each.cites:
            counts["checked"] += 1
            here = cite["quote"][: max(0, ends[cite["page"]] - cite["start"])]
            verbatim = each.text[cite["start"] : cite["end"]] == cite["quote"]
            counts["on_page"] += verbatim and bool(here) and _letters(here) in pages[cite["page"]]
    return {"documents": len(pdfs), "checked": counts["checked"], "on_page": counts["on_page"]}


def _letters(text: str) -> str:
    return re.sub(r"[\W_]+", "", text).lower()


def main() -> int:
    """Print the counts; fail on a limit that was missed, and with 2 when there is no data."""
    parser = argparse.ArgumentParser(description="Find ten types of clauses within 3,000 tokens of each contract.")
    parser.add_argument("--seed", type=int, default=1, help="taken for the sake of one form; nothing here is random")
    parser.add_argument("--control", action="store_true", help="each type gets another's recipe: the show must fail")
    given = parser.parse_args()
    data = data_folder()
    if data is None:
        json.dump({"show": "cuad", "skipped": "AIE_DATA names no folder"}, sys.stdout)
        return 2
    report = run_show(data, control=given.control)
    json.dump(report, sys.stdout, indent=1)
    sys.stdout.write("\n")
    return 1 if report["missed"] else 0


if __name__ == "__main__":
    sys.exit(main())
