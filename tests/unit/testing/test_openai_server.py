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
from pathlib import Path

import pytest

from aie.errors import Failure
from aie.models import CallFailed, ChatRequest, Endpoint, connect
from aie.testing import OpenAIServer

pytestmark = pytest.mark.slow

DOCUMENT = Path(__file__).parents[3] / "docs" / "testing.md"
ASKED = ChatRequest(model="reader-2026-05", user="How much?", max_tokens=200)


def documented() -> list[str]:
    """Return the command of the document, on a free port and under this Python."""
    [line] = re.findall(r"^ {4}python (-m aie\.testing\.openai_server .*)$", DOCUMENT.read_text(), re.MULTILINE)
    assert "--port 8090" in line
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
