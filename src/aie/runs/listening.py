"""News between processes: a channel of Postgres, or a socket beside a SQLite store.

News only saves time. Whoever misses it finds the same work on the next beat, so nothing here is durable and every error
ends in silence.
"""

import contextlib
import hashlib
import logging
import os
import selectors
import socket
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from aie.records import CHANNEL, Store, listen

__all__ = ["Listener", "PostgresListener", "SocketListener", "listener_for", "ring", "socket_path"]

_log = logging.getLogger("aie.runs")

OnNews = Callable[[str], None]

_LONGEST_PATH: Final = 100
"""Bytes that every system takes for the path of a socket."""


class Listener(Protocol):
    """Hears of runs from other processes."""

    def start(self, on_news: OnNews) -> None:
        """Call `on_news`, on a thread of the listener, with the id of each run there is news of."""
        ...

    def stop(self) -> None:
        """End."""
        ...


def listener_for(store: Store, folder: Path | None) -> Listener:
    """Return what hears the news of this store; `folder` is where a SQLite store lies."""
    if store.dialect == "postgresql" or folder is None:
        return PostgresListener(store)
    return SocketListener(socket_path(folder))


class PostgresListener:
    """Hears `NOTIFY` on one connection, which is opened again when it breaks."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, on_news: OnNews) -> None:
        """Listen on a thread."""
        ready = threading.Event()
        self._thread = threading.Thread(target=self._listen, args=(on_news, ready), name="aie-listen", daemon=True)
        self._thread.start()
        ready.wait(timeout=5)

    def stop(self) -> None:
        """End."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def _listen(self, on_news: OnNews, ready: threading.Event) -> None:
        while not self._stopping.is_set():
            try:
                listen(self._store, CHANNEL, on_news, ready=ready, stopping=self._stopping)
            except Exception as error:  # noqa: BLE001 — a broken connection only costs time until the next beat
                _log.warning("listening broke off (%s); trying again", type(error).__name__)
                self._stopping.wait(0.5)


def socket_path(folder: Path) -> Path:
    """Return where the worker of a SQLite store listens: beside the store, in the temporary folder if that is long."""
    beside = folder.resolve() / "worker.sock"
    if len(os.fsencode(beside)) <= _LONGEST_PATH:
        return beside
    name = hashlib.sha256(os.fsencode(beside)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"aie-{name}.sock"


def ring(path: Path, run: str) -> bool:
    """Tell the worker of a SQLite store of a run; false when none listens."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
            client.sendto(run.encode(), str(path))
    except OSError:
        return False
    return True


class SocketListener:
    """Hears datagrams, one run id each."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._stop_reading, self._stop_writing = socket.socketpair()

    def start(self, on_news: OnNews) -> None:
        """Listen on a thread; the socket can be used by its owner alone."""
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        before = os.umask(0o077)
        try:
            self._socket.bind(str(self._path))
        finally:
            os.umask(before)
        self._thread = threading.Thread(target=self._listen, args=(on_news,), name="aie-listen", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End and remove the socket."""
        self._stop_writing.send(b".")
        if self._thread is not None:
            self._thread.join()
        for each in (self._socket, self._stop_reading, self._stop_writing):
            if each is not None:
                each.close()
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()

    def _listen(self, on_news: OnNews) -> None:
        if self._socket is None:
            return
        with selectors.DefaultSelector() as selector:
            selector.register(self._socket, selectors.EVENT_READ)
            selector.register(self._stop_reading, selectors.EVENT_READ)
            while True:
                ready = {key.fileobj for key, _ in selector.select()}
                if self._stop_reading in ready:
                    return
                with contextlib.suppress(OSError, UnicodeDecodeError):
                    on_news(self._socket.recv(256).decode())
