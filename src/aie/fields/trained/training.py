"""Fitting a trained extractor: known values are enough, nobody has to mark where they stand.

Every place whose value is the known one counts as right, and the fit decides among them. A case whose known value
stands nowhere teaches nothing of that field, save words of which a place is almost the same: data sets have typing
errors.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from difflib import SequenceMatcher
from fractions import Fraction
from typing import Final

from aie.config import FieldSpec, TrainedSpec
from aie.core import JSON
from aie.errors import InputError
from aie.fields.contract import SURE, Source
from aie.fields.trained.candidates import Proposal, propose
from aie.fields.trained.features import describe
from aie.fields.trained.fitting import Group, fit
from aie.fields.trained.layout import Layout
from aie.fields.trained.model import NOTHING, FieldModel, apart, score, trained_artefact
from aie.fields.truth import Known, known
from aie.models.artefact import artefact_digest, write_artefact

__all__ = ["Example", "FieldTraining", "TrainedFields", "recipe_facts", "train_extractor", "value_in"]

_MOST_LINES: Final = 8
"""Lines that a value may take at most."""
_ALMOST: Final = 0.9
"""Share of characters that a place must share with a known value to stand for it."""
_FEWEST: Final = 2
"""Cases that a field needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One document with what is known of it."""

    id: str
    source: Source
    expected: Mapping[str, JSON]
    """Known values by field, as written; null where it is known that there is none, absent where nobody looked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldTraining:
    """What training saw of one field; provenance, no part of the identity."""

    cases: int
    """Cases that taught it."""
    not_found: int
    """Cases left out, as their known value stands nowhere."""
    places: int
    """Places looked at."""
    features: int
    """Features that kept a weight."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedFields:
    """An artefact and how it came about."""

    content: bytes
    """The artefact file."""
    digest: str
    fields: Mapping[str, FieldTraining]
    cpu_ms: int

    def to_json(self) -> dict[str, JSON]:
        """Return what is reported."""
        return {
            "digest": self.digest,
            "size": len(self.content),
            "cpu_ms": self.cpu_ms,
            "fields": {name: asdict(each) for name, each in self.fields.items()},
        }


def recipe_facts(finds: Mapping[str, FieldSpec], spec: TrainedSpec) -> dict[str, JSON]:
    """Return what of an extractor file an artefact depends on, as the artefact keeps it."""
    kept = {"type", "many", "order", "currency", "choices"}
    return {
        "kind": spec.kind,
        "strength": spec.strength,
        "min_count": spec.min_count,
        "finds": {name: each.model_dump(mode="json", include=kept) for name, each in finds.items()},
    }


def train_extractor(examples: Sequence[Example], finds: Mapping[str, FieldSpec], spec: TrainedSpec) -> TrainedFields:
    """Fit an extractor.

    Raises:
        InputError: a field with too few cases that teach it.
        Unavailable: scikit-learn is not installed.
    """
    started = time.process_time_ns()
    layouts = [Layout(each.source) for each in examples]
    models, reports = {}, {}
    for name, field in finds.items():
        given = _known(examples, layouts, name, field)
        longest = max((_lines_of(_case(*each, field, spec, _MOST_LINES)) for each in given), default=1)
        seen = [_case(*each, field, spec, longest) for each in given]
        teaching = [each for each in seen if each.right or not each.truth.values]
        if sum(bool(each.right) for each in teaching) < _FEWEST:
            raise InputError(
                f"{len(teaching)} of {len(seen)} known cases teach the field {name!r}",
                hints=("its known values must stand in the documents", f"look at `type` of {name}"),
            )
        models[name] = _fit(teaching, field, spec, longest)
        reports[name] = FieldTraining(
            cases=len(teaching),
            not_found=len(seen) - len(teaching),
            places=sum(len(each.proposals) for each in teaching),
            features=len(models[name].weights),
        )
    content = write_artefact(trained_artefact(spec.kind, models, made=recipe_facts(finds, spec)))
    return TrainedFields(
        content=content,
        digest=artefact_digest(content),
        fields=reports,
        cpu_ms=(time.process_time_ns() - started) // 1_000_000,
    )


def value_in(spec: FieldSpec, written: str) -> JSON:
    """Return the only value of the field's type in a written text; None when there is none or several."""
    found = {repr(each.value): each.value for each in propose(Layout(Source(text=written)), spec, "lines", 1)}
    return next(iter(found.values())) if len(found) == 1 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """The places of one document for one field, and which of them are right."""

    layout: Layout
    truth: Known
    proposals: Sequence[Proposal]
    forms: Sequence[str]
    """The proposals' values, as they are compared."""
    right: frozenset[int]


def _case(layout: Layout, truth: Known, field: FieldSpec, spec: TrainedSpec, longest: int) -> _Case:
    proposals = propose(layout, field, spec.kind, longest)
    forms = [truth.form(each.value) for each in proposals]
    right = frozenset(index for index, form in enumerate(forms) if form in truth.values)
    if not right and field.type in ("text", "name"):
        right = frozenset(_almost(forms, truth))
    return _Case(layout=layout, truth=truth, proposals=proposals, forms=forms, right=right)


def _lines_of(case: _Case) -> int:
    """Return the lines that the shortest right place takes."""
    words = case.layout.words
    places = [case.proposals[index] for index in case.right]
    return min((words[each.last - 1].line - words[each.first].line + 1 for each in places), default=1)


def _known(
    examples: Sequence[Example], layouts: Sequence[Layout], name: str, field: FieldSpec
) -> list[tuple[Layout, Known]]:
    made = []
    for example, layout in zip(examples, layouts, strict=True):
        truth = known(field, example.expected[name], value_in) if name in example.expected else None
        if truth is not None:
            made.append((layout, truth))
    return made


def _almost(forms: Sequence[str], truth: Known) -> list[int]:
    """Return the place most like a known value of words."""
    best, found = _ALMOST, []
    for value in sorted(truth.values):
        matcher = SequenceMatcher(b=value, autojunk=False)
        for index, form in enumerate(forms):
            if abs(len(form) - len(value)) > (1 - _ALMOST) * 2 * len(value):
                continue
            matcher.set_seq1(form)
            if matcher.real_quick_ratio() > best and matcher.quick_ratio() > best and matcher.ratio() > best:
                best, found = matcher.ratio(), [index]
    return found


def _fit(seen: Sequence[_Case], field: FieldSpec, spec: TrainedSpec, longest: int) -> FieldModel:
    rows = [describe(each.layout, field, each.proposals) for each in seen]

    def weights(cases: Sequence[int]) -> Mapping[str, int]:
        groups = [group for index in cases for group in _groups(seen[index], rows[index], field)]
        return fit(groups, strength=float(spec.strength), min_count=spec.min_count)

    every = range(len(seen))
    cut = _cut(seen, rows, field, weights) if field.many else 0
    return FieldModel(weights=weights(every), longest=longest, cut=cut)


def _groups(case: _Case, rows: Sequence[frozenset[str]], field: FieldSpec) -> list[Group]:
    """Return one choice among all places and none; for a `many` field one for each value, between it and none."""
    none = frozenset((NOTHING,))
    if not field.many:
        return [Group(rows=[*rows, none], right=sorted(case.right) or [len(rows)])]
    right = {case.forms[index] for index in case.right}
    places: dict[str, list[frozenset[str]]] = {}
    for form, row in zip(case.forms, rows, strict=True):
        places.setdefault(form, []).append(row)
    return [
        Group(rows=[*those, none], right=list(range(len(those))) if form in right else [len(those)])
        for form, those in places.items()
    ]


def _cut(
    seen: Sequence[_Case],
    rows: Sequence[Sequence[frozenset[str]]],
    field: FieldSpec,
    weights: Callable[[Sequence[int]], Mapping[str, int]],
) -> int:
    """Return the chance from which a value of a `many` field is given: the best F1 where each half judges the other."""
    judged: list[tuple[int, bool]] = []
    total = 0
    for half in (0, 1):
        learnt = weights([index for index in range(len(seen)) if index % 2 != half])
        for case, those in [(seen[index], rows[index]) for index in range(half, len(seen), 2)]:
            right = {case.forms[index] for index in case.right}
            total += max(len(right), len(case.truth.values))
            given = apart(score(field, case.proposals, those, learnt))
            judged += [(each.chance, case.truth.form(each.place.value) in right) for each in given]
    judged.sort(key=lambda each: -each[0])
    best, cut, hits = Fraction(0), SURE // 2, 0
    for count, (chance, hit) in enumerate(judged, 1):
        hits += hit
        following = judged[count][0] if count < len(judged) else 0
        if following < chance and Fraction(2 * hits, count + total) > best:
            best, cut = Fraction(2 * hits, count + total), max(1, (chance + following + 1) // 2)
    return cut
