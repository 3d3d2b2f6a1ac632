"""Ours: the production path with all records, read back and verified after the timed part."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from threading import Event
from typing import Final, Literal, cast

from aie.core import JSON, Spend
from aie.layers import Outcome, Result, Task, Tools
from aie.records import Recorded, read_store, seal, verify
from aie.records.events import RunFinished
from aie.releases import NodeConduct, Release
from aie.runs import Pace, Submission, Submitted
from aie.testing.stage import Act, Stage, make_release, scripted, stage
from benchmarks.calling import Caller
from benchmarks.work import NODES, NOTE, Job, node_work

__all__ = ["Ours"]

_CALL: Final = Spend(cost=10, tokens=10, calls=1)
_BULK: Final = 32
"""Runs submitted together."""


class Ours:
    """A run of a locked release for each run: submitted, claimed, executed, recorded, sealed into the chain."""

    def __init__(self, job: Job, engine: Literal["local", "dbos"]) -> None:
        self._job = job
        self._stack = ExitStack()
        caller = Caller(job.socket)
        self._stack.callback(caller.close)
        opened = stage(job.url, _acts(job, caller), engine=engine, pace=Pace(capacity=256))
        self._stage: Stage = self._stack.enter_context(opened)
        self._stage.services.journal.on_commit(self._heard)
        self._release = self._stage.add(_release(job))
        self._runs: dict[str, int] = {}
        self._ended: dict[str, Event | RunFinished] = {}

    def run(self, number: int) -> None:
        """Submit and wait for the end that the journal tells."""
        submitted = self._stage.worker.submit(self._wanted(number, "interactive"))
        self._runs[submitted.run] = number
        self._await(submitted.run, number)

    def _await(self, run: str, number: int) -> None:
        mine = Event()
        ended = self._ended.setdefault(run, mine)
        if ended is mine:
            mine.wait(60)
            ended = self._ended[run]
        if not isinstance(ended, RunFinished) or ended.output != {"value": number + len(NODES)}:
            raise ValueError(f"run {number} ended as {ended}")

    def _wanted(self, number: int, queue: str) -> Submission:
        data: dict[str, JSON] = {"id": f"{self._job.worker}-{number}", "value": number, "note": NOTE}
        return Submission(tenant="default", release=self._release, input=data, actor="bench", queue=queue)

    def _heard(self, recorded: list[Recorded]) -> None:
        for each in recorded:
            if isinstance(each.event, RunFinished):
                waiting = self._ended.get(each.stream)
                self._ended[each.stream] = each.event
                if isinstance(waiting, Event):
                    waiting.set()

    def check(self) -> int:
        """Read every event of every run, then seal and verify the whole store."""
        expected = _expected(self._job)
        for run, number in self._runs.items():
            recorded = self._stage.events(run)
            kinds = [each.event.type for each in recorded if each.event.type != "segment.queued"]
            if kinds != expected or [each.n for each in recorded] != list(range(1, len(recorded) + 1)):
                raise ValueError(f"run {number} is recorded as {kinds}")
            if self._stage.row(run).state != "completed":
                raise ValueError(f"run {number} is {self._stage.row(run).state}")
        store = self._stage.services.store
        seal(store)
        with read_store(store) as source:
            report = verify(source)
        if not report.intact:
            raise ValueError(f"the records are not intact: {report.findings[:3]}")
        return len(self._runs)

    def close(self) -> None:
        """Be no worker any more."""
        self._stack.close()


class OursInBulk(Ours):
    """The same, submitted many at a time."""

    def run(self, number: int) -> None:
        """Submit many runs together and wait for all of them."""
        numbers = range(number * _BULK, (number + 1) * _BULK)
        wanted = [self._wanted(each, "bulk") for each in numbers]
        submitted = self._stage.worker.submit_all(wanted)
        runs = {each.run: mine for each, mine in zip(submitted, numbers, strict=True) if isinstance(each, Submitted)}
        if len(runs) < _BULK:
            raise ValueError(f"of {_BULK} runs only {len(runs)} were accepted")
        self._runs.update(runs)
        for run, mine in runs.items():
            self._await(run, mine)


def _release(job: Job) -> Release:
    nodes = []
    before = ""
    for name in NODES:
        conduct: NodeConduct = "external" if job.external(name) else "pure"
        node = scripted(name, *((before,) if before else ()), conduct=conduct)
        nodes.append(node if before else replace(node, inputs={"input": "input"}))
        before = name
    return make_release(nodes, result={"value": f"{before}.value"})


def _acts(job: Job, caller: Caller) -> dict[str, Act]:
    work = node_work(job, caller)

    def act(name: str) -> Act:
        def add(task: Task, _: Tools) -> Outcome:
            return Result(data={"value": work[name](_given(task)), "note": NOTE})

        def call(task: Task, tools: Tools) -> Outcome:
            value = _given(task)
            attempt = tools.attempts.open(model="bench", request={"value": value}, worst=_CALL)
            made = work[name](value)
            attempt.settle(_CALL, response={"value": made}, resolved="bench-1", ms=1)
            return Result(data={"value": made, "note": NOTE})

        return call if job.external(name) else add

    return {name: act(name) for name in NODES}


def _given(task: Task) -> int:
    (given,) = task.inputs.values()
    return int(cast("dict[str, int]", given.data)["value"])


def _expected(job: Job) -> Sequence[str]:
    kinds = ["run.submitted", "segment.started"]
    for name in NODES:
        kinds += [*(("attempt.intended", "attempt.settled") if job.external(name) else ()), "step.finished"]
    return [*kinds, "run.finished", "segment.closed"]
