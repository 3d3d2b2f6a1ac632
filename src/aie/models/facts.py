"""Live facts of the catalog: what permits or costs, as `models.yaml` says it at a time."""

from collections.abc import Mapping
from typing import Final

from aie.config import ChatModel, ModelsSpec
from aie.core import JSON
from aie.models.prices import price_at, price_holds

__all__ = ["facts_hold", "live_facts"]

_ENDLESS: Final = 2**63


def live_facts(models: ModelsSpec, component: str, at: int) -> Mapping[str, JSON]:
    """Return the live facts of `route:NAME`, `model:NAME` or `classifier:NAME` at a time.

    Args:
        models: the catalog as it is now.
        component: what is asked for; `route:NAME` may also be a step that names a model itself.
        at: microseconds since the epoch; prices depend on it.

    Returns:
        The facts; nothing for what the catalog does not name, which therefore permits nothing.
    """
    kind, _, name = component.partition(":")
    route = models.routes.get(name) if kind == "route" else None
    if route is not None:
        return route.live()
    entry = models.models.get(name)
    if entry is None:
        return {}
    facts = entry.live()
    if isinstance(entry, ChatModel):
        price = price_at(entry, at)
        facts["price"] = None if price is None else price.to_json()
    return facts


def facts_hold(models: ModelsSpec, component: str, at: int) -> int:
    """Return until when `live_facts` gives the same at a time as now, in microseconds since the epoch."""
    kind, _, name = component.partition(":")
    entry = None if kind == "route" and name in models.routes else models.models.get(name)
    return price_holds(entry, at) if isinstance(entry, ChatModel) else _ENDLESS
