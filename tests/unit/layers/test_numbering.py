"""Numbers that Word counts itself: contracts name their clauses by them, and no text of the file holds them."""

import pytest
from docx.document import Document
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls

from aie.layers.extract.readers.numbering import in_form
from tests.unit.layers.files import word

CLAUSES = (("decimal", "%1."), ("decimal", "%1.%2"), ("lowerLetter", "(%3)"), ("lowerRoman", "(%4)"))


def numbered(document: Document, levels, more: str = "", lists: str = "") -> None:
    """Replace the template's lists by one of these levels (kind, form, and XML of whatever else), its list number 1."""
    made = "".join(
        f'<w:lvl w:ilvl="{at}"><w:start w:val="1"/><w:numFmt w:val="{kind}"/>{"".join(rest)}<w:lvlText w:val="{form}"/>'
        "</w:lvl>"
        for at, (kind, form, *rest) in enumerate(levels)
    )
    root = document.part.numbering_part.element
    for each in list(root):
        root.remove(each)
    xml = (
        f"<w:numbering {nsdecls('w')}><w:abstractNum w:abstractNumId='7'>{made}</w:abstractNum>{more}"
        f"<w:num w:numId='1'><w:abstractNumId w:val='7'/></w:num>{lists}</w:numbering>"
    )
    root.extend(list(parse_xml(xml)))


def item(document: Document, text: str, level: int | None = 0, number: int | None = 1, style: str | None = None):
    """Add a paragraph of a list."""
    paragraph = document.add_paragraph(text, style=style)
    inner = "" if level is None else f'<w:ilvl w:val="{level}"/>'
    inner += "" if number is None else f'<w:numId w:val="{number}"/>'
    paragraph._p.get_or_add_pPr().append(parse_xml(f"<w:numPr {nsdecls('w')}>{inner}</w:numPr>"))


def lines(read_files, build) -> list[str]:
    return [line for line in read_files(word(build)).data["text"].split("\n") if line]


def test_clauses_have_the_numbers_that_the_contract_is_cited_by(read_files):
    """Levels below start over after one above; a paragraph between does not."""

    def build(document):
        numbered(document, CLAUSES)
        for text, level in (("Term", 0), ("Start", 1), ("end", 2), ("notice", 2), ("in writing", 3)):
            item(document, text, level)
        document.add_paragraph("Between.")
        for text, level in (("Renewal", 1), ("once", 2), ("Fees", 0), ("Due", 1)):
            item(document, text, level)

    assert lines(read_files, build) == [
        *("1. Term", "1.1 Start", "(a) end", "(b) notice", "(i) in writing", "Between."),
        *("1.2 Renewal", "(a) once", "2. Fees", "2.1 Due"),
    ]


def test_a_style_numbers_its_paragraphs_and_one_of_them_may_be_without(read_files):
    """The style names the list, the list says which level is the style's; list 0 takes the number away."""

    def build(document):
        numbered(
            document,
            [
                ("upperRoman", "ARTICLE %1", '<w:pStyle w:val="Heading1"/>'),
                ("decimal", "%1.%2", "<w:isLgl/>", '<w:pStyle w:val="Heading2"/>'),
            ],
        )
        for style in ("Heading 1", "Heading 2"):
            properties = document.styles[style].element.get_or_add_pPr()
            properties.append(parse_xml(f"<w:numPr {nsdecls('w')}><w:numId w:val='1'/></w:numPr>"))
        document.add_heading("Parties", 1)
        document.add_heading("The seller", 2)
        item(document, "Preamble", None, 0, style="Heading 1")
        document.add_heading("Price", 1)
        document.add_heading("Net", 2)

    assert lines(read_files, build) == [
        "ARTICLE I Parties", "1.1 The seller", "Preamble", "ARTICLE II Price", "2.1 Net",
    ]  # fmt: skip


def test_lists_of_one_definition_count_on_and_one_may_start_over(read_files):
    """The second list goes on, the third begins at its own number, once."""
    override = "<w:lvlOverride w:ilvl='0'><w:startOverride w:val='5'/></w:lvlOverride>"
    lists = (
        "<w:num w:numId='2'><w:abstractNumId w:val='7'/></w:num>"
        f"<w:num w:numId='3'><w:abstractNumId w:val='7'/>{override}</w:num>"
    )

    def build(document):
        numbered(document, CLAUSES, lists=lists)
        for number in (1, 2, 3, 3):
            item(document, "x", 0, number)

    assert lines(read_files, build) == ["1. x", "2. x", "5. x", "6. x"]


def test_a_level_may_never_start_over_and_one_may_stand_alone(read_files):
    """`lvlRestart` 0; a level above that was never reached shows its first number."""

    def build(document):
        numbered(document, [("decimal", "%1."), ("decimal", "%1.%2", '<w:lvlRestart w:val="0"/>')])
        for level in (1, 0, 1, 0, 1):
            item(document, "x", level)

    assert lines(read_files, build) == ["1.1 x", "1. x", "1.2 x", "2. x", "2.3 x"]


def test_bullets_are_dots_and_dashes_are_dashes(read_files):
    """Most are letters of fonts of signs."""

    def build(document):
        numbered(document, [("bullet", "\uf0b7"), ("bullet", "–"), ("none", "%1")])
        for level in range(3):
            item(document, "x", level)

    assert lines(read_files, build) == ["• x", "– x", "x"]


def test_a_list_may_be_that_of_a_numbering_style(read_files):
    """It then has the levels of the definition that the style names."""
    more = "<w:abstractNum w:abstractNumId='8'><w:numStyleLink w:val='Clauses'/></w:abstractNum>"
    lists = "<w:num w:numId='2'><w:abstractNumId w:val='8'/></w:num>"

    def build(document):
        numbered(document, CLAUSES, more=more, lists=lists)
        definition = document.part.numbering_part.element[0]
        definition.insert(0, parse_xml(f"<w:styleLink {nsdecls('w')} w:val='Clauses'/>"))
        item(document, "x", 0, 2)

    assert lines(read_files, build) == ["1. x"]


def test_numbers_in_tables_are_counted_where_they_stand(read_files):
    """In the order of the text."""

    def build(document):
        numbered(document, CLAUSES)
        item(document, "before")
        table = document.add_table(1, 2)
        for cell in table.rows[0].cells:
            cell._tc.remove(cell.paragraphs[0]._p)
            item(cell, "cell")
        item(document, "after")

    assert lines(read_files, build) == ["1. before", "2. cell\t3. cell", "4. after"]


def test_damaged_lists_leave_the_text(read_files):
    """A list of no definition, a level beyond the last, a style that is based on itself, numbers beyond all bounds."""
    lists = "<w:num w:numId='2'><w:abstractNumId w:val='99'/></w:num>"

    def build(document):
        numbered(document, [("lowerLetter", "%1%9%%x"), *CLAUSES[1:]], lists=lists)
        root = document.part.numbering_part.element
        root[0][0][0].set(root[0][0][0].keys()[0], "999999999999999999999")
        document.styles["Heading 1"].element.basedOn.val = "Heading1"
        document.add_heading("Head", 1)
        for level, number in ((0, 2), (12, 1), (-1, 1), (0, 1)):
            item(document, "x", level, number)

    assert lines(read_files, build)[:2] == ["Head", "x"]


@pytest.mark.parametrize(
    ("kind", "numbers", "shown"),
    [
        ("lowerLetter", (1, 26, 27, 53, 781), ("a", "z", "aa", "aaa", "781")),
        ("upperLetter", (2, 28), ("B", "BB")),
        ("lowerRoman", (4, 9, 14, 1999, 0), ("iv", "ix", "xiv", "mcmxcix", "0")),
        ("upperRoman", (3, 2_000_000_000), ("III", "2000000000")),
        ("decimalZero", (7, 12), ("07", "12")),
        ("ordinal", (1, 2, 3, 4, 11, 21), ("1st", "2nd", "3rd", "4th", "11th", "21st")),
        ("japaneseCounting", (3,), ("3",)),
    ],
)
def test_numbers_have_the_form_of_their_level(kind, numbers, shown):
    """Where a number has no such form, or the form is not known, digits."""
    assert tuple(in_form(kind, each) for each in numbers) == shown
