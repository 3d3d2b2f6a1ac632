"""Show: no hostile, damaged or odd file does more than end its own run, and what is well-formed is read.

Each file of the collection goes where a user would put it: JSON into the input of a run and into a dataset, YAML into
the parser of the configuration, which reads any one document (a file of ours adds a schema on top), and everything
else into a durable run of its own, which must end with a value or with a class, a reason and a next step.

    AIE_DATA=FOLDER python -m tests.shows.bad_input
    AIE_DATA=FOLDER python -m tests.shows.bad_input --control   # must fail: readers that crash, a parser that raises
"""

import argparse
import json
import re
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

from aie.app import App, Given, explain_run, lock_release, open_app, parse_input, runner
from aie.config import DatasetSpec, parse_yaml, read_dataset
from aie.errors import AieError, ConfigError, StepFailure
from aie.layers.extract import Sandbox
from aie.layers.extract.advice import ADVICE
from aie.layers.extract.readers import READERS
from aie.records.events import RunFinished, StepFinished
from tests.shows.public_data import data_folder
from tests.shows.reading import WORKSPACE, own_peak_mib

__all__ = ["LIMIT_MIB", "Ended", "Peaks", "crashing", "judged", "run_show"]

REFUSED: Final = Path(__file__).with_name("bad_input_refused.json")
"""Why a file that somebody calls well-formed is refused here: by kind and class, each with its reason."""
MOST_REFUSED: Final = 20
MOST_SECONDS: Final = 5
LIMIT_MIB: Final = 512
LEAST_SHARE: Final = 0.95
"""Of the reference parser's visible characters on the first pages."""
FIRST_PAGES: Final = 5

CRASHING: Final = "import os\n\ndef read(content):\n    os.abort()\n"
REFERENCE: Final = """
import pypdfium2

def read(content):
    document = pypdfium2.PdfDocument(content)
    pages = [document[number].get_textpage().get_text_range() for number in range(len(document))]
    return {"text": "".join(pages[:5])}
"""
"""What reads a PDF for comparison. One of which it cannot read a page it does not read: we refuse it, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What became of one file."""

    kind: str
    expected: str
    file: str
    failure: str = ""
    """Class it was refused with; empty when it was read, `traceback` when something else than a refusal came out."""
    told: bool = True
    """Whether a refusal has a reason and a next step."""
    seconds: float = 0.0
    text: str = ""
    """What was read of a document; of other kinds any content."""
    first: str = ""
    """The text of its first pages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peaks:
    """MiB of memory at the most."""

    reader: int
    engine: int


def run_show(data: Path, *, control: bool = False) -> dict[str, Any]:
    """Run the show and return its counts with every limit that was missed under `missed`."""
    folder = data / "bad_input"
    rows = [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]
    with crashing() if control else _as_it_is():
        ended = [_parsed(row, folder / row["file"], broken=control) for row in rows if row["kind"] in _PARSED]
        documents, peak = _documents([row for row in rows if row["kind"] not in _PARSED], folder)
    references = _references(rows, folder)
    peaks = Peaks(reader=peak, engine=own_peak_mib())
    report = judged([*ended, *documents], references, peaks)
    return {"show": "bad_input", "control": control, **report, "yaml_cases": _yaml_cases(rows, folder)}


def judged(ended: list[Ended], references: Mapping[str, str], peaks: Peaks) -> dict[str, Any]:
    """Return counts by expectation and class, and the limits that were missed."""
    excused = {(each["kind"], each["failure"]) for each in json.loads(REFUSED.read_text())}
    accept = [each for each in ended if each.expected == "accept"]
    refused = [each for each in accept if each.failure]
    without_reason = [each.file for each in refused if not _excused(each, excused, references)]
    shares = {each.file: _share(each, references[each.file]) for each in ended if references.get(each.file, "").strip()}
    short = {file: round(share, 3) for file, share in shares.items() if share < LEAST_SHARE}
    tracebacks = [each.file for each in ended if each.failure == "traceback"]
    slow = [each.file for each in ended if each.seconds > MOST_SECONDS]
    limits = {
        "every file that must be read has content": all(each.failure or each.text.strip() for each in accept),
        "every refusal of a well-formed file has its reason": not without_reason,
        f"at most {MOST_REFUSED} of them": len(refused) <= MOST_REFUSED,
        "every file that must be refused is": all(each.failure for each in ended if each.expected == "reject"),
        "every refusal is told with a class, a reason and a next step": all(each.told for each in ended),
        f"PDFs give >= {LEAST_SHARE} of the reference parser's text": not short,
        "no traceback": not tracebacks,
        f"nothing takes above {MOST_SECONDS} s": not slow,
        f"no process above {LIMIT_MIB} MiB": max(peaks.reader, peaks.engine) <= LIMIT_MIB,
    }
    counts = Counter(f"{each.expected} {each.kind}: {each.failure or 'read'}" for each in ended)
    return {
        "attempted": len(ended),
        "accepted": sum(not each.failure for each in ended),
        "refused": sum(bool(each.failure) for each in ended),
        "skipped": 0,
        "ends": dict(sorted(counts.items())),
        "accept_refused": {each.file: each.failure for each in refused},
        "without_reason": without_reason,
        "compared": len(shares),
        "short_of_reference": short,
        "tracebacks": tracebacks,
        "slow": slow,
        "slowest_s": round(max((each.seconds for each in ended), default=0), 2),
        "peak_reader_mib": peaks.reader,
        "peak_engine_mib": peaks.engine,
        "missed": [limit for limit, kept in limits.items() if not kept],
    }


def _excused(each: Ended, excused: set[tuple[str, str]], references: Mapping[str, str]) -> bool:
    """Tell whether a refusal has a committed reason; `blank` only where the reference parser sees nothing either."""
    if each.failure == "blank" and references.get(each.file, "").strip():
        return False
    return (each.kind, each.failure) in excused


def _share(each: Ended, reference: str) -> float:
    """Return the share of the reference's visible characters that were read."""
    ours, theirs = Counter(re.sub(r"\s", "", each.first)), Counter(re.sub(r"\s", "", _plain(reference)))
    return (ours & theirs).total() / max(1, theirs.total())


def _plain(text: str) -> str:
    """PDFium's marks of a hyphen at the end of a line are hyphens; a NUL is nothing."""
    return text.replace("\ufffe", "-").replace("\0", "")


def _input(content: bytes) -> str:
    """Read JSON as the value of a field, as an input is an object; where it is one line, as a row of a dataset too."""
    parse_input(b'{"value": ' + content + b"}", "given.json")
    if b"\n" not in content and b"\r" not in content:
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "rows.jsonl").write_bytes(b'{"id": "a", "value": ' + content + b"}\n")
            spec = DatasetSpec.model_validate(
                {"file": "rows.jsonl", "format": "jsonl", "id": "id", "map": {"input.value": "value"}}
            )
            list(read_dataset(spec, Path(folder), environ={}))
    return "a value"


def _configuration(content: bytes) -> str:
    return json.dumps(parse_yaml(content, "given.yaml").root.data(), ensure_ascii=False)


_PARSED: Final[Mapping[str, Callable[[bytes], str]]] = {
    "json": _input,
    "yaml": _configuration,
    "yaml_suite": _configuration,
}
"""What is parsed by the engine itself, by kind."""


def _parsed(row: Mapping[str, Any], path: Path, *, broken: bool) -> Ended:
    started = time.monotonic()
    text, failure, told = "", "", True
    try:
        text = _raising(path.read_bytes()) if broken else _PARSED[row["kind"]](path.read_bytes())
    except ConfigError as error:
        failure, told = error.problems[0].code, all(each.message for each in error.problems)
    except AieError as error:
        failure, told = error.code, bool(error.message)
    except Exception:  # whatever it is, a user would see a traceback
        failure = "traceback"
    seconds = time.monotonic() - started
    return Ended(
        kind=row["kind"], expected=row["expected"], file=row["file"], failure=failure, told=told, seconds=seconds,
        text=text,
    )  # fmt: skip


def _raising(content: bytes) -> str:
    raise ValueError(len(content))


def _documents(rows: list[dict[str, Any]], folder: Path) -> tuple[list[Ended], int]:
    """Give every document to a durable run of its own; return the ends, and the MiB of the largest reader."""
    with tempfile.TemporaryDirectory(prefix="aie-bad-") as place:
        root = Path(place) / "workspace"
        shutil.copytree(WORKSPACE, root)
        shutil.copytree(folder / "files", root / "files")
        with open_app(root) as app, _counted() as peak:
            release = lock_release(app, "reading").release.id
            with runner(app) as here:
                made = []
                for row in rows:
                    started = time.monotonic()
                    data = {"id": row["file"], "file": row["file"]}
                    run = here.submit(Given(name="given", folder=root, data=data), release).run
                    here.wait(run, timeout=60)
                    made.append(_of_run(app, run, row, time.monotonic() - started))
            return made, peak() // 1024


@contextmanager
def _counted() -> Iterator[Callable[[], int]]:
    """Note every sandbox that reads, and give the KiB of the largest of their children."""
    used: set[Sandbox] = set()
    read = Sandbox.read

    def noting(self: Sandbox, *given: Any, **named: Any) -> Any:
        used.add(self)
        return read(self, *given, **named)

    with patch.object(Sandbox, "read", noting):
        yield lambda: max((each.usage().peak_kib for each in used), default=0)


def _of_run(app: App, run: str, row: Mapping[str, Any], seconds: float) -> Ended:
    events = [each.event for each in app.store.read(run)]
    finished = next((each for each in events if isinstance(each, RunFinished)), None)
    failure = "traceback" if finished is None or finished.failure == "internal" else finished.failure
    outputs = [each.output for each in events if isinstance(each, StepFinished) and each.path == "document"]
    value: Any = outputs[-1] if outputs else {"text": "", "pages": []}
    first = value["pages"][:FIRST_PAGES]
    told = not failure or (finished is not None and bool(finished.message) and failure in ADVICE)
    explain_run(app, run)
    return Ended(
        kind=row["kind"],
        expected=row["expected"],
        file=row["file"],
        failure=failure,
        told=told,
        seconds=seconds,
        text=value["text"],
        first=value["text"][: first[-1]["end"]] if first else value["text"],
    )


def _references(rows: list[dict[str, Any]], folder: Path) -> dict[str, str]:
    """Return what the reference parser reads of the first pages of each PDF, in a closed process too."""
    found = {}
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "reference.py"
        path.write_text(REFERENCE)
        sandbox = Sandbox({"reference": path})
        for row in rows:
            if (row.get("seen_pdfium") or {}).get("chars5"):
                try:
                    found[row["file"]] = str(sandbox.read("reference", (folder / row["file"]).read_bytes())["text"])
                except StepFailure:
                    continue
        sandbox.close()
    return found


def _yaml_cases(rows: list[dict[str, Any]], folder: Path) -> dict[str, int]:
    """Count what becomes of the cases inside the files of the YAML suite, as far as they are told there; no limit."""
    counts: Counter[str] = Counter()
    for row in rows:
        if row["kind"] != "yaml_suite":
            continue
        for case in parse_yaml((folder / row["file"]).read_bytes(), "suite.yaml").root.data():  # type: ignore[union-attr]
            if not isinstance(case, dict) or not isinstance(case.get("yaml"), str):
                continue
            valid = "valid" if case.get("fail") is not True else "invalid"
            try:
                parse_yaml(_signs(str(case["yaml"])).encode(), "case.yaml")
                counts[f"{valid}: read"] += 1
            except ConfigError as error:
                counts[f"{valid}: {error.problems[0].code}"] += 1
    return dict(sorted(counts.items()))


def _signs(text: str) -> str:
    """Return a case as it is meant: the suite writes what cannot be seen in signs of its own."""
    text = re.sub("—*»", "\t", text).replace("␣", " ").replace("←", "\r").replace("⇔", "\ufeff").replace("↵", "")
    return text.removesuffix("∎\n")


@contextmanager
def crashing() -> Iterator[None]:
    """Replace every reader by one that crashes: the control's, from outside of the product."""
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "crashing.py"
        path.write_text(CRASHING)
        broken = Sandbox(dict.fromkeys(READERS, path))
        read = Sandbox.read
        with patch.object(Sandbox, "read", lambda _, *given, **named: read(broken, *given, **named)):
            yield
        broken.close()


@contextmanager
def _as_it_is() -> Iterator[None]:
    yield


def main() -> int:
    """Print the counts; fail on a limit that was missed, and with 2 when there is no data."""
    parser = argparse.ArgumentParser(description="Read hostile, damaged and odd files.")
    parser.add_argument("--seed", type=int, default=1, help="nothing is drawn at random here; taken as every show's")
    parser.add_argument("--control", action="store_true", help="readers that crash: the show must fail")
    given = parser.parse_args()
    data = data_folder()
    if data is None:
        json.dump({"show": "bad_input", "skipped": "AIE_DATA names no folder"}, sys.stdout)
        return 2
    report = run_show(data, control=given.control)
    json.dump(report, sys.stdout, indent=1)
    sys.stdout.write("\n")
    return 1 if report["missed"] else 0


if __name__ == "__main__":
    sys.exit(main())
