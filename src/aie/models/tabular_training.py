"""Fitting tabular classifiers: the same cases, recipe and seed give the same artefact.

Gradient-boosted trees over yes-or-no marks (`aie.models.table`). What is kept of them are integers; they are compared
with the trees' own sums before anything is returned. Chances and the threshold come from cases that fitting never sees.
"""

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from aie.config import ChosenThreshold, TabularClassifier
from aie.core import JSON
from aie.errors import InputError
from aie.models.artefact import artefact_digest, write_artefact
from aie.models.calibration import Chosen, calibrate, choose_threshold
from aie.models.decisions import Judge, Prediction, decimal, ten_thousandths
from aie.models.table import Column, Table, category, number
from aie.models.tabular import LEAF, SCALE, Forest, Scored, TabularModel, tabular_artefact
from aie.models.training import DRIFT, Trained, TrainingReport, library, peak_mb

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Row", "table_facts", "train_tabular_classifier"]

_ENOUGH: Final = 2
"""Training cases a label needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One case with what is known of it."""

    features: Mapping[str, JSON]
    """Values by the names of the features."""
    label: str | None
    """None when nobody labelled it: it is left out."""


def table_facts(spec: TabularClassifier) -> dict[str, JSON]:
    """Return what of a model's entry an artefact depends on, as the artefact keeps it."""
    chosen = spec.threshold if isinstance(spec.threshold, ChosenThreshold) else None
    return {
        "features": {name: {"kind": each.kind, "text": each.text} for name, each in spec.features.items()},
        "seed": spec.seed,
        "recipe": spec.recipe.model_dump(mode="json"),
        "chosen": None if chosen is None else {"error_rate": str(chosen.error_rate), "on": chosen.on},
    }


def train_tabular_classifier(train: Sequence[Row], val: Sequence[Row], spec: TabularClassifier) -> Trained:
    """Fit a classifier on `train` and calibrate it on `val`.

    Raises:
        InputError: too few labelled cases, a feature that is no category or no number, or integers that decide too
            differently from the trees they are made of.
        Unavailable: scikit-learn is not installed.
    """
    started = time.process_time_ns()
    known, judged = _labelled(train), _labelled(val)
    labels, left_out = _labels(known)
    known = [row for row in known if row.label in labels]
    truths = [(str(row.label),) for row in judged]
    if not any(truth[0] in labels for truth in truths):
        raise InputError("no labelled validation case", hints=("name a split with labels under `threshold.on`",))
    table = Table([_column(name, each.kind, known, spec) for name, each in spec.features.items()])
    machine, matrix = _fit(table, known, labels, spec)
    forest = _forest(machine, matrix, labels)
    draft = TabularModel(tabular_artefact(table, forest, labels, 1.0, 0))
    margins = [draft.margins(row.features) for row in judged]
    temperature = calibrate(Judge(task="single", labels=labels), margins, truths).temperature
    model = TabularModel(tabular_artefact(table, forest, labels, temperature, 0))
    chosen = _threshold(spec, [model.decide(each) for each in margins], truths)
    evidence: JSON = {"cases": chosen.cases, "accepted": chosen.accepted, "errors": chosen.errors}
    made = table_facts(spec)
    content = write_artefact(
        tabular_artefact(table, forest, labels, temperature, chosen.threshold, made=made, evidence=evidence)
    )
    decided = [model.decide(each, chosen.threshold) for each in margins]
    report = TrainingReport(
        digest=artefact_digest(content),
        size=len(content),
        train=len(known),
        val=len(judged),
        unlabelled=sum(row.label is None for row in (*train, *val)),
        left_out=left_out,
        features=table.size,
        right=sum(each.label == truth[0] for each, truth in zip(decided, truths, strict=True)),
        threshold=decimal(chosen.threshold),
        accepted=chosen.accepted,
        errors=chosen.errors,
        changed=_changed(machine, model, judged, decided, chosen.threshold),
        cpu_ms=(time.process_time_ns() - started) // 1_000_000,
        peak_mb=peak_mb(),
    )
    return Trained(content=content, report=report)


def _labelled(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row.label is not None]


def _labels(known: Sequence[Row]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the labels that can be learnt and those that cannot."""
    counts = Counter(str(row.label) for row in known)
    learnt = tuple(sorted(label for label, count in counts.items() if count >= _ENOUGH))
    if len(learnt) < 2:
        raise InputError(
            f"{len(known)} labelled cases hold {len(learnt)} labels that can be learnt",
            hints=("two labels need two cases each",),
        )
    return learnt, tuple(sorted(counts.keys() - set(learnt)))


def _column(name: str, kind: str, known: Sequence[Row], spec: TabularClassifier) -> Column:
    if kind == "category":
        counts = Counter(category(name, row.features[name]) for row in known)
        frequent = (each for each, count in counts.items() if each is not None and count >= spec.recipe.least)
        return Column(name=name, kind="category", values=tuple(sorted(frequent)))
    given = sorted(value for row in known if (value := number(name, row.features[name])) is not None)
    return Column(name=name, kind="number", values=tuple(f"{each:f}" for each in _edges(given, spec.recipe.edges)))


def _edges(values: Sequence[Decimal], most: int) -> list[Decimal]:
    """Return where sorted values are cut: each cut is a value that occurs, with larger ones above it."""
    if not values:
        return []
    at = {len(values) * part // (most + 1) for part in range(1, most + 1)}
    return sorted({values[each] for each in at} - {values[-1]})


def _fit(table: Table, known: Sequence[Row], labels: Sequence[str], spec: TabularClassifier) -> tuple[Any, Any]:
    """Return the fitted trees and the marks of the cases they were fitted on."""
    import numpy as np  # noqa: PLC0415 - heavy: only processes that train pay for it

    if not table.size - len(table.columns):
        raise InputError("no feature differs between the training cases", hints=("lower `least`, or give more cases",))
    machine = library("sklearn.ensemble").GradientBoostingClassifier(
        n_estimators=spec.recipe.trees,
        max_depth=spec.recipe.depth,
        learning_rate=float(spec.recipe.rate),
        min_samples_leaf=min(spec.recipe.least, max(1, len(known) // 4)),
        random_state=spec.seed,
    )
    matrix = _matrix(table, known)
    machine.fit(matrix, np.asarray([labels.index(str(row.label)) for row in known]))
    return machine, matrix


def _matrix(table: Table, rows: Sequence[Row]) -> "NDArray[Any]":
    import numpy as np  # noqa: PLC0415 - heavy: only processes that train pay for it

    marks = b"".join(bytes(table.marks(row.features)) for row in rows)
    return np.frombuffer(marks, dtype=np.uint8).reshape(len(rows), table.size).astype(np.float32)


def _forest(machine: Any, matrix: Any, labels: Sequence[str]) -> Forest:
    nodes: list[tuple[int, int, int, int]] = []
    roots: list[tuple[int, int]] = []
    for stage in machine.estimators_:
        for where, fitted in enumerate(stage):
            roots.append((len(nodes), where))
            nodes += _nodes(fitted.tree_, float(machine.learning_rate), len(nodes))
    margins = 1 if len(labels) == 2 else len(labels)
    bare = Forest(nodes=nodes, roots=roots, bias=(0,) * margins)
    # The margins begin where the library begins: what its own sum for one case has beyond the trees.
    first = bare.margins([int(mark) for mark in matrix[0]])
    wanted = machine.decision_function(matrix[:1]).reshape(-1).tolist()
    return replace(bare, bias=tuple(round(want * SCALE) - own for want, own in zip(wanted, first, strict=True)))


def _nodes(tree: Any, rate: float, start: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield the nodes of a tree; an inner node is worth the mean of what is below it."""
    worth = tree.value.reshape(-1).tolist()
    sizes = tree.weighted_n_node_samples.tolist()
    left, right, asked = tree.children_left.tolist(), tree.children_right.tolist(), tree.feature.tolist()
    for at in reversed(range(len(worth))):  # children stand behind their parents
        if left[at] != LEAF:
            below = worth[left[at]] * sizes[left[at]] + worth[right[at]] * sizes[right[at]]
            worth[at] = below / (sizes[left[at]] + sizes[right[at]])
    for at, value in enumerate(worth):
        ends = left[at] == LEAF
        places = (LEAF, 0, 0) if ends else (asked[at], start + left[at], start + right[at])
        yield (*places, round(value * rate * SCALE))


def _threshold(spec: TabularClassifier, decided: Sequence[Scored], truths: Sequence[tuple[str, ...]]) -> Chosen:
    if isinstance(spec.threshold, ChosenThreshold):
        said = [
            Prediction(
                task="single", labels=(each.label,), confidence=each.confidence, accepted=True, scores=each.scores
            )
            for each in decided
        ]
        return choose_threshold(said, truths, None, float(spec.threshold.error_rate))
    least = ten_thousandths(spec.threshold or "0")
    accepted = [each.label != truth[0] for each, truth in zip(decided, truths, strict=True) if each.confidence >= least]
    return Chosen(threshold=least, cases=len(decided), accepted=len(accepted), errors=sum(accepted))


def _changed(machine: Any, model: TabularModel, judged: Sequence[Row], decided: Sequence[Scored], least: int) -> int:
    """Return how many decisions integers change, against the library's own sums.

    Raises:
        InputError: too many.
    """
    exact = machine.decision_function(_matrix(model.table, judged)).tolist()
    rows = [row if isinstance(row, list) else [-row / 2, row / 2] for row in exact]
    own = [model.decide(row, least) for row in rows]
    changed = sum(
        (one.label, one.accepted) != (other.label, other.accepted) for one, other in zip(own, decided, strict=True)
    )
    if changed > DRIFT * len(judged):
        raise InputError(
            f"integers change {changed} of {len(judged)} validation decisions, more than {DRIFT:.1%}",
            hints=("give more training cases, or fewer `trees`",),
        )
    return changed
