"""The builder's loop: one step again on what a run recorded, under the files as they are now."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

from aie.app.opening import App
from aie.config import MapStep, Workspace, did_you_mean, load_workspace
from aie.core import JSON, Spend
from aie.errors import NotFound, Unavailable
from aie.layers import Tools
from aie.records import Recorded, RunFilter
from aie.records.events import RunSubmitted
from aie.releases import compile_release
from aie.runs import (
    Came,
    KnownCalls,
    Loaded,
    State,
    TrialCalls,
    Tried,
    fold,
    item_path,
    recorded_values,
    try_step,
)

__all__ = ["Trial", "stamps", "trial"]

_WATCHED: Final = (".yaml", ".yml", ".md", ".json", ".txt", ".aie", ".csv", ".jsonl")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A try of one step of one recorded run."""

    workflow: str
    run: str
    tried: Tried
    before: Tried | None
    """What the run recorded of the step; None when it did not come to it."""
    asked: tuple[tuple[JSON, JSON], ...]
    """Questions to models with their answers."""
    spent: Spend | None = None
    """What calls cost that were made for it; None when none might be made."""

    @property
    def same(self) -> bool:
        """Whether the files as they are give what the run recorded."""
        return self.before is not None and self.tried.compared() == self.before.compared()


def trial(app: App, step: str, *, workflow: str = "", run: str = "", case: str = "", call: bool = False) -> Trial:
    """Try a step of the workspace's files on what a run recorded.

    Args:
        app: an open workspace.
        step: its name; inside a map its path, `lines[inv-7]/check`, or its name for the first item.
        workflow: where several have such a step.
        run: on what this run recorded; empty: the latest of the case, or of the workflow.
        case: the business case, as people write it.
        call: whether a question that the run did not ask may be asked now, on the budgets of the workflow and tenant.

    Raises:
        ConfigError: the workspace's files have mistakes.
        NotFound: no such workflow, step or run, or the run recorded nothing of what the step reads.
        Unavailable: the step asks a model, the run never did, and no call may be made.
    """
    workspace = load_workspace(app.root)
    workflow = workflow or _workflow_of(workspace, step)
    loaded = Loaded(compile_release(workspace, workflow))
    records = _records(app, workflow, run, case)
    first = cast("RunSubmitted", records[0].event)
    recorded = app.services.releases.get(app.tenant, first.release)
    state, _ = fold(recorded.index, ((each.event, each.at) for each in records))
    path = _path(loaded, step, state)
    values = recorded_values(loaded, state, path)
    answers = {
        each.intended.request: each.settled.response
        for each in state.attempts.values()
        if each.settled is not None and each.settled.outcome == "settled"
    }
    limits = loaded.index.plan.limits
    paid = TrialCalls(app.services, app.tenant, workflow, path, limits) if call else None
    calls = KnownCalls(answers, lambda request: app.store.ref(app.tenant, request), paid)
    tried = try_step(
        loaded,
        path,
        values,
        layers=app.services.layers,
        tools=lambda labels: Tools(
            files=_Blobs(app),
            attempts=calls,
            components=loaded.component,
            live=lambda component: app.services.ledger.live(app.tenant, component),
            secret=app.services.secret,
            cache=loaded.cached,
            labels=labels,
            case=first.case,
        ),
    )
    mine = [each for each in state.attempts.values() if each.intended.path == path]
    if calls.refused and not any(each.settled is not None and each.settled.outcome == "settled" for each in mine):
        raise Unavailable(
            f"run {records[0].stream} {'got no answer' if mine else 'never asked a model'} for {path}",
            hints=("--case NAME or --run RUN: one that has an answer", "--call asks the model now"),
        )
    before = _before(state, path, tried.layer)
    return Trial(
        workflow=workflow,
        run=records[0].stream,
        tried=tried,
        before=before,
        asked=tuple(calls.asked),
        spent=None if paid is None else paid.spent,
    )


def stamps(root: Path) -> dict[Path, int]:
    """Return when each file of a workspace was last written: another answer is a reason to try again."""
    found: dict[Path, int] = {}
    for path in root.rglob("*"):
        if path.suffix in _WATCHED and not any(part.startswith(".") for part in path.relative_to(root).parts):
            try:
                found[path] = path.stat().st_mtime_ns
            except OSError:  # it was removed meanwhile, which is a change as well
                continue
    return found


@dataclass(frozen=True, slots=True)
class _Blobs:
    """Documents of the app's tenant."""

    app: App

    def read(self, ref: str) -> bytes:
        """Return the bytes stored under a document's reference."""
        return self.app.store.get_blob(self.app.tenant, ref)


def _before(state: State, path: str, layer: str) -> Tried | None:
    """Return what the run recorded of the step; None when it did not come to it."""
    output, opened = state.outputs.get(path), state.reviews.get(path)
    if opened is not None:
        return Tried(path=path, layer=layer, came="asks", data=opened.shown)
    if path in state.effects:
        return Tried(path=path, layer=layer, came="acts", data=state.effects[path].request)
    if output is not None:
        return Tried(path=path, layer=layer, came="finished", data=output.output, report=output.report)
    progress = state.nodes.get(path)
    if progress is None:
        return None
    came: Came = "failed" if progress.tries else "skipped"
    return Tried(path=path, layer=layer, came=came, failure=progress.failure)


def _workflow_of(workspace: Workspace, step: str) -> str:
    """Return the one workflow with such a step.

    Raises:
        NotFound: there is none, or there are several.
    """
    name = step.rpartition("/")[2].partition("[")[0]
    found, known = [], set()
    for workflow, spec in workspace.workflows.items():
        inside = [inner for each in spec.steps.values() if isinstance(each, MapStep) for inner in each.map.steps]
        names = {*spec.steps, *inside}
        known |= names
        if name in names:
            found.append(workflow)
    if not found:
        raise NotFound(f"no workflow has a step {name!r}", hints=(did_you_mean(name, sorted(known), "steps"),))
    if len(found) > 1:
        raise NotFound(f"several workflows have a step {name!r}", hints=(f"--workflow {found[0]}",))
    return found[0]


def _records(app: App, workflow: str, run: str, case: str) -> Sequence[Recorded]:
    """Return the events of the run that is named, or of the latest that fits.

    Raises:
        NotFound: there is none, or it was erased.
    """
    if not run:
        key = app.store.mac(app.tenant, "case", workflow, case) if case else None
        rows = app.store.runs(RunFilter(tenant=app.tenant, workflow=workflow, case_key=key), limit=1).rows
        if not rows:
            which = f" of case {case!r}" if case else ""
            raise NotFound(f"{workflow} has no run{which} to try on", hints=(f"aie run {workflow} INPUT.json",))
        run = rows[0].id
    records = app.store.read(run, tenant=app.tenant)
    if not records or not isinstance(records[0].event, RunSubmitted):
        raise NotFound(f"there is no run {run}", hints=("`aie runs` lists the runs",))
    if records[0].event.workflow != workflow:
        raise NotFound(f"run {run} is of {records[0].event.workflow}, not of {workflow}")
    if records[0].event.input is None:
        raise NotFound(f"what run {run} read was erased", hints=("try another run",))
    return records


def _path(loaded: Loaded, step: str, state: State) -> str:
    """Return the path of a step, inside a map that of the first recorded item.

    Raises:
        NotFound: no such step, or no item of its map was recorded.
    """
    index = loaded.index
    if step in index.nodes:
        if index.nodes[step].map is not None:
            raise NotFound(f"{step} is a map", hints=("name a step inside it",))
        return step
    name = step.rpartition("/")[2]
    for map_path, body in index.bodies.items():
        if name not in body or not step.startswith((name, f"{map_path}[")):
            continue
        if step != name:
            return step
        if map_path not in state.maps or not state.maps[map_path].keys:
            raise NotFound(f"the run recorded no item of {map_path}", hints=("try another run",))
        return item_path(map_path, state.maps[map_path].keys[0], name)
    raise NotFound(f"no step is named {step!r}", hints=(did_you_mean(step, sorted(index.nodes), "steps"),))
