"""Cut a text into passages, rank them for a query, keep what fits a budget of tokens. Nothing here is random."""

import re
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Final

from semantic_text_splitter import TextSplitter

from aie.layers.context.tokens import estimate_tokens

__all__ = ["SEPARATOR", "Packed", "Passage", "pack", "rank", "split"]

SEPARATOR: Final = "\n\n"
"""Between the passages of a packed text."""

_WORD: Final = re.compile(r"\w+")
_SCORE_DIGITS: Final = 9
"""Scores are compared rounded, so that the last bits of a logarithm cannot change an order between machines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A stretch of the source text, verbatim."""

    id: str
    """`p1`, `p2` … by position in the source."""
    text: str
    start: int
    """First character in the source text, 0-based."""
    end: int
    """One past the last character."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """What fits a budget."""

    kept: tuple[Passage, ...]
    """In the order of the source."""
    dropped: tuple[Passage, ...]
    """What did not fit, best ranked first."""
    tokens: int
    """Estimated tokens of the kept passages with their separators; never above the budget."""


def split(text: str, size: int) -> list[Passage]:
    """Cut a text at its paragraphs, sentences or words into passages of at most `size` characters."""
    passages = []
    for number, (start, piece) in enumerate(TextSplitter(size).chunk_indices(text), 1):
        passages.append(Passage(id=f"p{number}", text=piece, start=start, end=start + len(piece)))
    return passages


def rank(passages: Sequence[Passage], query: str) -> list[Passage]:
    """Order passages by how well their words match the query's (BM25); equal ones stay in the order of the source."""
    words = sorted({word.lower() for word in _WORD.findall(query)})
    if not words or not passages:
        return list(passages)
    with closing(sqlite3.connect(":memory:")) as memory:
        memory.execute("CREATE VIRTUAL TABLE passages USING fts5(text, tokenize = 'unicode61 remove_diacritics 2')")
        memory.executemany("INSERT INTO passages (rowid, text) VALUES (?, ?)", enumerate(p.text for p in passages))
        matching = " OR ".join(f'"{word}"' for word in words)  # quoted: words of a query are never its operators
        scores = dict(memory.execute("SELECT rowid, bm25(passages) FROM passages WHERE passages MATCH ?", (matching,)))
    order = sorted(range(len(passages)), key=lambda at: (round(scores.get(at, 0.0), _SCORE_DIGITS), at))
    return [passages[at] for at in order]


def pack(ranked: Sequence[Passage], budget: int) -> Packed:
    """Keep passages in their rank as long as they fit; one that does not fit leaves room for smaller ones after it."""
    kept: list[Passage] = []
    dropped: list[Passage] = []
    spent = 0
    between = estimate_tokens(SEPARATOR)
    for passage in ranked:
        cost = estimate_tokens(passage.text) + between
        if spent + cost <= budget:
            kept.append(passage)
            spent += cost
        else:
            dropped.append(passage)
    kept.sort(key=lambda passage: passage.start)
    return Packed(kept=tuple(kept), dropped=tuple(dropped), tokens=spent)
