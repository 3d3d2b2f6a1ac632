"""One retry policy for all providers: what is made again, how often, and after how long. Pure.

The libraries of the vendors repeat nothing here. Waits double, are spread by what is asked so that callers do not come
back in step, and are the same for the same attempt; what the provider asks to wait always holds.
"""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

from aie.errors import Failure

__all__ = ["again_after"]

_FIRST: Final = 250_000
"""Microseconds before the first repetition, at most."""
_LONGEST: Final = 8_000_000


def again_after(
    policy: Mapping[str, Any], failure: Failure, *, tries: int, seed: str, retry_after: int | None = None
) -> int | None:
    """Return how long to wait before a call that brought no answer is made again, in microseconds.

    Args:
        policy: times by class of failure, and `at_most`, the longest wait; live facts of the model.
        failure: what came of the last try.
        tries: how many there were.
        seed: of the spread; the same for the same question.
        retry_after: what the provider asks to wait.

    Returns:
        None when it is not made again.
    """
    if tries > policy.get(failure.value, 0):
        return None
    # Half of it is certain, half is drawn.
    most = min(_FIRST << (tries - 1), _LONGEST)
    drawn = int.from_bytes(sha256(f"{seed}\0{tries}".encode()).digest()[:8], "big")
    wait = max(most // 2 + drawn % (most // 2), retry_after or 0)
    return wait if wait <= policy["at_most"] else None
