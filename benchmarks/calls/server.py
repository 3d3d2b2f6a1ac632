"""A server that speaks OpenAI's chat protocol as cheaply as it can, and counts what it was asked.

python -m benchmarks.calls.server      prints its port, answers until its standard input ends
"""

import asyncio
import json
import sys
from typing import Final

__all__ = ["ANSWER", "MODEL", "main"]

ANSWER: Final = "The amount is 430.00 USD and the desk is home."
MODEL: Final = "reader-2026-05-01"

_BODY: Final = json.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_790_000_000,
        "model": MODEL,
        "system_fingerprint": "fp_1",
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "logprobs": None,
                "message": {"role": "assistant", "content": ANSWER, "refusal": None, "annotations": []},
            }
        ],
        "usage": {"prompt_tokens": 220, "completion_tokens": 14, "total_tokens": 234},
    }
).encode()
_HEAD: Final = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-request-id: r1\r\ncontent-length: %d\r\n\r\n"
_END: Final = b"\r\n\r\n"


class _Counting(asyncio.Protocol):
    """One connection: every whole request gets the answer; `GET` gets how many there were."""

    answered = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._come = b""

    def data_received(self, data: bytes) -> None:
        self._come += data
        while (end := self._come.find(_END)) >= 0:
            size = end + len(_END) + _length(self._come[:end])
            if len(self._come) < size:
                return
            is_count = self._come.startswith(b"GET")
            self._come = self._come[size:]
            _Counting.answered += not is_count
            body = json.dumps({"answered": _Counting.answered}).encode() if is_count else _BODY
            self._transport.write(_HEAD % len(body) + body)


def _length(head: bytes) -> int:
    """Return how many bytes follow a head; all clients here say so."""
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


async def _serve() -> None:
    server = await asyncio.get_running_loop().create_server(_Counting, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.close()


def main() -> int:
    """Serve."""
    asyncio.run(_serve())
    return 0


if __name__ == "__main__":
    sys.exit(main())
