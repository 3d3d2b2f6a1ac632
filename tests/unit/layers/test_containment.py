"""How closed the readers are is recorded, and a workflow of high risk reads only where they are closed."""

import random
from pathlib import Path

import pytest

from aie.core import Value
from aie.errors import Failure, StepFailure
from aie.layers import Task, Tools
from aie.layers.extract import ExtractLayer, Sandbox, jail
from aie.layers.extract.readers import READERS
from tests.shows.making import MAKERS, pdf


class OpenSandbox(Sandbox):
    """A sandbox of a machine that permits no network namespace; it reads as the real one."""

    def isolation(self):
        """Say so."""
        return {"network": "open", "user": "same"}


class ClosedSandbox(Sandbox):
    """A sandbox of a machine that permits one."""

    def isolation(self):
        """Say so."""
        return {"network": "none", "user": "nobody"}


class Files:
    """One document."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def read(self, ref: str) -> bytes:
        """Return it."""
        return self.content


def read(sandbox: Sandbox, *, closed: bool, content: bytes):
    document = {"ref": "r", "name": "f", "media_type": "", "size": len(content)}
    config = {"kind": "document", **({"closed": True} if closed else {})}
    task = Task(path="s", config=config, inputs={"from": Value(data=document, ref="r")}, workflow="w")
    tools = Tools(files=Files(content), attempts=None, components=None, live=None, secret=None, cache=None)
    try:
        return ExtractLayer(sandbox).run(task, tools)
    finally:
        sandbox.close()


@pytest.mark.parametrize("sandbox", [OpenSandbox, ClosedSandbox])
def test_the_record_says_how_closed_the_reader_was(sandbox):
    """Whatever the machine permits."""
    made = sandbox(READERS)
    result = read(made, closed=False, content=pdf([["One line."]]))
    assert result.report["isolation"] == made.isolation()


def test_high_risk_reads_where_readers_are_closed():
    """The same document, on a machine that closes them."""
    result = read(ClosedSandbox(READERS), closed=True, content=pdf([["One line."]]))
    assert result.data["text"] == "One line."


def test_high_risk_does_not_read_where_readers_are_open():
    """A class for the handlers, and where to look."""
    with pytest.raises(StepFailure, match="high risk") as caught:
        read(OpenSandbox(READERS), closed=True, content=pdf([["One line."]]))
    assert caught.value.failure is Failure.UNSUPPORTED
    assert "aie doctor" in caught.value.hints[0]


OPENING = """
def hook(event, args):
    if event == "open" and armed:
        os.abort()

armed = []
sys.addaudithook(hook)
"""
"""What is put before `jail.py`: once a child is closed, every attempt to open a file is a crash."""


@pytest.mark.parametrize("made", [name for name in MAKERS if name not in ("json", "yaml", "png", "zip")])
def test_a_file_of_every_format_is_read_without_opening_a_file(made, watched):
    """Readers load what they need before a child is closed: the machine may not let it open any."""
    assert read(watched, closed=False, content=MAKERS[made](random.Random(1))).data["text"]


def test_a_reader_that_opens_a_file_is_noticed(watched, tmp_path):
    """The control."""
    path = tmp_path / "late.py"
    path.write_text("def read(content):\n    return {'kind': 'text', 'text': str(open('/dev/null'))}\n")
    watched._readers = {"html": path}
    with pytest.raises(StepFailure, match="crashed"):
        read(watched, closed=False, content=MAKERS["html"](random.Random(1)))


@pytest.fixture
def watched(tmp_path, monkeypatch) -> Sandbox:
    """A sandbox whose children crash at opening a file."""
    source = Path(jail.__file__).read_text()
    head, rest = source.split("\nREQUEST =", 1)
    rest = rest.replace("    read(channel, table", "    armed.append(1)\n            read(channel, table", 1)
    (tmp_path / "jail.py").write_text(f"{head}\n{OPENING}\nREQUEST ={rest}")
    monkeypatch.setattr("aie.layers.extract.sandbox._HERE", tmp_path)
    return Sandbox(READERS)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"<!doctype html><html>" + b"<div>" * 5_000 + b"word", "nested"),
        (b"From: a@b.example\nTo: c@d.example\nSubject: s\nX-Long: " + b"- " * 20_000 + b"\n\nword\n", "header"),
    ],
)
def test_what_a_parser_would_take_the_square_of_is_a_bomb(content, why):
    """Refused before it costs anybody seconds."""
    with pytest.raises(StepFailure, match=why) as caught:
        read(Sandbox(READERS), closed=False, content=content)
    assert caught.value.failure is Failure.BOMB
