"""Write the example claims of the `claims` template from `notices.txt`: `python -m scripts.claims.make_examples`.

All people, companies and losses in `notices.txt` are invented. The documents are committed, so that nobody needs this
script to use the template; a test compares them with what it would write.
"""

import json
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from scripts.claims.minimal_pdf import write_pdf

HERE = Path(__file__).parent
EXAMPLES = HERE.parents[1] / "src/aie/templates/claims/examples"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One claim as the claimant sent it."""

    number: str
    """Three digits."""
    form: str
    """`txt` or `pdf`."""
    policy: str
    date: str
    amount: str
    name: str
    doubt: str
    """Why a person should look at it; empty for the clear ones."""
    pages: tuple[str, ...]


def read_notices(text: str) -> Iterator[Notice]:
    """Yield the notices of the source file."""
    for block in re.split(r"^# (?=\d)", text, flags=re.MULTILINE)[1:]:
        head, _, body = block.partition("\n")
        number, form, _, policy, date, amount, name, doubt = head.split("|")
        pages = tuple(page.strip() for page in body.split("\n---\n"))
        yield Notice(
            number=number, form=form, policy=policy, date=date, amount=amount, name=name, doubt=doubt, pages=pages
        )


def wrap(paragraph: str) -> list[str]:
    """Return lines of a letter; an amount or a date is never torn apart."""
    kept = re.sub(r"(\d) (USD|[A-Z][a-z]+ 20\d\d)", lambda found: found[0].replace(" ", "\0"), paragraph)
    return [line.replace("\0", " ") for line in textwrap.wrap(kept, 84)]


def write_document(notice: Notice) -> bytes:
    """Return the document of a notice in its form; the unreadable one is cut off as by a broken upload."""
    pages = []
    for number, page in enumerate(notice.pages):
        lines = ["Northgate Mutual (fictional) - Notice of loss", "", notice.name, ""] if number == 0 else []
        for paragraph in page.split("\n\n"):
            lines += [*wrap(paragraph), ""]
        pages.append(lines[:-1])
    if notice.form == "txt":
        return ("\n".join(line for page in pages for line in [*page, ""]).rstrip() + "\n").encode()
    content = write_pdf(pages)
    return content[: len(content) // 3] if notice.doubt == "unreadable" else content


def main() -> None:
    """Write every document and the input that goes with it."""
    EXAMPLES.mkdir(parents=True, exist_ok=True)
    for notice in read_notices((HERE / "notices.txt").read_text(encoding="utf-8")):
        stem = f"claim-{notice.number}"
        (EXAMPLES / f"{stem}.{notice.form}").write_bytes(write_document(notice))
        form = {
            "claim_id": f"C-{notice.number}",
            "claimant": notice.name,
            "policy_number": notice.policy,
            "loss_date": notice.date,
            "amount": notice.amount,
            "file": f"{stem}.{notice.form}",
        }
        (EXAMPLES / f"{stem}.json").write_text(json.dumps(form, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
