"""Evidence: explain a run, verify the records, carry them away, rebuild what follows from them, erase a subject."""

from aie.app.opening import App
from aie.errors import NotFound
from aie.records import rebuild
from aie.records.events import RunSubmitted
from aie.runs import Explanation, explain

__all__ = ["explain_run", "rebuild_projections"]


def explain_run(app: App, run: str) -> Explanation:
    """Return why a run ended as it did, or where it stands.

    Raises:
        NotFound: there is no such run.
    """
    recorded = app.store.read(run, tenant=app.tenant)
    if not recorded or not isinstance(recorded[0].event, RunSubmitted):
        raise NotFound(f"there is no run {run}", hints=("`aie runs` lists the runs",))
    loaded = app.services.releases.get(app.tenant, recorded[0].event.release)
    return explain(run, recorded, loaded.release, installed=app.services.runtime())


def rebuild_projections(app: App) -> int:
    """Drop every projection and fill it again from the events; return how many events were read."""
    return rebuild(app.store)
