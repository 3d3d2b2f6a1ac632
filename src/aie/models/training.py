"""Fitting text classifiers: the same examples, recipe and seed give the same artefact.

One linear support vector machine a label (liblinear's dual coordinate descent: seeded, single-threaded, no BLAS), over
the features that inference computes. What is kept is sixteen-bit integers; they are compared with the machine's own
weights before anything is returned. Chances and the threshold come from validation examples that fitting never sees.
"""

import resource
import sys
import time
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from importlib import import_module
from math import log
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from aie.config import ChosenThreshold, TextClassifier
from aie.core import JSON, install_line
from aie.errors import InputError, Unavailable
from aie.models.analysis import BLOCKS, UNIT, Analysis, Vectoriser, features
from aie.models.artefact import artefact_digest, write_artefact
from aie.models.calibration import Chosen, calibrate, choose_threshold
from aie.models.classifier import Classifier, text_artefact
from aie.models.decisions import Judge, Prediction, decimal, ten_thousandths

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Example", "Trained", "TrainingReport", "library", "peak_mb", "recipe_facts", "train_text_classifier"]

ANALYSES: Final = {
    "words": Analysis(words=1, chars=(1, 0)),
    "words+bigrams": Analysis(words=2, chars=(1, 0)),
    "words+chars": Analysis(words=2, chars=(2, 4)),
}
DRIFT: Final = 0.005
"""Share of validation decisions that rounded weights may change before training is refused."""
_ENOUGH: Final = 2
"""Training examples a label needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One text with what is known of it."""

    text: str
    labels: tuple[str, ...] | None
    """None when nobody labelled it: it is left out, it is not an example of "no label"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingReport:
    """What training saw and reached; provenance, no part of the identity."""

    digest: str
    size: int
    """Bytes of the artefact."""
    train: int
    """Labelled examples fitted on."""
    val: int
    """Labelled examples that calibrated it."""
    unlabelled: int
    """Examples left out as nobody labelled them."""
    left_out: tuple[str, ...]
    """Labels with too few training examples to be learnt."""
    features: int
    right: int
    """Validation examples decided exactly right, before any threshold."""
    threshold: str
    accepted: int
    """Validation decisions that reach the threshold."""
    errors: int
    """Wrong ones among them."""
    changed: int
    """Validation decisions that rounded weights changed."""
    cpu_ms: int
    peak_mb: int
    """Largest resident size of the process so far."""

    def to_json(self) -> dict[str, JSON]:
        """Return the fields by name."""
        return asdict(self) | {"left_out": list(self.left_out)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """An artefact and how it came about."""

    content: bytes
    """The artefact file."""
    report: TrainingReport


_Known: TypeAlias = tuple[Example, tuple[str, ...]]
"""An example with the labels it surely has."""


def recipe_facts(spec: TextClassifier) -> dict[str, JSON]:
    """Return what of a model's entry an artefact depends on, as the artefact keeps it."""
    chosen = spec.threshold if isinstance(spec.threshold, ChosenThreshold) else None
    return {
        "task": spec.task,
        "reject": spec.reject,
        "seed": spec.seed,
        "recipe": spec.recipe.model_dump(mode="json"),
        "chosen": None if chosen is None else {"error_rate": str(chosen.error_rate), "on": chosen.on},
    }


def train_text_classifier(train: Sequence[Example], val: Sequence[Example], spec: TextClassifier) -> Trained:
    """Fit a classifier on `train` and calibrate it on `val`.

    Raises:
        InputError: too few labelled examples, or rounded weights decide too differently.
        Unavailable: scikit-learn is not installed.
    """
    started = time.process_time_ns()
    known, judged = _labelled(train), _labelled(val)
    if not judged:
        raise InputError("no labelled validation example", hints=("name a split with labels under `threshold.on`",))
    labels, left_out = _labels(known, spec)
    vectoriser = _vectoriser(known, spec)
    weights, bias = _fit(vectoriser, known, labels, spec)
    blank = Judge(
        task=spec.task, labels=labels, reject=spec.reject, slopes=((1.0, 0.0),) * len(labels), cuts=(0,) * len(labels)
    )
    if spec.task == "single":
        blank = replace(blank, slopes=(), cuts=())
    draft = Classifier(text_artefact(vectoriser, blank, weights, bias))
    margins = [draft.margins(each.text) for each, _ in judged]
    truths = [truth for _, truth in judged]
    judge = calibrate(blank, margins, truths)
    chosen = _threshold(judge, margins, truths, spec)
    judge = replace(judge, threshold=chosen.threshold)
    decided = [judge.decide(row) for row in margins]
    exact = _matrix(vectoriser, [each.text for each, _ in judged]) @ weights + bias
    changed = sum(_differ(kept, judge.decide(row)) for kept, row in zip(decided, exact.tolist(), strict=True))
    if changed > DRIFT * len(judged):
        raise InputError(
            f"rounded weights change {changed} of {len(judged)} validation decisions, more than {DRIFT:.1%}",
            hints=("give more training examples, or a lower `strength`",),
        )
    evidence: JSON = {"cases": chosen.cases, "accepted": chosen.accepted, "errors": chosen.errors}
    content = write_artefact(
        text_artefact(vectoriser, judge, weights, bias, made=recipe_facts(spec), evidence=evidence)
    )
    report = TrainingReport(
        digest=artefact_digest(content),
        size=len(content),
        train=len(known),
        val=len(judged),
        unlabelled=len(train) + len(val) - len(known) - len(judged),
        left_out=left_out,
        features=len(vectoriser.idf),
        right=sum(set(each.labels) == set(truth) for each, truth in zip(decided, truths, strict=True)),
        threshold=decimal(chosen.threshold),
        accepted=chosen.accepted,
        errors=chosen.errors,
        changed=changed,
        cpu_ms=(time.process_time_ns() - started) // 1_000_000,
        peak_mb=peak_mb(),
    )
    return Trained(content=content, report=report)


def _labelled(examples: Sequence[Example]) -> list[_Known]:
    return [(each, each.labels) for each in examples if each.labels is not None]


def _labels(known: Sequence[_Known], spec: TextClassifier) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the labels that can be learnt and those that cannot."""
    counts = Counter(label for _, labels in known for label in labels)
    if spec.task == "single" and any(len(labels) != 1 for _, labels in known):
        raise InputError("an example of a single-label classifier has several labels", hints=("write `task: multi`",))
    learnt = tuple(sorted(label for label, count in counts.items() if _ENOUGH <= count < len(known)))
    if len(learnt) < (2 if spec.task == "single" else 1):
        raise InputError(
            f"{len(known)} labelled examples hold {len(learnt)} labels that can be learnt",
            hints=("each label needs two examples with it, and one without",),
        )
    if spec.reject is not None and spec.reject not in learnt:
        raise InputError(f"no training example has the label {spec.reject!r}", hints=("mend `reject` of the model",))
    return learnt, tuple(sorted(counts.keys() - set(learnt)))


def _vectoriser(known: Sequence[_Known], spec: TextClassifier) -> Vectoriser:
    analysis = ANALYSES[spec.recipe.features]
    counts: tuple[Counter[str], ...] = tuple(Counter() for _ in BLOCKS)
    for example, _ in known:
        for count, runs in zip(counts, features(example.text, analysis), strict=True):
            count.update(set(runs))
    frequent = sorted(
        (-texts, block, run)
        for block, count in enumerate(counts)
        for run, texts in count.items()
        if texts >= spec.recipe.min_count
    )[: spec.recipe.max_features]
    words = [sorted(run for _, where, run in frequent if where == block) for block in range(len(BLOCKS))]
    if not frequent:
        raise InputError(
            f"no word is in {spec.recipe.min_count} training texts", hints=("lower `min_count`, or give more examples",)
        )
    idf = [
        round(256 * (1 + log((1 + len(known)) / (1 + count[run]))))
        for count, block in zip(counts, words, strict=True)
        for run in block
    ]
    return Vectoriser(analysis, words, idf)


def _fit(
    vectoriser: Vectoriser, known: Sequence[_Known], labels: Sequence[str], spec: TextClassifier
) -> "tuple[NDArray[Any], NDArray[Any]]":
    """Return weights (features × labels) and biases."""
    import numpy as np  # noqa: PLC0415 - heavy: only processes that train or predict pay for it

    svm = library("sklearn.svm")
    unsettled = library("sklearn.exceptions").ConvergenceWarning
    matrix = _matrix(vectoriser, [example.text for example, _ in known])
    weights = np.zeros((len(labels), matrix.shape[1]))
    bias = np.zeros(len(labels))
    for index, label in enumerate(labels):
        machine = svm.LinearSVC(C=float(spec.recipe.strength), random_state=spec.seed, dual=True, max_iter=2000)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", unsettled)
                machine.fit(matrix, np.asarray([label in given for _, given in known]))
        except unsettled as error:
            raise InputError(
                f"fitting {label!r} does not settle", hints=(f"lower `strength`, which is {spec.recipe.strength}",)
            ) from error
        weights[index], bias[index] = machine.coef_[0], machine.intercept_[0]
    return weights.T, bias


def _matrix(vectoriser: Vectoriser, texts: Sequence[str]) -> Any:
    """Return the features of the texts as a sparse matrix."""
    import numpy as np  # noqa: PLC0415 - heavy: only processes that train or predict pay for it

    ids: list[int] = []
    values: list[int] = []
    ends = [0]
    for text in texts:
        pairs = sorted(zip(*vectoriser.vector(text), strict=True))
        ids += [each for each, _ in pairs]
        values += [value for _, value in pairs]
        ends.append(len(ids))
    data = np.asarray(values, dtype=np.float64) / UNIT
    return library("scipy.sparse").csr_matrix((data, ids, ends), shape=(len(texts), len(vectoriser.idf)))


def _threshold(
    judge: Judge, margins: Sequence[Sequence[float]], truths: Sequence[tuple[str, ...]], spec: TextClassifier
) -> Chosen:
    if isinstance(spec.threshold, ChosenThreshold):
        decided = [judge.decide(row) for row in margins]
        return choose_threshold(decided, truths, spec.reject, float(spec.threshold.error_rate))
    least = ten_thousandths(spec.threshold or "0")
    decided = [judge.decide(row, least) for row in margins]
    wrong = [set(each.labels) != set(truth) for each, truth in zip(decided, truths, strict=True) if each.accepted]
    return Chosen(threshold=least, cases=len(decided), accepted=len(wrong), errors=sum(wrong))


def _differ(one: Prediction, other: Prediction) -> bool:
    return (one.labels, one.accepted) != (other.labels, other.accepted)


def peak_mb() -> int:
    """Return the largest resident size of this process so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // 1024**2 if sys.platform == "darwin" else peak // 1024


def library(name: str) -> Any:
    """Return a module of the extra `train`.

    Raises:
        Unavailable: it is not installed.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise Unavailable("training needs scikit-learn", hints=(install_line("train"),)) from error
