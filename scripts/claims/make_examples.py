"""Write the example claims of the `claims` template from `notices.txt`: `python -m scripts.claims.make_examples`.

All people, companies and losses in `notices.txt` are invented. The documents are committed, so that nobody needs this
script to use the template; a test compares them with what it would write.
"""

import json
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

from scripts.claims.minimal_pdf import write_pdf

HERE = Path(__file__).parent
EXAMPLES = HERE.parents[1] / "src/aie/templates/claims/examples"
_BY_MAIL = "002"
"""Claim whose letter also comes attached to a mail."""


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


def write_mail(notice: Notice) -> bytes:
    """Return a mail with the claimant's letter and the bill attached."""
    mail = EmailMessage(policy=SMTP)
    mail["From"] = "claimant@mail.example"
    mail["To"] = "claims@northgate.example"
    mail["Subject"] = f"Policy {notice.policy}: notice of loss"
    mail["Date"] = "Tue, 08 Sep 2026 09:30:00 +0000"
    mail.set_content(f"Dear claims desk,\n\nplease find my letter and the bill attached.\n\n{notice.name}\n")
    bill = ["Bill", "", "Repair as ordered", "", f"Total {notice.amount}"]
    for name, content in (("letter.pdf", write_document(notice)), ("bill.pdf", write_pdf([bill]))):
        mail.add_attachment(content, maintype="application", subtype="pdf", filename=name)
    mail.set_boundary("===northgate===")
    return mail.as_bytes()


def _write(stem: str, claim: str, notice: Notice, form: str, content: bytes) -> None:
    (EXAMPLES / f"{stem}.{form}").write_bytes(content)
    given = {
        "claim_id": claim,
        "claimant": notice.name,
        "policy_number": notice.policy,
        "loss_date": notice.date,
        "amount": notice.amount,
        "file": f"{stem}.{form}",
    }
    (EXAMPLES / f"{stem}.json").write_text(json.dumps(given, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    """Write every document and the input that goes with it; the letter of one claim comes as a mail as well."""
    EXAMPLES.mkdir(parents=True, exist_ok=True)
    for notice in read_notices((HERE / "notices.txt").read_text(encoding="utf-8")):
        _write(f"claim-{notice.number}", f"C-{notice.number}", notice, notice.form, write_document(notice))
        if notice.number == _BY_MAIL:
            _write("mail-001", "M-001", notice, "eml", write_mail(notice))


if __name__ == "__main__":
    main()
