"""Models at the end of their calendar: no new run starts with one, runs in flight go on while it answers."""

from collections.abc import Mapping

from aie.core import JSON, iso
from aie.errors import AieError, ModelRetired
from aie.runs.services import Loaded, Services

__all__ = ["check_startable"]


def check_startable(services: Services, loaded: Loaded) -> None:
    """Refuse a new run of a release of which some step has only models left that are retired.

    Raises:
        ModelRetired: naming them, their owners and what replaces them.
    """
    now = services.clock.now()
    for names in loaded.models:
        facts = [_facts(services, name) for name in names]
        ended = [each for each in facts if isinstance(each.get("retires"), int) and each["retires"] <= now]  # type: ignore[operator]
        if ended and len(ended) == len(facts):
            told = "; ".join(_told(name, each) for name, each in zip(names, facts, strict=True))
            raise ModelRetired(
                f"{loaded.release.short} starts no new runs: {told}",
                hints=("name the replacement in models.yaml or the workflow, release and promote",),
                models=list(names),
            )


def _facts(services: Services, name: str) -> Mapping[str, JSON]:
    """Return what the catalog says now; nothing while its file cannot be read: then each step decides for itself."""
    try:
        return services.live(f"model:{name}")
    except AieError:
        return {}


def _told(name: str, facts: Mapping[str, JSON]) -> str:
    day = iso(int(str(facts["retires"])))[:10]
    owner = f", owner {facts['owner']}" if facts.get("owner") else ", which has no owner"
    instead = f", replaced by {facts['replacement']}" if facts.get("replacement") else ""
    return f"{name} retired on {day}{owner}{instead}"
