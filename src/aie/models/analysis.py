"""Text to features: the one analyser that training and inference share, so that they cannot drift apart.

Two blocks: words (alone and in pairs, with marks for the beginning and the end), and character n-grams inside words.
Each block is weighed by sublinear tf-idf and brought to length one, in integers only: the same text gives the same
numbers on every machine, whatever its libm, BLAS or vector width.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isqrt, log
from typing import Final, cast

__all__ = ["BLOCKS", "UNIT", "Analysis", "Vectoriser", "features"]

BLOCKS: Final = ("word", "char")
UNIT: Final = 1 << 15
"""The integer that stands for 1.0 in a feature's value."""

_WORD: Final = re.compile(r"\w+")
_TF: Final = tuple(round(256 * (1 + log(count))) for count in range(1, 65))
"""Weight of a feature that occurs 1, 2 … 64 times, in 256ths; more often counts as 64 times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """How text becomes features; part of an artefact's identity."""

    words: int = 2
    """Longest run of words that is a feature: 1 or 2."""
    chars: tuple[int, int] = (2, 4)
    """Shortest and longest run of characters inside a word that is a feature."""
    cap: int = 20_000
    """Characters of a text that are looked at; the rest is ignored."""


def features(text: str, analysis: Analysis) -> tuple[list[str], list[str]]:
    """Return the features of the two blocks, with repeats."""
    words = _WORD.findall(unicodedata.normalize("NFKC", text[: analysis.cap]).casefold())
    marked = ["^", *words, "$"]
    runs = words.copy()
    if analysis.words > 1:
        runs += [f"{left} {right}" for left, right in pairwise(marked)]
    return runs, list(_grams(words, *analysis.chars))


class Vectoriser:
    """Text to the features that a vocabulary knows; immutable, safe to share between threads."""

    def __init__(self, analysis: Analysis, vocabularies: Sequence[Sequence[str]], idf: Sequence[int]) -> None:
        self.analysis = analysis
        self.vocabularies = tuple(tuple(words) for words in vocabularies)
        """Known features of each block."""
        self.idf = tuple(idf)
        """Rarity of each feature in 256ths, the blocks one after the other."""
        if len(self.idf) != sum(map(len, self.vocabularies)) or len(self.vocabularies) != len(BLOCKS):
            raise ValueError("a vocabulary needs one weight a feature")
        if min(self.idf, default=1) < 1:
            raise ValueError("a feature's weight is not positive")
        self._ids: list[dict[str, int]] = []
        start = 0
        for words in self.vocabularies:
            self._ids.append({word: start + index for index, word in enumerate(words)})
            start += len(words)

    def vector(self, text: str) -> tuple[list[int], list[int]]:
        """Return the known features as (ids, values); each block has the length `UNIT`."""
        ids: list[int] = []
        values: list[int] = []
        for runs, known in zip(features(text, self.analysis), self._ids, strict=True):
            counts: Counter[int | None] = Counter(map(known.get, runs))
            counts.pop(None, None)
            found = cast("list[int]", list(counts))
            raw = [_TF[min(counts[each], len(_TF)) - 1] * self.idf[each] for each in found]
            length = isqrt(sum(value * value for value in raw))
            ids += found
            values += [(value * UNIT + length // 2) // length for value in raw]
        return ids, values

    def names(self) -> tuple[str, ...]:
        """Return every feature by its id."""
        return tuple(word for words in self.vocabularies for word in words)


def _grams(words: Sequence[str], shortest: int, longest: int) -> Iterator[str]:
    """Yield the character n-grams of each word with a space on both sides; a word shorter than n counts once, whole."""
    for word in words:
        padded = f" {word} "
        size = len(padded)
        for n in range(shortest, longest + 1):
            if size <= n:
                yield padded
                break
            for start in range(size - n + 1):
                yield padded[start : start + n]
