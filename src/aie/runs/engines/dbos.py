"""Segments as workflows of DBOS Transact: its books beside our records, nothing of it outside this file.

A workflow of DBOS is one execution of up to sixteen claimed segments; it has an input and an outcome and no steps, as
a step costs transactions for what our own event makes durable already (`make bench`). Its id names run, segment and
epoch, so that no two executions share one. Recovery is ours: a claim of a dead executor is never resumed, its run is
claimed again with a new epoch and a new workflow id. What a dead executor left pending in DBOS's tables is bookkeeping,
deleted by `sweep`.
"""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import islice
from threading import Semaphore
from typing import Any, Final

from dbos import DBOS, DBOSConfig, DBOSPortableJSONSerializer, SetWorkflowID

from aie.runs.claims import Claim
from aie.runs.engine import Execute
from aie.runs.engines.loop import SegmentLoop

__all__ = ["ABI", "PER_WORKFLOW", "DbosEngine"]

ABI: Final = "1"
"""Version of what a workflow's input means to this code; DBOS's own default would strand work at every upgrade."""

PER_WORKFLOW: Final = 16
"""Most segments that share one workflow of DBOS when many are claimed at once."""

_KEPT_S: Final = 3600
"""Seconds for which an ended workflow can be looked at with DBOS's own tools."""

_AT_ONCE: Final = 10_000

_engines: dict[str, "DbosEngine"] = {}
"""The launched engine by executor id: DBOS finds workflows by module-level functions."""


@DBOS.workflow(name="aie_segments")
def _segments(executor: str, claims: list[list[Any]]) -> int:
    """Execute claimed segments; returns how many."""
    return _engines[executor].execute(claims)


class DbosEngine:
    """Executes segments in this process under DBOS's books."""

    name = "dbos"

    def __init__(self, url: str, executor: str) -> None:
        """Prepare, without connecting.

        Args:
            url: SQLAlchemy URL of DBOS's system database: beside ours on SQLite, the same database on Postgres.
            executor: unique, never reused id of this process, so that DBOS finds nothing of its own to recover.
        """
        self._executor = executor
        self._config = DBOSConfig(
            name="aie",
            system_database_url=url,
            application_version=f"aie-abi-{ABI}",
            executor_id=executor,
            serializer=DBOSPortableJSONSerializer(),
            log_level="WARNING",
            notification_listener_polling_interval_sec=0.05,
            enable_otlp=False,
            db_engine_kwargs={"pool_pre_ping": False},
        )
        self._loop: SegmentLoop | None = None
        self._execute: Execute | None = None
        self._claims: dict[str, Claim] = {}

    def launch(self, execute: Execute) -> None:
        """Connect, migrate DBOS's own tables, begin to accept claims."""
        self._execute = execute
        self._loop = SegmentLoop()
        _engines[self._executor] = self
        DBOS(config=self._config)
        DBOS.launch()

    def start(self, claims: Sequence[Claim]) -> None:
        """Start segments, up to sixteen to a workflow of DBOS."""
        rest = iter(claims)
        while chunk := list(islice(rest, PER_WORKFLOW)):
            self._claims.update((claim.id, claim) for claim in chunk)
            with SetWorkflowID(chunk[0].id if len(chunk) == 1 else f"{chunk[0].id}+{len(chunk) - 1}"):
                DBOS.start_workflow(
                    _segments,
                    self._executor,
                    [[each.id, each.run, each.tenant, each.segment, each.epoch] for each in chunk],
                )

    def execute(self, claims: list[list[Any]]) -> int:
        """Execute the segments of one workflow; called by DBOS on a thread of its own."""
        if self._loop is None or self._execute is None:
            raise RuntimeError("the engine was not launched")
        landed = Semaphore(0)
        for key, run, tenant, segment, epoch in claims:
            claim = self._claims.pop(key, None) or Claim(run=run, tenant=tenant, segment=segment, epoch=epoch)
            self._loop.submit(self._execute, claim, landed.release)
        for _ in claims:
            landed.acquire()
        return len(claims)

    def in_flight(self) -> int:
        """Return how many segments are executing or about to."""
        return len(self._claims) + (0 if self._loop is None else self._loop.in_flight())

    def tidy(self, live: frozenset[str]) -> None:
        """Delete workflows that have ended an hour ago and those that executors left pending which are dead."""
        before = datetime.fromtimestamp(time.time() - _KEPT_S, UTC).isoformat()
        ended = DBOS.list_workflows(completed_before=before, limit=_AT_ONCE, load_input=False, load_output=False)
        pending = DBOS.list_workflows(status="PENDING", limit=_AT_ONCE, load_input=False, load_output=False)
        over = [each.workflow_id for each in ended]
        over += [each.workflow_id for each in pending if each.executor_id not in live]
        if over:
            DBOS.delete_workflows(over)

    def stop(self, *, drain: bool) -> None:
        """Stop, with `drain` after everything in flight."""
        if self._loop is not None:
            self._loop.stop(drain=drain)
            self._loop = None
            DBOS.destroy()
            _engines.pop(self._executor, None)
