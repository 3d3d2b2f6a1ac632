"""What a segment's events draw on the slabs of budgets, and what follows when a provider bills beyond them."""

import random
from collections.abc import Iterable, Sequence
from typing import Final

from aie.core import JSON, usd
from aie.records import Entry, Event, Locked, stop_stream
from aie.records.events import AttemptIntended, AttemptSettled, RunWaiting, StepHeld, StopSet
from aie.runs.services import Services
from aie.runs.sites import append
from aie.runs.state import Wait

__all__ = ["block", "catalog_name", "drawn_on", "fits", "pause_after", "run_waiting"]

_LONGEST: Final = 0.05
_FROM_SYSTEM: Final = random.SystemRandom()


def drawn_on(events: Iterable[Event]) -> Sequence[str]:
    """Return the slabs that these events draw on or give back to."""
    drawing = (each for each in events if isinstance(each, AttemptIntended | AttemptSettled))
    return sorted({slab for each in drawing for slab in each.draws.values()})


def fits(locked: Locked, event: AttemptIntended) -> bool:
    """Whether each slab has what the call may need, as the rows say that are locked for this transaction."""
    idle = [locked.idle.get(slab) for slab in event.draws.values()]
    return all(
        each is not None and each.cost >= event.worst["cost"] and each.tokens >= event.worst["tokens"] for each in idle
    )


def pause_after(tries: int) -> float:
    """Return the seconds before a slab is filled again: two executors must not take the last of a window in turn."""
    return min(_FROM_SYSTEM.uniform(0, 0.002) * (1 << min(tries, 10)), _LONGEST)


def run_waiting(wait: Wait) -> RunWaiting:
    """Return the event of a run of which nothing is runnable."""
    held: list[JSON] = [_told(each) for each in wait.held]
    return RunWaiting(reviews=list(wait.reviews), effects=list(wait.effects), held=held)


def _told(held: StepHeld) -> dict[str, JSON]:
    told: dict[str, JSON] = {"path": held.path, "on": held.on, "cost": held.cost, "tokens": held.tokens}
    return told | {"until": held.until} if held.until else told


def catalog_name(model: str) -> str:
    """Return the name by which people stop a model, of how a layer names it: `reader` for `route:reader`."""
    return model.rpartition(":")[2]


def block(services: Services, tenant: str, whose: str, model: str, settled: AttemptSettled) -> None:
    """Stop a model whose provider billed more than was reserved, before its settlement is recorded.

    Its declared bounds do not hold, so no reservation does: nothing of it is called until a person lifts the stop.
    """
    over = ", ".join(
        usd(amount) if name == "cost" else f"{amount} {name}" for name, amount in sorted(settled.overrun.items())
    )
    reason = f"billed {over} beyond what was reserved for {whose} {settled.attempt}"
    stop = StopSet(kind="model", name=model, actor="aie", reason=reason)
    stream = stop_stream(tenant, "model", model)
    append(services.journal, "block", Entry(tenant=tenant, stream=stream, decide=lambda _: [stop]))
    services.ledger.controls.forget()
