"""What a terminal could misread is spelled out."""

import json

import pytest

from aie.cli.failing import tell
from aie.cli.screen import Screen
from aie.core import visible
from aie.errors import AieError

HOSTILE = {
    "clears the screen": "\x1b[2J",
    "renames the window": "\x1b]0;mine\x07",
    "one byte sequence": "\x9b31m",
    "goes back over the line": "amount 1.00\r9",
    "erases": "9\x08\x7f",
    "turns the direction": "\u202e00.001",
    "isolates": "\u2066a\u2069",
    "zero width": "pay\u200bment",
    "joins": "pay\u2060ment",
    "a mark of order": "\ufeffpayment",
    "tags": "\U000e0041",
    "a line of ours": "a\nnext: aie cancel run_1",
    "a separator of lines": "a\u2028b",
    "half a pair": "\ud800",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_what_is_not_seen_is_spelled_out(text: str):
    """In the way of JSON, so that nothing is lost either."""
    shown = visible(text)
    assert shown.isprintable()
    assert json.loads(f'"{shown}"') == text


@pytest.mark.parametrize("text", ["", "plain", "Zürich – 12,50 €", "請求書", "\U0001f600", "a\\u202eb", "Привет"])
def test_what_is_seen_stays(text: str):
    assert visible(text) == text


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_nothing_that_a_command_prints_holds_it(text: str, capsys: pytest.CaptureFixture[str]):
    """Not as data, talk, table, stream or error, and not as JSON, whose value is the same."""
    screen, programs = Screen("text"), Screen("json")
    screen.show(None, [text, screen.bold(text), *screen.table((text, text), [(text, text)])])
    screen.stream(None, text)
    screen.say(text)
    screen.next(text)
    tell(AieError(text, hints=(text,)), as_json=False)
    programs.show(text, ())
    programs.stream(text, "")
    tell(AieError(text), as_json=True)
    seen = capsys.readouterr()
    assert (seen.out + seen.err).replace("\n", "").isprintable()
    assert json.loads(seen.out.splitlines()[-1]) == text


def test_a_heading_is_marked_around_what_it_says(monkeypatch: pytest.MonkeyPatch):
    """The mark is ours and the only one."""
    screen, printed = Screen("text"), list[str]()
    monkeypatch.setattr(screen, "colour", True)
    monkeypatch.setattr("aie.cli.screen.typer.echo", printed.append)
    screen.show(None, [screen.bold("a\x1b[0m")])
    assert printed == ["\x1b[1ma\\u001b[0m\x1b[0m"]
