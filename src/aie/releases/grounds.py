"""What makes an endorsement one: an amount that is written out, or what a trusted lookup says."""

from collections.abc import Iterator, Mapping

from aie.config import Lookup, LookupStep, MapStep, StepSpec, WorkflowSpec, is_capped, static_paths

__all__ = ["is_ground"]


def is_ground(when: str, field: str, lookups: Mapping[str, Lookup], workflow: WorkflowSpec) -> bool:
    """Whether a condition holds a field against something that no outsider writes.

    Args:
        when: the condition.
        field: the expression of the field.
        lookups: of the workspace, by name.
        workflow: whose steps the condition reads.
    """
    own = set(static_paths(field))
    trusted = {name for name, step in _steps(workflow.steps) if _is_trusted(step, lookups)}
    # The row itself may be what is acted on: whoever chose it could only choose among rows that are trusted.
    of_row = bool(own) and all(path[0] in trusted for path in own)
    return of_row or is_capped(when, own, trusted)


def _is_trusted(step: StepSpec, lookups: Mapping[str, Lookup]) -> bool:
    if not isinstance(step, LookupStep):
        return False
    lookup = lookups.get(step.lookup)
    return lookup is not None and lookup.integrity == "trusted"


def _steps(steps: Mapping[str, StepSpec]) -> Iterator[tuple[str, StepSpec]]:
    for name, step in steps.items():
        yield name, step
        if isinstance(step, MapStep):
            yield from _steps(step.map.steps)
