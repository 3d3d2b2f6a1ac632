"""A chat server in a process of its own, with its own bill by order: what the records of calls are held against.

    python -m tests.shows.crash.provider

It prints its address, then answers each line on standard input (an order) with what it would charge for it.
"""

import json
import re
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass
from typing import Any, Final, Self

from aie.testing.openai_server import OpenAIServer

__all__ = ["Charge", "Provider"]


_ORDER: Final = re.compile(r"order-[a-z0-9-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """What the provider did for one order."""

    calls: int
    tokens_in: int
    tokens_out: int


class Provider:
    """The provider's process; use it as a context manager."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()

    def charge(self, order: str) -> Charge:
        """Return what it would charge for one order."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{order}\n")
        self._process.stdin.flush()
        return Charge(**json.loads(self._process.stdout.readline()))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()


def _main() -> None:
    requests: dict[str, list[int]] = defaultdict(list)
    count = 0

    def answer(body: dict[str, Any]) -> str:
        nonlocal count
        found = _ORDER.search(str(body["messages"][-1]["content"]))
        requests["" if found is None else found[0]].append(count)
        count += 1
        return json.dumps({"topic": "refund"})

    with OpenAIServer(answer) as server:
        sys.stdout.write(f"{server.url}\n")
        sys.stdout.flush()
        for line in sys.stdin:
            bills = [server.bills[at] for at in requests[line.strip()]]
            charge = {
                "calls": len(bills),
                "tokens_in": sum(bill.tokens_in for bill in bills),
                "tokens_out": sum(bill.tokens_out for bill in bills),
            }
            sys.stdout.write(json.dumps(charge) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    _main()
