"""Pictures: what is asked of tesseract, what becomes of its answer, and what it may do."""

import os
import shutil
import sys
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from aie.core import Value
from aie.errors import Failure, StepFailure
from aie.layers.extract import ExtractLayer, Recogniser
from aie.layers.extract.allowance import Allowance
from tests.unit.layers.conftest import make_pdf
from tests.unit.layers.files import png

TAKE_ALL = "while read -r _; do :; done"
ANSWER = """level	page_num	block_num	par_num	line_num	word_num	left	top	width	height	conf	text
1	1	0	0	0	0	0	0	100	50	-1	-
5	1	1	1	1	1	10	20	30	8	96.1	Total
5	1	1	1	1	2	45	18	20	10	80.9	9.50
5	1	1	1	2	1	10	40	30	8	90	EUR
"""


@pytest.fixture
def program():
    """Make a program that plays tesseract: it runs closed, so all it can do is look and answer.

    Not in pytest's temporary folder: as root it runs as nobody, and must be able to reach its file.
    """
    with ExitStack() as folders:

        def make(body: str) -> str:
            folder = Path(folders.enter_context(TemporaryDirectory(prefix="aie-program-")))
            path = folder / "tesseract"
            told_version = 'if [ "$1" = --version ]; then echo tesseract 9.9; exit; fi'
            path.write_text(f"#!{shutil.which('sh')}\n{told_version}\n{body}\n")
            folder.chmod(0o755)
            path.chmod(0o755)
            return str(path)

        yield make


@pytest.fixture
def answering(program):
    """Play a tesseract that sees the same on every picture."""
    return program(f"{TAKE_ALL}; printf '%s' '{ANSWER}'")


def read(program, world, task, content: bytes, **config):
    world.files["r"] = content
    given = Value(data={"ref": "r", "name": "scan", "media_type": "", "size": 1}, ref="v")
    layer = ExtractLayer(recogniser=Recogniser(program))
    return layer.run(task({"kind": "document", **config}, **{"from": given}), world.tools())


def test_lines_of_a_picture_keep_their_boxes(answering, world, task):
    """Words of a line are joined, boxes too; the record says what recognised them and how sure it was."""
    made = read(answering, world, task, png(100, 50))
    assert made.data["text"] == "Total 9.50\nEUR"
    assert made.data["kind"] == "image"
    assert made.data["lines"] == [
        {"start": 0, "end": 10, "page": 1, "box": [10, 18, 65, 28]},
        {"start": 11, "end": 14, "page": 1, "box": [10, 40, 40, 48]},
    ]
    assert made.report == {"media_type": "image/png", "recogniser": "tesseract 9.9", "confidence": 88}


def test_only_the_pages_of_a_pdf_without_text_are_recognised(answering, world, task):
    """Their boxes are in points of the page, drawn at 200 dots per inch."""
    made = read(answering, world, task, make_pdf("written", ""))
    pages = [made.data["text"][each["start"] : each["end"]] for each in made.data["pages"]]
    assert pages == ["written", "Total 9.50\nEUR"]
    assert [(each["page"], each["start"]) for each in made.data["lines"]] == [(2, 9), (2, 20)]
    assert (made.report["recognised_pages"], made.report["unrecognised_pages"]) == (1, 0)


@pytest.mark.parametrize(
    ("body", "failure"),
    [
        ("exit 1", Failure.INVALID_INPUT),
        ("exit 0", Failure.INVALID_INPUT),
        ("kill -SEGV $$", Failure.HOSTILE),
        ("echo Failed loading language >&2; exit 1", Failure.UNSUPPORTED),
        ("while :; do :; done", Failure.TIMEOUT),
    ],
)
def test_what_a_picture_does_to_its_reader_is_a_failure_of_its_class(program, body, failure):
    """The engine gets a class, whatever happens there."""
    with pytest.raises(StepFailure) as caught:
        Recogniser(program(body)).read(png(8, 8), (), 1_000, Allowance(60_000))
    assert caught.value.failure == failure


def test_a_picture_of_more_pixels_than_paper_has_is_not_handed_on(answering):
    """Few bytes, a gigabyte of pixels."""
    with pytest.raises(StepFailure) as caught:
        Recogniser(answering).read(png(60_000, 60_000), (), None, Allowance(60_000))
    assert caught.value.failure == Failure.BOMB


def test_one_page_that_cannot_be_recognised_does_not_cost_the_others(program, world, task):
    """With `partial` it is named in `unread`; without, and for a file of nothing else, the file is refused."""
    broken = program("exit 1")
    made = read(broken, world, task, make_pdf("written", ""), partial=True)
    assert (made.data["pages"][1]["start"], made.report["unrecognised_pages"]) == (9, 1)
    assert [each["why"] for each in made.data["unread"]] == ["page 2 of 2 cannot be read"]
    for pages in (("written", ""), ("", "")):
        with pytest.raises(StepFailure) as caught:
            read(broken, world, task, make_pdf(*pages))
        assert caught.value.failure == Failure.INVALID_INPUT


def test_the_pictures_of_a_document_share_one_time(program):
    """What one takes is not there for the next."""
    slow, allowance = Recogniser(program("while :; do :; done")), Allowance(300)
    for _ in range(2):
        with pytest.raises(StepFailure) as caught:
            slow.read(png(8, 8), (), None, allowance)
        assert caught.value.failure == Failure.TIMEOUT
    assert (allowance.left_ms, "300 ms" in caught.value.message) == (0, True)


def test_languages_are_handed_on(program, world, task):
    """By the names that tesseract gives them."""
    row = "5\\t1\\t2\\t1\\t1\\t1\\t0\\t0\\t1\\t1\\t9\\t%s"
    told = program(f"{TAKE_ALL}; printf '%s' '{ANSWER}'; printf '{row}' \"$4\"")
    assert read(told, world, task, png(8, 8), languages=["eng", "deu"]).data["text"].endswith("EUR\neng+deu")


@pytest.mark.skipif(sys.platform != "linux", reason="rights are given up as Linux has them: nothing was attempted")
def test_the_recognition_can_neither_write_nor_start_anything(program):
    """It may start no process and write no file: each attempt fails, so its answer never says that it did."""
    attempts = program(f"echo x > /tmp/aie-{os.getpid()}-escape && exit 0; /bin/true && exit 0; exit 3")
    with pytest.raises(StepFailure) as caught:
        Recogniser(attempts).read(png(8, 8), (), 5_000, Allowance(60_000))
    assert caught.value.failure in (Failure.INVALID_INPUT, Failure.HOSTILE)
    assert "no page" not in caught.value.message


@pytest.mark.skipif(shutil.which("tesseract") is None, reason="tesseract is not installed: nothing was recognised")
def test_tesseract_itself_runs_closed():
    """The real one needs no right that was given up; a white page has no line."""
    assert Recogniser().read(png(200, 64), (), None, Allowance(60_000)).pages == ((),)
