"""From a person's decision to a step's value."""

from dataclasses import replace
from typing import Any, Protocol, cast, runtime_checkable

from aie.core import JSON, digest_json
from aie.errors import Failure, StepFailure
from aie.layers import Result
from aie.records import Event
from aie.records.events import ReviewOpened, StepFinished
from aie.runs.scope import labels_read, made_labels, scope_of
from aie.runs.state import OpenReview, State
from aie.runs.steps import RunContext, failed

__all__ = ["escalation", "resolve"]


@runtime_checkable
class Resolver(Protocol):
    """A layer whose reviews have a form of answer of their own."""

    def resolve(self, shown: JSON, decision: str, values: JSON) -> Result:
        """Return the step's value as decided."""
        ...


def escalation(context: RunContext, state: State, command: OpenReview) -> ReviewOpened:
    """Return the task of a person who gives a failed step its value."""
    path, failure = command.path, command.failure
    services = context.services
    place = context.loaded.index.place(path)
    scope = scope_of(context.loaded, state, place)
    reads = {name: scope.evaluate(text).data for name, text in sorted(place.node.inputs.items())}
    shown: JSON = {
        "step": path,
        "failure": failure,
        "reads": reads,
        "answer": cast("JSON", dict(place.node.output)),
    }
    return ReviewOpened(
        review=services.ids.new("rev"),
        path=path,
        desk=command.desk,
        shown_hash=digest_json(shown),
        why=f"escalated:{failure}",
        shown=shown,
    )


def resolve(context: RunContext, state: State, path: str) -> Event:
    """Return what a decision makes of its step: its value, or a failure when the person rejected it.

    What a person decided is endorsed: its integrity is trusted, its confidentiality is that of what was shown.
    """
    opened, decided = state.reviews[path], state.decisions[path]
    if decided.decision == "reject":
        return failed(path, Failure.REVIEW_REJECTED, decided.reason or "the reviewer rejected it")
    place = context.loaded.index.place(path)
    scope = scope_of(context.loaded, state, place)
    texts = list(place.node.inputs.values())
    read = labels_read(scope, place, state)
    layer: Any = context.services.layers[place.node.layer]
    try:
        if isinstance(layer, Resolver):
            result = layer.resolve(opened.shown, decided.decision, decided.values)
        else:
            result = Result(data=decided.values)
    except StepFailure as error:
        return failed(path, error.failure, error.message)
    return StepFinished(
        path=path,
        ref=context.ref(result.data),
        labels=replace(made_labels(context.loaded, place, read), integrity="trusted").to_json(),
        reads=scope.reads(texts),
        ms=0,
        cpu_us=0,
        output=result.data,
        cites=[cite.to_json() for cite in result.cites],
        report=result.report,
    )
