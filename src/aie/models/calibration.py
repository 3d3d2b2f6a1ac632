"""What validation examples decide: how margins become chances, and from which confidence a decision is accepted."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import exp, log
from typing import Final

from aie.models.decisions import CERTAIN, NEVER, Judge, Prediction, chance

__all__ = ["Chosen", "calibrate", "choose_threshold"]

_GOLDEN: Final = (5**0.5 - 1) / 2
_FEW: Final = 3
"""With fewer positive validation examples than this, a label's cut stays at one half."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """A threshold with the evidence for it."""

    threshold: int
    """Ten-thousandths; above 1.0 when no decision may be accepted."""
    cases: int
    """Decisions it was chosen among."""
    accepted: int
    """Those it accepts."""
    errors: int
    """Wrong ones among the accepted."""


def calibrate(draft: Judge, margins: Sequence[Sequence[float]], truths: Sequence[tuple[str, ...]]) -> Judge:
    """Return the judge whose chances fit what is true of the validation examples."""
    if draft.task == "single":
        return replace(draft, temperature=_temperature(draft.labels, margins, truths))
    slopes, cuts = [], []
    for index, label in enumerate(draft.labels):
        column = [row[index] for row in margins]
        positive = [label in truth for truth in truths]
        slope = _slope(column, positive)
        slopes.append(slope)
        cuts.append(_cut([chance(slope[0] * margin + slope[1]) for margin in column], positive))
    return replace(draft, slopes=tuple(slopes), cuts=tuple(cuts))


def choose_threshold(
    decided: Sequence[Prediction], truths: Sequence[tuple[str, ...]], reject: str | None, rate: float
) -> Chosen:
    """Return the threshold that accepts most while at most `rate` of the accepted is wrong.

    It stands half-way to the next lower confidence, so that no decision sits on its edge. The rate is that of these
    examples; texts whose mix differs realise another one.
    """
    ranked = sorted(
        (
            (each.confidence, set(each.labels) != set(truth))
            for each, truth in zip(decided, truths, strict=True)
            if each.labels != (reject,)
        ),
        reverse=True,
    )
    best = Chosen(threshold=NEVER, cases=len(decided), accepted=0, errors=0)
    errors = 0
    for count, (confidence, wrong) in enumerate(ranked, 1):
        errors += wrong
        below = ranked[count][0] if count < len(ranked) else confidence - 1
        if below < confidence and errors <= rate * count:
            best = replace(best, threshold=(below + confidence + 1) // 2, accepted=count, errors=errors)
    return best


def _temperature(labels: Sequence[str], margins: Sequence[Sequence[float]], truths: Sequence[tuple[str, ...]]) -> float:
    """Return the temperature of the likeliest chances, found on a logarithmic scale to three digits."""
    where = {label: index for index, label in enumerate(labels)}
    pairs = [(row, where[truth[0]]) for row, truth in zip(margins, truths, strict=True) if truth[0] in where]

    def surprise(logarithm: float) -> float:
        factor = exp(-logarithm)
        total = 0.0
        for row, index in pairs:
            top = max(row)
            total += log(sum([exp((margin - top) * factor) for margin in row])) - (row[index] - top) * factor
        return total

    low, high = log(0.01), log(10.0)
    while high - low > 0.002:
        left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        low, high = (low, right) if surprise(left) < surprise(right) else (left, high)
    return round(exp((low + high) / 2), 3)


def _slope(column: Sequence[float], positive: Sequence[bool]) -> tuple[float, float]:
    """Return Platt's sigmoid by Newton's method, with his smoothed targets: few examples claim no certainty."""
    yes, no = sum(positive), len(positive) - sum(positive)
    targets = [(yes + 1) / (yes + 2) if each else 1 / (no + 2) for each in positive]
    a, b = 1.0, log((yes + 1) / (no + 1))
    for _ in range(50):
        slope_a, slope_b, aa, ab, bb = 1e-3 * (a - 1), 0.0, 1e-3, 0.0, 1e-9
        for margin, target in zip(column, targets, strict=True):
            guess = 1 / (1 + exp(-max(-30.0, min(30.0, a * margin + b))))
            weight = guess * (1 - guess)
            slope_a += (guess - target) * margin
            slope_b += guess - target
            aa, ab, bb = aa + weight * margin * margin, ab + weight * margin, bb + weight
        spread = aa * bb - ab * ab
        step_a = (slope_a * bb - slope_b * ab) / spread
        step_b = (slope_b * aa - slope_a * ab) / spread
        a, b = a - max(-2.0, min(2.0, step_a)), b - max(-2.0, min(2.0, step_b))
        if abs(step_a) + abs(step_b) < 1e-7:
            break
    return round(max(a, 0.01), 4), round(b, 4)


def _cut(chances: Sequence[int], positive: Sequence[bool]) -> int:
    """Return the chance from which giving the label has the best F1, the one nearest to a half among equals."""
    total = sum(positive)
    if total < _FEW:
        return CERTAIN // 2
    ranked = sorted(zip(chances, positive, strict=True), reverse=True)
    best, cut = -1.0, CERTAIN // 2
    hits = 0
    for count, (score, hit) in enumerate(ranked, 1):
        hits += hit
        following = ranked[count][0] if count < len(ranked) else 0
        if following == score:
            continue
        f1 = 2 * hits / (count + total)
        middle = min(max(CERTAIN // 2, following + 1), score)
        if (f1, -abs(middle - CERTAIN // 2)) > (best, -abs(cut - CERTAIN // 2)):
            best, cut = f1, middle
    return cut
