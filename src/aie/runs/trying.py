"""One step on values that a run recorded, under files that may have changed since: nothing is recorded of it.

A try reads what the recorded run read and answers calls as they were answered then; a question that changed is asked
only by whoever brings `Attempts` that may. An effect is shown and never made, a review is shown and never opened.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from aie.core import JSON, Cite, Labels, Spend, Value
from aie.errors import AieError, Failure, NotFound, StepFailure, Unavailable
from aie.layers import Attempt, Attempts, EffectRequest, Files, Layer, Result, ReviewRequest, Task, Tools
from aie.runs.paths import Place
from aie.runs.scope import Scope, scope_of
from aie.runs.services import Loaded
from aie.runs.state import State

__all__ = ["Came", "KnownCalls", "Tried", "files_of", "recorded_values", "try_step"]

Came = Literal["finished", "failed", "skipped", "asks", "acts"]
"""asks: a person would be asked. acts: a receiver would be handed something."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What came of a try."""

    path: str
    layer: str
    came: Came
    data: JSON = None
    """The value; what the person would be shown; the body the receiver would get."""
    cites: tuple[Cite, ...] = ()
    report: JSON = None
    failure: str = ""
    message: str = ""
    ms: int = 0
    inputs: Mapping[str, Value] = field(default_factory=dict)
    """What the step read, by the name of the step or `input`."""

    def compared(self) -> dict[str, JSON]:
        """Return the part that a fixture expects to stay the same."""
        return {"came": self.came, "data": self.data, "failure": self.failure}


class KnownCalls:
    """Answers calls from those that are known; another question is refused, or handed on.

    `asked` gathers every request with its answer, for whoever wants to keep them.
    """

    def __init__(
        self, known: Mapping[str, JSON], name_of: Callable[[JSON], str], others: Attempts | None = None
    ) -> None:
        """Open a try's calls.

        Args:
            known: recorded answers by the name of their request.
            name_of: names a request.
            others: makes the calls that are not known; None refuses them.
        """
        self._known = known
        self._name_of = name_of
        self._others = others
        self.asked: list[tuple[JSON, JSON]] = []
        self.refused = False
        """Whether a question was refused as it is a new one."""

    def knows(self, request: JSON) -> bool:
        """Tell whether this very question was asked before; one that is refused does not leave, either."""
        return self._others is None or self._known.get(self._name_of(request)) is not None

    def open(self, *, model: str, request: JSON, worst: Spend, snapshot: str = "", route: str = "") -> Attempt:
        """Return the recorded answer of this very question, or have it asked.

        Raises:
            StepFailure: PROVIDER_REFUSED: the question is a new one, and no call may be made.
        """
        answer = self._known.get(self._name_of(request))
        if answer is not None:
            self.asked.append((request, answer))
            return _Answered(answer)
        if self._others is None:
            self.refused = True
            raise StepFailure(
                Failure.PROVIDER_REFUSED,
                f"the question to {model} is not the recorded one, and no call may be made",
                hints=("--call asks the model anew",),
            )
        opened = self._others.open(model=model, request=request, worst=worst, snapshot=snapshot, route=route)
        return _Kept(opened, lambda response: self.asked.append((request, response)))


@dataclass(slots=True)
class _Answered:
    """A call that was made before."""

    recorded: JSON
    tries: int = 1

    def settle(
        self, spend: Spend, *, response: JSON, resolved: str, ms: int, fingerprint: str = "", measured: bool = True
    ) -> None:
        """Its cost was counted then."""

    def release(self, failure: Failure, *, ms: int) -> None:
        """The same."""

    def forfeit(self, failure: Failure, *, ms: int) -> None:
        """The same."""


class _Kept:
    """A call that is made now, whose answer is kept."""

    def __init__(self, opened: Attempt, keep: Callable[[JSON], None]) -> None:
        self._opened = opened
        self._keep = keep
        self.recorded = opened.recorded
        self.tries = opened.tries

    def settle(
        self, spend: Spend, *, response: JSON, resolved: str, ms: int, fingerprint: str = "", measured: bool = True
    ) -> None:
        """Keep the answer and record what it cost."""
        self._keep(response)
        self._opened.settle(
            spend, response=response, resolved=resolved, ms=ms, fingerprint=fingerprint, measured=measured
        )

    def release(self, failure: Failure, *, ms: int) -> None:
        """Record that the call surely was not billed."""
        self._opened.release(failure, ms=ms)

    def forfeit(self, failure: Failure, *, ms: int) -> None:
        """Record that the call may have been billed."""
        self._opened.forfeit(failure, ms=ms)


def recorded_values(loaded: Loaded, state: State, path: str) -> dict[str, Value]:
    """Return the recorded value of everything that a step names.

    Args:
        loaded: the release whose step is tried.
        state: the recorded run.
        path: of the step.

    Raises:
        NotFound: the run has no value for something that the step reads.
    """
    place = loaded.index.place(path)
    if place.map_path and place.map_path not in state.maps:
        raise NotFound(f"the run recorded no item of {place.map_path}", hints=("try another run",))
    visible = scope_of(loaded, state, place).values
    found: dict[str, Value] = {}
    for name in _names(loaded, place):
        value = visible.get(name)
        if value is None:
            raise NotFound(
                f"the run recorded no value of {name}, which {path} reads", hints=("try a run that came further",)
            )
        found[name] = value
    return found


def try_step(
    loaded: Loaded,
    path: str,
    values: Mapping[str, Value],
    *,
    layers: Mapping[str, Layer],
    tools: Callable[[Labels], Tools],
) -> Tried:
    """Run a step's layer on these values; what goes wrong is told, never raised.

    Args:
        loaded: the release whose step is tried.
        path: of the step.
        values: of everything the step names.
        layers: by name.
        tools: the ports, given the joined labels of what the step reads.
    """
    place = loaded.index.place(path)
    node, scope = place.node, Scope(loaded=loaded, values=values)
    began = time.monotonic_ns()

    def came(kind: Came, **said: object) -> Tried:
        ms = (time.monotonic_ns() - began) // 1_000_000
        return Tried(path=path, layer=node.layer, came=kind, ms=ms, inputs=values, **said)  # type: ignore[arg-type]

    try:
        if node.condition is not None and not scope.truth(node.condition):
            return came("skipped", message="its condition was false")
        inputs = {name: scope.evaluate(text) for name, text in node.inputs.items()}
        task = Task(path=path, config=node.config, inputs=inputs, workflow=loaded.index.plan.workflow, mode="replay")
        texts = [*node.inputs.values(), *([] if node.condition is None else [node.condition])]
        outcome = layers[node.layer].run(task, tools(scope.labels(texts)))
    except StepFailure as error:
        return came("failed", failure=error.failure.value, message=_said(error))
    except Unavailable as error:  # as in a run: a secret or an extra that is missing here
        return came("failed", failure=Failure.PROVIDER_REFUSED.value, message=_said(error))
    except AieError as error:
        return came("failed", failure=Failure.INTERNAL.value, message=_said(error))
    match outcome:
        case Result():
            return came("finished", data=outcome.data, cites=tuple(outcome.cites), report=outcome.report)
        case ReviewRequest():
            return came("asks", data=outcome.shown, message=f"{outcome.desk}: {outcome.why}")
        case EffectRequest():
            return came("acts", data=outcome.body, message=outcome.receiver.partition(":")[2])


def files_of(documents: Mapping[str, bytes]) -> Files:
    """Return documents that are at hand, by reference."""
    return _Documents(documents)


@dataclass(frozen=True, slots=True)
class _Documents:
    documents: Mapping[str, bytes]

    def read(self, ref: str) -> bytes:
        """Return the bytes of a document.

        Raises:
            NotFound: it is not among them.
        """
        if ref not in self.documents:
            raise NotFound(f"the document {ref} is not at hand")
        return self.documents[ref]


def _names(loaded: Loaded, place: Place) -> list[str]:
    node = place.node
    texts = [*node.inputs.values(), *([] if node.condition is None else [node.condition])]
    return sorted({name for text in texts for name in loaded.roots(text)})


def _said(error: AieError) -> str:
    return "; ".join((error.message, *error.hints))
