"""Going through the candidates of a plan: who comes next after a failure, an unsure answer or an empty budget."""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar, cast

from aie.core import JSON, Spend, usd
from aie.errors import Failure, LimitReached, StepFailure
from aie.layers.port import Tools
from aie.models import Call, Candidate, Planned, Refused, plan, read_route

__all__ = ["Walked", "planned_for", "refusal", "walk"]

T = TypeVar("T")

_WITHDRAWN: Final = frozenset({"not_approved", "unknown", "blocked"})
"""Reasons that lie with the model, whatever was to be shown to it."""
_COUNTED: Final = {"cost": "cost", "tokens": "tokens", "model_calls": "calls"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Walked(Generic[T]):
    """An answer and how it was come by."""

    value: T
    candidate: Candidate
    """Who gave it."""
    report: JSON
    """Who was planned, refused and tried."""


def planned_for(key: str, call: Call, tools: Tools) -> Planned:
    """Return the plan of a pinned route (`"route:<name>"`) for a call, under the facts of now."""
    route = tools.cache(key, read_route)
    facts = {each.name: tools.live(each.live) for each in route.candidates}
    now = {} if route.alone else tools.live(route.live).get("constraints")
    return plan(route, call, facts, cast("dict[str, JSON]", now or {}))


def walk(
    planned: Planned, ask: Callable[[Candidate], T], unsure: Callable[[T], str | None] = lambda _: None
) -> Walked[T]:
    """Ask one candidate after the other until one gives an answer that counts.

    Args:
        planned: who may be asked, in order.
        ask: asks one of them.
        unsure: the confidence of an answer after which the next one is asked, None for one that counts; the last
            answer always counts.

    Raises:
        StepFailure: nobody may be asked, or nobody answered; its report says so of each.
    """
    walking = _Walking(planned)
    while walking.left:
        candidate = walking.left.popleft()
        try:
            value = ask(candidate)
        except LimitReached as error:
            walking.tried.append({"model": candidate.name, "failure": error.failure.value})
            walking.left = deque(_cheaper(walking, candidate, error))
            if not walking.left:
                raise walking.reported(error) from None
        except StepFailure as error:
            walking.tried.append({"model": candidate.name, "failure": error.failure.value})
            if not walking.left or error.failure not in planned.route.strategy["next_on"]:
                raise walking.reported(error) from None
        else:
            confidence = unsure(value) if walking.left else None
            walking.tried.append({"model": candidate.name, **({} if confidence is None else {"unsure": confidence})})
            if confidence is None:
                return Walked(value=value, candidate=candidate, report=walking.report())
    raise walking.reported(refusal(planned.refused))


class _Walking:
    """One way through a plan."""

    def __init__(self, planned: Planned) -> None:
        self.planned = planned
        self.left = deque(planned.order)
        self.refused = list(planned.refused)
        self.tried: list[JSON] = []

    def report(self) -> JSON:
        return self.planned.to_json() | {"refused": [each.to_json() for each in self.refused], "tried": self.tried}

    def reported(self, error: StepFailure) -> StepFailure:
        error.report = {"route": self.report()}
        return error


def refusal(refused: Iterable[Refused]) -> StepFailure:
    """Return the failure of a step whose every candidate was refused."""
    told = list(refused)
    withdrawn = all(each.reason in _WITHDRAWN for each in told)
    names = "; ".join(f"{each.model}: {each.why}" for each in told)
    return StepFailure(
        Failure.MODEL_RETIRED if withdrawn else Failure.NOT_PERMITTED,
        f"no model may be asked: {names}",
        hints=("`aie models` shows the catalog",),
    )


def _cheaper(walking: _Walking, spent: Candidate, error: LimitReached) -> list[Candidate]:
    """Return the candidates left that are cheaper and fit what is free, the dearest of them first.

    The others are refused for the sake of the budget; a limit or budget that says to fail leaves nobody.
    """
    planned, left = walking.planned, list(walking.left)
    if "degrade" not in (planned.route.when_exhausted, error.on_exhausted):
        return []
    fitting = []
    for each in left:
        why = _unfit(planned.worst[each.name], planned.worst[spent.name], error)
        if why:
            walking.refused.append(Refused(model=each.name, reason="budget", why=why))
        else:
            fitting.append(each)
    return sorted(fitting, key=lambda each: -planned.worst[each.name].cost)


def _unfit(worst: Spend, spent: Spend, error: LimitReached) -> str:
    limit, free = str(error.fields["limit"]), cast("int", error.fields["free"])
    if worst.cost >= spent.cost > 0:
        return f"a call may cost {usd(worst.cost)}, no less than the one that did not fit"
    name = next((name for known, name in _COUNTED.items() if known in limit), None)
    if name is None:
        return f"the limit of {limit} leaves no call"
    needed = cast("int", getattr(worst, name))
    if needed <= free:
        return ""
    shown = (usd(needed), usd(free)) if name == "cost" else (str(needed), str(free))
    return f"it may need {shown[0]} of {limit}, {shown[1]} are left"
