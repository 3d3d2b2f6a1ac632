"""The chat server as a process of its own."""

import json
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from aie.errors import Failure
from aie.models import CallFailed, ChatRequest, Endpoint, connect
from aie.testing import OpenAIServer, recorded_answers

pytestmark = pytest.mark.slow

DOCUMENT = Path(__file__).parents[3] / "docs" / "testing.md"
ASKED = ChatRequest(model="reader-2026-05", user="How much?", max_tokens=200)


def documented() -> list[str]:
    """Return the command of the document, on a free port and under this Python."""
    [line] = re.findall(
        r"^ {4}python (-m aie\.testing\.openai_server .*--port 8090 .*)$", DOCUMENT.read_text(), re.MULTILINE
    )
    return [sys.executable, *shlex.split(line.replace("--port 8090", "--port 0"))]


@contextmanager
def process(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    """Yield the server's process, ended as Ctrl-C does it."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            yield server
        finally:
            server.send_signal(signal.SIGINT)
            assert server.wait(timeout=10) == 0


def test_the_command_of_the_document_says_its_url_serves_and_keeps_its_log() -> None:
    """One request is turned away as ordered, the next is answered; each is a line."""
    with process(documented()) as server:
        assert server.stdout is not None
        here, chat = Endpoint(url=server.stdout.readline().strip()), connect("openai_compatible")
        with pytest.raises(CallFailed) as failed:
            chat.invoke(ASKED, here)
        assert failed.value.failure is Failure.PROVIDER_DOWN
        assert json.loads(chat.invoke(ASKED, here).text) == {"amount": "12.00 USD"}
        log = [json.loads(server.stdout.readline()) for _ in range(2)]
    assert [(each["fault"], each["body"]["model"]) for each in log] == [
        ("unavailable", "reader-2026-05"),
        ("none", "reader-2026-05"),
    ]
    assert [each["tokens_out"] > 0 for each in log] == [False, True]


def test_a_port_that_is_taken_is_said_and_not_waited_for() -> None:
    """By the command with a status, by the class with the error of the system."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = [sys.executable, "-m", "aie.testing.openai_server", "--port", f"{port}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith(f"port {port}: address already in use")
        with pytest.raises(OSError, match="in use"), OpenAIServer(port=port):
            pass


def test_recorded_answers_are_found_by_the_words_of_a_question(tmp_path: Path) -> None:
    """The first line that fits answers, data as JSON; a question that none fits is refused and not billed."""
    file = tmp_path / "answers.jsonl"
    file.write_text('{"holds": "TW-1", "answer": {"amount": "1.00 EUR"}}\n\n{"holds": "TW", "answer": "which one?"}\n')
    chat = connect("openai_compatible")
    with OpenAIServer(recorded_answers(file)) as server:
        here = Endpoint(url=server.url)
        said = [chat.invoke(replace(ASKED, user=f"About {name}:\nhow much?"), here).text for name in ("TW-1", "TW-2")]
        with pytest.raises(CallFailed) as failed:
            chat.invoke(ASKED, here)
    assert said == ['{"amount": "1.00 EUR"}', "which one?"]
    assert failed.value.failure is Failure.PROVIDER_REFUSED
    assert (server.bills[-1].fault, server.bills[-1].tokens_in) == ("refused", 0)


@pytest.mark.parametrize("line", ["{", "[]", "3", '{"holds": "TW-1"}', '{"holds": 1, "answer": "x"}'])
def test_a_line_that_is_no_recorded_answer_is_told_with_its_place(tmp_path: Path, line: str) -> None:
    """By the function, and by the command in one line."""
    file = tmp_path / "answers.jsonl"
    file.write_text('{"holds": "TW-1", "answer": "yes"}\n' + line)
    with pytest.raises(ValueError, match=r"answers\.jsonl:2: .*expected"):
        recorded_answers(file)
    done = serve("--answers", file, "true")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)


def test_a_file_of_answers_that_is_not_there_is_said(tmp_path: Path) -> None:
    """And not called a port."""
    done = serve("--answers", tmp_path / "answers.jsonl", "true")
    assert (done.returncode, done.stderr) == (1, f"{tmp_path}/answers.jsonl: no such file or directory\n")


def test_a_command_is_served_for_as_long_as_it_runs() -> None:
    """It finds the URL and other values in its environment; its output and its status are all there is."""
    asks = (
        "import os, sys; from aie.models import ChatRequest, Endpoint, connect;"
        "asked = ChatRequest(model='reader-2026-05', user='How much?', max_tokens=200);"
        "here = Endpoint(url=os.environ['HOSTED_URL'], key=os.environ['HOSTED_KEY']);"
        "print(connect('openai_compatible').invoke(asked, here).text); sys.exit(3)"
    )
    done = serve("--answer", "12.00", "--env", "HOSTED_URL", "--env", "HOSTED_KEY=a=b", sys.executable, "-c", asks)
    assert (done.returncode, done.stdout, done.stderr) == (3, "12.00\n", "")


def serve(*arguments: object) -> "subprocess.CompletedProcess[str]":
    """Run the server with a command, as a process."""
    command = [sys.executable, "-m", "aie.testing.openai_server", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
