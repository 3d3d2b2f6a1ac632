"""Runs that wait for layer versions: which they need, and what this installation has of them."""

from collections.abc import Iterable
from dataclasses import dataclass

from aie.app.opening import App
from aie.records import RunFilter, RunRow
from aie.records.events import RunNeedsRuntime
from aie.runs import runtime_of

__all__ = ["Lack", "lack_of", "lacks"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lack:
    """Layer versions that a run waits for."""

    needs: dict[str, int]
    """What it was locked with, or last moved to, where the worker that looked last or this installation differs."""
    installed: dict[str, int]
    """Versions of the same layers in this installation; 0: it has no such layer."""

    @property
    def here(self) -> bool:
        """Whether a worker of this installation lets the run go on."""
        return self.needs == self.installed


def lack_of(app: App, run: RunRow) -> Lack | None:
    """Return what a run waits for; None when it does not wait for a runtime."""
    if run.state != "needs_runtime":
        return None
    recorded = app.store.read(run.id, tenant=run.tenant)
    told = [each.event.needs for each in recorded if isinstance(each.event, RunNeedsRuntime)][-1]
    installed = app.services.runtime()
    versions = runtime_of(app.services.releases.get(run.tenant, run.release).release, recorded)
    needs = {name: each for name, each in sorted(versions.items()) if name in told or installed.get(name) != each}
    return Lack(needs=needs, installed={name: installed.get(name, 0) for name in needs})


def lacks(app: App, runs: Iterable[RunRow] | None = None, *, limit: int = 200) -> dict[str, Lack]:
    """Return what each run waits for that does, by its id; without `runs`, of the latest that wait so."""
    if runs is None:
        runs = app.store.runs(RunFilter(tenant=app.tenant, state="needs_runtime"), limit=limit).rows
    return {run.id: lack for run in runs if (lack := lack_of(app, run)) is not None}
