"""Order passages by what a recipe looks for: weighted phrases over an index that lives as long as the step.

Scores are integers of thousandths, so that the last bits of a logarithm cannot change an order between machines.
"""

import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Final

from aie.config import QuerySpec, RankSpec
from aie.layers.context.selecting import Part

__all__ = ["Scores", "rank"]

_WORD: Final = re.compile(r"\w+")
_THOUSAND: Final = 1_000
_VARIANTS: Final = 50
"""Forms of one phrase that its synonyms may give."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """What each passage is worth, by position."""

    total: tuple[int, ...]
    """Thousandths; 0 where nothing that is looked for was found."""
    by_query: tuple[tuple[int, ...], ...]
    """The part of each query, without neighbours."""
    order: tuple[int, ...]
    """Positions, best first; equal ones in the order of the sources."""


def rank(parts: Sequence[Part], how: RankSpec) -> Scores:
    """Score and order the passages; the same passages and recipe always have the same order."""
    by_query = _search(parts, how)
    own = [sum(scores) for scores in zip(*by_query, strict=True)]
    total = tuple(_with_neighbours(parts, own, how.neighbours))
    return Scores(
        total=total,
        by_query=by_query,
        order=tuple(sorted(range(len(parts)), key=lambda at: (-total[at], at))),
    )


def _search(parts: Sequence[Part], how: RankSpec) -> tuple[tuple[int, ...], ...]:
    tokenizer = "unicode61 remove_diacritics 2"
    if how.stem == "english":
        tokenizer = f"porter {tokenizer}"
    with closing(sqlite3.connect(":memory:")) as memory:
        # `detail` stays full: phrases need positions. Nothing of a query is ever SQL or its operators.
        memory.execute(f"CREATE VIRTUAL TABLE parts USING fts5(text, heading, tokenize = '{tokenizer}')")
        rows = ((at, part.text, "" if part.heading is None else part.heading.text) for at, part in enumerate(parts))
        memory.executemany("INSERT INTO parts (rowid, text, heading) VALUES (?, ?, ?)", rows)
        return tuple(_scores(memory, len(parts), query, how) for query in how.queries)


def _scores(memory: sqlite3.Connection, count: int, query: QuerySpec, how: RankSpec) -> tuple[int, ...]:
    scores = [0] * count
    for phrase in dict.fromkeys(each for written in query.any for each in _forms(written, how)):
        column = "{text heading}" if how.headings else "{text}"
        found = memory.execute(
            "SELECT rowid, bm25(parts, 1.0, ?) FROM parts WHERE parts MATCH ?",
            (float(how.headings), f'{column}: "{" ".join(phrase)}"'),
        )
        for at, score in found:
            scores[at] += max(0, round(-score * query.weight * _THOUSAND))
    return tuple(scores)


def _forms(written: str, how: RankSpec) -> Iterator[tuple[str, ...]]:
    """Yield a phrase as words, then with each synonym in the place of its word."""
    words = tuple(word.lower() for word in _WORD.findall(written))
    forms = [words] if words else []
    for place, word in enumerate(words):
        for other in how.synonyms.get(word, ()):
            instead = tuple(each.lower() for each in _WORD.findall(other))
            forms.append((*words[:place], *instead, *words[place + 1 :]))
    yield from forms[:_VARIANTS]


def _with_neighbours(parts: Sequence[Part], own: Sequence[int], share: int) -> Iterator[int]:
    for at, score in enumerate(own):
        near = [
            own[other]
            for other in (at - 1, at + 1)
            if 0 <= other < len(own) and parts[other].source == parts[at].source
        ]
        yield score + sum(near) * share // 100
