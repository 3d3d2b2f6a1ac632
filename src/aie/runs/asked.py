"""Which models a run asked and what came of it: from its attempts and from what its steps report."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from aie.core import JSON, Spend
from aie.runs.explanation import AskedModel, AskedOutcome, Call, StepStory

__all__ = ["asked_models"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """What the reports of a step say of one model."""

    failure: str
    why: str
    unsure: str
    route: str


def asked_models(steps: Iterable[StepStory], calls: Iterable[Call]) -> Iterator[AskedModel]:
    """Yield what came of each model that a step asked, in the order in which it asked them first.

    A classifier that a step names itself is no choice of anybody: *Versions* tells of it.
    """
    made: dict[str, list[Call]] = {}
    for call in calls:
        made.setdefault(call.path, []).append(call)
    for step in steps:
        mine = made.get(step.path, [])
        told = _told(step)
        for model in dict.fromkeys([*told, *(call.model for call in mine)]):
            yield _asked(step, model, told.get(model), [call for call in mine if call.model == model])


def _told(step: StepStory) -> dict[str, _Told]:
    """Return the last word of each model that was tried, first asked first."""
    found: dict[str, _Told] = {}
    for report in (*(trouble.report for trouble in step.troubles), step.report):
        route = _object(_object(report).get("route"))
        tried = route.get("tried")
        for each in map(_object, tried if isinstance(tried, list) else []):
            found[str(each.get("model", ""))] = _Told(
                failure=str(each.get("failure", "")),
                why=str(each.get("why", "")),
                unsure=str(each.get("unsure", "")),
                route=str(route.get("route", "")),
            )
    return found


def _asked(step: StepStory, model: str, told: _Told | None, calls: list[Call]) -> AskedModel:
    last = calls[-1] if calls else None
    failure = told.failure if told is not None else last.failure if last is not None else ""
    outcome: AskedOutcome = "answered"
    if told is not None and told.unsure:
        outcome = "unsure"
    elif failure or (last is not None and last.outcome == "forfeited"):
        outcome = "failed"
    elif last is not None and last.outcome == "open":
        outcome = "open"
    report = _object(step.report)
    mine = report if report.get("model") == model and outcome == "answered" else {}
    regions, repairs = _object(mine.get("facts")).get("regions"), mine.get("repairs", 0)
    return AskedModel(
        step=step.path,
        route=told.route if told is not None else last.route if last is not None else "",
        model=model,
        outcome=outcome,
        failure=failure,
        why=told.why if told is not None else "",
        confidence=told.unsure if told is not None else "",
        calls=len(calls),
        failed=sum(call.outcome in {"released", "forfeited"} for call in calls),
        snapshot=next((call.snapshot for call in reversed(calls) if call.snapshot), ""),
        resolved=next((call.resolved for call in reversed(calls) if call.resolved), ""),
        regions=tuple(map(str, regions)) if isinstance(regions, list) else (),
        repairs=repairs if isinstance(repairs, int) else 0,
        spend=_sum(calls),
        forfeited=_sum(call for call in calls if call.outcome == "forfeited"),
    )


def _sum(calls: Iterable[Call]) -> Spend:
    total = Spend()
    for call in calls:
        total = total + call.spend
    return total


def _object(value: JSON) -> dict[str, JSON]:
    return value if isinstance(value, dict) else {}
