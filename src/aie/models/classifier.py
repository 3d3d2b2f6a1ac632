"""Inference of trained text classifiers: numpy alone, one message in a fraction of a millisecond.

Features and weights are integers, and every sum of their products stays below 2^53: the scores are exact in double
precision whatever the order of summation, so a decision does not depend on the machine that makes it.
"""

from collections.abc import Mapping
from math import inf, isfinite
from typing import TYPE_CHECKING, Any, Final, cast

from aie.core import JSON
from aie.errors import InputError
from aie.models.analysis import BLOCKS, UNIT, Analysis, Vectoriser
from aie.models.artefact import Array, Artefact, read_artefact
from aie.models.decisions import CERTAIN, Judge, Prediction

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["KIND", "Classifier", "text_artefact"]

KIND: Final = "text-classifier"
_HINT: Final = "train it again with `aie train`"
_LARGEST: Final = 2**15 - 1
"""Of a weight. Eight bits were tried: on small validation sets they changed two decisions of a hundred."""
_HUGE: Final = 1e100
"""Of a scale or a bias: far above what training gives, far below where sums of a text would overflow."""
_EVIDENCE: Final = 5


class Classifier:
    """A loaded classifier; immutable, safe to share between threads."""

    def __init__(self, artefact: Artefact) -> None:
        if artefact.kind != KIND:
            raise InputError(f"the artefact is a {artefact.kind!r}, not a {KIND!r}", hints=(_HINT,))
        try:
            self.vectoriser = _vectoriser(artefact)
            self.judge = _judge(artefact)
            self._load(artefact.arrays)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(f"the artefact is not a whole classifier: {error}", hints=(_HINT,)) from error
        self.parameters: Mapping[str, JSON] = artefact.parameters

    @property
    def labels(self) -> tuple[str, ...]:
        """Every label it can give."""
        return self.judge.labels

    @classmethod
    def load(cls, content: bytes) -> "Classifier":
        """Load the bytes of an artefact file.

        Raises:
            InputError: not the artefact of a text classifier.
        """
        return cls(read_artefact(content))

    def predict(self, text: str, threshold: int | None = None) -> Prediction:
        """Return the decision on one text; a threshold in ten-thousandths may stand in for the artefact's own."""
        return self.judge.decide(self.margins(text), threshold)

    def margins(self, text: str) -> list[float]:
        """Return the distance from each label's boundary, in the order of the labels."""
        import numpy as np  # noqa: PLC0415 - heavy: only processes that predict pay for it

        ids, values = self.vectoriser.vector(text)
        sums = np.asarray(values, dtype=np.float64) @ self._weights[ids].astype(np.float64)
        return cast("list[float]", (sums * self._scale + self._bias).tolist())

    def evidence(self, text: str, label: str) -> list[JSON]:
        """Return the words that spoke most for a label, each with its share of what spoke for it."""
        ids, values = self.vectoriser.vector(text)
        column = self._weights[ids, self.judge.labels.index(label)].tolist()
        votes = {index: value * weight for index, value, weight in zip(ids, values, column, strict=True) if weight > 0}
        total = sum(votes.values())
        words = len(self.vectoriser.vocabularies[0])
        best = sorted((-vote, index) for index, vote in votes.items() if index < words)[:_EVIDENCE]
        return [
            {"words": self.vectoriser.vocabularies[0][index], "share": f"{-vote * 100 // total / 100:.2f}"}
            for vote, index in best
        ]

    def _load(self, arrays: Mapping[str, Array]) -> None:
        import numpy as np  # noqa: PLC0415 - heavy: only processes that predict pay for it

        self._weights: NDArray[np.int16] = _numpy(arrays["weights"], "<i2")
        self._scale: NDArray[np.float64] = _numpy(arrays["scale"], "<f8") / UNIT
        self._bias: NDArray[np.float64] = _numpy(arrays["bias"], "<f8")
        wanted = (len(self.vectoriser.idf), len(self.judge.labels))
        if self._weights.shape != wanted or self._scale.shape != wanted[1:] or self._bias.shape != wanted[1:]:
            raise ValueError("its weights do not fit its vocabulary and labels")
        # Not a number fails this comparison too; what passes it cannot overflow whatever the text.
        if not ((np.abs(self._scale) < _HUGE).all() and (np.abs(self._bias) < _HUGE).all()):
            raise ValueError("a scale or a bias is no number that training gives")


def text_artefact(
    vectoriser: Vectoriser,
    judge: Judge,
    weights: "NDArray[np.float64]",
    bias: "NDArray[np.float64]",
    **parameters: JSON,
) -> Artefact:
    """Return the artefact of a classifier: its weights (features × labels) become sixteen-bit integers."""
    import numpy as np  # noqa: PLC0415 - heavy: only processes that train or predict pay for it

    scale = np.maximum(np.abs(weights).max(axis=0), 1e-12) / _LARGEST
    arrays = {
        "weights": _array(np.rint(weights / scale), "I16", "<i2"),
        "scale": _array(scale, "F64", "<f8"),
        "bias": _array(bias, "F64", "<f8"),
        "idf": _array(np.asarray(vectoriser.idf), "I32", "<i4"),
    }
    for block, words in zip(BLOCKS, vectoriser.vocabularies, strict=True):
        text = "\n".join(words).encode()
        arrays[f"vocabulary.{block}"] = Array(dtype="U8", shape=(len(text),), data=text)
    analysis = vectoriser.analysis
    own: dict[str, JSON] = {
        "format": 1,
        "task": judge.task,
        "labels": list(judge.labels),
        "reject": judge.reject,
        "threshold": judge.threshold,
        "temperature": repr(judge.temperature),
        "slopes": [[repr(a), repr(b)] for a, b in judge.slopes],
        "cuts": list(judge.cuts),
        "analysis": {"words": analysis.words, "chars": list(analysis.chars), "cap": analysis.cap},
    }
    return Artefact(kind=KIND, parameters=own | parameters, arrays=arrays)


def _vectoriser(artefact: Artefact) -> Vectoriser:
    analysis = cast("dict[str, Any]", artefact.parameters["analysis"])
    texts = [artefact.arrays[f"vocabulary.{block}"].data.decode() for block in BLOCKS]
    return Vectoriser(
        Analysis(words=analysis["words"], chars=tuple(analysis["chars"]), cap=analysis["cap"]),
        [text.split("\n") if text else [] for text in texts],
        _numpy(artefact.arrays["idf"], "<i4").tolist(),
    )


def _judge(artefact: Artefact) -> Judge:
    own = cast("dict[str, Any]", artefact.parameters)
    judge = Judge(
        task=own["task"],
        labels=tuple(own["labels"]),
        reject=own["reject"],
        threshold=own["threshold"],
        temperature=float(own["temperature"]),
        slopes=tuple((float(a), float(b)) for a, b in own["slopes"]),
        cuts=tuple(own["cuts"]),
    )
    many = len(judge.labels) if judge.task == "multi" else 0
    if own["format"] != 1 or judge.task not in {"single", "multi"} or not judge.labels:
        raise ValueError("its format is not known to this version")
    if len(judge.slopes) != many or len(judge.cuts) != many or not 0 < judge.temperature < inf:
        raise ValueError("its calibration does not fit its labels")
    if not all(isfinite(number) for slope in judge.slopes for number in slope):
        raise ValueError("a slope is not a number")
    if not all(type(each) is int and each >= 0 for each in (judge.threshold, *judge.cuts)):
        raise ValueError(f"a threshold is not between 0 and {CERTAIN}")
    return judge


def _array(values: "NDArray[Any]", dtype: str, code: str) -> Array:
    return Array(dtype=dtype, shape=values.shape, data=values.astype(code).tobytes())


def _numpy(array: Array, code: str) -> "NDArray[Any]":
    import numpy as np  # noqa: PLC0415 - heavy: only processes that predict pay for it

    return np.frombuffer(array.data, dtype=code).reshape(array.shape)
