"""Going through the candidates of a plan: who comes next after a failure, an unsure answer or an empty budget."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Generic, TypeVar, cast

from aie.core import JSON, Spend, usd
from aie.errors import Failure, Held, LimitReached, StepFailure, Unavailable
from aie.layers.port import Tools
from aie.models import Call, Candidate, Facts, Planned, Refused, held_by_breaker, plan, read_route

__all__ = ["Walked", "planned_for", "refusal", "walk"]

T = TypeVar("T")

_WITHDRAWN: Final = frozenset({"not_approved", "unknown", "blocked", "retired"})
"""Reasons that lie with the model, whatever was to be shown to it."""
_PATIENCE: Final = 2_000_000
"""Microseconds that a step waits where it is before a candidate is asked again."""
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
    now = None if route.alone else tools.live(route.live).get("constraints")
    return plan(route, call, facts, cast("Facts", now))


def walk(
    planned: Planned,
    ask: Callable[[Candidate], T],
    tools: Tools,
    unsure: Callable[[T], str | None] = lambda _: None,
) -> Walked[T]:
    """Ask one candidate after the other until one gives an answer that counts.

    Once nobody is left, whoever failed in a way that is worth another try is asked again, after its wait. A wait that
    is too long for that is the step's: it lets go of everything and begins again.

    Args:
        planned: who may be asked, in order.
        ask: asks one of them.
        tools: the ports of the step.
        unsure: the confidence of an answer that its giver is not sure enough of, None for any other. In a cascade the
            next one is asked after it, and only the last candidate of the route is taken at its word.

    Raises:
        StepFailure: nobody may be asked, nobody answered, or nobody is left after one that was not sure; its report
            says so of each.
    """
    walking = _Walking(planned)
    while walking.left:
        candidate = walking.left.popleft()
        try:
            value = _asked(ask, candidate)
        except LimitReached as error:
            walking.tried.append(_failed(candidate, error))
            walking.left = deque(_cheaper(walking, candidate, error))
            if not walking.left:
                raise walking.reported(error) from None
        except StepFailure as error:
            walking.tried.append(_failed(candidate, error))
            if error.failure not in planned.route.strategy["next_on"]:
                walking.forget()
            walking.note(candidate, error)
            if not walking.left:
                walking.wait(error, tools)
        else:
            confidence = unsure(value) if walking.passes_on(candidate) else None
            walking.tried.append({"model": candidate.name, **({} if confidence is None else {"unsure": confidence})})
            if confidence is None:
                return Walked(value=value, candidate=candidate, report=walking.report())
            if not walking.left:
                raise walking.reported(walking.unheard(candidate, confidence))
    raise walking.reported(refusal(planned.refused, planned.facts))


def _asked(ask: Callable[[Candidate], T], candidate: Candidate) -> T:
    """Ask; a secret or an extra that is missing here is a failure as any other: its report says who was asked."""
    try:
        return ask(candidate)
    except Unavailable as error:
        raise StepFailure(Failure.PROVIDER_REFUSED, error.message, hints=error.hints) from error


class _Walking:
    """One way through a plan."""

    def __init__(self, planned: Planned) -> None:
        self.planned = planned
        self.left = deque(planned.order)
        self.refused = list(planned.refused)
        self.tried: list[JSON] = []
        self._again: list[tuple[int, Candidate, StepFailure]] = []
        """Who may be asked again, and when, in monotonic microseconds."""
        self._held: StepFailure | None = None
        """The failure of somebody whose turn may come."""

    def passes_on(self, candidate: Candidate) -> bool:
        """Tell whether somebody comes after a candidate that is not sure, as the route is written."""
        route = self.planned.route
        return route.strategy["kind"] == "cascade" and candidate.name != route.candidates[-1].name

    def unheard(self, candidate: Candidate, confidence: str) -> StepFailure:
        """Return the failure of a cascade that ends early: being refused counts as failing."""
        names = [each.name for each in self.planned.route.candidates]
        after = names[names.index(candidate.name) + 1 :]
        return refusal(
            (each for each in self.refused if each.model in after),
            self.planned.facts,
            f"{candidate.name} was not sure ({confidence}), and nobody after it may be asked",
        )

    def forget(self) -> None:
        """Leave everybody else out of it: the failure is not one after which others are asked."""
        self.left.clear()
        self._again.clear()
        self._held = None

    def note(self, candidate: Candidate, error: StepFailure) -> None:
        """Remember a failure after which the same candidate may be asked again."""
        if error.again is not None:
            self._again.append((_now() + error.again, candidate, error))
        elif error.hold is not None:
            self._held = error

    def wait(self, last: StepFailure, tools: Tools) -> None:
        """Wait until somebody may be asked again.

        Raises:
            StepFailure: the last failure, if nobody may; with the step's own wait, if it is a long one.
        """
        if not self._again:
            raise self.reported(self._held or last)
        again = min(self._again, key=lambda each: each[0])
        at, candidate, error = again
        pause, left = max(at - _now(), 0), tools.time_left()
        if left is not None and pause >= left:
            raise self.reported(last)
        if pause > _PATIENCE:
            if self._held is None:
                error.hold = Held(f"{candidate.name} is asked again: {error.message}", on="later", wait=pause)
            raise self.reported(self._held or error)
        tools.pause(pause)
        self._again.remove(again)
        self.left.append(candidate)

    def report(self) -> JSON:
        return self.planned.to_json() | {"refused": [each.to_json() for each in self.refused], "tried": self.tried}

    def reported(self, error: StepFailure) -> StepFailure:
        error.report = {"route": self.report()}
        return error


def refusal(refused: Iterable[Refused], facts: Mapping[str, Facts], said: str = "no model may be asked") -> StepFailure:
    """Return the failure of a step whose every candidate was refused, or every one that was left.

    Where some are only left alone for a while, the step may wait for the one that is tried first.
    """
    told = list(refused)
    names = "; ".join(f"{each.model}: {each.why}" for each in told)
    if any(each.reason == "circuit_open" for each in told):  # those that may be asked are down
        failure = Failure.PROVIDER_DOWN
    elif all(each.reason in _WITHDRAWN for each in told):
        failure = Failure.MODEL_RETIRED
    else:
        failure = Failure.NOT_PERMITTED
    made = StepFailure(failure, f"{said}: {names}", hints=("`aie models` shows the catalog",))
    resting = (_rests(each.model, made.message, facts) for each in told if each.reason == "circuit_open")
    made.hold = min((each for each in resting if each is not None), key=lambda each: each.wait, default=None)
    return made


def _rests(model: str, why: str, facts: Mapping[str, Facts]) -> Held | None:
    known = facts[model]
    at_most = (known.get("retry") or {}).get("at_most", 0)
    return held_by_breaker(model, why, left=known.get("circuit_left", 0), at_most=at_most)


def _failed(candidate: Candidate, error: StepFailure) -> JSON:
    """Return who failed and why: of several only the last one's failure becomes the step's."""
    return {"model": candidate.name, "failure": error.failure.value, "why": error.message}


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


def _now() -> int:
    return time.monotonic_ns() // 1000
