"""Nonces: no two payloads are sealed under one, also where they are drawn many at a time."""

import os
import threading

from aie.records.vault import DataKey

NONCE = 12


def sealed(key: DataKey, count: int) -> list[bytes]:
    """Return the nonces under which so many payloads were sealed."""
    return [key.seal(b"words", b"place")[:NONCE] for _ in range(count)]


def test_no_nonce_comes_twice_whoever_seals() -> None:
    """Threads share what was drawn."""
    key, came = DataKey("key_1", bytes(32)), list[bytes]()
    threads = [threading.Thread(target=lambda: came.extend(sealed(key, 700))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(came) == len(set(came)) == 2800


def test_a_forked_process_draws_its_own() -> None:
    """It has a copy of what its parent had drawn, and must use none of it."""
    key = DataKey("key_1", bytes(32))
    sealed(key, 1)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, b"".join(sealed(key, 300)))
        os._exit(0)
    os.close(writing)
    with open(reading, "rb") as pipe:  # noqa: PTH123 - a file descriptor has no path
        told = pipe.read()
    os.waitpid(child, 0)
    theirs = {told[at : at + NONCE] for at in range(0, len(told), NONCE)}
    assert len(theirs) == 300
    assert theirs.isdisjoint(sealed(key, 300))
