"""Fitting the weights of one field: in each group of rows, the right ones should outweigh all others.

The loss of a group is the negative logarithm of the chance that a softmax over its rows gives to the right ones
together: where a value stands several times nobody has to say which mention is meant. Minimised by L-BFGS from zero, so
the same rows give the same weights; what is kept is whole numbers.
"""

from collections import Counter
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from aie.core import install_line
from aie.errors import Unavailable
from aie.fields.trained.model import UNIT

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Group", "fit"]

_ROUNDS: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Rows of which some are right."""

    rows: Sequence[AbstractSet[str]]
    """Features of each row."""
    right: Sequence[int]
    """Positions of the right rows, at least one."""


def fit(groups: Sequence[Group], *, strength: float, min_count: int) -> dict[str, int]:
    """Return a whole-number weight for each feature seen in enough groups; those that round to zero are left out.

    Raises:
        Unavailable: scikit-learn, which brings scipy, is not installed.
    """
    import numpy as np  # noqa: PLC0415 - heavy: only processes that train pay for it

    counts = Counter(feature for group in groups for feature in set().union(*group.rows))
    names = sorted(feature for feature, seen in counts.items() if seen >= min_count)
    matrix, starts, right = _matrix(groups, {name: index for index, name in enumerate(names)})
    transposed = matrix.T.tocsr()
    sizes = np.diff(np.append(starts, matrix.shape[0]))

    def loss(weights: "NDArray[np.float64]") -> "tuple[float, NDArray[np.float64]]":
        scores = matrix @ weights
        every, chances = _softmax(scores, starts, sizes)
        those, wanted = _softmax(np.where(right, scores, -np.inf), starts, sizes)
        slope = transposed @ (chances - wanted) + weights / strength
        return float((every - those).sum() + (weights * weights).sum() / (2 * strength)), slope

    optimise = _library("scipy.optimize")
    found = optimise.minimize(
        loss, np.zeros(len(names)), jac=True, method="L-BFGS-B", options={"maxiter": _ROUNDS, "ftol": 1e-6}
    )
    whole = np.rint(found.x * UNIT).astype(np.int64).tolist()
    return {name: weight for name, weight in zip(names, whole, strict=True) if weight}


def _softmax(
    scores: "NDArray[Any]", starts: "NDArray[Any]", sizes: "NDArray[Any]"
) -> "tuple[NDArray[Any], NDArray[Any]]":
    """Return the logarithm of each group's sum of exponentials, and each row's share of it."""
    import numpy as np  # noqa: PLC0415 - heavy: only processes that train pay for it

    tops = np.maximum.reduceat(scores, starts)
    raised = np.exp(scores - np.repeat(tops, sizes))
    sums = np.add.reduceat(raised, starts)
    return tops + np.log(sums), raised / np.repeat(sums, sizes)


def _matrix(groups: Sequence[Group], ids: dict[str, int]) -> "tuple[Any, NDArray[Any], NDArray[Any]]":
    """Return the rows as a sparse matrix, where each group starts, and which rows are right."""
    import numpy as np  # noqa: PLC0415 - heavy: only processes that train pay for it

    columns: list[int] = []
    ends, starts, right = [0], [], []
    for group in groups:
        starts.append(len(ends) - 1)
        wanted = set(group.right)
        for position, row in enumerate(group.rows):
            columns += sorted(ids[feature] for feature in row if feature in ids)
            ends.append(len(columns))
            right.append(position in wanted)
    shape = (len(ends) - 1, len(ids))
    data = np.ones(len(columns))
    matrix = _library("scipy.sparse").csr_matrix((data, np.asarray(columns), np.asarray(ends)), shape=shape)
    return matrix, np.asarray(starts), np.asarray(right)


def _library(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise Unavailable("training needs scikit-learn", hints=(install_line("train"),)) from error
