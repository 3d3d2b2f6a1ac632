"""What each format gives, and the class of each way in which a file can be bad."""

import random
import struct

import pytest

from aie.errors import Failure, StepFailure
from aie.layers.extract.advice import ADVICE
from aie.layers.extract.documents import READING_FAILURES
from tests.unit.layers.conftest import make_pdf
from tests.unit.layers.files import archive, compound, message, open_text, png, slides, word, workbook


def failure_of(read_files, content: bytes, name: str = "file") -> StepFailure:
    with pytest.raises(StepFailure) as caught:
        read_files(content, name=name)
    return caught.value


def test_a_word_document_is_read_in_order_with_its_tables_and_margins(read_files):
    """Header first, footer last; a merged cell stands once; rows are lines, cells stand between tabs."""

    def build(document):
        document.add_heading("Agreement", 1)
        document.add_paragraph("Between us.")
        table = document.add_table(2, 2)
        for at, text in enumerate(("Term", "2 years", "Notice")):
            table.cell(at // 2, at % 2).text = text
        table.cell(0, 1).merge(table.cell(1, 1))
        document.add_paragraph("one", style="List Bullet")
        document.add_paragraph("Signed.")
        document.sections[0].header.paragraphs[0].text = "Draft"
        document.sections[0].footer.paragraphs[0].text = "Page"

    data = read_files(word(build)).data
    assert data["text"] == "Draft\n\nAgreement\n\nBetween us.\n\nTerm\t2 years\nNotice\n\n• one\n\nSigned.\n\nPage"
    assert (data["kind"], data["pages"]) == ("docx", [])


def test_what_word_shows_is_read_and_what_it_hides_is_not(read_files):
    """Insertions and content controls are on paper; deletions and hidden runs are not, and are counted."""
    body = (
        "<w:p><w:ins><w:r><w:t>kept</w:t></w:r></w:ins><w:del><w:r><w:delText>gone</w:delText></w:r></w:del>"
        "<w:r><w:rPr><w:vanish/></w:rPr><w:t>hidden</w:t></w:r><w:r><w:tab/><w:t>x</w:t><w:br/><w:t>y</w:t></w:r></w:p>"
        "<w:sdt><w:sdtContent><w:p><w:r><w:t>controlled</w:t></w:r></w:p></w:sdtContent></w:sdt>"
        "<w:tbl><w:tr><w:tc><w:p><w:r><w:t>cell</w:t><w:pict><w:txbxContent><w:p><w:r><w:t>box</w:t></w:r></w:p>"
        "</w:txbxContent></w:pict></w:r></w:p></w:tc></w:tr></w:tbl>"
    )
    made = read_files(office(f"<w:document {W}><w:body>{body}</w:body></w:document>"))
    assert made.data["text"] == "kept\tx\ny\n\ncontrolled\n\ncell box"
    assert made.report["hidden"] == 1


def test_a_workbook_is_a_page_a_sheet_with_exact_values(read_files):
    """No binary fraction shows; dates are ISO; hidden sheets are not read, and counted."""
    rows = (
        '<row r="1"><c r="A1" t="inlineStr"><is><t>Item</t></is></c>'
        '<c r="B1" t="inlineStr"><is><t>a\tb</t></is></c></row>'
        '<row r="3"><c r="A3"><v>0.1</v></c><c r="B3"><v>1200</v></c><c r="C3" s="1"><v>45000</v></c>'
        '<c r="D3" t="b"><v>1</v></c><c r="E3"><v>1E+21</v></c></row>'
    )
    made = read_files(workbook({"Costs": rows, "Secret": rows, "Empty": ""}, hidden=("Secret",)))
    data = made.data
    pages = [data["text"][each["start"] : each["end"]] for each in data["pages"]]
    assert pages == ["Costs\nItem\ta b\n0.1\t1200\t2023-03-15\tTRUE\t1000000000000000000000", ""]
    assert (data["kind"], made.report["hidden_sheets"]) == ("xlsx", 1)


def test_slides_are_pages_in_the_order_shown(read_files):
    """Not in the order of the files inside."""
    data = read_files(slides("first", "second")).data
    assert [data["text"][each["start"] : each["end"]] for each in data["pages"]] == ["first", "second"]
    assert data["kind"] == "pptx"


def test_an_open_document_is_read_with_its_tables_once(read_files):
    """A table within a cell is text of the cell."""
    cell = "<table:table-cell><text:p>{}</text:p></table:table-cell>"
    inner = f"<table:table><table:table-row>{cell.format('inner')}</table:table-row></table:table>"
    row = f"<table:table-row>{cell.format('a')}<table:table-cell>{inner}</table:table-cell></table:table-row>"
    body = '<text:h>Title</text:h><text:p>two<text:s text:c="2"/>spaces<text:tab/>x</text:p>'
    data = read_files(open_text(f"{body}<table:table>{row}</table:table>")).data
    assert (data["text"], data["kind"]) == ("Title\n\ntwo  spaces\tx\n\na\tinner", "odt")


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b'a;b\n"x; y";"two\nlines"\n', "a\tb\nx; y\ttwo lines"),
        ("läge\twert\n1\t2\n".encode("cp1252"), "läge\twert\n1\t2"),
        ("a,b\n1,2\n".encode("utf-16"), "a\tb\n1\t2"),
        (b'a,b\n1,say "no"\n', 'a\tb\n1\tsay "no"'),
        (b"a,b\n1,2,3\n", "a\tb\n1\t2\t3"),
    ],
)
def test_a_table_in_text_is_told_by_its_name_and_its_separator_by_its_content(read_files, content, text):
    """Whatever the encoding; odd rows are kept."""
    data = read_files(content, name="Table.CSV").data
    assert (data["text"], data["kind"]) == (text, "csv")


def test_a_web_page_gives_what_it_shows(read_files):
    """No script, no style, nothing hidden; blocks apart, cells between tabs, `pre` as written."""
    page = (
        b"<!DOCTYPE html><html><head><title>t</title><style>p{}</style></head><body><script>evil()</script>"
        b"<h1>Invoice</h1><p>Total <b>due</b>:\n 5&euro;<br>now</p><p hidden>no</p><div style='display: none'>no</div>"
        b"<table><tr><th>Item</th><th>Price</th></tr><tr><td>Tea</td><td></td><td>2</td></tr></table><pre>a\n  b</pre>"
    )
    data = read_files(page).data
    assert data["text"] == "Invoice\n\nTotal due: 5€\nnow\n\nItem\tPrice\nTea\t\t2\n\na\n  b"
    assert data["kind"] == "html"


def test_a_table_that_arranges_a_page_is_no_table_of_data(read_files):
    """Mail programs put letters into cells: their paragraphs stay paragraphs."""
    page = b"<html><table><tr><td><p>Dear Ana,</p><p>thank you.</p><table><tr><td><p>a</p></td><td>b</td></tr></table>"
    assert read_files(page).data["text"] == "Dear Ana,\n\nthank you.\n\na\tb"


def test_the_declared_encoding_of_a_page_counts(read_files):
    """Where it is none, UTF-8 does, and Windows-1252 after it."""
    assert read_files('<html><meta charset="iso-8859-2"><p>łódź'.encode("iso-8859-2")).data["text"] == "łódź"
    assert read_files('<html><meta charset="no-such"><p>łódź'.encode()).data["text"] == "łódź"
    assert read_files("<html><p>café".encode("cp1252")).data["text"] == "café"


def test_a_message_is_read_with_all_that_is_attached(read_files):
    """The message first, then each attachment in order, over one text whose pages are counted through."""
    made = message()
    made.add_alternative("<p>Please find the <b>bill</b>.</p>", subtype="html")
    made.add_attachment(make_pdf("bill 12", "page two"), maintype="application", subtype="pdf", filename="bill.pdf")
    inner = message(subject="Inner")
    inner.add_attachment("a,b\n1,2\n", filename="rows.csv")
    made.add_attachment(inner)
    made.add_attachment(b"7z\xbc\xaf\x27\x1c", maintype="application", subtype="x-7z", filename="all.7z")
    data = read_files(made.as_bytes()).data
    parts = [(each["name"], each["kind"], data["text"][each["start"] : each["end"]]) for each in data["parts"]]
    head = "From: Ana <ana@example.org>\nTo: claims@example.org\nDate: Mon, 02 Mar 2026 10:00:00 +0000\nSubject: "
    assert parts == [
        ("file", "eml", f"{head}Claim 7\n\nPlease find the bill."),
        ("bill.pdf", "pdf", "bill 12\n\npage two"),
        ("message.eml", "eml", f"{head}Inner\n\nPlease find the bill."),
        ("rows.csv", "csv", "a\tb\n1\t2"),
    ]
    assert [each["number"] for each in data["pages"]] == [1, 2, 3, 4, 5]
    assert [(each["name"], each["failure"]) for each in data["unread"]] == [("all.7z", "unsupported")]


def test_a_message_of_html_alone_is_read_as_it_shows(read_files):
    """Without a plain part the page is the text."""
    made = message()
    made.set_content("<p>Only <i>this</i></p>", subtype="html")
    assert read_files(made.as_bytes()).data["text"].endswith("\n\nOnly this")


def test_messages_within_messages_end_somewhere(read_files):
    """Ten deep: what lies deeper than is read is named."""
    made = message(subject="0")
    for depth in range(1, 10):
        outer = message(subject=str(depth))
        outer.add_attachment(made)
        made = outer
    data = read_files(made.as_bytes()).data
    assert len(data["parts"]) == 6
    assert [each["failure"] for each in data["unread"]] == ["bomb"]


def test_a_message_of_outlook_is_read_like_any_other(read_files):
    """Its properties are streams in UTF-16 or eight bits; what is attached follows it."""

    def wide(text: str) -> bytes:
        return text.encode("utf-16-le")

    sent = struct.pack("<IIQ", 0x00390040, 6, 134_169_192_000_000_000)
    content = compound(
        {
            "__properties_version1.0": bytes(32) + sent,
            "__substg1.0_0C1A001F": wide("Ana"),
            "__substg1.0_0C1F001E": b"ana@example.org",
            "__substg1.0_0E04001F": wide("Claims"),
            "__substg1.0_0037001F": wide("Claim 7"),
            "__substg1.0_1000001F": wide("Please find\r\nthe bill. " * 20),
            "__attach_version1.0_#00000000/__substg1.0_3707001F": wide("rows.csv"),
            "__attach_version1.0_#00000000/__substg1.0_37010102": b"a,b\n1,2\n",
        }
    )
    data = read_files(content).data
    head = "From: Ana <ana@example.org>\nTo: Claims\nDate: 2026-03-02 10:00:00+00:00\nSubject: Claim 7\n\n"
    assert data["text"].startswith(f"{head}Please find\nthe bill. Please")
    assert [(each["name"], each["kind"]) for each in data["parts"]] == [("file", "msg"), ("rows.csv", "csv")]


def test_xml_is_given_as_it_is_written(read_files):
    """In the encoding it declares; its marks are what it says."""
    content = '<?xml version="1.0" encoding="iso-8859-1"?>\n<bill total="5">café</bill>'.encode("latin-1")
    data = read_files(content).data
    assert (data["text"], data["kind"]) == (content.decode("latin-1"), "xml")


def test_rich_text_is_read_without_its_control_words(read_files):
    """Tables of fonts, hidden text and the stand-ins for Unicode are no text."""
    content = (
        rb"{\rtf1\ansi\ansicpg1252{\fonttbl{\f0 Arial;}}{\*\generator x;}\f0 Caf\'e9 \u8364? 5\par"
        b"\n"
        rb"{\v secret}two\tab\{x\}\par}"
    )
    data = read_files(content).data
    assert (data["text"], data["kind"]) == ("Café € 5\ntwo\t{x}", "rtf")


BOMB = archive({"[Content_Types].xml": "<a/>", "word/document.xml": b" " * (40 << 20)})
ENTITIES = '<!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;">]>'
W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
DOCUMENT = f"<w:document {W}><w:body><w:p><w:r><w:t>x</w:t></w:r></w:p></w:body></w:document>"


def office(document: str | bytes) -> bytes:
    return archive({"[Content_Types].xml": "<a/>", "word/document.xml": document})


def locked(content: bytes) -> bytes:
    """Return an archive whose entries say that they are encrypted, locally and in the directory."""
    made = bytearray(content)
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = -1
        while (at := made.find(mark, at + 1)) >= 0:
            made[at + offset] |= 1
    return bytes(made)


@pytest.mark.parametrize(
    ("content", "failure"),
    [
        (BOMB, Failure.BOMB),
        (office(DOCUMENT.replace("<w:body>", "<w:body>" + "<w:p>" * 400)), Failure.INVALID_INPUT),
        (office("<?xml version='1.0'?>" + ENTITIES + "<a>&c;</a>"), Failure.HOSTILE),
        (office(DOCUMENT[:-30]), Failure.INVALID_INPUT),
        (office(DOCUMENT)[:-30], Failure.TRUNCATED),
        (office(f"<w:document {W}/>"), Failure.BLANK),
        (locked(office(DOCUMENT)), Failure.ENCRYPTED),
        (archive({"a.txt": "x", "../../etc/passwd": "y"}), Failure.UNSUPPORTED),
        (archive({f"{at}.txt": "" for at in range(10_001)}), Failure.BOMB),
        (compound({"EncryptedPackage": b"x", "EncryptionInfo": b"x"}), Failure.ENCRYPTED),
        (compound({"WordDocument": b"x"}), Failure.UNSUPPORTED),
        (compound({"PowerPoint Document": b"x"}), Failure.UNSUPPORTED),
        (compound({"Workbook": b"x"}), Failure.INVALID_INPUT),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 2_000, Failure.INVALID_INPUT),
        (workbook({"S": '<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'}), Failure.BOMB),
        (workbook({"S": "<row><c"}), Failure.INVALID_INPUT),
        (workbook({"S": ""}), Failure.BLANK),
        (b"<?xml version='1.0'?>" + ENTITIES.encode() + b"<a>&c;</a>", Failure.BOMB),
        (b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/hosts'>]><a>&b;</a>", Failure.HOSTILE),
        (b"<?xml version='1.0'?><a><b>", Failure.TRUNCATED),
        (b"<?xml version='1.0'?><a></b></a>", Failure.INVALID_INPUT),
        (b"<html><script>only()</script></html>", Failure.BLANK),
        (b"{\\rtf1 {\\b open", Failure.TRUNCATED),
        (b"{\\rtf1" + b"{" * 2_000 + b"}" * 2_001, Failure.BOMB),
        (b"\x1f\x8b\x08\0 packed", Failure.UNSUPPORTED),
    ],
)
def test_each_way_of_being_bad_has_its_class_and_a_next_step(read_files, content, failure):
    """The content decides; what to do about it stands beside it."""
    error = failure_of(read_files, content)
    assert error.failure == failure
    assert error.hints


@pytest.mark.parametrize("name", ["bill.pdf", "bill.DOCX", "bill.png"])
def test_a_page_that_asks_to_log_in_is_not_the_document_it_is_named_for(read_files, name):
    """What a failed download leaves; a PDF named like a picture is still a PDF."""
    assert failure_of(read_files, b"<html><body>Please log in</body></html>", name).failure == Failure.WRONG_TYPE
    assert read_files(make_pdf("bill"), name=name).data["text"] == "bill"


def test_a_table_that_ends_inside_quotes_is_truncated(read_files):
    """The rest of it would have been one cell."""
    assert failure_of(read_files, b'a,b\n"open,1\n2,3\n', "rows.csv").failure == Failure.TRUNCATED


def test_every_class_of_reading_has_a_next_step():
    """No refusal without a hint."""
    assert set(ADVICE) == READING_FAILURES


def test_a_pdf_that_one_reader_refuses_is_read_by_another(read_files):
    """Its trailer names no catalog: PDFium gives up, pypdf looks for one. Without text it stays damaged."""
    made = read_files(make_pdf("rebuilt").replace(b"/Root 1 0 R", b""))
    assert (made.data["text"], made.report["reader"]) == ("rebuilt", "pypdf")
    assert failure_of(read_files, make_pdf("").replace(b"/Root 1 0 R", b"")).failure == Failure.INVALID_INPUT


def test_a_picture_needs_what_the_operator_installs(read_files, monkeypatch):
    """Without it the hint says what; a picture that few bytes blow up is none to install anything for."""
    monkeypatch.setenv("PATH", "")
    error = failure_of(read_files, png(8, 8))
    assert (error.failure, "tesseract" in error.hints[0]) == (Failure.UNSUPPORTED, True)


@pytest.mark.slow
def test_damaged_files_of_every_format_end_in_text_or_in_a_class(read_files):
    """Seeded mutations of each: never anything but a result or a class that the layer declares."""
    rng = random.Random(11)
    made = message()
    made.add_attachment(make_pdf("bill"), maintype="application", subtype="pdf", filename="bill.pdf")
    whole = {
        "docx": word(lambda document: document.add_paragraph("text")),
        "xlsx": workbook({"S": '<row r="1"><c r="A1"><v>1</v></c></row>'}),
        "pptx": slides("one"),
        "odt": open_text("<text:p>x</text:p>"),
        "eml": made.as_bytes(),
        "html": b"<html><body><p>text <b>bold</b></p><table><tr><td>x</td></tr></table></body></html>",
        "xml": b"<?xml version='1.0'?><a><b c='d'>text</b></a>",
        "rtf": rb"{\rtf1\ansi text\par {\b bold} more}",
        "msg": compound({"__properties_version1.0": bytes(64), "__substg1.0_0037001E": b"subject"}),
    }
    seen: list[Failure | None] = []
    for content in whole.values():
        for _ in range(25):
            damaged = bytearray(content)
            for _ in range(rng.randint(1, 8)):
                damaged[rng.randrange(len(damaged))] = rng.randrange(256)
            if rng.random() < 0.3:
                damaged = damaged[: rng.randrange(len(damaged))]
            try:
                read_files(bytes(damaged))
                seen.append(None)
            except StepFailure as error:
                seen.append(error.failure)
    assert set(seen) <= READING_FAILURES | {None}
    assert 20 < seen.count(None) < 180
