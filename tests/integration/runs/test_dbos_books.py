"""The books of DBOS beside the records: tidied, never needed."""

import time

import pytest
from dbos import DBOS

from aie.layers import Result
from aie.records import live_executors
from aie.runs.engines import dbos as books
from aie.testing.stage import make_release, scripted, stage


def test_what_ended_and_what_the_dead_left_is_deleted(store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs stay explained: the records outlive the engine's rows."""
    with stage(store_url, {"a": lambda _task, _tools: Result(data=1)}, engine="dbos") as at:
        run = at.submit(at.add(make_release([scripted("a")])), {"id": "1"}).run
        assert at.rest(run).state == "completed"
        while not DBOS.list_workflows(status="SUCCESS"):
            time.sleep(0.01)
        live = live_executors(at.services.store)
        assert at.services.executor in live
        at.worker.engine.tidy(live)
        assert len(DBOS.list_workflows()) == 1, "it ended less than an hour ago"
        monkeypatch.setattr(books, "_KEPT_S", -1)
        at.worker.engine.tidy(live)
        assert DBOS.list_workflows() == []
        assert at.row(run).state == "completed"
