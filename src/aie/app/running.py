"""Run workflows: submit, wait until a run rests, work as a worker."""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import Final

from aie.app.inputs import Given, prepare
from aie.app.opening import App, Executor, executing
from aie.app.releasing import no_release
from aie.errors import AieError, NotFound, StoreBusy
from aie.records import EffectFilter, Recorded, ReviewFilter, RunFilter, RunRow
from aie.records.events import RunFinished, RunNeedsRuntime, RunWaiting
from aie.releases import find_release
from aie.runs import (
    PostgresListener,
    Relation,
    Submission,
    Submitted,
    cancel,
    migrate,
    retry,
    ring,
    socket_path,
    submit,
    submit_all,
)

__all__ = [
    "RESTING",
    "Runner",
    "cancel_run",
    "choose_release",
    "migrate_run",
    "retry_run",
    "retry_runs",
    "runner",
]

RESTING: Final = frozenset({"waiting", "needs_runtime", "completed", "failed", "cancelled", "dead"})
"""States in which nothing happens until something outside does."""


_TAKE_OVER: Final = 0.2
"""Seconds between the tries of a waiting process to become the executor."""


class Runner:
    """Submits runs and waits for them, as the store's executor or beside it."""

    def __init__(
        self, app: App, executor: Executor | None, *, take_over: Callable[[], Executor | None] | None = None
    ) -> None:
        """Open a runner.

        Args:
            app: an open workspace.
            executor: this process as the store's executor, if it is.
            take_over: makes it that once nobody else is: asked now and then while this process waits for a run.
        """
        self.app = app if executor is None else executor.app
        self.executor = executor
        """None: another process executes, this one submits and waits."""
        self._take_over = take_over
        self._ask_at = time.monotonic() + _TAKE_OVER
        self._waited: Counter[str] = Counter()
        """Runs that somebody waits for here, and how many do: news of any other are not kept."""
        self._rested: set[str] = set()
        self._changed = threading.Condition()
        self.app.journal.on_commit(self._committed)

    def submit(
        self,
        given: Given,
        release: str,
        *,
        environment: str = "",
        key: str = "",
        queue: str = "interactive",
        relation: Relation = "",
    ) -> Submitted:
        """Accept one input as a run of this release.

        Raises:
            InputError: the input is not what the workflow takes; nothing was stored of it.
            Conflict: the case has another run.
        """
        wanted = self._wanted(given, release, environment=environment, key=key, queue=queue, relation=relation)
        if self.executor is not None:
            return self.executor.worker.submit(wanted)
        submitted = submit(self.app.services, wanted)
        self.wake(submitted.run)
        return submitted

    def submit_all(
        self, given: Iterable[Given], release: str, *, environment: str = "", relation: Relation = ""
    ) -> list[Submitted | AieError]:
        """Accept many inputs as bulk work, in few transactions; for each what it became or why it was refused."""
        wanted: list[Submission] = []
        outcomes: list[AieError | None] = []
        for each in given:
            try:
                wanted.append(self._wanted(each, release, environment=environment, queue="bulk", relation=relation))
                outcomes.append(None)
            except AieError as error:
                outcomes.append(error)
        if self.executor is not None:
            made = self.executor.worker.submit_all(wanted)
        else:
            made = submit_all(self.app.services, wanted)
            for one in made:
                if isinstance(one, Submitted):
                    self.wake(one.run)
        answers = iter(made)
        return [next(answers) if refused is None else refused for refused in outcomes]

    def _wanted(
        self, given: Given, release: str, *, environment: str, queue: str, relation: Relation, key: str = ""
    ) -> Submission:
        loaded = self.app.services.releases.get(self.app.tenant, release)
        return Submission(
            tenant=self.app.tenant,
            release=release,
            environment=environment,
            input=prepare(self.app, loaded, given),
            actor=self.app.actor,
            key=key,
            queue=queue,
            relation=relation,
        )

    def wake(self, run: str) -> None:
        """Tell whoever executes that there is news of a run; on Postgres the commit itself tells."""
        if self.executor is not None:
            self.executor.worker.wake(run)
        elif self.app.store_folder is not None:
            ring(socket_path(self.app.store_folder), run)

    def wait(self, run: str, timeout: float | None = None) -> RunRow:
        """Return the run once it rests, or as it is after `timeout` seconds."""
        with self._changed:
            self._waited[run] += 1
        try:
            return self._wait(run, None if timeout is None else time.monotonic() + timeout)
        finally:
            with self._changed:
                self._waited[run] -= 1
                if not self._waited[run]:
                    del self._waited[run]
                    self._rested.discard(run)

    def _wait(self, run: str, until: float | None) -> RunRow:
        pause = 0.002
        while True:
            row = self.app.store.run(run, tenant=self.app.tenant)
            if row is None:
                raise NotFound(f"there is no run {run}", hints=("`aie runs` lists the runs",))
            left = None if until is None else until - time.monotonic()
            if self._rests(row) or (left is not None and left <= 0):
                return row
            self._succeed()
            longest = 1.0 if self.executor is not None else pause
            pause = min(pause * 1.5, 0.05)
            with self._changed:
                self._changed.wait_for(lambda: run in self._rested, longest if left is None else min(left, longest))
                self._rested.discard(run)

    def _succeed(self) -> None:
        """Become the executor when the one before has ended or this one lost its lease: nobody else may ever come."""
        if self.executor is not None and self.executor.worker.lost:
            self.executor = None
        if self.executor is None and self._take_over is not None and time.monotonic() >= self._ask_at:
            self._ask_at = time.monotonic() + _TAKE_OVER
            self.executor = self._take_over()
            self.app = self.app if self.executor is None else self.executor.app

    def _rests(self, row: RunRow) -> bool:
        """Whether nothing happens by itself.

        A run goes on at once that only waits for its effect's first delivery, and soon one of which a call waits for
        its turn or its time.
        """
        if row.state == "waiting" and _goes_on(row):
            return bool(self.app.store.reviews(ReviewFilter(tenant=row.tenant, run=row.id, state="open"), limit=1).rows)
        if row.state != "waiting" or not row.effects:
            return row.state in RESTING
        effects = self.app.store.effects(EffectFilter(tenant=row.tenant, run=row.id))
        under_way = any(
            each.state == "attempting" or (each.state == "queued" and not each.attempts) for each in effects
        )
        asked = self.app.store.reviews(ReviewFilter(tenant=row.tenant, run=row.id, state="open"), limit=1)
        return bool(asked.rows) or not under_way

    def news(self, run: str) -> None:
        """Take note that a run may rest: called by whoever hears of it."""
        with self._changed:
            if run in self._waited:
                self._rested.add(run)
                self._changed.notify_all()

    def _committed(self, recorded: list[Recorded]) -> None:
        for each in recorded:
            if isinstance(each.event, RunFinished | RunWaiting | RunNeedsRuntime):
                self.news(each.stream)


def _goes_on(row: RunRow) -> bool:
    """Tell whether one of the run's calls waits for nothing that somebody has to do."""
    waits = json.loads(row.held) if row.held else []
    return any(each["on"].startswith(("until:", "rate:", "breaker:")) for each in waits)


class runner:  # noqa: N801 — used as `with runner(app) as r`
    """Open a runner: this process executes, unless another one executes this SQLite store (then it is asked).

    Args:
        app: an open workspace.
        execute: False never executes, even when nobody else does.
    """

    def __init__(self, app: App, *, execute: bool = True) -> None:
        self._app = app
        self._execute = execute
        self._stack = ExitStack()

    def __enter__(self) -> Runner:
        executor = self._executor() if self._execute else None
        made = Runner(self._app, executor, take_over=self._executor if self._execute else None)
        if executor is None and self._app.store_folder is None:
            listener = PostgresListener(self._app.store)
            listener.start(made.news)
            self._stack.callback(listener.stop)
        return made

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _executor(self) -> Executor | None:
        try:
            return self._stack.enter_context(executing(self._app))
        except StoreBusy:
            return None


def choose_release(app: App, workflow: str, *, environment: str = "", release: str = "") -> tuple[str, str]:
    """Return release id and environment for new runs: as named, else the stable release of the environment.

    Without either, the last environment that `aie.yaml` names decides (production, as a rule), and before anything was
    promoted, the latest release of the workflow.

    Raises:
        NotFound: the workflow has no release, or the environment points at none.
    """
    if release:
        return find_release(app.store, release, tenant=app.tenant).id, ""
    chosen = environment or app.settings.environments[-1]
    if chosen not in app.settings.environments:
        raise NotFound(
            f"there is no environment {chosen!r}", hints=(f"aie.yaml names: {', '.join(app.settings.environments)}",)
        )
    pointers = app.store.environment(app.tenant, workflow, chosen)
    if "stable" in pointers:
        return pointers["stable"], chosen
    if environment:
        raise NotFound(
            f"{environment} points at no release of {workflow}", hints=(f"aie promote {workflow} --to {environment}",)
        )
    rows = app.store.releases(app.tenant, workflow=workflow, limit=1)
    if not rows:
        raise no_release(app, workflow)
    return rows[0].id, ""


def cancel_run(runner: Runner, run: str, reason: str) -> None:
    """Ask for a run to stop.

    Raises:
        NotFound, Conflict: there is no such run, or it has ended.
    """
    app = runner.app
    cancel(app.services, app.tenant, run, actor=app.actor, reason=reason)
    runner.wake(run)


def retry_run(runner: Runner, run: str) -> None:
    """Continue a failed run from its failed step.

    Raises:
        NotFound, Conflict: there is no such run, or it has not failed.
    """
    app = runner.app
    retry(app.services, app.tenant, run, actor=app.actor)
    runner.wake(run)


def retry_runs(runner: Runner, where: RunFilter, *, dry_run: bool, limit: int = 1000) -> list[RunRow]:
    """Continue failed runs from their failed step; return them (with `dry_run`, those that would be)."""
    app = runner.app
    failed: list[RunRow] = []
    after = ""
    while len(failed) < limit:
        page = app.store.runs(where, limit=200, after=after)
        failed.extend(row for row in page.rows if row.state in ("failed", "dead"))
        after = page.after
        if not after:
            break
    for row in failed[:limit] if not dry_run else ():
        retry_run(runner, row.id)
    return failed[:limit]


def migrate_run(runner: Runner, run: str, reason: str) -> None:
    """Move a run that waits for a runtime to this process's layer versions, audited.

    Raises:
        NotFound, Conflict, InputError: there is no such run, it does not wait, or no reason is given.
    """
    app = runner.app
    migrate(app.services, app.tenant, run, actor=app.actor, reason=reason)
    runner.wake(run)
