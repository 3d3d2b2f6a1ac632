"""Data show: every hostile, damaged or odd file of a public collection ends in text or in a declared class.

Attempted, read, refused by class and left out are printed. The control hands the same files to a reader that crashes on
what the real one refuses, and must see the same check fail.
"""

import json
from collections import Counter
from pathlib import Path

import pytest

from aie.core import Value
from aie.errors import Failure, StepFailure
from aie.layers import Task, Tools
from aie.layers.extract import ExtractLayer, Sandbox

CRASHING = """
import os

def read(content):
    if b"/Pages" not in content:
        os.abort()
    raise SystemExit("neither text nor a class")
"""
CLASSES = {
    Failure.BLANK,
    Failure.ENCRYPTED,
    Failure.INVALID_INPUT,
    Failure.TRUNCATED,
    Failure.UNSUPPORTED,
    Failure.WRONG_TYPE,
}
"""What may be wrong with a file; a crash of the reader or a timeout is none of them."""


class Files:
    """One document."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def read(self, ref: str) -> bytes:
        """Return it."""
        return self.content


def outcome(layer: ExtractLayer, content: bytes) -> str:
    document = {"ref": "r", "name": "f", "media_type": "", "size": len(content)}
    task = Task(path="s", config={"kind": "document"}, inputs={"from": Value(data=document, ref="r")}, workflow="w")
    tools = Tools(files=Files(content), attempts=None, components=None, live=None, secret=None, cache=None)
    try:
        return str(layer.run(task, tools).data["kind"])
    except StepFailure as error:
        return error.failure.value


def survey(folder: Path, layer: ExtractLayer) -> tuple[Counter[str], list[str]]:
    """Return how files ended, and those that should have ended otherwise."""
    counts: Counter[str] = Counter()
    wrong: list[str] = []
    for line in (folder / "manifest.jsonl").read_text().splitlines():
        row = json.loads(line)
        if row["kind"] not in ("pdf", "office", "archive"):
            counts["not a document"] += 1
            continue
        content = (folder / row["file"]).read_bytes()
        ended = outcome(layer, content)
        counts[ended] += 1
        read_elsewhere = (row.get("seen_pdfium") or {}).get("chars5", 0) > 5
        mended_elsewhere = ended == Failure.TRUNCATED and b"%%EOF" not in content[-2048:]
        if ended not in {*CLASSES, "pdf", "text"} or (read_elsewhere and ended != "pdf" and not mended_elsewhere):
            wrong.append(f"{row['file']}: {ended}")
    return counts, wrong


@pytest.mark.slow
def test_every_bad_file_ends_in_text_or_in_its_class(aie_data, capsys):
    """No crash, no hang, and nothing refused that the library reads as it stands."""
    counts, wrong = survey(aie_data / "bad_input", ExtractLayer())
    with capsys.disabled():
        print(f"\nbad_input: attempted {sum(counts.values()) - counts['not a document']}, {dict(counts)}")  # noqa: T201 — counts are what a data show is for
    assert wrong == []


@pytest.mark.slow
def test_a_reader_that_crashes_is_noticed(aie_data, tmp_path):
    """The control: the same files, a reader that breaks."""
    path = tmp_path / "crashing.py"
    path.write_text(CRASHING)
    sandbox = Sandbox({"pdf": path})
    _, wrong = survey(aie_data / "bad_input", ExtractLayer(sandbox))
    sandbox.close()
    assert any(each.endswith("hostile") for each in wrong)
