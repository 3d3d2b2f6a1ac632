"""Show: from `aie init` to the first explained run on files of one's own, with no line of Python.

The reader's files are written by the show, in other words and other formats than the template's examples: an invoice
that is laid out differently, a lease in Word, a claim as a mail with an attachment. The template's files are used as
they are. Printed are the seconds from `aie init` to the explanation and the lines of files that a reader would own.

    python -m tests.shows.templates
    python -m tests.shows.templates --control   # must fail: the templates have lost what finds their fields
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.shows.making import docx, eml, pdf

__all__ = ["JOURNEYS", "run_show"]

Aie = Callable[..., str]
"""Runs a command in a folder and returns what it printed."""

_ENTRY = "import sys; from aie.cli import main; sys.exit(main())"
_FILES = (".yaml", ".json", ".md", ".csv")


@dataclass(frozen=True, slots=True, kw_only=True)
class Journey:
    """A reader with a template and files of their own."""

    template: str
    given: Mapping[str, str]
    """The input; its `file` is written beside it."""
    document: Callable[[], bytes]
    states: frozenset[str]
    """States in which the run may rest."""
    told: tuple[str, ...]
    """Words of the reader's document that the explanation has to quote."""
    train: bool = False
    broken: str = ""
    """File of the template that finds the fields; the control empties it of rules or cases."""


def _invoice() -> bytes:
    return pdf(
        [
            [
                "Aldermoor Paper GmbH",
                "USt-IdNr. DE811907980",
                "Invoice number AP-30411     Date of issue 12.05.2026",
                "Envelopes, padded                       84.00",
                "Subtotal                                84.00 EUR",
                "VAT 19%                                 15.96 EUR",
                "Amount due                              99.96 EUR",
                "Payable by 11.06.2026",
            ]
        ]
    )


_OPENING = (
    'This lease is made as of 3 June 2026 between Tallow Wharf Properties Ltd (the "Landlord") and '
    'Brackwater Foods Ltd (the "Tenant").'
)


def _lease() -> bytes:
    return docx(
        [
            "LEASE",
            _OPENING,
            "1. Rent. The Tenant shall pay the rent on the first day of each month.",
            "2. Renewal. The lease shall continue for five (5) years and is then renewed automatically for one year.",
            "3. Repairs. The Landlord shall keep the roof and the outer walls in good repair.",
            "4. Liability. The liability of the Landlord shall not exceed one year's rent.",
            "5. Law. This lease is governed by the laws of England and Wales.",
        ]
    )


def _claim() -> bytes:
    letter = pdf(
        [
            [
                "A storm on 2 May 2026 lifted tiles off our roof and rain came into the loft.",
                "The roofer put them back for 210.00 USD. House policy NG-771204.",
            ]
        ]
    )
    return eml(["Dear claims desk,", "my letter is attached.", "Ida Moreau"], {"letter.pdf": letter})


JOURNEYS = (
    Journey(
        template="invoices",
        given={"received": "R-900", "file": "bill.pdf"},
        document=_invoice,
        states=frozenset({"completed", "waiting"}),
        told=("AP-30411", "99.96 EUR", "DE811907980"),
        broken="workflows/invoices/extractors/invoice.yaml",
    ),
    Journey(
        template="contracts",
        given={"contract": "K-900", "file": "lease.docx"},
        document=_lease,
        states=frozenset({"waiting"}),
        told=("Brackwater Foods Ltd", "Tallow Wharf Properties Ltd", "England and Wales", "3 June 2026"),
        broken="workflows/contracts/extractors/terms.yaml",
    ),
    Journey(
        template="claims",
        given={
            "claim_id": "C-900",
            "claimant": "Ida Moreau",
            "policy_number": "NG-771204",
            "loss_date": "2026-05-02",
            "amount": "210.00 USD",
            "file": "mail.eml",
        },
        document=_claim,
        states=frozenset({"completed", "waiting"}),
        told=("210.00 USD", "NG-771204"),
        train=True,
        broken="workflows/claims/workflow.yaml",
    ),
)


def run_show(*, control: bool = False, aie: Aie | None = None) -> dict[str, Any]:
    """Run every journey and return its counts with what was missed.

    Args:
        control: break what finds the templates' fields.
        aie: how a command is run; by default as people run it.
    """
    made = [_travel(journey, aie or _aie, control=control) for journey in JOURNEYS]
    held = [each for each in made if not each["missed"]]
    return {
        "show": "templates",
        "control": control,
        "attempted": len(made),
        "accepted": len(held),
        "refused": len(made) - len(held),
        "skipped": 0,
        "journeys": made,
        "missed": [f"{each['template']}: {missed}" for each in made for missed in each["missed"]],
    }


def _travel(journey: Journey, aie: Aie, *, control: bool) -> dict[str, Any]:
    missed: list[str] = []
    with tempfile.TemporaryDirectory(prefix="aie-template-") as folder:
        place = Path(folder)
        own = place / "own"
        own.mkdir()
        (own / journey.given["file"]).write_bytes(journey.document())
        (own / "input.json").write_text(json.dumps(journey.given))
        began = time.monotonic()
        root = place / "workspace"
        aie(place, "init", str(root), "--template", journey.template)
        if control:
            _break(root / journey.broken)
        if journey.train:
            aie(root, "train")
        aie(root, "release", journey.template)
        ran = aie(root, "run", journey.template, str(own / "input.json"), "--format", "json")
        line = json.loads(ran.splitlines()[0]) if ran else {"state": "none", "run": ""}
        told = aie(root, "explain", line["run"]) if line["run"] else ""
        seconds = time.monotonic() - began
        if line["state"] not in journey.states:
            missed.append(f"the run is {line['state']}")
        flat = " ".join(told.split())
        missed += [f"the explanation does not tell {words!r}" for words in journey.told if words not in flat]
        files = [path for path in root.rglob("*") if path.suffix in _FILES and "examples" not in path.parts]
        python = list(root.rglob("*.py"))
        if python:
            missed.append("the workspace holds Python")
        return {
            "template": journey.template,
            "state": line["state"],
            "seconds": round(seconds, 1),
            "files": len(files),
            "lines": sum(
                len(path.read_text(encoding="utf-8").splitlines()) for path in files if path.suffix == ".yaml"
            ),
            "lines_changed_by_the_reader": 0,
            "lines_of_python": len(python),
            "missed": missed,
        }


def _break(path: Path) -> None:
    """Let rules look for words that no document has, and a check for a field that no letter names."""
    text = path.read_text(encoding="utf-8")
    if "by:" in text:
        head = text.partition("  rules:")[0]
        broken = "\n".join(f"    {name}:\n      - {{pattern: 'zzzz'}}" for name in _fields(head))
        path.write_text(f"{head}  rules:\n{broken}\n", encoding="utf-8")
    else:
        path.write_text(text.replace("USD, NG, policy, bill, repair, cost", "zzzz").replace("90 tokens", "12 tokens"))


def _fields(head: str) -> Sequence[str]:
    lines = head.partition("finds:\n")[2].partition("by:")[0].splitlines()
    return [line.strip().partition(":")[0] for line in lines if line.startswith("  ") and line[2] != " "]


def _aie(cwd: Path, *arguments: str) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AIE_")}
    command = [sys.executable, "-c", _ENTRY, *arguments]
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120, check=False)
    return done.stdout


def main() -> int:
    """Print the counts; fail on what was missed."""
    parser = argparse.ArgumentParser(description="From init to the first explained run on files of one's own.")
    parser.add_argument("--control", action="store_true", help="break the templates: the show must fail")
    report = run_show(control=parser.parse_args().control)
    json.dump(report, sys.stdout, indent=1)
    sys.stdout.write("\n")
    return 1 if report["missed"] else 0


if __name__ == "__main__":
    sys.exit(main())
