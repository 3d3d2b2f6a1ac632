"""How sure a value is: from an extractor's raw score to the share of such values that are right.

For each field a rising curve through a few points, learnt from cases with known values and kept as whole numbers. It is
the same for rules, trained extractors and prompts, as it sees nothing but their candidates.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise
from typing import Any, Final, Self, cast

from aie.config import ExtractorSpec, FieldSpec
from aie.core import JSON, digest_json
from aie.errors import InputError
from aie.fields.contract import SURE, Candidate
from aie.models.artefact import Artefact, read_artefact
from aie.models.decisions import NEVER, decimal

__all__ = ["Calibration", "Curve", "calibration_facts"]

KIND: Final = "field-calibration"
_HINT: Final = "train it again with `aie train`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """What raw scores of one field are worth; scores and chances in ten-thousandths."""

    points: tuple[tuple[int, int], ...]
    """Raw scores, rising, each with the chance that a value with it is right; between them a straight line."""
    threshold: int | None = None
    """Chance from which a value is accepted; none: as the extractor file says."""

    def chance(self, raw: int) -> int:
        """Return the chance that a value with this raw score is right."""
        at = bisect_left(self.points, (raw, 0))
        if at == len(self.points):
            return self.points[-1][1]
        (left, low), (right, high) = self.points[at - 1] if at else (0, 0), self.points[at]
        return high if right == left else low + (high - low) * (raw - left) // (right - left)


class Calibration:
    """The curves of an extractor's fields; immutable, safe to share between threads."""

    def __init__(self, curves: Mapping[str, Curve], made: JSON = None) -> None:
        self.curves = dict(curves)
        """By field; a field without one keeps its raw scores."""
        self.made = made
        """What of the extractor file, and which artefact, it was learnt for."""

    @classmethod
    def load(cls, content: bytes) -> Self:
        """Load the bytes of an artefact file.

        Raises:
            InputError: not the artefact of a calibration.
        """
        artefact = read_artefact(content)
        if artefact.kind != KIND:
            raise InputError(f"the artefact is a {artefact.kind!r}, not a {KIND!r}", hints=(_HINT,))
        try:
            own = cast("dict[str, Any]", artefact.parameters)
            return cls({name: _curve(each) for name, each in own["fields"].items()}, own["made"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(f"the artefact is not a whole calibration: {error}", hints=(_HINT,)) from error

    def artefact(self) -> Artefact:
        """Return the artefact of the calibration."""
        fields: dict[str, JSON] = {
            name: {"points": [list(point) for point in curve.points], "threshold": curve.threshold}
            for name, curve in self.curves.items()
        }
        return Artefact(kind=KIND, parameters={"format": 1, "fields": fields, "made": self.made}, arrays={})

    def apply(self, candidates: Iterable[Candidate]) -> list[Candidate]:
        """Return the candidates with what their scores are worth.

        Of the candidates of a field, one with a lower raw score stays below those above it, also where the curve is
        level: a calibration never changes which value wins.
        """
        made: list[Candidate] = []
        ranked = sorted(candidates, key=lambda each: (each.field, -each.confidence, each.start, each.end))
        for name, group in groupby(ranked, key=lambda each: each.field):
            curve = self.curves.get(name)
            of_field = list(group)
            made += of_field if curve is None else _worth(curve, of_field)
        return made

    def finds(self, finds: Mapping[str, FieldSpec]) -> dict[str, FieldSpec]:
        """Return the fields with the thresholds that were chosen."""
        return {name: self._accepting(name, spec) for name, spec in finds.items()}

    def _accepting(self, name: str, spec: FieldSpec) -> FieldSpec:
        threshold = self.curves[name].threshold if name in self.curves else None
        return spec if threshold is None else spec.model_copy(update={"accept": decimal(threshold)})


def calibration_facts(
    spec: ExtractorSpec, trained: str | None, *, asked: Mapping[str, JSON] | None = None
) -> dict[str, JSON]:
    """Return what a calibration depends on, as its artefact keeps it.

    Args:
        spec: The extractor file.
        trained: Digest of its trained artefact; None where nothing is trained.
        asked: What a model is asked and which; None where none is.
    """
    own = spec.calibration
    kept = {"type", "many", "order", "currency", "choices"}
    return {
        "by": digest_json(spec.by.model_dump(mode="json", exclude_none=True)),
        "finds": {name: each.model_dump(mode="json", include=kept) for name, each in spec.finds.items()},
        "trained": trained,
        "split": None if own is None else own.split,
        "error_rate": None if own is None or own.error_rate is None else str(own.error_rate),
        **({} if asked is None else {"asked": dict(asked)}),
    }


def _worth(curve: Curve, ranked: Sequence[Candidate]) -> list[Candidate]:
    made: list[Candidate] = []
    for before, each in zip([None, *ranked], ranked, strict=False):
        chance = curve.chance(each.confidence)
        if before is not None and made:
            lower = made[-1].confidence - (before.confidence > each.confidence)
            chance = max(0, min(chance, lower))
        made.append(replace(each, confidence=chance))
    return made


def _curve(own: Mapping[str, Any]) -> Curve:
    points = tuple((raw, chance) for raw, chance in own["points"])
    numbers = [number for point in points for number in point]
    if not points or not all(type(each) is int and 0 <= each <= SURE for each in numbers):
        raise ValueError("its points are not whole numbers")
    if any(left[0] >= right[0] or left[1] > right[1] for left, right in pairwise(points)):
        raise ValueError("its points do not rise")
    threshold = own["threshold"]
    if threshold is not None and not (type(threshold) is int and 0 <= threshold <= NEVER):
        raise ValueError("a threshold is not between 0 and 1")
    return Curve(points=points, threshold=threshold)
