"""Tell passages apart by what they say: near copies, and the mix of score and difference."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from aie.config import DiversifySpec
from aie.layers.context.ranking import Scores
from aie.layers.context.selecting import Part

__all__ = ["Copies", "in_order"]

_WORD: Final = re.compile(r"\w+")
_RUN: Final = 3
"""Words in order that count as one thing said."""
_COMPARED: Final = 200
"""Of the best passages, so many are weighed against each other: the cost of comparing all with all is bounded."""
_HUNDRED: Final = 100


class Copies:
    """The passages chosen so far, by what they say."""

    def __init__(self, share: int) -> None:
        """Open; `share` in percent of a passage's runs of words makes it a copy, 0: nothing is one."""
        self._share = share
        self._said: dict[tuple[str, ...], list[int]] = {}

    def of(self, at: int, text: str) -> int | None:
        """Return the chosen passage that this one is a near copy of; else remember it as chosen, and None."""
        if not self._share:
            return None
        words = [word.lower() for word in _WORD.findall(text)]
        runs = {tuple(words[i : i + _RUN]) for i in range(max(1, len(words) - _RUN + 1))}
        shared = Counter(other for run in runs for other in self._said.get(run, ()))
        twin = min(shared, key=lambda other: (-shared[other], other), default=None)
        if twin is not None and shared[twin] * _HUNDRED >= self._share * len(runs):
            return twin
        for run in runs:
            self._said.setdefault(run, []).append(at)
        return None


def in_order(parts: Sequence[Part], scores: Scores, how: DiversifySpec) -> tuple[list[int], frozenset[int]]:
    """Return the positions in the order in which they are offered, and those that are the best of a query."""
    first = list(dict.fromkeys(_best_of_queries(scores, how.per_query)))
    early = frozenset(first)
    rest = [at for at in scores.order if at not in early]
    if how.relevance < _HUNDRED:
        rest = [*_mixed(parts, scores, rest[:_COMPARED], first, how.relevance), *rest[_COMPARED:]]
    return [*first, *rest], early


def _best_of_queries(scores: Scores, each: int) -> Iterator[int]:
    for query in scores.by_query:
        best = sorted((at for at, score in enumerate(query) if score), key=lambda at: (-query[at], at))
        yield from best[:each]


def _mixed(
    parts: Sequence[Part], scores: Scores, rest: Sequence[int], first: Sequence[int], relevance: int
) -> Iterator[int]:
    """Yield positions by maximal marginal relevance; similarity is the share of common words."""
    words = {at: frozenset(word.lower() for word in _WORD.findall(parts[at].text)) for at in (*rest, *first)}
    highest = max((scores.total[at] for at in rest), default=0) or 1
    nearest = {at: max((_common(words[at], words[other]) for other in first), default=0) for at in rest}
    left = list(rest)
    while left:
        worth = {
            at: relevance * scores.total[at] * _HUNDRED // highest - (_HUNDRED - relevance) * nearest[at] for at in left
        }
        pick = min(left, key=lambda at: (-worth[at], at))
        left.remove(pick)
        yield pick
        for at in left:
            nearest[at] = max(nearest[at], _common(words[at], words[pick]))


def _common(one: frozenset[str], other: frozenset[str]) -> int:
    """Return the percentage of the words of both that both have."""
    return len(one & other) * _HUNDRED // (len(one | other) or 1)
