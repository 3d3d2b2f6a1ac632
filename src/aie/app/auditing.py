"""Evidence: explain a run, verify the records, carry them away, rebuild what follows from them, erase a subject."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

from aie.app.cataloguing import moved_of
from aie.app.opening import App
from aie.app.releasing import released_workflows
from aie.app.wording import moved_line
from aie.config import did_you_mean
from aie.errors import Conflict, InputError, NotFound
from aie.records import RunFilter, RunRow, destroy_key, rebuild
from aie.records.events import RunFinished, RunSubmitted
from aie.releases import load_release
from aie.runs import Explanation, explain, read_holds

__all__ = ["ending_of", "erase_person", "explain_run", "hold_of", "known_attributes", "rebuild_projections"]

_LATEST: Final = 50
"""Releases whose search attributes are known."""
_ENDING: Final = 8
"""Events at the end of a run, of which one says how it ended."""
_ENDED: Final = frozenset({"completed", "failed", "cancelled", "dead"})


def explain_run(app: App, run: str) -> Explanation:
    """Return why a run ended as it did, or where it stands.

    Raises:
        NotFound: there is no such run.
    """
    recorded = app.store.read(run, tenant=app.tenant)
    if not recorded or not isinstance(recorded[0].event, RunSubmitted):
        raise NotFound(f"there is no run {run}", hints=(*_of_case(app, run), "`aie runs` lists the runs"))
    loaded = app.services.releases.get(app.tenant, recorded[0].event.release)
    explained = explain(run, recorded, loaded.release, installed=app.services.runtime())
    asked = sorted({call.model for call in explained.calls})
    return replace(explained, alerts=tuple(moved_line(each) for model in asked for each in moved_of(app, model)))


def _of_case(app: App, case: str) -> Iterator[str]:
    """Yield the latest run of each workflow that decided a case: people have its number at hand, not that of a run."""
    for workflow in released_workflows(app):
        key = app.store.mac(app.tenant, "case", workflow, case)
        for row in app.store.runs(RunFilter(tenant=app.tenant, workflow=workflow, case_key=key), limit=1).rows:
            yield f"{case} is a case of {workflow}: aie explain {row.id}"


def known_attributes(app: App, workflow: str, wanted: Mapping[str, str]) -> dict[str, str]:
    """Return the search attributes, each declared by a release of the workflow, or of any where none is named.

    Raises:
        InputError: one of them is declared by none.
    """
    if not wanted:
        return {}
    rows = app.store.releases(app.tenant, workflow=workflow or None, limit=_LATEST)
    known = {name for row in rows for name in load_release(app.store, row.id, tenant=app.tenant).plan.search}
    for name in wanted:
        if name not in known:
            hint = did_you_mean(name, known, "attributes") if known else "declare it: search: {NAME: EXPRESSION}"
            raise InputError(f"no workflow declares the search attribute {name!r}", hints=(hint,))
    return dict(wanted)


def hold_of(app: App, run: RunRow) -> str:
    """Return what a waiting run waits for that no person decides: money, its turn, or a stop; empty for any other.

    Steps that wait for the same say it once, in the words of the first.
    """
    if not run.held:
        return ""
    told = read_holds(app.store.read(run.id, tenant=run.tenant))
    first = {each["on"]: told.get(each["path"], "") for each in reversed(json.loads(run.held))}
    return "; ".join(why for why in reversed(first.values()) if why)


def ending_of(app: App, run: RunRow) -> str:
    """Return in words why a run failed or was set aside; empty for one that did not, or that was erased."""
    last = app.store.read(run.id, max(run.last_n - _ENDING, 0), tenant=run.tenant) if run.failure else []
    told = (each.event.message for each in reversed(last) if isinstance(each.event, RunFinished))
    return next(told, "") or ""


def erase_person(app: App, run: str, *, reason: str) -> int:
    """Destroy the data key of the person that a run is about; return how many of their runs cannot be read any more.

    What they sent, what was made of it and every document of theirs is lost for good; that it happened still verifies.

    Raises:
        InputError: no reason is given.
        NotFound: there is no such run, or nothing is sealed for the person any more.
        Conflict: a run of theirs has not ended.
    """
    if not reason:
        raise InputError("an erasure needs a reason", hints=("--reason 'request of 2026-11-22'",))
    row = app.store.run(run, tenant=app.tenant)
    if row is None:
        raise NotFound(f"there is no run {run}", hints=("`aie runs` lists the runs",))
    theirs = [each for each in _runs(app) if each.subject == row.subject]
    going = [each.id for each in theirs if each.state not in _ENDED]
    if going:
        raise Conflict(
            f"{len(going)} of the person's runs have not ended, {going[0]} among them",
            hints=(f"aie cancel {going[0]}",),
        )
    destroy_key(app.store, app.journal, tenant=app.tenant, subject=row.subject, actor=app.actor, reason=reason)
    return len(theirs)


def _runs(app: App) -> Iterator[RunRow]:
    after = ""
    while True:
        page = app.store.runs(RunFilter(tenant=app.tenant), limit=500, after=after)
        yield from page.rows
        after = page.after
        if not after:
            return


def rebuild_projections(app: App) -> int:
    """Drop every projection and fill it again from the events; return how many events were read."""
    return rebuild(app.store)
