"""Write the example invoices of the `invoices` template: `python -m scripts.invoices.make_examples`.

All companies, numbers and accounts are invented. The documents are committed, so that nobody needs this script to use
the template; a test compares them with what it would write.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Final

from scripts.claims.minimal_pdf import write_pdf

EXAMPLES: Final = Path(__file__).parents[2] / "src/aie/templates/invoices/examples"


@dataclass(frozen=True, slots=True, kw_only=True)
class Invoice:
    """One invoice as it came in."""

    received: str
    supplier: str
    address: str
    vat_id: str
    number: str
    issued: str
    due: str
    rate: int
    """Per cent of tax."""
    lines: tuple[tuple[str, str], ...]
    """What was sold, with its net price."""
    form: str = "pdf"
    """`pdf`, or `eml` for a mail with the PDF attached."""
    total: str = ""
    """What it says the total is, where that is not the sum."""


PAPER: Final = ("Aldermoor Paper GmbH", "Fichtenweg 8, 04103 Leipzig", "DE811907980", 19)
BISTRO: Final = ("Brasserie du Quai SARL", "14 quai des Tanneurs, 59800 Lille", "FR40303265045", 20)
PRINT: Final = ("Canale Stampa S.p.A.", "Via dei Mulini 3, 20121 Milano", "IT00743110157", 22)
COURIER: Final = ("Dekker Koeriers B.V.", "Havenstraat 51, 3011 Rotterdam", "NL854502130B01", 21)
STRANGER: Final = ("Ember & Vale Consulting Ltd", "2 Old Mill Lane, Dublin", "IE6388047V", 23)


def _invoices() -> Iterator[Invoice]:
    def make(
        who: tuple[str, str, str, int], received: str, number: str, issued: str, due: str, **more: object
    ) -> Invoice:
        supplier, address, vat_id, rate = who
        return Invoice(
            received=received,
            supplier=supplier,
            address=address,
            vat_id=vat_id,
            rate=rate,
            number=number,
            issued=issued,
            due=due,
            **more,  # type: ignore[arg-type]
        )

    yield make(
        PAPER,
        "R-001",
        "AP-20877",
        "3 March 2026",
        "2 April 2026",
        lines=(("40 reams of paper A4", "180.00"), ("Delivery", "12.50")),
    )
    yield make(
        BISTRO,
        "R-002",
        "F2026-114",
        "05/03/2026",
        "04/04/2026",
        lines=(("Lunch for twelve", "312.00"), ("Coffee", "28.80")),
    )
    yield make(
        PRINT,
        "R-003",
        "7731/26",
        "9 March 2026",
        "8 April 2026",
        form="eml",
        lines=(("2,000 leaflets, four colours", "940.00"),),
    )
    yield make(
        PAPER,
        "R-004",
        "AP-20877",
        "3 March 2026",
        "2 April 2026",
        lines=(("40 reams of paper A4", "180.00"), ("Delivery", "12.50")),
    )
    yield make(COURIER, "R-005", "DK-5510", "11 March 2026", "25 March 2026", lines=(("Six parcels", "74.00"),))
    yield make(
        STRANGER, "R-006", "EV-0031", "12 March 2026", "26 March 2026", lines=(("Advice on shelving", "450.00"),)
    )
    yield make(
        BISTRO, "R-007", "F2026-131", "14/03/2026", "13/04/2026", lines=(("Dinner for four", "188.00"),), total="235.60"
    )
    yield make(
        PRINT, "R-008", "7802/26", "16 March 2026", "15 April 2026", lines=(("Catalogue, 160 pages", "3,150.00"),)
    )
    yield make(
        PAPER,
        "R-009",
        "AP-20931",
        "17 March 2026",
        "16 April 2026",
        form="eml",
        lines=(("Envelopes C5, 4 boxes", "66.40"),),
    )
    yield make(
        PRINT,
        "R-010",
        "7811/26",
        "18 March 2026",
        "17 April 2026",
        lines=(("Posters A1, 25 pieces", "412.00"), ("Mounting", "96.00")),
    )


def _money(value: Decimal) -> str:
    return f"{value:,.2f} EUR"


def write_invoice(invoice: Invoice) -> bytes:
    """Return the document of an invoice in its form."""
    net = sum((Decimal(price.replace(",", "")) for _, price in invoice.lines), Decimal(0))
    tax = (net * invoice.rate / 100).quantize(Decimal("0.01"))
    total = f"{invoice.total} EUR" if invoice.total else _money(net + tax)
    page = [
        invoice.supplier,
        invoice.address,
        f"VAT no. {invoice.vat_id}",
        "",
        "INVOICE",
        f"Invoice no. {invoice.number}",
        f"Invoice date {invoice.issued}",
        f"Due date {invoice.due}",
        "",
        "To: Northgate Mutual (fictional), Accounts Payable",
        "",
        *(f"{what}   {price} EUR" for what, price in invoice.lines),
        "",
        f"Net {_money(net)}",
        f"VAT {invoice.rate}% {_money(tax)}",
        f"Total due {total}",
    ]
    content = write_pdf([page])
    return content if invoice.form == "pdf" else _mail(invoice, content)


def _mail(invoice: Invoice, content: bytes) -> bytes:
    mail = EmailMessage(policy=SMTP)
    mail["From"] = "billing@supplier.example"
    mail["To"] = "invoices@northgate.example"
    mail["Subject"] = f"Our invoice {invoice.number}"
    mail["Date"] = "Mon, 16 Mar 2026 09:00:00 +0000"
    mail.set_content("Dear colleagues,\n\nplease find our invoice attached.\n")
    mail.add_attachment(content, maintype="application", subtype="pdf", filename=f"{invoice.received}.pdf")
    mail.set_boundary(f"==={invoice.received}===")
    return mail.as_bytes()


def main() -> None:
    """Write every document and the input that goes with it."""
    EXAMPLES.mkdir(parents=True, exist_ok=True)
    for invoice in _invoices():
        stem = f"invoice-{invoice.received.removeprefix('R-')}"
        (EXAMPLES / f"{stem}.{invoice.form}").write_bytes(write_invoice(invoice))
        given = {"received": invoice.received, "file": f"{stem}.{invoice.form}"}
        (EXAMPLES / f"{stem}.json").write_text(json.dumps(given, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
