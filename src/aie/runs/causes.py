"""What a step failed for, of each model that it asked: the message of a failure names the last one at best."""

from collections.abc import Iterator
from itertools import groupby

from aie.core import JSON

__all__ = ["causes_of"]

_TIMES = {1: "", 2: " twice"}


def causes_of(report: JSON, message: str) -> Iterator[str]:
    """Yield what each model that was tried failed with, in order, unless the message says it with the model's name.

    Args:
        report: of the failed step.
        message: of its failure.
    """
    route = report.get("route") if isinstance(report, dict) else None
    tried = route.get("tried") if isinstance(route, dict) else None
    failed = [
        (str(each["model"]), str(each["why"]))
        for each in (tried if isinstance(tried, list) else [])
        if isinstance(each, dict) and {"model", "why"} <= each.keys()
    ]
    for (model, why), alike in groupby(failed):
        times = len(list(alike))
        if why != message or model not in message:
            # What the gate says names its model already.
            said = why.startswith(f"{model} ")
            yield why if said else f"{model} failed{_TIMES.get(times, f' {times} times')}: {why}"
