"""From margins to a decision: calibrated confidences, a threshold, and the words for both."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import ceil, exp
from typing import Final, Literal, cast

from aie.core import JSON

__all__ = ["CERTAIN", "NEVER", "Judge", "Prediction", "TaskName", "chance", "decimal", "ten_thousandths"]

TaskName = Literal["single", "multi"]

CERTAIN: Final = 10_000
"""Confidences are whole ten-thousandths, so that a threshold has no rounding edge."""
NEVER: Final = CERTAIN + 1
"""A threshold that no confidence reaches."""
_ALTERNATIVES: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What a classifier says of one text."""

    task: TaskName
    labels: tuple[str, ...]
    """The decided labels: exactly one for `single`, any number for `multi`."""
    confidence: int
    """How sure the decision is as a whole: for `multi`, as sure as its least sure label."""
    accepted: bool
    """True when the confidence reaches the threshold and the label is not the one for texts that fit no other."""
    scores: Mapping[str, int]
    """`single`: the best labels, best first. `multi`: every label."""

    def to_json(self) -> dict[str, JSON]:
        """Return the data of a model step; confidences become decimal strings."""
        if self.task == "single":
            ranked = [{"label": label, "confidence": decimal(score)} for label, score in self.scores.items()]
            return {
                "label": self.labels[0],
                "confidence": decimal(self.confidence),
                "accepted": self.accepted,
                "alternatives": cast("JSON", ranked[1:]),
            }
        return {
            "labels": list(self.labels),
            "confidence": decimal(self.confidence),
            "accepted": self.accepted,
            "scores": {label: decimal(score) for label, score in self.scores.items()},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """Turns the margins of a text into a decision."""

    task: TaskName
    labels: tuple[str, ...]
    reject: str | None = None
    """Label of texts that fit no other."""
    threshold: int = 0
    """Confidence from which a decision is accepted."""
    temperature: float = 1.0
    """`single`: divides the margins before they become chances."""
    slopes: tuple[tuple[float, float], ...] = ()
    """`multi`: factor and summand of each label's margin before it becomes a chance."""
    cuts: tuple[int, ...] = ()
    """`multi`: chance from which each label is given."""

    def decide(self, margins: Sequence[float], threshold: int | None = None) -> Prediction:
        """Return the decision for margins in the order of the labels; another threshold may stand in for its own."""
        least = self.threshold if threshold is None else threshold
        return self._single(margins, least) if self.task == "single" else self._multi(margins, least)

    def _single(self, margins: Sequence[float], least: int) -> Prediction:
        top = max(margins)
        weights = [exp((margin - top) / self.temperature) for margin in margins]
        total = sum(weights)
        order = sorted(range(len(margins)), key=lambda index: (-margins[index], index))[: 1 + _ALTERNATIVES]
        scores = {self.labels[index]: round(CERTAIN * weights[index] / total) for index in order}
        label = self.labels[order[0]]
        return Prediction(
            task="single",
            labels=(label,),
            confidence=scores[label],
            accepted=scores[label] >= least and label != self.reject,
            scores=scores,
        )

    def _multi(self, margins: Sequence[float], least: int) -> Prediction:
        chances = [chance(a * margin + b) for margin, (a, b) in zip(margins, self.slopes, strict=True)]
        given = [each >= cut for each, cut in zip(chances, self.cuts, strict=True)]
        confidence = min(each if yes else CERTAIN - each for each, yes in zip(chances, given, strict=True))
        return Prediction(
            task="multi",
            labels=tuple(label for label, yes in zip(self.labels, given, strict=True) if yes),
            confidence=confidence,
            accepted=confidence >= least,
            scores=dict(zip(self.labels, chances, strict=True)),
        )


def chance(logit: float) -> int:
    """Return the ten-thousandths of a log-odds."""
    return round(CERTAIN / (1 + exp(-max(-60.0, min(60.0, logit)))))


def decimal(value: int) -> str:
    """Return `0.9312` for 9312."""
    whole, rest = divmod(value, CERTAIN)
    return f"{whole}.{rest:04d}"


def ten_thousandths(text: str) -> int:
    """Return 9312 for `0.9312`; digits beyond the fourth round up, so that no threshold is lowered."""
    return ceil(Decimal(text) * CERTAIN)
