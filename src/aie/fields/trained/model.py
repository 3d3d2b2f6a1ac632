"""A trained extractor: for each field, whole-number weights of features; data alone, run without scikit-learn.

Scores are sums of whole numbers, so the ranking of places does not depend on the machine; only the last step, from
scores to a confidence, is rounded from floating point, to ten-thousandths.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, log
from typing import Any, Final, cast

from aie.config import FieldSpec
from aie.core import JSON
from aie.errors import InputError
from aie.fields.contract import SURE, Candidate, Source
from aie.fields.trained.candidates import Proposal, SpanKind, propose
from aie.fields.trained.features import describe
from aie.fields.trained.layout import Layout
from aie.fields.truth import Known
from aie.models.artefact import Array, Artefact, read_artefact

__all__ = ["KIND", "NOTHING", "UNIT", "FieldModel", "TrainedExtractor", "trained_artefact"]

KIND: Final = "trained-extractor"
UNIT: Final = 1024
"""The whole number that stands for a weight of 1."""
NOTHING: Final = "nothing"
"""The one feature of the answer that the field is not in the document."""
_HINT: Final = "train it again with `aie train`"
_KEPT: Final = 6
"""Competing values of a single field that are proposed."""
_LEAST: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldModel:
    """What was learnt of one field."""

    weights: Mapping[str, int]
    """Weight of each feature, in `UNIT`ths."""
    longest: int
    """Lines that a value may take."""
    cut: int
    """`many` fields: ten-thousandths from which a value is given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """A value that may be the field's, with its best place."""

    place: Proposal
    chance: int
    """Ten-thousandths, of all its places together."""


class TrainedExtractor:
    """Finds fields with trained weights; immutable, safe to share between threads."""

    def __init__(self, finds: Mapping[str, FieldSpec], artefact: Artefact) -> None:
        if artefact.kind != KIND:
            raise InputError(f"the artefact is a {artefact.kind!r}, not a {KIND!r}", hints=(_HINT,))
        self._finds = dict(finds)
        try:
            own = cast("dict[str, Any]", artefact.parameters)
            self._kind: SpanKind = own["kind"]
            self.made: JSON = own["made"]
            """What of the extractor file it was trained by."""
            self._models = {name: _model(own["fields"][name], artefact.arrays, name) for name in finds}
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(f"the artefact is not a whole extractor: {error}", hints=(_HINT,)) from error

    @classmethod
    def load(cls, finds: Mapping[str, FieldSpec], content: bytes) -> "TrainedExtractor":
        """Load the bytes of an artefact file.

        Raises:
            InputError: not the artefact of a trained extractor for these fields.
        """
        return cls(finds, read_artefact(content))

    def find(self, source: Source) -> Sequence[Candidate]:
        """Return the likeliest values of each field, each at its best place."""
        layout = Layout(source)
        return [
            Candidate(field=name, start=each.place.start, end=each.place.end, confidence=each.chance)
            for name, spec in self._finds.items()
            for each in find_field(layout, spec, self._models[name], self._kind)
        ]


def find_field(layout: Layout, spec: FieldSpec, model: FieldModel, kind: SpanKind) -> list[Scored]:
    """Return the values of one field that are worth proposing, the likeliest first."""
    proposals = propose(layout, spec, kind, model.longest)
    scored = score(spec, proposals, describe(layout, spec, proposals), model.weights)
    if spec.many:
        return apart([each for each in scored if each.chance >= model.cut])
    absent = SURE - sum(each.chance for each in scored)
    return [each for each in scored[:_KEPT] if each.chance >= max(_LEAST, absent)]


def score(
    spec: FieldSpec, proposals: Sequence[Proposal], rows: Sequence[frozenset[str]], weights: Mapping[str, int]
) -> list[Scored]:
    """Return each value with the chance of all its places together, the likeliest first.

    The values of a single field exclude each other, and there may be none; those of a `many` field are judged alone.
    """
    form = Known(spec, frozenset()).form
    places: dict[str, list[tuple[int, int]]] = {}
    for index, (proposal, row) in enumerate(zip(proposals, rows, strict=True)):
        total = sum(weights.get(feature, 0) for feature in row)
        places.setdefault(form(proposal.value), []).append((total, index))
    nothing = weights.get(NOTHING, 0)
    sums = {value: _log_sum([total for total, _ in group]) for value, group in places.items()}
    everything = _log_sum([nothing, *sums.values()])
    made = []
    for value, group in places.items():
        best = max(group, key=lambda each: (each[0], -each[1]))
        against = _log_sum([nothing, sums[value]]) if spec.many else everything
        made.append(Scored(place=proposals[best[1]], chance=round(SURE * exp((sums[value] - against) / UNIT))))
    return sorted(made, key=lambda each: (-each.chance, each.place.start, each.place.end))


def _log_sum(totals: Sequence[float]) -> float:
    """Return the score of several answers taken as one."""
    top = max(totals)
    return top + UNIT * log(sum([exp((total - top) / UNIT) for total in totals]))


def apart(scored: Sequence[Scored]) -> list[Scored]:
    """Return the values of which no likelier one shares a character."""
    kept: list[Scored] = []
    for each in scored:
        if all(each.place.end <= other.place.start or other.place.end <= each.place.start for other in kept):
            kept.append(each)
    return kept


def trained_artefact(kind: SpanKind, models: Mapping[str, FieldModel], **parameters: JSON) -> Artefact:
    """Return the artefact of an extractor."""
    arrays = {}
    for name, model in models.items():
        features = sorted(model.weights)
        text = "\n".join(features).encode()
        weights = b"".join(model.weights[each].to_bytes(4, "little", signed=True) for each in features)
        arrays[f"features.{name}"] = Array(dtype="U8", shape=(len(text),), data=text)
        arrays[f"weights.{name}"] = Array(dtype="I32", shape=(len(features),), data=weights)
    fields: dict[str, JSON] = {name: {"longest": each.longest, "cut": each.cut} for name, each in models.items()}
    return Artefact(kind=KIND, parameters={"format": 1, "kind": kind, "fields": fields, **parameters}, arrays=arrays)


def _model(own: Mapping[str, Any], arrays: Mapping[str, Array], name: str) -> FieldModel:
    text = arrays[f"features.{name}"].data.decode()
    features = text.split("\n") if text else []
    data = arrays[f"weights.{name}"].data
    if len(data) != 4 * len(features):
        raise ValueError("its weights do not fit its features")
    weights = [int.from_bytes(data[at : at + 4], "little", signed=True) for at in range(0, len(data), 4)]
    longest, cut = own["longest"], own["cut"]
    if type(longest) is not int or type(cut) is not int or longest < 1:
        raise ValueError("a bound is not a whole number")
    return FieldModel(weights=dict(zip(features, weights, strict=True)), longest=longest, cut=cut)
