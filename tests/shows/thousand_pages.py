"""Show: a PDF of a thousand pages costs little more in the closed process than without it, and its last page is found.

The show makes the PDF itself and plants a line on its last page. In one run, by turns, it reads it with bare pypdfium2
in its own process and with the extract step as runs have it: pages per second of processor, everything counted that the
step starts. Then a durable run asks for what was planted and must cite page 1,000.

    python -m tests.shows.thousand_pages --seed 1
    python -m tests.shows.thousand_pages --seed 1 --control   # must fail: a slow reader, and a line that is not there
"""

import argparse
import json
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any, Final

import pypdfium2

from aie.app import Given, lock_release, open_app, runner
from aie.layers.extract import Bounds, ExtractLayer, Sandbox
from aie.layers.extract.readers import READERS
from aie.records.events import RunFinished
from tests.shows.making import long_pdf
from tests.shows.reading import WORKSPACE, extracted, processor_s

__all__ = ["run_show"]

PAGES: Final = 1_000
LEAST_SHARE: Final = 0.8
"""Of bare pypdfium2's pages per second of processor."""
PLANTED: Final = "The berth number of the ferry is QX-7731-LK."
"""What the workflow `asking` asks for."""
CAP_MIB: Final = 128
"""Address space that the kernel gives a reader here; without a show it may have more (`Bounds.memory_mib`)."""

SLOW: Final = """
import importlib.util, time

found = importlib.util.spec_from_file_location("quick", {path!r})
quick = importlib.util.module_from_spec(found)
found.loader.exec_module(quick)

def read(content):
    end = time.process_time() + 0.3
    while time.process_time() < end:
        pass
    return quick.read(content)
"""
"""The control's reader: the real one after a third of a second of nothing."""


def run_show(*, seed: int, rounds: int = 7, pages: int = PAGES, control: bool = False) -> dict[str, Any]:
    """Run the show and return its counts with every limit that was missed under `missed`."""
    content = long_pdf(random.Random(seed), pages, "Nothing is planted here." if control else PLANTED)
    with tempfile.TemporaryDirectory(prefix="aie-pages-") as folder, _sandbox(Path(folder), slow=control) as sandbox:
        measured = _measured(content, ExtractLayer(sandbox), rounds)
        found = _asked(Path(folder), content)
        peak = sandbox.usage().peak_kib // 1024
    cited = [each for each in found["passages"] if PLANTED in each["text"]]
    limits = {
        "every page was read": measured["pages"] == pages == found["pages"],
        "the step gives the text that pypdfium2 gives": measured["same_text"],
        f"share of bare pages per second >= {LEAST_SHARE}": measured["share"] >= LEAST_SHARE,
        f"memory of a reader <= {CAP_MIB} MiB": 0 < peak <= CAP_MIB,
        f"what was planted is found and cited on page {pages}": [each["page"] for each in cited] == [pages],
    }
    return {
        "show": "thousand_pages",
        "seed": seed,
        "control": control,
        "attempted": rounds,
        **measured,
        "bytes": len(content),
        "peak_mib": peak,
        "cap_mib": CAP_MIB,
        "cited": [{"page": each["page"], "start": each["start"], "end": each["end"]} for each in cited],
        "missed": [limit for limit, kept in limits.items() if not kept],
    }


@contextmanager
def _sandbox(folder: Path, *, slow: bool) -> Iterator[Sandbox]:
    readers = dict(READERS)
    if slow:
        path = folder / "slow.py"
        path.write_text(SLOW.format(path=str(READERS["pdf"])))
        readers["pdf"] = path
    bounds = Bounds(memory_mib=CAP_MIB, small_wall_ms=Bounds().wall_ms)  # the processor is measured here, not the clock
    made = Sandbox(readers, bounds)
    try:
        yield made
    finally:
        made.close()


def _measured(content: bytes, layer: ExtractLayer, rounds: int) -> dict[str, Any]:
    """Read by turns, bare and as a step; the first of each is not counted, as it loads what later ones share."""
    bare_text, read = _bare(content), extracted(layer, "long.pdf", content)
    bare_s, step_s = [], []
    for _ in range(rounds):
        started = time.process_time()
        _bare(content)
        bare_s.append(time.process_time() - started)
        started = processor_s()
        extracted(layer, "long.pdf", content)
        step_s.append(processor_s() - started)
    count = len(read["pages"])
    return {
        "pages": count,
        "characters": len(read["text"]),
        "same_text": read["text"] == "\n\n".join(page.replace("\r\n", "\n") for page in bare_text),
        "bare_pages_per_cpu_s": round(count / median(bare_s)),
        "step_pages_per_cpu_s": round(count / median(step_s)),
        "share": round(median(bare_s) / median(step_s), 3),
    }


def _bare(content: bytes) -> list[str]:
    document = pypdfium2.PdfDocument(content)
    texts = []
    for number in range(len(document)):
        page = document[number]
        textpage = page.get_textpage()
        texts.append(textpage.get_text_range())
        textpage.close()
        page.close()
    document.close()
    return texts


def _asked(folder: Path, content: bytes) -> dict[str, Any]:
    """Ask for what was planted in a durable run; return the run's output as the records have it."""
    root = folder / "workspace"
    shutil.copytree(WORKSPACE, root)
    (root / "long.pdf").write_bytes(content)
    with open_app(root) as app:
        release = lock_release(app, "asking").release.id
        data = {"id": "long", "file": "long.pdf"}
        with runner(app) as here:
            run = here.submit(Given(name="long", folder=root, data=data), release).run
            here.wait(run, timeout=120)
        finished = [each.event for each in app.store.read(run) if isinstance(each.event, RunFinished)]
    output = finished[-1].output if finished else None
    return output if isinstance(output, dict) else {"pages": 0, "passages": []}


def main() -> int:
    """Print the counts; fail on a limit that was missed."""
    parser = argparse.ArgumentParser(description="Read a PDF of a thousand pages, bare and as a step.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--control", action="store_true", help="a slow reader and nothing planted: the show must fail")
    given = parser.parse_args()
    if not Path("/proc/self/task").is_dir():
        json.dump({"show": "thousand_pages", "skipped": "this system does not tell what children use"}, sys.stdout)
        return 2
    report = run_show(seed=given.seed, rounds=given.rounds, control=given.control)
    json.dump(report, sys.stdout, indent=1)
    sys.stdout.write("\n")
    return 1 if report["missed"] else 0


if __name__ == "__main__":
    sys.exit(main())
