"""Several documents of one case, lines with their boxes, and where characters stand on a page."""

import pytest

from aie.errors import Failure, StepFailure
from aie.layers import LAYERS, boxes
from tests.unit.layers.conftest import make_pdf
from tests.unit.layers.files import message


def test_a_packet_is_divided_where_a_page_opens_a_new_document(read_files):
    """Pages keep the numbers they have in the file; what does not match belongs to the document before."""
    bundle = make_pdf("cover", "Invoice 1", "terms", "Invoice 2")
    data = read_files(bundle, b"a note", kind="packet", starts=["^Invoice [0-9]+"]).data
    found = [(each["kind"], [page["number"] for page in each["pages"]], each["text"]) for each in data["documents"]]
    assert found == [
        ("pdf", [1], "cover"),
        ("pdf", [2, 3], "Invoice 1\n\nterms"),
        ("pdf", [4], "Invoice 2"),
        ("text", [], "a note"),
    ]
    for each in data["documents"]:
        for page in each["pages"]:
            assert each["text"][page["start"] : page["end"]]


def test_a_packet_says_which_file_is_bad(read_files):
    """The class is the file's; its position is named, as names are of whoever sent it."""
    with pytest.raises(StepFailure, match="file 2") as caught:
        read_files(b"fine", b"\x1f\x8b\x08\0", kind="packet")
    assert caught.value.failure == Failure.UNSUPPORTED


def test_a_message_in_a_packet_is_its_parts(read_files):
    """The message and each attachment are documents of their own."""
    made = message()
    made.add_attachment("a,b\n", filename="rows.csv")
    data = read_files(made.as_bytes(), kind="packet").data
    assert [(each["name"], each["kind"]) for each in data["documents"]] == [("file", "eml"), ("rows.csv", "csv")]


@pytest.fixture
def lines(world, task):
    """Take lines as the layer does."""
    return lambda given: LAYERS["extract"].run(task({"kind": "lines"}, **{"from": given}), world.tools()).data


def test_lines_keep_their_boxes_over_one_text(lines):
    """One line each, in the order given, on the pages that they name."""
    given = [
        {"text": "ACME LTD", "box": [1, 2, 30, 9]},
        {"text": "TOTAL\n9.50", "box": [1, 12, 30, 19], "angle": 0},
        {"text": "over", "box": [0, 0, 5, 5], "page": 2},
    ]
    data = lines(given)
    assert data["text"] == "ACME LTD\nTOTAL 9.50\nover"
    assert [data["text"][each["start"] : each["end"]] for each in data["lines"]] == ["ACME LTD", "TOTAL 9.50", "over"]
    assert [(each["page"], each["box"][1]) for each in data["lines"]] == [(1, 2), (1, 12), (2, 0)]
    assert data["pages"] == [{"number": 1, "start": 0, "end": 19}, {"number": 2, "start": 20, "end": 24}]


@pytest.mark.parametrize(
    ("given", "failure"),
    [
        ([], Failure.BLANK),
        ([{"text": " ", "box": [0, 0, 1, 1]}], Failure.BLANK),
        ("text", Failure.INVALID_INPUT),
        ([{"text": "x"}], Failure.INVALID_INPUT),
        ([{"text": "x", "box": [0, 0, 1]}], Failure.INVALID_INPUT),
        ([{"text": "x", "box": [0, 0, 1, 1], "page": 2}, {"text": "y", "box": [0, 0, 1, 1]}], Failure.INVALID_INPUT),
    ],
)
def test_lines_that_are_none_have_their_class(lines, given, failure):
    """A line is a text with four edges; pages do not go backwards."""
    with pytest.raises(StepFailure) as caught:
        lines(given)
    assert caught.value.failure == failure


def test_boxes_say_where_characters_stand():
    """In hundredths of a point from the upper left: the text was written at 9, 99 of a page 999 high, in 9 points."""
    places = boxes(make_pdf("first", "one two"), 2, 4, 7)
    assert (places.width, places.height, len(places.boxes)) == (99_900, 99_900, 1)
    box = places.boxes[0]
    assert 2_000 < box.left < box.right < 4_500
    assert 89_000 < box.top < box.bottom < 90_500
    assert boxes(make_pdf("x"), 1, 5, 9).boxes == ()
    with pytest.raises(StepFailure):
        boxes(make_pdf("x"), 2, 0, 1)
