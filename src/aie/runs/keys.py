"""Keys that runs learn as they go: recorded, then looked for among the other runs of the workflow."""

import re
import threading
from collections.abc import Sequence
from typing import Final

from aie.core import JSON
from aie.records import Entry, Event, Locked, RunFilter, RunRow, fenced
from aie.records.events import RunKeyed
from aie.runs.services import Services
from aie.runs.sites import append
from aie.runs.state import State

__all__ = ["RunKeys"]

_TOLD_AT_MOST: Final = 20
"""Other runs that are named, the oldest of them last."""
_ITEM: Final = re.compile(r"\[.*\]", re.DOTALL)
"""The item of a map in a path: its key may hold anything, brackets included; only one map is around a step."""
_LOCKS: Final = tuple(threading.Lock() for _ in range(64))
"""One run's steps claim one after the other, as a run has each key once; runs rarely wait for one another."""


class RunKeys:
    """The keys of one run, under one epoch."""

    def __init__(self, services: Services, tenant: str, run: str, state: State) -> None:
        assert state.submitted is not None, "a run that executes was submitted"
        self._services = services
        self._tenant = tenant
        self._run = run
        self._state = state
        self._submitted = state.submitted

    def claim(self, path: str, key: JSON) -> Sequence[str]:
        """Record that this run has the key at a step, and return the other runs that have it there.

        Raises:
            FenceLost: another epoch owns the run.
        """
        name = f"key:{_ITEM.sub('', path)}"
        value = self._services.store.mac(self._tenant, "run-key", self._submitted.workflow, name, key)
        with _LOCKS[hash(self._run) % len(_LOCKS)]:
            if all(row.id != self._run for row in self._with(name, value)):
                self._record(RunKeyed(path=path, name=name, key=value))
        rows = [row for row in self._with(name, value) if row.id != self._run]
        return [row.id for row in rows if row.case_key != self._submitted.case][:_TOLD_AT_MOST]

    def _with(self, name: str, value: str) -> Sequence[RunRow]:
        where = RunFilter(tenant=self._tenant, workflow=self._submitted.workflow, search={name: value})
        return self._services.store.runs(where, limit=4 * _TOLD_AT_MOST).rows

    def _record(self, event: RunKeyed) -> None:
        state, executor = self._state, self._services.executor

        def decide(locked: Locked) -> Sequence[Event]:
            fenced(locked, epoch=state.epoch, executor=executor)
            return [event]

        entry = Entry(tenant=self._tenant, stream=self._run, decide=decide, segment=state.segment, epoch=state.epoch)
        append(self._services.journal, "keying", entry)
