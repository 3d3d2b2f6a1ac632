"""Write the example contracts of the `contracts` template: `python -m scripts.contracts.make_examples`.

All companies and terms are invented. The documents are committed, so that nobody needs this script to use the
template; a test compares them with what it would write.
"""

import json
import re
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from scripts.claims.minimal_pdf import write_pdf

HERE: Final = Path(__file__).parent
EXAMPLES: Final = HERE.parents[1] / "src/aie/templates/contracts/examples"
_LINES: Final = 42
"""Lines of a page."""
_SITES: Final = ("Cork", "Galway", "Limerick", "Waterford", "Sligo", "Athlone", "Tralee", "Ennis")


def _clauses() -> list[tuple[str, str]]:
    blocks = re.split(r"^# ", (HERE / "clauses.txt").read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    return [(head.strip(), body.strip()) for head, _, body in (block.partition("\n") for block in blocks)]


def _agreement(title: str, first: str, second: str, day: str, law: str, keep: Sequence[str] = ()) -> Iterator[str]:
    """Yield the lines of an agreement; `keep` names the clauses it has, none: all of them."""
    opening = (
        f'This {title} (the "Agreement") is made between {first} (the "Supplier") and {second} (the "Customer"), '
        f"effective as of {day}."
    )
    yield from (title.upper(), "", *textwrap.wrap(opening, 84), "")
    clauses = [each for each in _clauses() if not keep or each[0] in keep]
    for number, (head, body) in enumerate(clauses, 1):
        text = body.replace("laws of Ireland", f"laws of {law}")
        yield from (f"{number}. {head}", *textwrap.wrap(text, 84), "")


def _schedule(rows: int) -> Iterator[str]:
    """Yield the lines of a long schedule of sites: most of a contract is such pages."""
    yield from ("SCHEDULE A: SITES AND SERVICES", "")
    for number in range(1, rows + 1):
        site = _SITES[number % len(_SITES)]
        told = (
            f"A.{number} Site {number} in {site}: The Supplier shall inspect the installation in week "
            f"{number % 52 + 1} and shall record what was found under number {7000 + number}."
        )
        yield from (*textwrap.wrap(told, 84), "")


def _pages(lines: Sequence[str]) -> list[list[str]]:
    return [list(lines[at : at + _LINES]) for at in range(0, len(lines), _LINES)]


def documents() -> Iterator[tuple[str, str, bytes]]:
    """Yield the number, file name and bytes of each example."""
    services = _agreement(
        "Services Agreement", "Hollis Field Systems Ltd", "Northgate Assurance plc", "14 February 2026", "Ireland"
    )
    yield "K-001", "contract-001.pdf", write_pdf(_pages(list(services)))
    secret = ("Confidentiality", "Term and Renewal", "Governing Law", "Notices", "Entire Agreement")
    nda = _agreement(
        "Confidentiality Agreement",
        "Ember Vale Consulting Ltd",
        "Northgate Assurance plc",
        "2 March 2026",
        "Scotland",
        secret,
    )
    yield "K-002", "contract-002.txt", ("\n".join(nda) + "\n").encode()
    long = [
        *_agreement(
            "Maintenance Agreement", "Quillon Works GmbH", "Northgate Assurance plc", "1 April 2026", "Ireland"
        ),
        *_schedule(900),
    ]
    yield "K-003", "contract-003.pdf", write_pdf(_pages(long))


def main() -> None:
    """Write every document and the input that goes with it."""
    EXAMPLES.mkdir(parents=True, exist_ok=True)
    for number, name, content in documents():
        (EXAMPLES / name).write_bytes(content)
        given = {"contract": number, "file": name}
        (EXAMPLES / f"{Path(name).stem}.json").write_text(json.dumps(given, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
