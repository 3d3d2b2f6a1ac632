"""Clients of a contender: a thread each, and what fails in one of them fails the measurement."""

import threading
from collections.abc import Callable

__all__ = ["let_work"]


def let_work(clients: int, work: Callable[[], None]) -> None:
    """Let so many threads do the work, once each, and wait for all; raise what the first that failed raised."""
    failed: list[BaseException] = []

    def client() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - raised below; a bench with a failed run is void
            failed.append(error)

    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
