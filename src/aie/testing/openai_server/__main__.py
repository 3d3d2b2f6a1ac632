"""The chat server as a process: its URL on the first line, then its log, a line of JSON for each request."""

import argparse
import json
import signal
import sys
from collections.abc import Sequence
from typing import get_args

from aie.testing.openai_server.server import Fault, OpenAIServer, Served

_ENDS = (signal.SIGINT, signal.SIGTERM)


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m aie.testing.openai_server", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="of 127.0.0.1; a free one, when left out")
    parser.add_argument("--answer", action="append", metavar="TEXT", help="one after the other; the last one stays")
    parser.add_argument(
        "--fault", action="append", default=[], choices=get_args(Fault), metavar="FAULT",
        help=f"of the first requests, in order: {', '.join(get_args(Fault))}",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, help="draws the faults of all others; they are served well without one")
    parser.add_argument("--fault-rate", type=float, default=0.0, help="share of them that is served badly")
    parser.add_argument("--retry-after", type=float, default=1, metavar="SECONDS", help="that a 429 asks to wait")
    parser.add_argument("--latency", type=float, default=0.0, metavar="SECONDS", help="before each answer")
    return parser.parse_args(arguments)


def _line(served: Served) -> str:
    ended = served.began if served.ended is None else served.ended
    bill = {"fault": served.bill.fault, "tokens_in": served.bill.tokens_in, "tokens_out": served.bill.tokens_out}
    return json.dumps({**bill, "ms": (ended - served.began) // 1000, "body": served.body}, ensure_ascii=False)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _main(arguments: Sequence[str]) -> None:
    options = _options(arguments)
    # Before any thread is there: each of them leaves these signals to the wait below.
    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDS)
    server = OpenAIServer(
        options.answer or "ok",
        faults=options.fault,
        seed=options.seed,
        fault_rate=options.fault_rate,
        retry_after=options.retry_after,
        latency=options.latency,
        port=options.port,
        tell=lambda served: _say(_line(served)),
    )
    try:
        with server:
            _say(server.url)
            signal.sigwait(_ENDS)
    except OSError as error:
        raise SystemExit(f"port {options.port}: {(error.strerror or 'error').lower()}") from error


if __name__ == "__main__":
    _main(sys.argv[1:])
