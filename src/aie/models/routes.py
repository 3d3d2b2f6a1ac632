"""Routes as a release pins them: candidates with what changes their answers, constraints, a strategy."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from aie.config import ChatModel, LearntHere, ModelEntry, Route
from aie.core import JSON, canonical
from aie.models.decisions import ten_thousandths

__all__ = ["LOCAL_COMPONENTS", "Candidate", "PinnedRoute", "one_classifier", "pin_model", "pin_route", "read_route"]

LOCAL_COMPONENTS: Final = frozenset({"classifier", "onnx", "tabular"})
"""Kinds of components that are models of the catalog themselves, named as there."""
LocalKind = Literal["onnx", "tabular_classifier", "text_classifier"]
"""Kinds of models that run in this process."""

_FALLBACK: Final[dict[str, JSON]] = {"kind": "fallback", "next_on": []}
_ALONE: Final[dict[str, JSON]] = {
    "constraints": {},
    "strategy": _FALLBACK,
    "when_exhausted": "fail",
}
"""A step that names a model itself is a route of one candidate without constraints."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A model that a route may lead to."""

    name: str
    """Catalog name."""
    kind: Literal["chat"] | LocalKind
    pinned: Mapping[str, Any]
    """What changes its answers."""

    @property
    def live(self) -> str:
        """The key of its live facts."""
        return f"model:{self.name}"

    @property
    def max_tokens(self) -> int:
        """The most tokens that it is let answer with; 0 for a classifier."""
        if self.kind != "chat":
            return 0
        asked: int = self.pinned["parameters"]["max_tokens"]
        return min(asked, self.pinned["max_output"] or asked)


@dataclass(frozen=True, slots=True, kw_only=True)
class PinnedRoute:
    """A route as a release pins it."""

    name: str
    """Catalog name; that of the model where a step names one itself."""
    alone: bool
    """The step names a model itself."""
    candidates: tuple[Candidate, ...]
    constraints: Mapping[str, Any]
    strategy: Mapping[str, Any]
    when_exhausted: Literal["fail", "degrade"]
    standing: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    """What planning found last to stand against each candidate, and what that rests on."""

    @property
    def live(self) -> str:
        """The key of its live facts."""
        return f"route:{self.name}"


def pin_model(entry: ModelEntry) -> bytes:
    """Return the canonical content of a route to one model."""
    return canonical({"name": entry.name, "alone": True, "candidates": [_pinned(entry)], **_ALONE})


def pin_route(route: Route) -> bytes:
    """Return the canonical content of a route: its own part and what is pinned of its candidates."""
    spec = route.spec.pinned()
    strategy = spec["strategy"]
    dataset = strategy["quality"]["dataset"] if isinstance(strategy, dict) and "quality" in strategy else ""  # type: ignore[index,call-overload]
    candidates: list[JSON] = [_pinned(entry, str(dataset)) for entry in route.entries]
    return canonical({"name": route.name, "alone": False, "candidates": candidates, **spec})


def one_classifier(name: str, kind: LocalKind = "text_classifier") -> PinnedRoute:
    """Return the route of a step that names a classifier itself."""
    candidate = Candidate(name=name, kind=kind, pinned={})
    return PinnedRoute(
        name=name, alone=True, candidates=(candidate,), constraints={}, strategy=_FALLBACK, when_exhausted="fail"
    )


def read_route(content: bytes) -> PinnedRoute:
    """Read what `pin_model` or `pin_route` returned."""
    data = json.loads(content)
    candidates = tuple(Candidate(name=each["name"], kind=each["kind"], pinned=each) for each in data.pop("candidates"))
    return PinnedRoute(candidates=candidates, **data)


def _pinned(entry: ModelEntry, dataset: str = "") -> dict[str, JSON]:
    if isinstance(entry, ChatModel):
        pinned = entry.pinned()
    else:
        assert isinstance(entry, LearntHere)
        literal = entry.threshold if isinstance(entry.threshold, str) else None
        # The artefact is a component of its own, which pins everything else.
        pinned = {"kind": entry.kind, "threshold": None if literal is None else ten_thousandths(literal)}
    measured = entry.quality.get(dataset) if dataset else None
    score = None if measured is None else f"{measured.score:f}"
    return {"name": entry.name, **pinned, **({"quality": score} if dataset else {})}
