"""The chat server as a process: its URL on the first line, then its log, a line of JSON for each request.

With a command it serves for as long as that runs, and says nothing itself.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from aie.testing.openai_server.recorded import recorded_answers
from aie.testing.openai_server.server import Fault, OpenAIServer, Served

_ENDS = (signal.SIGINT, signal.SIGTERM)


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m aie.testing.openai_server", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="of 127.0.0.1; a free one, when left out")
    said = parser.add_mutually_exclusive_group()
    said.add_argument("--answer", action="append", metavar="TEXT", help="one after the other; the last one stays")
    said.add_argument(
        "--answers", type=Path, metavar="FILE",
        help='lines {"holds": "words of the question", "answer": …}; a question that no line fits is refused',
    )  # fmt: skip
    parser.add_argument(
        "--fault", action="append", default=[], choices=get_args(Fault), metavar="FAULT",
        help=f"of the first requests, in order: {', '.join(get_args(Fault))}",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, help="draws the faults of all others; they are served well without one")
    parser.add_argument("--fault-rate", type=float, default=0.0, help="share of them that is served badly")
    parser.add_argument("--retry-after", type=float, default=1, metavar="SECONDS", help="that a 429 asks to wait")
    parser.add_argument("--latency", type=float, default=0.0, metavar="SECONDS", help="before each answer")
    parser.add_argument(
        "--env", action="append", default=[], metavar="NAME[=VALUE]", help="set for the command: the URL, or the value"
    )
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND", help="serve for as long as it runs")
    return parser.parse_args(arguments)


def _answer(options: argparse.Namespace) -> str | list[str] | Callable[[dict[str, Any]], str | None]:
    if options.answers is not None:
        return recorded_answers(options.answers)
    return options.answer or "ok"


def _line(served: Served) -> str:
    ended = served.began if served.ended is None else served.ended
    bill = {"fault": served.bill.fault, "tokens_in": served.bill.tokens_in, "tokens_out": served.bill.tokens_out}
    return json.dumps({**bill, "ms": (ended - served.began) // 1000, "body": served.body}, ensure_ascii=False)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _tell(served: Served) -> None:
    _say(_line(served))


def _set(given: Sequence[str], url: str) -> Mapping[str, str]:
    """Return the environment of the command."""
    named = (each.partition("=") for each in given)
    return {**os.environ, **{name: value if is_given else url for name, is_given, value in named}}


def _run(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run the command and return its status; Ctrl-C is its to answer."""
    with subprocess.Popen(command, env=environment) as process:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        return process.wait()


def _main(arguments: Sequence[str]) -> int:
    options = _options(arguments)
    if not options.command:
        # Before any thread is there: each of them leaves these signals to the wait below.
        signal.pthread_sigmask(signal.SIG_BLOCK, _ENDS)
    try:
        server = OpenAIServer(
            _answer(options),
            faults=options.fault,
            seed=options.seed,
            fault_rate=options.fault_rate,
            retry_after=options.retry_after,
            latency=options.latency,
            port=options.port,
            tell=(lambda served: None) if options.command else _tell,
        )
        with server:
            if options.command:
                return _run(options.command, _set(options.env, server.url))
            _say(server.url)
            signal.sigwait(_ENDS)
    except ValueError as error:
        raise SystemExit(f"{error}") from error
    except OSError as error:
        what = error.filename or f"port {options.port}"
        raise SystemExit(f"{what}: {(error.strerror or 'error').lower()}") from error
    return 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
