"""The extract layer: what a document says, or the class of what is wrong with it."""

import random

import pytest

from aie.core import JSON, Labels, Value
from aie.errors import Failure, StepFailure
from aie.layers import LAYERS, Result

DOCUMENT: JSON = {"ref": "r1", "name": "claim", "media_type": "", "size": 1}


@pytest.fixture
def read(world, task):
    """Read content as the layer does."""

    def run(content: bytes, kind: str = "document", labels: Labels | None = None, name: str = "claim") -> Result:
        world.files["r1"] = content
        given = Value(data={**DOCUMENT, "name": name}, ref="v1", labels=labels or Labels())
        made = LAYERS["extract"].run(task({"kind": kind}, **{"from": given}), world.tools())
        assert isinstance(made, Result)
        return made

    return run


def failure_of(read, content: bytes, kind: str = "document") -> Failure:
    with pytest.raises(StepFailure) as caught:
        read(content, kind)
    return caught.value.failure


def test_text_is_read_with_its_name(read):
    """Plain text has no pages; line ends are one newline."""
    assert read("Señor\r\nclaims".encode()).data == {
        "text": "Señor\nclaims",
        "pages": [],
        "kind": "text",
        "name": "claim",
        "parts": [{"name": "claim", "kind": "text", "start": 0, "end": 12}],
        "unread": [],
    }


def test_pages_of_a_pdf_cover_its_text_by_offsets(read, pdf):
    """Every page is `text[start:end]`."""
    data = read(pdf("first page", "second page")).data
    pages = [data["text"][each["start"] : each["end"]] for each in data["pages"]]
    assert pages == ["first page", "second page"]
    assert [each["number"] for each in data["pages"]] == [1, 2]
    assert data["kind"] == "pdf"


def test_what_comes_out_is_untrusted_and_keeps_the_labels_of_what_went_in(read):
    """Reading must not launder labels."""
    labels = read(b"text", labels=Labels(classes=frozenset({"health"}), regions=frozenset({"eu"}))).labels
    assert labels == Labels(classes=frozenset({"health"}), regions=frozenset({"eu"}), integrity="untrusted")


def test_a_plain_text_value_is_taken_as_it_is(world, task):
    """`extract: text` also takes a text of the input."""
    made = LAYERS["extract"].run(task({"kind": "text"}, **{"from": "a\r\nb"}), world.tools())
    assert made.data == {
        "text": "a\nb",
        "pages": [],
        "kind": "text",
        "name": "",
        "parts": [{"name": "", "kind": "text", "start": 0, "end": 3}],
        "unread": [],
    }


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("plain".encode("utf-8-sig"), "plain"),
        ("añb漢".encode("utf-16"), "añb漢"),
        ("a longer text".encode("utf-16-le"), "a longer text"),
        ("a longer text".encode("utf-16-be"), "a longer text"),
        ("wide".encode("utf-32"), "wide"),
        ("50 € für Öl".encode("cp1252"), "50 € für Öl"),
        ("naïve café".encode("latin-1"), "naïve café"),
        (b"BMW claim", "BMW claim"),
        (b"MZ is no program here", "MZ is no program here"),
    ],
)
def test_encodings_are_told_apart_by_content(read, content, text):
    """Nobody declares an encoding; a mark, NUL positions or valid UTF-8 say which it is."""
    assert read(content).data["text"] == text


@pytest.mark.parametrize(
    ("content", "failure"),
    [
        (b"", Failure.BLANK),
        (b" \r\n\t\x0c ", Failure.BLANK),
        ("\u200b\ufeff \u00a0".encode(), Failure.BLANK),
        ("grün Ö".encode()[:-1], Failure.TRUNCATED),
        ("grün grün grün".encode() + b"\xff tail", Failure.INVALID_INPUT),
        ("ab".encode("utf-16") + b"\x00", Failure.TRUNCATED),
        (bytes(range(256)), Failure.WRONG_TYPE),
        (b"a\x00b\x00\x00c", Failure.WRONG_TYPE),
        (b"\x81\x8d\x8f\x90 binary", Failure.WRONG_TYPE),
        (b"PK\x03\x04 archive", Failure.TRUNCATED),
        (b"\x89PNG\r\n\x1a\n....", Failure.UNSUPPORTED),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 old office", Failure.TRUNCATED),
        (b"7z\xbc\xaf\x27\x1c archive", Failure.UNSUPPORTED),
    ],
)
def test_each_kind_of_bad_input_has_its_class(read, content, failure):
    """A name or a declared type changes nothing: the content decides."""
    assert failure_of(read, content) == failure


def test_a_pdf_cut_short_is_truncated_even_where_a_library_would_mend_it(read, pdf):
    """A mended PDF may lack pages without saying so."""
    content = pdf("first", "second")
    assert failure_of(read, content[: len(content) - 9]) == Failure.TRUNCATED
    assert failure_of(read, content[: len(content) // 2]) == Failure.TRUNCATED


def test_a_pdf_without_text_is_blank(read, pdf):
    """A scan says so instead of giving an empty answer."""
    assert failure_of(read, pdf("")) == Failure.BLANK


def test_a_pdf_that_needs_a_password_is_encrypted(read, pdf):
    """The standard security handler with keys that no password of ours opens."""
    entry = f"/Encrypt<</Filter/Standard/V 1/R 2/O<{'00' * 32}>/U<{'11' * 32}>/P -4>>/ID[<00><00>]".encode()
    content = pdf("secret").replace(b"trailer<<", b"trailer<<" + entry)
    assert failure_of(read, content) == Failure.ENCRYPTED


def test_a_pdf_that_is_none_inside_is_invalid(read):
    """Header and end mark alone make no document."""
    assert failure_of(read, b"%PDF-1.7\nnothing of the kind\n%%EOF\n") == Failure.INVALID_INPUT


def test_plain_text_only_refuses_a_pdf(read, pdf):
    """`extract: text` does not guess that pages were meant."""
    assert failure_of(read, pdf("page"), kind="text") == Failure.WRONG_TYPE


def test_damaged_pdfs_end_in_text_or_in_a_class(read, pdf):
    """300 seeded mutations: never anything but a result or a StepFailure the layer declares."""
    rng = random.Random(7)
    whole = bytearray(pdf("page one", "page two", "page three"))
    declared = {
        Failure.BLANK, Failure.ENCRYPTED, Failure.HOSTILE, Failure.INVALID_INPUT, Failure.TIMEOUT, Failure.TOO_LARGE,
        Failure.TRUNCATED, Failure.UNSUPPORTED, Failure.WRONG_TYPE, Failure.BOMB,
    }  # fmt: skip
    seen: list[Failure | None] = []
    for _ in range(300):
        content = bytearray(whole)
        for _ in range(rng.randint(1, 20)):
            content[rng.randrange(len(content))] = rng.randrange(256)
        if rng.random() < 0.3:
            at = rng.randrange(len(content))
            content[at : at + rng.randrange(60)] = b""
        try:
            read(bytes(content))
            seen.append(None)
        except StepFailure as error:
            seen.append(error.failure)
    assert set(seen) <= declared | {None}
    assert 10 < seen.count(None) < 290
