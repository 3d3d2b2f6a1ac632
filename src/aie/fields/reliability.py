"""Learning what scores are worth from cases with known values, and saying how well that holds.

Values with like scores are put together, and groups are joined until the share of right ones rises with the score. What
the report says of the curve is measured on cases that the curve it judges has not seen.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final, cast

from aie.config import FieldSpec
from aie.core import JSON
from aie.fields.calibration import Calibration, Curve
from aie.fields.contract import SURE, Candidate, Source, assemble
from aie.fields.truth import Known
from aie.models.decisions import NEVER, decimal

__all__ = ["Bin", "FieldReliability", "Found", "calibrate", "found_values", "judged"]

_TOGETHER: Final = 10
"""Values that make the smallest group."""
_PARTS: Final = 5
"""Each part of the values is judged by a curve through the others."""
_WIDTH: Final = 1_000
"""Of a bin of the report, in ten-thousandths."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One value that an extractor gave, and whether it is the known one."""

    raw: int
    """Its score, in ten-thousandths."""
    right: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """Values whose predicted chances are alike."""

    predicted: int
    """Mean chance, in ten-thousandths."""
    observed: int
    """Share of right ones, in ten-thousandths."""
    values: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldReliability:
    """How far the confidences of one field can be believed."""

    cases: int
    """Cases of which the field is known."""
    values: int
    """Values given in them."""
    right: int
    """Right ones among those."""
    bins: tuple[Bin, ...]
    error: int
    """Expected calibration error: how far predicted and observed are apart, over all values, in ten-thousandths."""
    raw_error: int
    """The same of the raw scores."""
    threshold: int
    """Chance from which a value is accepted, in ten-thousandths; above 1.0 when none may be."""
    accepted: int
    errors: int
    """Wrong ones among the accepted."""

    def to_json(self) -> dict[str, JSON]:
        """Return the report's form; shares are decimal strings."""
        bins: list[JSON] = [
            {"values": each.values, "predicted": decimal(each.predicted), "observed": decimal(each.observed)}
            for each in self.bins
        ]
        return {
            "cases": self.cases,
            "values": self.values,
            "right": self.right,
            "bins": bins,
            "expected_calibration_error": decimal(self.error),
            "expected_calibration_error_raw": decimal(self.raw_error),
            "threshold": decimal(self.threshold),
            "accepted": self.accepted,
            "errors": self.errors,
            "coverage": decimal(_share(self.accepted, self.cases)),
            "error_rate": decimal(_share(self.errors, self.accepted)),
        }


def found_values(
    finds: Mapping[str, FieldSpec], candidates: Sequence[Candidate], source: Source, truths: Mapping[str, Known]
) -> dict[str, list[Found]]:
    """Return the values that these candidates make of each known field, as `assemble` chooses them."""
    every = {name: spec.model_copy(update={"keep": "0"}) for name, spec in finds.items()}
    return judged(cast("dict[str, Any]", assemble(every, candidates, source)["found"]), truths)


def judged(fields: Mapping[str, Any], truths: Mapping[str, Known]) -> dict[str, list[Found]]:
    """Return the values of each known field of a fields value, given its `found`."""
    made: dict[str, list[Found]] = {}
    for name, truth in truths.items():
        found = fields[name]
        places = found if isinstance(found, list) else [] if found is None else [found]
        made[name] = [
            Found(raw=round(SURE * Fraction(each["confidence"])), right=truth.holds(each["value"])) for each in places
        ]
    return made


def calibrate(
    finds: Mapping[str, FieldSpec],
    found: Sequence[Mapping[str, Sequence[Found]]],
    *,
    error_rate: Fraction | None,
    made: JSON,
) -> tuple[Calibration, dict[str, FieldReliability]]:
    """Return what the scores of each field are worth, and how well that holds.

    Args:
        finds: The fields.
        found: Of each case, the values of its known fields.
        error_rate: Share of accepted values that may be wrong; none: the fields' own `accept` stays.
        made: What the calibration is for, kept in it.
    """
    curves: dict[str, Curve] = {}
    reports: dict[str, FieldReliability] = {}
    for name, spec in finds.items():
        cases = [each[name] for each in found if name in each]
        values = [value for each in cases for value in each]
        if not values:
            continue
        points = _points(values)
        curve = Curve(points=points)
        threshold = round(SURE * Fraction(spec.accept)) if error_rate is None else _threshold(curve, values, error_rate)
        curves[name] = Curve(points=points, threshold=None if error_rate is None else threshold)
        reports[name] = _reliability(len(cases), values, curve, threshold)
    return Calibration(curves, made), reports


def _points(values: Sequence[Found]) -> tuple[tuple[int, int], ...]:
    """Return the points of a rising curve: groups of like scores, joined where they would fall."""
    groups: list[list[Found]] = []
    for each in sorted(values, key=lambda value: (value.raw, value.right)):
        if groups and (len(groups[-1]) < _TOGETHER or groups[-1][-1].raw == each.raw):
            groups[-1].append(each)
        else:
            groups.append([each])
    if len(groups) > 1 and len(groups[-1]) < _TOGETHER:
        groups[-2:] = [groups[-2] + groups[-1]]
    joined: list[list[Found]] = []
    for group in groups:
        joined.append(group)
        while len(joined) > 1 and _chance(joined[-2]) >= _chance(joined[-1]):
            joined[-2:] = [joined[-2] + joined[-1]]
    points = [(sum(each.raw for each in group) // len(group), _chance(group)) for group in joined]
    if points[-1][0] < SURE:
        # Above the mean of the best group the curve goes on rising, or all of them would be as sure as one another.
        points.append((SURE, max(points[-1][1], SURE * (len(joined[-1]) + 1) // (len(joined[-1]) + 2))))
    return tuple(points)


def _chance(group: Sequence[Found]) -> int:
    """Return the share of right ones with Laplace's correction: few values claim no certainty."""
    return SURE * (sum(each.right for each in group) + 1) // (len(group) + 2)


def _threshold(curve: Curve, values: Sequence[Found], rate: Fraction) -> int:
    """Return the lowest chance from which at most this share of the values is wrong."""
    ranked = sorted(((curve.chance(each.raw), each.right) for each in values), reverse=True)
    best, wrong = NEVER, 0
    for count, (chance, right) in enumerate(ranked, 1):
        wrong += not right
        following = ranked[count][0] if count < len(ranked) else -1
        if following < chance and wrong <= rate * count:
            best = chance
    return best


def _reliability(cases: int, values: Sequence[Found], curve: Curve, threshold: int) -> FieldReliability:
    judged: list[tuple[int, bool]] = []
    for part in range(_PARTS):
        others = [each for index, each in enumerate(values) if index % _PARTS != part]
        unseen = Curve(points=_points(others)) if others else curve
        judged += [(unseen.chance(each.raw), each.right) for each in values[part::_PARTS]]
    bins = _bins(judged)
    accepted = [each.right for each in values if curve.chance(each.raw) >= threshold]
    return FieldReliability(
        cases=cases,
        values=len(values),
        right=sum(each.right for each in values),
        bins=bins,
        error=_error(bins),
        raw_error=_error(_bins([(each.raw, each.right) for each in values])),
        threshold=threshold,
        accepted=len(accepted),
        errors=accepted.count(False),
    )


def _bins(judged: Sequence[tuple[int, bool]]) -> tuple[Bin, ...]:
    by: dict[int, list[tuple[int, bool]]] = {}
    for chance, right in judged:
        by.setdefault(min(chance, SURE - 1) // _WIDTH, []).append((chance, right))
    return tuple(
        Bin(
            predicted=sum(chance for chance, _ in group) // len(group),
            observed=_share(sum(right for _, right in group), len(group)),
            values=len(group),
        )
        for _, group in sorted(by.items())
    )


def _error(bins: Sequence[Bin]) -> int:
    total = sum(each.values for each in bins)
    return sum(abs(each.predicted - each.observed) * each.values for each in bins) // max(1, total)


def _share(part: int, whole: int) -> int:
    return SURE * part // max(1, whole)
