"""Runs that wait for layer versions: which they need, and what this installation has of them."""

from collections.abc import Iterable
from dataclasses import dataclass

from aie.app.opening import App
from aie.records import RunFilter, RunRow
from aie.records.events import RunNeedsRuntime

__all__ = ["Lack", "lack_of", "lacks"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lack:
    """Layer versions that a run waits for."""

    needs: dict[str, int]
    """What it was locked with, or last migrated to, as far as the worker that looked last did not provide it."""
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
    installed = app.services.runtime()
    for each in reversed(app.store.read(run.id, tenant=app.tenant)):
        if isinstance(each.event, RunNeedsRuntime):
            needs = dict(sorted(each.event.needs.items()))
            return Lack(needs=needs, installed={name: installed.get(name, 0) for name in needs})
    return None


def lacks(app: App, runs: Iterable[RunRow] | None = None, *, limit: int = 200) -> dict[str, Lack]:
    """Return what each run waits for that does, by its id; without `runs`, of the latest that wait so."""
    if runs is None:
        runs = app.store.runs(RunFilter(tenant=app.tenant, state="needs_runtime"), limit=limit).rows
    return {run.id: lack for run in runs if (lack := lack_of(app, run)) is not None}
