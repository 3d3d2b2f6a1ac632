"""Inference of tabular classifiers: boosted trees in integers, without numpy or scikit-learn.

A tree asks one mark of a case at each node. Every node has a value in 2^-20ths, sums of them are exact, so that the
scores do not depend on the machine. What each feature spoke for a label is what the values change on the way down.
"""

import struct
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, inf
from typing import Any, Final, cast

from aie.core import JSON
from aie.errors import InputError
from aie.models.artefact import Array, Artefact, read_artefact
from aie.models.decisions import CERTAIN, decimal
from aie.models.table import Column, Table

__all__ = ["LEAF", "SCALE", "Forest", "Scored", "TabularModel", "tabular_artefact"]

KIND: Final = "tabular-classifier"
SCALE: Final = 1 << 20
"""The integer that stands for 1.0 in a node's value."""
LEAF: Final = -1
"""The question of a node that asks none."""
_HINT: Final = "train it again with `aie train`"
_NODE: Final = struct.Struct("<iiii")
_EVIDENCE: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """What a tabular classifier says of one case."""

    label: str
    confidence: int
    """Chance of the label, in ten-thousandths."""
    accepted: bool
    scores: Mapping[str, int]
    """Chance of every label."""

    def to_json(self) -> dict[str, JSON]:
        """Return the data of a model step; confidences become decimal strings."""
        return {
            "label": self.label,
            "confidence": decimal(self.confidence),
            "accepted": self.accepted,
            "scores": {label: decimal(score) for label, score in self.scores.items()},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Forest:
    """Trees, flat: a node is (mark that it asks of, next if it is not set, next if it is, value)."""

    nodes: Sequence[tuple[int, int, int, int]]
    roots: Sequence[tuple[int, int]]
    """First node of each tree, and the margin that it adds to."""
    bias: Sequence[int]
    """Where each margin begins; one margin for two labels, which is that of the second, else one a label."""

    def margins(self, marks: Sequence[int]) -> list[int]:
        """Return the margins of a case, in 2^-20ths."""
        made, nodes = list(self.bias), self.nodes
        for at, where in self.roots:
            asked, no, yes, value = nodes[at]
            while asked != LEAF:
                asked, no, yes, value = nodes[yes if marks[asked] else no]
            made[where] += value
        return made

    def votes(self, marks: Sequence[int], owners: Sequence[str], margin: int) -> Counter[str]:
        """Return what each feature added to a margin."""
        votes: Counter[str] = Counter()
        for at, where in self.roots:
            asked, no, yes, before = self.nodes[at]
            while where == margin and asked != LEAF:
                feature = owners[asked]
                asked, no, yes, value = self.nodes[yes if marks[asked] else no]
                votes[feature] += value - before
                before = value
        return votes


class TabularModel:
    """A loaded tabular classifier; immutable, safe to share between threads."""

    def __init__(self, artefact: Artefact) -> None:
        if artefact.kind != KIND:
            raise InputError(f"the artefact is a {artefact.kind!r}, not a {KIND!r}", hints=(_HINT,))
        try:
            self._load(artefact)
        except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError, struct.error) as error:
            raise InputError(f"the artefact is not a whole tabular classifier: {error}", hints=(_HINT,)) from error
        self.parameters: Mapping[str, JSON] = artefact.parameters

    @classmethod
    def load(cls, content: bytes) -> "TabularModel":
        """Load the bytes of an artefact file.

        Raises:
            InputError: not the artefact of a tabular classifier.
        """
        return cls(read_artefact(content))

    def score(self, row: Mapping[str, JSON], threshold: int | None = None) -> Scored:
        """Return the decision on one case; a threshold in ten-thousandths may stand in for the artefact's own.

        Raises:
            InputError: a feature is no category or no number.
        """
        return self.decide(self.margins(row), threshold)

    def margins(self, row: Mapping[str, JSON]) -> list[float]:
        """Return the distance from each label's boundary, in the order of the labels."""
        made = self.forest.margins(self.table.marks(row))
        return _a_label([each / SCALE for each in made])

    def decide(self, margins: Sequence[float], threshold: int | None = None) -> Scored:
        """Return the decision for margins in the order of the labels."""
        top = max(margins)
        weights = [exp((margin - top) / self.temperature) for margin in margins]
        total = sum(weights)
        scores = {label: round(CERTAIN * weight / total) for label, weight in zip(self.labels, weights, strict=True)}
        label = self.labels[margins.index(top)]
        least = self.threshold if threshold is None else threshold
        return Scored(label=label, confidence=scores[label], accepted=scores[label] >= least, scores=scores)

    def evidence(self, row: Mapping[str, JSON], label: str) -> list[JSON]:
        """Return the features that spoke most for a label, each with its share of what spoke for it."""
        where = self.labels.index(label)
        sign = -1 if len(self.forest.bias) == 1 and where == 0 else 1
        margin = 0 if len(self.forest.bias) == 1 else where
        votes = self.forest.votes(self.table.marks(row), self.table.owners, margin)
        spoke = {feature: sign * vote for feature, vote in votes.items() if sign * vote > 0}
        total = sum(spoke.values())
        best = sorted((-vote, feature) for feature, vote in spoke.items())[:_EVIDENCE]
        return [{"feature": feature, "share": f"{-vote * 100 // total / 100:.2f}"} for vote, feature in best]

    def _load(self, artefact: Artefact) -> None:
        own = cast("dict[str, Any]", artefact.parameters)
        if own["format"] != 1:
            raise ValueError("its format is not known to this version")
        self.labels: tuple[str, ...] = tuple(own["labels"])
        self.temperature = float(own["temperature"])
        self.threshold: int = own["threshold"]
        self.table = Table(
            [Column(name=each["name"], kind=each["kind"], values=tuple(each["values"])) for each in own["columns"]]
        )
        flat = list(_NODE.iter_unpack(artefact.arrays["nodes"].data))
        pairs = list(struct.iter_unpack("<ii", artefact.arrays["roots"].data))
        self.forest = Forest(nodes=flat, roots=cast("list[tuple[int, int]]", pairs), bias=tuple(own["bias"]))
        if not 0 < self.temperature < inf or len(self.labels) < 2 or type(self.threshold) is not int:
            raise ValueError("its calibration does not fit its labels")
        _check(self.forest, self.table.size, len(self.labels))


def tabular_artefact(
    table: Table, forest: Forest, labels: Sequence[str], temperature: float, threshold: int, **parameters: JSON
) -> Artefact:
    """Return the artefact of a tabular classifier."""
    own: dict[str, JSON] = {
        "format": 1,
        "labels": list(labels),
        "columns": [column.to_json() for column in table.columns],
        "bias": list(forest.bias),
        "temperature": repr(temperature),
        "threshold": threshold,
    }
    nodes = b"".join(_NODE.pack(*node) for node in forest.nodes)
    roots = b"".join(struct.pack("<ii", *root) for root in forest.roots)
    arrays = {
        "nodes": Array(dtype="I32", shape=(len(forest.nodes), 4), data=nodes),
        "roots": Array(dtype="I32", shape=(len(forest.roots), 2), data=roots),
    }
    return Artefact(kind=KIND, parameters=own | parameters, arrays=arrays)


def _a_label(margins: list[float]) -> list[float]:
    """Return a margin a label: with two labels one margin says both."""
    return [-margins[0] / 2, margins[0] / 2] if len(margins) == 1 else margins


def _check(forest: Forest, marks: int, labels: int) -> None:
    """Refuse trees that ask of what is not there, or that could go round in circles."""
    if len(forest.bias) != (1 if labels == 2 else labels) or any(type(each) is not int for each in forest.bias):
        raise ValueError("its margins do not fit its labels")
    for at, (asked, no, yes, _) in enumerate(forest.nodes):
        if asked != LEAF and not (0 <= asked < marks and at < no < len(forest.nodes) and at < yes < len(forest.nodes)):
            raise ValueError("a tree asks of what is not there")
    if not all(0 <= at < len(forest.nodes) and 0 <= where < len(forest.bias) for at, where in forest.roots):
        raise ValueError("a tree begins nowhere")
