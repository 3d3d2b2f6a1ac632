"""What a step sees: the values its expressions name, and the labels and references they bring."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final, Protocol

from aie.config import expression
from aie.core import JSON, Cite, Labels, Value, join
from aie.releases import Node
from aie.runs.paths import Place, item_path
from aie.runs.services import Loaded
from aie.runs.state import State, Status

__all__ = ["Scope", "labels_read", "made_labels", "scope_of"]


_INPUT: Final = "input"


class Values(Protocol):
    """Values by name: a dict, or what looks them up when they are asked for."""

    def get(self, name: str, /) -> Value | None:
        """Return the value of a name, or None when there is none."""
        ...


@dataclass(frozen=True, slots=True)
class Scope:
    """The values visible at one place of one run, by name."""

    loaded: Loaded
    values: Values

    def evaluate(self, text: str) -> Value:
        """Return what the expression gives, labelled by all it names.

        Raises:
            StepFailure: EXPRESSION, when it cannot be evaluated on these values.
        """
        read = self._read((text,))
        labels = self.labels((text,))
        if len(read) == 1 and read[0][0] == text:
            whole = read[0][1]
            return whole if whole.labels == labels else replace(whole, labels=labels)
        data = expression(text).evaluate({name: value.data for name, value in read})
        if len(read) != 1:
            return Value(data=data, ref="", labels=labels)
        ((_, whole),) = read
        return Value(data=data, ref=whole.ref, labels=labels, cites=_cites_within(whole, text, data))

    def truth(self, text: str) -> bool:
        """Return whether a condition holds."""
        return self.evaluate(text).data is True

    def reads(self, texts: Iterable[str]) -> dict[str, str]:
        """Return the reference of each value that the expressions name."""
        return {name: value.ref for name, value in sorted(self._read(texts))}

    def labels(self, texts: Iterable[str]) -> Labels:
        """Return the joined labels of what the expressions read: of the input each part, of a step its whole value."""
        paths = dict.fromkeys(path for text in texts for path in self.loaded.paths(text))
        return join(self._labels(path) for path in paths)

    def _labels(self, path: tuple[str, ...]) -> Labels:
        value = self.values.get(path[0])
        if value is None:
            return Labels()
        return self.loaded.policy.of_input(path, value.labels) if path[0] == _INPUT else value.labels

    def _read(self, texts: Iterable[str]) -> list[tuple[str, Value]]:
        names = dict.fromkeys(name for text in texts for name in self.loaded.roots(text))
        return [(name, value) for name in names if (value := self.values.get(name)) is not None]


def _cites_within(whole: Value, text: str, data: JSON) -> tuple[Cite, ...]:
    """Return the cites of a part of a value: those of its place, else for a text those whose quotes it holds."""
    path = expression(text).path
    if not whole.cites or not path:
        return ()
    place = "/" + "/".join(path[1:])
    own = [each for each in whole.cites if f"{each.path}/".startswith(f"{place}/")]
    if own:
        return tuple(replace(each, path=each.path.removeprefix(place)) for each in own)
    quoted = (each for each in whole.cites if isinstance(data, str) and each.quote and each.quote in data)
    return tuple(replace(each, path="") for each in quoted)


def labels_read(scope: Scope, place: Place, state: State, inputs: Iterable[Value] | None = None) -> Labels:
    """Return the joined labels of everything that a step reads, and of what decides whether it runs at all.

    Args:
        scope: what the step sees.
        place: where it stands.
        state: of the run.
        inputs: what its inputs gave; None where they were not evaluated.
    """
    node = place.node
    read = [scope.labels(node.inputs.values())] if inputs is None else [each.labels for each in inputs]
    if node.condition is not None:
        read.append(scope.labels((node.condition,)))
    around = state.maps.get(place.map_path)
    if around is not None:
        read.append(Labels.from_json(around.labels))
    return join(read)


def made_labels(loaded: Loaded, place: Place, labels: Labels) -> Labels:
    """Return the labels of a step's value: those of what it was made from, but for what the release declassifies."""
    return loaded.policy.lowered(f"{place.map_path}.{place.node.name}".removeprefix("."), labels)


def scope_of(loaded: Loaded, state: State, place: Place | None) -> Scope:
    """Return what is visible at a place; None is the end of the run, which sees every step. A skipped step is null."""
    return Scope(loaded=loaded, values=_Visible(loaded, state, place))


class _Visible:
    """The values of a run as its steps name them; only those that are asked for are made."""

    __slots__ = ("_known", "_loaded", "_place", "_state")

    def __init__(self, loaded: Loaded, state: State, place: Place | None) -> None:
        self._loaded = loaded
        self._state = state
        self._place = place if place is not None and place.map_path else None
        self._known: dict[str, Value | None] = {}

    def get(self, name: str, /) -> Value | None:
        """Return the value of a name: of the item around the place first, then of the run."""
        if name not in self._known:
            self._known[name] = self._make(name)
        return self._known[name]

    def _make(self, name: str) -> Value | None:
        state, place = self._state, self._place
        if place is not None:
            expanded, body = state.maps[place.map_path], self._loaded.index.bodies[place.map_path]
            around = self._loaded.index.nodes[place.map_path].map
            own = self._value(item_path(place.map_path, place.key, name), body[name]) if name in body else None
            if own is not None:
                return own
            if around is not None and name == around.as_:
                item: JSON = expanded.items[state.positions[place.map_path][place.key]]
                labels = Labels.from_json(expanded.labels)
                return Value(data=item, ref=f"{place.map_path}[{place.key}]", labels=labels)
        if name in self._loaded.index.nodes:
            return self._value(name, self._loaded.index.nodes[name])
        submitted = state.submitted
        if name != _INPUT or submitted is None:
            return None
        labels = Labels.from_json(submitted.input_labels)
        return Value(data=submitted.input, ref=submitted.body_hash, labels=labels)

    def _value(self, path: str, node: Node) -> Value | None:
        finished = self._state.outputs.get(path)
        if finished is not None:
            return Value(
                data=finished.output,
                ref=finished.ref,
                labels=Labels.from_json(finished.labels),
                cites=tuple(Cite.from_json(cite) for cite in finished.cites),  # type: ignore[arg-type]
            )
        progress = self._state.nodes.get(path)
        if progress is None or progress.status is not Status.SKIPPED:
            return None
        # That it was skipped tells something of what its condition read.
        labels = Scope(loaded=self._loaded, values=self).labels(() if node.condition is None else (node.condition,))
        return Value(data=None, ref="", labels=labels)
