"""What every classifier of this machine has in common: leave to answer, and the artefact that was trained here."""

from collections.abc import Callable, Mapping

from aie.config import LearntHere, Site
from aie.core import JSON
from aie.errors import InputError
from aie.layers.calling import refusal
from aie.layers.port import Component, Tools
from aie.models import Artefact, Call, LocalKind, one_classifier, plan, read_artefact, write_artefact

__all__ = ["allowed_facts", "learnt_component"]


def allowed_facts(tools: Tools, component: str, kind: LocalKind = "text_classifier") -> Mapping[str, JSON]:
    """Let a classifier answer, and return its live facts.

    Raises:
        StepFailure: MODEL_RETIRED when it is no longer approved, NOT_PERMITTED when it may not see what it would.
    """
    route = one_classifier(component.partition(":")[2], kind)
    # A release that travelled to a workspace without a catalog still runs: nothing leaves this process.
    facts = tools.live(component) or {"approved": True}
    planned = plan(route, Call(request=None, labels=tools.labels, began=tools.began), {route.name: facts})
    if planned.refused:
        raise refusal(planned.refused, planned.facts)
    return facts


def learnt_component(
    entry: LearntHere, site: Site, *, kind: str, load: Callable[[Artefact], object], made: JSON, stale: str
) -> Component | None:
    """Return the artefact in its canonical form, whatever wrote the file; None when it was reported why not.

    Args:
        entry: the model.
        site: where it is compiled.
        kind: of the component.
        load: raises InputError for an artefact of another kind, or a damaged one.
        made: what `entry` says now of how it is made, as the artefact keeps it.
        stale: says, after the artefact's name, what differs when that is not how it was made.
    """
    train = f"run `aie train {entry.name}`"
    if isinstance(site.workspace.read(entry.artefact), str):
        site.problem("untrained-model", "model", f"`{entry.name}` has no artefact at {entry.artefact}", train)
        return None
    content = site.file("model", entry.artefact, base="workspace")
    if content is None:
        return None
    try:
        artefact = read_artefact(content)
        load(artefact)
    except InputError as error:
        site.problem("bad-artefact", "model", f"{entry.artefact}: {error.message}", train)
        return None
    if artefact.parameters.get("made") != made:
        site.problem(
            "stale-artefact", "model", f"{entry.artefact} was trained {stale} than `{entry.name}` has now", train
        )
        return None
    return Component(kind=kind, name=entry.name, content=write_artefact(artefact), live=entry.live())
