"""Models at the end of their calendar: no new run starts with one, runs in flight go on while it answers."""

from collections.abc import Mapping
from dataclasses import replace
from typing import cast

from aie.core import JSON
from aie.errors import AieError, ModelRetired
from aie.models import HARMLESS, Planned, plan
from aie.runs.services import Loaded, Services

__all__ = ["check_startable"]


def check_startable(services: Services, loaded: Loaded) -> None:
    """Refuse a new run of a release of which some step has nobody left to ask but models that are retired.

    Who is not lawful whatever is asked is not left: that a candidate is not retired does not help when it works abroad.

    Raises:
        ModelRetired: naming them, their owners and what replaces them.
    """
    call = replace(HARMLESS, began=services.clock.now())
    for route in loaded.routes:
        facts = {each.name: _facts(services, f"model:{each.name}") for each in route.candidates}
        now = {} if route.alone else _facts(services, route.live).get("constraints")
        planned = plan(route, call, facts, cast("dict[str, JSON]", now or {}))
        retired = [each.model for each in planned.refused if each.reason == "retired"]
        if retired and not planned.order:
            raise ModelRetired(
                f"{loaded.release.short} starts no new runs: {_told(planned)}",
                hints=("name the replacement in models.yaml or the workflow, release and promote",),
                models=retired,
            )


def _facts(services: Services, component: str) -> Mapping[str, JSON]:
    """Return what the catalog says now; nothing while its file cannot be read: then each step decides for itself."""
    try:
        return services.live(component)
    except AieError:
        return {}


def _told(planned: Planned) -> str:
    return "; ".join(f"{each.model}: {each.why}" for each in planned.refused)
