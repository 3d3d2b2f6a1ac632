"""Ours: the production path of a model step, with limits, budgets, labels, breaker and records.

`batch` asks from the items of a map, two runs in flight; `single` is a run of its own for each call. After the timed
part every event is read back, what was settled is held against what the server answered, and the chain is verified.
"""

import itertools
import json
import os
import shutil
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from aie.app import Executor, executing, lock_release, open_app
from aie.core import JSON
from aie.models import connect
from aie.records import Recorded, read_store, seal, verify
from aie.records.events import RunFinished
from aie.runs import Pace, Submission
from benchmarks.calls.job import PROMPT, Job
from benchmarks.calls.server import ANSWER
from benchmarks.clients import let_work

__all__ = ["OURS", "Ours"]

OURS: Final = ("batch", "single")
_TEXT: Final = PROMPT.partition("\n\n")[2]
_LETTERS: Final = 64
"""Fewest calls of a run of a batch."""
_RUNS: Final = 2
"""Runs of a batch in flight: one fills the gap at the end of the other."""
_WORKSPACE: Final = Path(__file__).with_name("workspace")


@dataclass(slots=True)
class Ours:
    """A worker of a workspace, in this process."""

    job: Job
    _stack: ExitStack
    _executor: Executor
    _release: str
    _numbers: Iterator[int]
    _ended: dict[str, Any]
    """By run: an event to wait for, then how it ended."""
    _runs: list[str]

    @classmethod
    def open(cls, job: Job) -> "Ours":
        """Open the workspace, lock its release and be a worker."""
        stack = ExitStack()
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="aie-bench-"))) / "workspace"
        shutil.copytree(_WORKSPACE, folder)
        os.environ |= {"BENCH_STORE": job.store, "BENCH_ENDPOINT": job.base}
        app = open_app(folder, actor="bench")
        stack.enter_context(app)
        release = lock_release(app, job.contender).release.id
        app = replace(app, services=replace(app.services, at_once=job.clients))
        executor = stack.enter_context(executing(app, pace=Pace(capacity=256)))
        made = cls(job, stack, executor, release, itertools.count(1), {}, [])
        app.services.journal.on_commit(made._heard)
        made.work(until=0.0)  # each of as many clients as there will be, once
        return made

    def work(self, *, until: float) -> list[float]:
        """Begin runs until a time of the monotonic clock; return what each took once all have ended."""
        together = _RUNS if self.job.contender == "batch" else self.job.clients
        took: list[float] = []

        def work() -> None:
            while True:
                began = time.monotonic()
                self._run()
                took.append(time.monotonic() - began)
                if time.monotonic() >= until:
                    return

        let_work(together, work)
        return took

    @property
    def calls_a_run(self) -> int:
        """How many calls each run makes."""
        return max(_LETTERS, self.job.clients) if self.job.contender == "batch" else 1

    def check(self) -> int:
        """Read everything back; return how many calls were settled.

        Raises:
            ValueError: a run has not all its events, or the records are not intact.
        """
        store, settled = self._executor.app.store, 0
        for run in self._runs:
            kinds = Counter(each.event.type for each in store.read(run))
            wanted = {"attempt.intended": self.calls_a_run, "attempt.settled": self.calls_a_run, "run.finished": 1}
            if any(kinds[kind] != count for kind, count in wanted.items()):
                raise ValueError(f"run {run} is recorded as {dict(kinds)}")
            settled += kinds["attempt.settled"]
        seal(store)
        with read_store(store) as source:
            report = verify(source)
        if not report.intact:
            raise ValueError(f"the records are not intact: {report.findings[:3]}")
        return settled

    def close(self) -> None:
        """Be no worker any more."""
        connect("openai_compatible").close()  # type: ignore[attr-defined]
        self._stack.close()

    def _run(self) -> None:
        submitted = self._executor.worker.submit(
            Submission(tenant="default", release=self._release, input=self._input(next(self._numbers)), actor="bench")
        )
        self._runs.append(submitted.run)
        mine = threading.Event()
        if self._ended.setdefault(submitted.run, mine) is mine:
            mine.wait(120)
        ended = self._ended[submitted.run]
        wanted = {"count": self.calls_a_run} if self.job.contender == "batch" else {"said": ANSWER}
        if not isinstance(ended, RunFinished) or ended.output != wanted:
            raise ValueError(f"run {submitted.run} ended as {ended}")

    def _input(self, number: int) -> dict[str, JSON]:
        text = f"{_TEXT}{number}"
        if self.job.contender == "single":
            return {"id": f"c-{number}", "text": text}
        letters = [{"id": f"l-{each}", "text": f"{text}.{each}"} for each in range(self.calls_a_run)]
        return {"id": f"b-{number}", "letters": json.loads(json.dumps(letters))}

    def _heard(self, recorded: list[Recorded]) -> None:
        for each in recorded:
            if isinstance(each.event, RunFinished):
                waiting = self._ended.get(each.stream)
                self._ended[each.stream] = each.event
                if isinstance(waiting, threading.Event):
                    waiting.set()
