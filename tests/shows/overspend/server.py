"""The chat server in a process of its own, with its bill by case.

    python -m tests.shows.overspend.server SEED FAULTS

It prints its address, then answers each line on standard input with what it would charge for each case so far.
"""

import json
import random
import subprocess
import sys
from collections import defaultdict
from typing import Any, Final, Self

from aie.testing.openai_server import Fault, OpenAIServer

__all__ = ["Server"]

_FAULTS: Final[tuple[Fault, ...]] = (
    "rate_limited", "server_error", "unavailable", "refused", "garbage", "cut_off", "hang_up", "other_model",
    "no_usage",
)  # fmt: skip
_PLANNED: Final = 20_000


class Server:
    """The server's process; use it as a context manager."""

    def __init__(self, *, seed: int = 1, faults: int = 0) -> None:
        """Start it.

        Args:
            seed: of the faults.
            faults: share of requests that are served badly, in percent.
        """
        command = [sys.executable, "-m", __name__, str(seed), str(faults)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()

    def bill(self) -> dict[str, list[list[int]]]:
        """Return [tokens in, tokens out] of each request that it would charge for, by case."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("bill\n")
        self._process.stdin.flush()
        bill: dict[str, list[list[int]]] = json.loads(self._process.stdout.readline())
        return bill

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()


def _case(body: dict[str, Any]) -> str:
    return str(body["messages"][-1]["content"]).split(maxsplit=2)[1]


def _answer(body: dict[str, Any]) -> str:
    """Return an answer of a length that the case decides."""
    return "word " * random.Random(_case(body)).randint(10, 60)


def _main(seed: int, faults: int) -> None:
    draw = random.Random(seed)
    plan = [draw.choice(_FAULTS) if draw.randrange(100) < faults else "none" for _ in range(_PLANNED)]
    with OpenAIServer(_answer, faults=plan) as server:
        sys.stdout.write(f"{server.url}\n")
        sys.stdout.flush()
        for _ in sys.stdin:
            bill = defaultdict(list)
            for body, each in zip(list(server.requests), list(server.bills), strict=False):
                bill[_case(body)].append([each.tokens_in, each.tokens_out])
            sys.stdout.write(json.dumps(bill) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    _main(int(sys.argv[1]), int(sys.argv[2]))
