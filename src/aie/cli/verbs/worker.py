"""worker."""

import signal
import threading
from types import FrameType
from typing import Annotated, Final

import typer

from aie.app import Executor, executing, lacks
from aie.cli.opened import opened
from aie.cli.options import FormatOption, WorkspaceOption
from aie.cli.screen import Screen
from aie.errors import FenceLost
from aie.records import RunFilter

__all__ = ["worker"]

_LOOKED_AT: Final = 200
"""Runs that wait for a runtime, of which a beat takes up those whose layer versions are here."""


def worker(
    until_idle: Annotated[bool, typer.Option("--until-idle", help="Stop when nothing is left to execute.")] = False,
    workspace: WorkspaceOption = None,
    form: FormatOption = "text",
) -> None:
    """Execute runs until stopped: claim what is queued, continue what dead processes left, deliver, seal.

    Ctrl-C or SIGTERM lets segments in flight close first. On Postgres any number of workers share the work.
    """
    screen = Screen(form)
    stopping = threading.Event()
    lost = threading.Event()

    def stop(_signal: int, _frame: FrameType | None) -> None:
        stopping.set()

    def lose() -> None:
        lost.set()
        stopping.set()

    with opened(workspace) as app, executing(app, on_lost=lose) as executor:
        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        identity = executor.app.services.executor
        screen.say(f"executing as {identity}; Ctrl-C stops")
        while not stopping.wait(0.5):
            if until_idle and _idle(executor):
                break
    if lost.is_set():
        raise FenceLost("this worker's lease was lost: others continue its runs", hints=("aie worker",))
    screen.show({"executor": identity, "stopped": True}, ["stopped"])
    screen.next("aie status")


def _idle(executor: Executor) -> bool:
    """Whether nothing is left that goes on by itself."""
    store = executor.app.store
    under_way = any(store.runs(RunFilter(state=state), limit=1).rows for state in ("queued", "running"))
    if under_way or store.due_effects(limit=1):
        return False
    lacking = store.runs(RunFilter(state="needs_runtime"), limit=_LOOKED_AT).rows
    return not any(lack.here for lack in lacks(executor.app, lacking).values())
