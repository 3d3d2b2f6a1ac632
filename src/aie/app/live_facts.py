"""What permits or costs, as the workspace's files say now; read again when a file changes."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Generic, TypeVar

from aie.config import ModelsSpec, Settings, load_models, load_settings
from aie.core import JSON, Clock, fibers
from aie.errors import ConfigError, NotFound
from aie.layers import lookup_facts, receiver_facts
from aie.models import facts_hold, live_facts

__all__ = ["LiveFacts"]

_IN_SETTINGS: Final = frozenset({"receiver", "lookup", "budgets"})
"""Kinds of live facts that stand in `aie.yaml`; all others are of the catalog."""
_ENDLESS: Final = 2**63
_FRESH: Final = 20_000_000
"""Nanoseconds for which a file that was looked at is not looked at again. A call asks for seven facts, and each look
lets go of the interpreter, which with many calls at once costs more than all else that is done for the fact."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """Facts that were asked for before."""

    of: object
    """What they were read from: another one says other things."""
    facts: Mapping[str, JSON]
    since: int
    until: int
    """Microseconds since the epoch between which they hold: a price has its days."""


class LiveFacts:
    """Live facts of components. The same facts are the same object until they change: whoever compares is quick."""

    def __init__(self, root: Path, clock: Clock) -> None:
        self._root = root
        self._clock = clock
        """Prices depend on the time."""
        self._settings = _Watched(root / "aie.yaml", lambda: load_settings(root))
        self._models = _Watched(root / "models.yaml", lambda: load_models(root))
        self._known: dict[str, _Known] = {}

    def __call__(self, component: str) -> Mapping[str, JSON]:
        """Return the live facts of `"<kind>:<name>"`; of a component that has none, nothing.

        Raises:
            NotFound: the files no longer name it.
        """
        kind, _, name = component.partition(":")
        now = self._clock.now()
        if kind in _IN_SETTINGS:
            # What a door may be given holds for the very next request; a budget may be as old as a model's facts.
            of: Settings | ModelsSpec = self._settings.read(fresh=_FRESH if kind == "budgets" else 0)
        else:
            of = self._models.read(fresh=_FRESH)
        known = self._known.get(component)
        if known is not None and known.of is of and known.since <= now < known.until:
            return known.facts
        if isinstance(of, Settings):
            facts, until = self._of_settings(kind, name, of), _ENDLESS
        else:
            facts, until = live_facts(of, component, now), facts_hold(of, component, now)
        self._known[component] = _Known(of=of, facts=facts, since=now, until=until)
        return facts

    def _of_settings(self, kind: str, name: str, settings: Settings) -> Mapping[str, JSON]:
        if kind == "budgets":
            return settings.budgets.model_dump()
        if kind == "receiver":
            if name not in settings.receivers:
                raise NotFound(f"aie.yaml no longer names the receiver {name!r}")
            return receiver_facts(name, settings, self._root)
        if name not in settings.lookups:
            raise NotFound(f"aie.yaml no longer names the lookup {name!r}")
        return lookup_facts(name, settings, self._root)


class _Watched(Generic[T]):
    """A file as it was read last.

    While somebody edits a mistake into it, or it is away for a moment, what it said before goes on to hold.
    """

    def __init__(self, path: Path, load: Callable[[], T]) -> None:
        self._path = path
        self._load = load
        self._read: tuple[tuple[int, int, int] | None, T] | None = None
        """How the file looked, and what it said."""
        self._looked = -_FRESH
        """When it was looked at last, in monotonic nanoseconds."""
        self._lock = threading.Lock()

    def read(self, *, fresh: int) -> T:
        """Return what the file says now, or said `fresh` nanoseconds ago.

        Raises:
            ConfigError: it has a mistake, and nothing was read before.
        """
        now, read = time.monotonic_ns(), self._read
        if read is not None and now - self._looked < fresh:
            return read[1]
        looks = self._looks()
        if read is not None and looks in (None, read[0]):
            self._looked = now
            return read[1]
        return fibers.blocking(lambda: self._read_again(now))

    def _read_again(self, now: int) -> T:
        with self._lock:
            # How it looks before it is read: a change meanwhile makes it look otherwise, and it is read again.
            looks = self._looks()
            if self._read is None or self._read[0] != looks:
                self._read = (looks, self._loaded())
            self._looked = now
            return self._read[1]

    def _loaded(self) -> T:
        try:
            return self._load()
        except ConfigError:
            if self._read is None:
                raise
            return self._read[1]

    def _looks(self) -> tuple[int, int, int] | None:
        """Return what tells one state of the file from another; None when it is not there."""
        try:
            stat = self._path.stat()
        except OSError:
            return None
        return stat.st_mtime_ns, stat.st_size, stat.st_ino
