"""Everything in `models.yaml`, and how its parts refer to each other."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, NamedTuple

from pydantic import Field, model_validator

from aie.config.catalog.chat import ChatModel
from aie.config.catalog.classifier import TextClassifier
from aie.config.catalog.onnx import OnnxClassifier
from aie.config.catalog.routes import Cascade, RouteSpec, Weighted
from aie.config.catalog.tabular import TabularClassifier
from aie.config.scalars import Name
from aie.config.spec import Spec

__all__ = ["Misplaced", "ModelEntry", "ModelsSpec", "Route"]

ModelEntry = Annotated[TextClassifier | TabularClassifier | OnnxClassifier | ChatModel, Field(discriminator="kind")]


class Misplaced(NamedTuple):
    """Something that does not fit what stands elsewhere in the file."""

    path: tuple[str | int, ...]
    message: str
    given: str = ""
    """A name that does not exist, where it is that."""
    hint: str = ""
    """How to mend it; empty when a person must choose."""


class Route(Spec):
    """A route with the entries of its candidates."""

    spec: RouteSpec
    """As it is written."""
    entries: tuple[ModelEntry, ...]
    """Its candidates, in the order of the file."""

    @property
    def name(self) -> str:
        """Its key in `models.yaml`."""
        return self.spec.name


def _weights_hint(candidates: Iterable[str], weights: Mapping[str, int]) -> str:
    missing, more = [each for each in candidates if each not in weights], sorted({*weights} - {*candidates})
    add = f"add {', '.join(f'`{each}: 1`' for each in missing)}" if missing else ""
    remove = f"remove {', '.join(f'`{each}`' for each in more)}" if more else ""
    return "; ".join(each for each in (add, remove) if each)


class ModelsSpec(Spec):
    """Everything in `models.yaml`."""

    models: dict[Name, ModelEntry] = Field(default_factory=dict)
    """Models by the name that steps and routes use."""
    routes: dict[Name, RouteSpec] = Field(default_factory=dict)
    """Routes by the name that steps use in place of a model's."""

    @model_validator(mode="after")
    def _named(self) -> "ModelsSpec":
        for name, entry in self.models.items():
            entry._name = name
        for name, route in self.routes.items():
            route._name = name
        return self

    def route(self, name: str) -> Route | None:
        """Return a route with its candidates' entries; None where there is none, or a candidate does not exist."""
        spec = self.routes.get(name)
        if spec is None or any(each not in self.models for each in spec.candidates):
            return None
        return Route(spec=spec, entries=tuple(self.models[each] for each in spec.candidates))

    def mistakes(self) -> Iterator[Misplaced]:
        """Yield what the entries say wrongly of each other."""
        for name, entry in self.models.items():
            replacement = None if entry.retirement is None else entry.retirement.replacement
            place: tuple[str | int, ...] = ("models", name, "retirement", "replacement")
            if replacement is not None and replacement not in self.models:
                yield Misplaced(place, f"no model is named `{replacement}`", replacement)
            elif replacement == name:
                yield Misplaced(place, f"`{name}` cannot replace itself", hint="name another model, or none")
        for name, route in self.routes.items():
            if name in self.models:
                yield Misplaced(("routes", name), f"a model is named `{name}`, too: a step could not tell them apart")
            for at, each in enumerate(route.candidates):
                place = ("routes", name, "candidates", at)
                if each in self.routes and each not in self.models:
                    yield Misplaced(place, f"`{each}` is a route: candidates are models", hint="name its candidates")
                elif each not in self.models:
                    yield Misplaced(place, f"no model is named `{each}`", each)
            yield from self._unfit(name, route)

    def _unfit(self, name: str, route: RouteSpec) -> Iterator[Misplaced]:
        if isinstance(route.strategy, Weighted) and set(route.strategy.weights) != set(route.candidates):
            why = "each candidate needs a weight, and nothing else does"
            hint = _weights_hint(route.candidates, route.strategy.weights)
            yield Misplaced(("routes", name, "strategy", "weights"), why, hint=hint)
        for at, each in enumerate(route.candidates):
            if isinstance(self.models.get(each), TabularClassifier | OnnxClassifier):
                why = "this model takes its inputs by name: steps name it themselves"
                yield Misplaced(("routes", name, "candidates", at), why)
        if isinstance(route.strategy, Cascade):
            for at, each in enumerate(route.candidates[:-1]):
                if isinstance(self.models.get(each), ChatModel):
                    why = "a chat model does not say how sure it is: in a cascade it can only be the last"
                    yield Misplaced(("routes", name, "candidates", at), why, hint=f"put `{each}` last")
