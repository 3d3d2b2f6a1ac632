"""The composition root: from a workspace's folder to a store, a journal and the ports that runs need."""

import contextlib
import fcntl
import gc
import getpass
import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Final, Self

from aie.app.live_facts import LiveFacts
from aie.config import Settings, load_settings
from aie.core import Clock, Ids, RandomIds, SystemClock
from aie.errors import NotFound, StoreBusy, Unavailable
from aie.layers import DELIVERERS, LAYERS
from aie.records import Journal, PlainKeys, Store, is_new, open_store, seal
from aie.releases import load_release
from aie.runs import Engine, Listener, LocalEngine, Pace, Releases, Services, Worker, dbos_engine, listener_for

__all__ = ["App", "Executor", "open_app"]

_COLLECTING: Final = (10_000, 20, 20)
"""Objects, and collections, after which an executor collects; as Python comes it does so for every few calls."""
_FEWEST: Final = 32
"""Threads for steps that block, where `capacity` is smaller: items of a map block at once, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """An open workspace. Close it: `with open_app(root) as app`."""

    root: Path
    settings: Settings
    tenant: str
    actor: str
    """Who does what this process does; recorded with every decision."""
    store: Store
    journal: Journal
    services: Services
    _closing: contextlib.ExitStack = field(default_factory=contextlib.ExitStack, repr=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    @property
    def store_folder(self) -> Path | None:
        """Folder of a SQLite store; None on Postgres."""
        return _sqlite_folder(self.root, _store_url(self.root, self.settings))


@dataclass(frozen=True, slots=True, kw_only=True)
class Executor:
    """This process as the executor of the store (one of them, on Postgres)."""

    app: App
    """The app under the executor's identity."""
    worker: Worker


def open_app(
    root: Path, *, tenant: str = "", actor: str = "", clock: Clock | None = None, ids: Ids | None = None
) -> App:
    """Open a workspace. Only `aie.yaml` is read: what runs is in the store, so a half-edited workflow hinders nobody.

    Args:
        root: folder of `aie.yaml`.
        tenant: whose data; empty: the first that `aie.yaml` names.
        actor: who does what is done; empty: `AIE_ACTOR`, else the user of the operating system.
        clock: what time it is.
        ids: where new identifiers come from.

    Raises:
        ConfigError: `aie.yaml` has mistakes.
        NotFound: `aie.yaml` names no such tenant.
        Unavailable: the store's address is in an environment variable that is not set.
        StoreError: the store cannot be opened.
    """
    root = root.resolve()
    settings = load_settings(root)
    tenant = tenant or settings.tenants[0]
    if tenant not in settings.tenants:
        raise NotFound(f"there is no tenant {tenant!r}", hints=(f"aie.yaml names: {', '.join(settings.tenants)}",))
    clock = clock or SystemClock()
    ids = ids or RandomIds(clock)
    url = _store_url(root, settings)
    closing = contextlib.ExitStack()
    with contextlib.ExitStack() as undo:
        keys = (_sqlite_folder(root, url) or root / ".aie") / "keys.json"
        store = open_store(url, clock=clock, keys=PlainKeys(keys, is_new=lambda: is_new(url)))
        undo.callback(store.close)
        journal = Journal(store, ids.new("writer"))
        journal.start()
        undo.callback(journal.stop)
        threads = max(_FEWEST, settings.capacity)
        pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="aie-step")
        undo.callback(pool.shutdown, wait=False, cancel_futures=True)
        helpers = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="aie-helper")
        undo.callback(helpers.shutdown, wait=False, cancel_futures=True)
        closing = undo.pop_all()
    services = Services(
        store=store,
        journal=journal,
        releases=Releases(lambda of, name: load_release(store, name, tenant=of)),
        layers={str(name): layer for name, layer in LAYERS.items()},
        clock=clock,
        ids=ids,
        executor="",
        engine=settings.engine,
        pool=pool,
        helpers=helpers,
        at_once=threads,
        live=LiveFacts(root, clock),
        secret=_secret,
        deliverers=DELIVERERS,
    )
    return App(
        root=root,
        settings=settings,
        tenant=tenant,
        actor=actor or os.environ.get("AIE_ACTOR", "") or getpass.getuser(),
        store=store,
        journal=journal,
        services=services,
        _closing=closing,
    )


@contextlib.contextmanager
def executing(app: App, *, pace: Pace | None = None, on_lost: Callable[[], None] | None = None) -> Iterator[Executor]:
    """Be an executor of the store until the block ends: recover what is there, claim, execute, beat, seal.

    Raises:
        StoreBusy: another process is the executor of this SQLite store.
    """
    with contextlib.ExitStack() as stack:
        sole = app.store_folder is not None
        if app.store_folder is not None:
            stack.enter_context(_sole_executor(app.store_folder))
        # What a run makes is freed by counting references; what is left for the collector comes slowly.
        gc.set_threshold(*_COLLECTING)
        executor = app.services.ids.new("exec")
        app = replace(app, services=replace(app.services, executor=executor))
        pace = pace or Pace(capacity=app.settings.capacity)
        worker = Worker(app.services, _engine(app, executor), pace=pace, on_lost=on_lost, sole=sole)
        listener: Listener = listener_for(app.store, app.store_folder)
        worker.start()
        stack.callback(seal, app.store)
        stack.callback(worker.stop)
        listener.start(worker.wake)
        stack.callback(listener.stop)
        yield Executor(app=app, worker=worker)


def _engine(app: App, executor: str) -> Engine:
    if app.settings.engine == "local":
        return LocalEngine()
    folder = app.store_folder
    url = _store_url(app.root, app.settings) if folder is None else f"sqlite:///{folder / 'dbos.db'}"
    return dbos_engine(url, executor)


@contextlib.contextmanager
def _sole_executor(folder: Path) -> Iterator[IO[str]]:
    """Hold the lock that makes this process the one executor of a SQLite store; the system drops it when we die."""
    with (folder / "executor.lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            raise StoreBusy(
                f"another process executes the runs of this store (process {holder})",
                hints=("`aie run` hands its work to that process; stop it to execute here",),
            ) from error
        file.seek(0)
        file.truncate()
        file.write(json.dumps(os.getpid()))
        file.flush()
        yield file


def _store_url(root: Path, settings: Settings) -> str:
    url = settings.store
    if url.startswith("env:"):
        name = url.removeprefix("env:")
        url = os.environ.get(name, "")
        if not url:
            raise Unavailable(
                f"aie.yaml takes the store's address from ${name}, which is not set", hints=(f"export {name}=…",)
            )
    if url.startswith("sqlite:///"):
        return f"sqlite:///{(root / url.removeprefix('sqlite:///')).resolve()}"
    return url


def _sqlite_folder(root: Path, url: str) -> Path | None:
    return (root / url.removeprefix("sqlite:///")).parent if url.startswith("sqlite:///") else None


def _secret(reference: str) -> str:
    kind, _, name = reference.partition(":")
    value = os.environ.get(name) if kind == "env" else None
    if value is None:
        raise Unavailable(f"{reference} is not set", hints=(f"export {name}=…",))
    return value
