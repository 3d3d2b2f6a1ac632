"""What hostile and damaged documents meet: one time for all parts, no page lost in silence, a class for each bomb."""

import io
import zipfile

import pytest

from aie.config import ExtractStep
from aie.errors import Failure, StepFailure
from aie.layers.extract import Bounds, ExtractLayer, Sandbox
from aie.layers.extract.damage import named_pages, read_pdf
from aie.layers.extract.readers import READERS
from tests.shows.reading import extracted
from tests.unit.layers.conftest import make_pdf
from tests.unit.layers.files import archive, message, word, workbook

ODF = "urn:oasis:names:tc:opendocument:xmlns"
UNREADABLE = b"6 0 obj<</Type/Page/Parent", b"6 0 obj<</Type/None/Parent"
"""The second page's object is no page."""


def refused(read_files, content: bytes, **config) -> StepFailure:
    with pytest.raises(StepFailure) as caught:
        read_files(content, **config)
    return caught.value


def test_a_pdf_with_a_page_that_cannot_be_read_is_refused_by_the_page(read_files):
    """Its text would look whole; the reason says which page, the hint what to do, the record how closed it was."""
    error = refused(read_files, make_pdf("first", "second", "third").replace(*UNREADABLE))
    assert (error.failure, "page 2 of 3" in error.message) == (Failure.INVALID_INPUT, True)
    assert "partial: true" in error.hints[0]
    assert set(error.report["isolation"]) == {"network", "user"}


def test_a_step_may_read_the_other_pages_and_then_says_which_is_missing(read_files):
    """The page keeps its number and is empty; a rule on `unread` sees it."""
    made = read_files(make_pdf("first", "second", "third").replace(*UNREADABLE), partial=True)
    pages = [made.data["text"][each["start"] : each["end"]] for each in made.data["pages"]]
    assert pages == ["first", "", "third"]
    assert made.data["unread"] == [
        {"name": "file", "failure": "invalid_input", "why": "page 2 of 3 cannot be read"},
    ]  # fmt: skip


def test_a_pdf_without_any_readable_page_is_refused_whatever_the_step_says(read_files):
    """There is nothing else to read."""
    content = make_pdf("first", "second").replace(*UNREADABLE).replace(b"4 0 obj<</Type/Page/", b"4 0 obj<</Type/None/")
    assert refused(read_files, content, partial=True).failure is Failure.INVALID_INPUT


def test_an_attached_pdf_with_an_unreadable_page_is_unread(read_files):
    """The message is read; the attachment is named with its page."""
    made = message()
    pdf = make_pdf("first", "second", "third").replace(*UNREADABLE)
    made.add_attachment(pdf, maintype="application", subtype="pdf", filename="terms.pdf")
    (unread,) = read_files(made.as_bytes()).data["unread"]
    assert (unread["name"], "page 2 of 3" in unread["why"]) == ("terms.pdf", True)


@pytest.mark.parametrize(
    ("again", "pages", "missing", "notes"),
    [
        ({"pages": ["other", "mended", ""]}, ("first", "mended", ""), {2}, {"reader": "pypdf"}),
        ({"pages": ["other", "", ""]}, ("first", "", ""), {1, 2}, {}),
        ({"pages": ["mended"]}, ("first", "", ""), {1, 2}, {}),
        (StepFailure(Failure.TIMEOUT, "late"), ("first", "", ""), {1, 2}, {}),
    ],
)
def test_pages_that_one_reader_refuses_are_taken_from_the_other(again, pages, missing, notes):
    """Those with text, where both see as many pages; whole pages stay as the first reader gave them."""

    def read(reader):
        if reader == "pdf":
            return {"pages": ["first", "", ""], "unread_pages": [1, 2]}
        if isinstance(again, StepFailure):
            raise again
        return again

    found = read_pdf(b"%PDF-1.4 %%EOF", read)
    assert (found.pages, found.missing, found.notes) == (pages, missing, notes)


def test_a_message_names_twenty_pages_at_the_most():
    """A damaged file of thousands has a reason that can be read."""
    assert named_pages({1}, 3) == "page 2 of 3 cannot be read"
    assert named_pages({4, 1}, 9) == "pages 2, 5 of 9 cannot be read"
    assert named_pages(range(100), 200).endswith("19, 20 and 80 more of 200 cannot be read")


def test_partial_is_of_steps_that_read_files():
    """A key that would do nothing is refused."""
    with pytest.raises(ValueError, match="`partial` is of a document or a packet"):
        ExtractStep.model_validate({"extract": "text", "from": "input.note", "partial": True})


def test_a_message_and_its_attachments_share_one_time(tmp_path):
    """However many are attached: what is not read in time is named, and nothing is started any more."""
    slow = tmp_path / "slow.py"
    slow.write_text("import time\n\ndef read(content):\n    time.sleep(30)\n")
    sandbox = Sandbox({**READERS, "html": slow}, Bounds(small_wall_ms=1_500))
    made = message()
    for number in range(20):
        made.add_attachment(f"<html><p>{number}", subtype="html", filename=f"{number}.html")
    data = extracted(ExtractLayer(sandbox), "claim.eml", made.as_bytes())
    assert data["text"].endswith("Please find the bill.")
    assert {each["failure"] for each in data["unread"]} == {"timeout"}
    assert (len(data["unread"]), sandbox.usage().documents) == (20, 2)
    sandbox.close()


@pytest.mark.parametrize(
    "rows",
    [
        '<row r="1"><c r="A1"><v>1</v></c></row><row r="9"><c\nr="XFD1048576"><v>1</v></c></row>',
        "<row r='1'><c r='A1'><v>1</v></c></row><row r='9'><c r='XFD1048576'><v>1</v></c></row>",
    ],
)
def test_a_reader_whose_library_aborts_for_want_of_memory_met_a_bomb(read_files, rows):
    """It is no crash: the library says why before it aborts. Its sheets hold the rectangle of all used cells."""
    assert refused(read_files, workbook({"S": rows})).failure is Failure.BOMB


def test_a_sheet_of_far_repeated_cells_is_a_bomb(read_files):
    """OpenDocument says how often a row or cell repeats; empty ones at the end, which every sheet has, do not count."""

    def sheet(rows: str) -> bytes:
        names = " ".join(f'xmlns:{each}="{ODF}:{each}:1.0"' for each in ("office", "text", "table"))
        made = io.BytesIO(
            archive(
                {
                    "content.xml": f"<office:document-content {names}><office:body><office:spreadsheet>"
                    f'<table:table table:name="S">{rows}</table:table></office:spreadsheet></office:body>'
                    "</office:document-content>",
                    "META-INF/manifest.xml": f'<manifest:manifest xmlns:manifest="{ODF}:manifest:1.0"/>',
                }
            )
        )
        with zipfile.ZipFile(made) as parts, zipfile.ZipFile(again := io.BytesIO(), "w") as stored:
            stored.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
            for name in parts.namelist():
                stored.writestr(name, parts.read(name))
        return again.getvalue()

    cell = '<table:table-cell office:value-type="string"><text:p>x</text:p></table:table-cell>'
    far = '<table:table-cell table:number-columns-repeated="16000"/>'
    empty = '<table:table-row table:number-rows-repeated="1000000"><table:table-cell/></table:table-row>'
    row = f"<table:table-row>{cell}{far}</table:table-row>"
    assert read_files(sheet(row + row + empty)).data["text"] == "S\nx\nx"
    wide = f"<table:table-row>{far}{cell}</table:table-row>"
    assert refused(read_files, sheet(wide + empty + row)).failure is Failure.BOMB


@pytest.mark.parametrize(
    "content",
    [
        b"From: a@b.example\nTo: c@d.example\nSubject: s\nContent-Type: message/rfc822\n\n" * 1_000,
        b"<?xml version='1.0'?>" + b"<a>" * 100_000,
        archive({"[Content_Types].xml": "", "word/document.xml": "<p>" * 5_000}),
    ],
)
def test_what_is_nested_without_end_is_a_bomb(read_files, content):
    """Messages in messages, elements in elements."""
    assert refused(read_files, content).failure is Failure.BOMB


def test_names_and_relations_of_an_archive_lead_nowhere(read_files):
    """Nothing is unpacked, nothing outside is fetched: the text is read and nothing of the rest."""
    with zipfile.ZipFile(io.BytesIO(word(lambda document: document.add_paragraph("Text.")))) as whole:
        entries = {name: whole.read(name) for name in whole.namelist()}
    outside = b'<Relationship Id="x1" Type="attachedTemplate" Target="file:///etc/passwd" TargetMode="External"/>'
    related = "word/_rels/document.xml.rels"
    entries[related] = entries[related].replace(b"</Relationships>", outside + b"</Relationships>")
    data = read_files(archive({**entries, "../../../etc/cron.d/x": "x", "/etc/passwd": "x"})).data
    assert data["text"] == "Text."


def test_headers_of_mail_are_read_as_they_are_meant(read_files):
    """Encoded words, a character cut between two of them, bytes without any encoding; attachments by name, too."""
    content = (
        "From: =?iso-8859-1?q?Andr=E9_K?= <a@b.example>\r\nTo: Zoë <c@d.example>\r\n"
        "Subject: =?utf-8?q?caf=C3?=\r\n =?utf-8?q?=A9_bill?=\r\nMIME-Version: 1.0\r\n"
        "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: text/plain\r\n\r\nHello.\r\n--x\r\n"
        "Content-Type: text/plain\r\nContent-Disposition: attachment; filename*=utf-8''%C3%B6.txt\r\n\r\nA\r\n--x\r\n"
        'Content-Type: text/plain; name="=?utf-8?b?w6kudHh0?="\r\n\r\nB\r\n--x--\r\n'
    ).encode()
    data = read_files(content).data
    assert data["text"].startswith(
        "From: André K <a@b.example>\nTo: Zoë <c@d.example>\nSubject: café bill\n\nHello."
    )  # fmt: skip
    assert [each["name"] for each in data["parts"]] == ["file", "ö.txt", "é.txt"]
