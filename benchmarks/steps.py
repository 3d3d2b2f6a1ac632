"""DBOS Transact with a step for each node, tuned as we tune it: JSON, no pre-ping, WAL."""

import sqlite3
from typing import Any

from dbos import DBOS, DBOSConfig, DBOSPortableJSONSerializer, SetWorkflowID

from benchmarks.calling import Caller
from benchmarks.work import NODES, NOTE, Job, node_work

__all__ = ["Steps"]

_work: dict[str, Any] = {}


@DBOS.step()
def _step(name: str, value: int, note: str) -> dict[str, Any]:
    return {"value": _work[name](value), "note": note}


@DBOS.workflow()
def _workflow(value: int, note: str) -> dict[str, Any]:
    for name in NODES:
        made = _step(name, value, note)
        value = made["value"]
    return {"value": value, "note": note}


class Steps:
    """A workflow of DBOS for each run."""

    def __init__(self, job: Job) -> None:
        self._job = job
        _work.update(node_work(job, Caller(job.socket)))
        url = job.url.replace("postgresql://", "postgresql+psycopg://")
        if url.startswith("sqlite"):
            with sqlite3.connect(url.removeprefix("sqlite:///"), timeout=60) as connection:
                connection.execute("PRAGMA journal_mode = WAL")
        DBOS(
            config=DBOSConfig(
                name="bench",
                system_database_url=url,
                executor_id=f"bench-{job.worker}",
                application_version="bench",
                serializer=DBOSPortableJSONSerializer(),
                log_level="ERROR",
                notification_listener_polling_interval_sec=0.05,
                enable_otlp=False,
                db_engine_kwargs={"pool_pre_ping": False},
            )
        )
        DBOS.launch()
        self._numbers: list[int] = []

    def run(self, number: int) -> None:
        """Call the workflow in this thread, which is the fastest way to run one."""
        with SetWorkflowID(f"{self._job.worker}-{number}"):
            made = _workflow(number, NOTE)
        if made["value"] != number + len(NODES):
            raise ValueError(f"run {number} ended with {made['value']}")
        self._numbers.append(number)

    def check(self) -> int:
        """Ask DBOS how each workflow ended."""
        ended = DBOS.list_workflows(workflow_ids=[f"{self._job.worker}-{number}" for number in self._numbers[:500]])
        if any(each.status != "SUCCESS" for each in ended):
            raise ValueError("a workflow did not succeed")
        return len(self._numbers)

    def close(self) -> None:
        """End DBOS."""
        DBOS.destroy()
