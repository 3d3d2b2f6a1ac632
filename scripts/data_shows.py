"""Every show on the folder of data named by AIE_DATA, with one seed, into report.json.

Each runs twice: as it is, which must pass, and with its negative control, which must fail. Without AIE_DATA everything
is skipped, which the report says and the exit status (3) too.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

TOP = Path(__file__).parent.parent
SHOWS: Final = (
    "clinc150",
    "clinc150_cascade",
    "fsis_recalls",
    "bad_input",
    "thousand_pages",
    "sroie_receipts",
    "cuad",
    "kleister_nda",
    "vehicle_claims",
    "prompt_injection",
)
SKIPPED: Final = 3


def run_show(name: str, seed: int, *, control: bool) -> dict[str, object]:
    """Run one show in a process of its own; return its counts and whether it did what it must."""
    command = [sys.executable, "-m", f"tests.shows.{name}", "--seed", str(seed), *(["--control"] if control else [])]
    done = subprocess.run(command, cwd=TOP, stdout=subprocess.PIPE, text=True, check=False)
    try:
        counts = json.loads(done.stdout)
    except json.JSONDecodeError:
        counts = None
    # A control that breaks down has not shown anything: it must report counts, and refuse them.
    held = counts is not None and (done.returncode != 0 if control else done.returncode == 0)
    return {"show": name, "control": control, "status": done.returncode, "held": held, "counts": counts}


def main() -> int:
    """Run all of them and write the report."""
    parser = argparse.ArgumentParser(description="Run every data show and write report.json.")
    parser.add_argument("--seed", type=int, default=1)
    seed: int = parser.parse_args().seed
    if not os.environ.get("AIE_DATA"):
        report: dict[str, object] = {"seed": seed, "attempted": 0, "skipped": list(SHOWS), "why": "AIE_DATA is not set"}
        print(f"data-shows: attempted 0, held 0, failed 0, skipped {len(SHOWS)}: AIE_DATA names no folder")
    else:
        results = [run_show(name, seed, control=control) for name in SHOWS for control in (False, True)]
        held = sum(bool(result["held"]) for result in results)
        report = {"seed": seed, "attempted": len(results), "held": held, "skipped": [], "shows": results}
        for result in results:
            label = f"{result['show']}{' (control)' if result['control'] else ''}"
            print(f"data-shows: {label}: {'held' if result['held'] else 'FAILED'}")
        print(f"data-shows: attempted {len(results)}, held {held}, failed {len(results) - held}, skipped 0")
    (TOP / "report.json").write_text(json.dumps(report, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    if report["attempted"] == 0:
        return SKIPPED
    return 0 if report["held"] == report["attempted"] else 1


if __name__ == "__main__":
    sys.exit(main())
