"""The other side of the soak: the fake chat server of the test kit, in a process of its own.

python -m benchmarks.chatting SHARE      answers until standard input closes; SHARE of its answers are broken
"""

import sys

from aie.testing import OpenAIServer

__all__ = ["main", "server"]


def server(faults: float) -> OpenAIServer:
    """Return the server, to be entered."""
    return OpenAIServer('{"id": "a"}', seed=1, fault_rate=faults)


def main() -> int:
    """Answer until nobody asks any more."""
    with server(float(sys.argv[1])) as made:
        print(made.url, flush=True)
        sys.stdin.read()
    return 0


if __name__ == "__main__":
    sys.exit(main())
