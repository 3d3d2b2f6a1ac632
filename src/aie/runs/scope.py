"""What a step sees: the values its expressions name, and the labels and references they bring."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from aie.config import expression
from aie.core import JSON, Cite, Labels, Value, join
from aie.runs.paths import Place, item_path
from aie.runs.services import Loaded
from aie.runs.state import State, Status

__all__ = ["Scope", "scope_of"]


@dataclass(frozen=True, slots=True)
class Scope:
    """The values visible at one place of one run, by name."""

    loaded: Loaded
    values: Mapping[str, Value]

    def evaluate(self, text: str) -> Value:
        """Return what the expression gives, labelled by all it names.

        Raises:
            StepFailure: EXPRESSION, when it cannot be evaluated on these values.
        """
        read = [(name, self.values[name]) for name in self.loaded.roots(text) if name in self.values]
        if len(read) == 1 and read[0][0] == text:
            return read[0][1]
        data = expression(text).evaluate({name: value.data for name, value in read})
        ref = read[0][1].ref if len(read) == 1 else ""
        return Value(data=data, ref=ref, labels=join(value.labels for _, value in read))

    def truth(self, text: str) -> bool:
        """Return whether a condition holds."""
        return self.evaluate(text).data is True

    def reads(self, texts: Iterable[str]) -> dict[str, str]:
        """Return the reference of each value that the expressions name."""
        names = {name for text in texts for name in self.loaded.roots(text)}
        return {name: self.values[name].ref for name in sorted(names) if name in self.values}

    def labels(self, texts: Iterable[str]) -> Labels:
        """Return the joined labels of every value that the expressions name."""
        names = {name for text in texts for name in self.loaded.roots(text)}
        return join(self.values[name].labels for name in sorted(names) if name in self.values)


def scope_of(loaded: Loaded, state: State, place: Place | None) -> Scope:
    """Return what is visible at a place; None is the end of the run, which sees every step. A skipped step is null."""
    values: dict[str, Value] = {}
    submitted = state.submitted
    if submitted is not None:
        values["input"] = Value(
            data=submitted.input, ref=submitted.body_hash, labels=Labels.from_json(submitted.input_labels)
        )
    for name in loaded.index.nodes:
        value = _value(state, name)
        if value is not None:
            values[name] = value
    if place is not None and place.map_path:
        values.update(_item_values(loaded, state, place))
    return Scope(loaded=loaded, values=values)


def _item_values(loaded: Loaded, state: State, place: Place) -> dict[str, Value]:
    values: dict[str, Value] = {}
    expanded = state.maps[place.map_path]
    body = loaded.index.nodes[place.map_path].map
    if body is not None:
        item: JSON = expanded.items[expanded.keys.index(place.key)]
        labels = Labels.from_json(expanded.labels)
        values[body.as_] = Value(data=item, ref=f"{place.map_path}[{place.key}]", labels=labels)
        for node in body.nodes:
            value = _value(state, item_path(place.map_path, place.key, node.name))
            if value is not None:
                values[node.name] = value
    return values


def _value(state: State, path: str) -> Value | None:
    finished = state.outputs.get(path)
    if finished is None:
        progress = state.nodes.get(path)
        return Value(data=None, ref="") if progress is not None and progress.status is Status.SKIPPED else None
    return Value(
        data=finished.output,
        ref=finished.ref,
        labels=Labels.from_json(finished.labels),
        cites=tuple(Cite.from_json(cite) for cite in finished.cites),  # type: ignore[arg-type]
    )
