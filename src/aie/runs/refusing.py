"""Models that a run could have asked and was not allowed to: from what its steps report."""

from collections.abc import Iterable, Iterator

from aie.core import JSON
from aie.runs.explanation import RefusedModel, StepStory

__all__ = ["refused_models"]


def refused_models(steps: Iterable[StepStory]) -> Iterator[RefusedModel]:
    """Yield each refusal once, though several tries of a step tell it."""
    for step in steps:
        told: dict[tuple[str, str, str], RefusedModel] = {}
        for report in (*(trouble.report for trouble in step.troubles), step.report):
            for each in _refused(step.path, report):
                told.setdefault((each.model, each.reason, each.why), each)
        yield from told.values()


def _refused(path: str, report: JSON) -> Iterator[RefusedModel]:
    route = report.get("route") if isinstance(report, dict) else None
    if not isinstance(route, dict):
        return
    refused = route.get("refused")
    for each in refused if isinstance(refused, list) else []:
        match each:
            case {"model": str(model), "reason": str(reason), "why": str(why)}:
                yield RefusedModel(step=path, route=str(route.get("route", "")), model=model, reason=reason, why=why)
            case _:
                pass
